//! The cache of models, laid out as Hugging Face's own tools lay it out.
//!
//! ```text
//! CACHE/models--org--name/blobs/HASH                     contents, called by their hash
//!                         snapshots/COMMIT/config.json   links to them
//!                         refs/main                      the commit that a branch or tag stood for
//!                         .no_exist/COMMIT/vocab.txt     empty: the commit has no such file
//! CACHE/.locks/models--org--name/HASH.lock               held by the process that fetches that content
//! ```
//!
//! Nothing is written or read that is not within the cache folder, links included.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::hash::ContentHash;
use crate::files::{Lock, read_regular, write_whole};
use crate::model::{HubModel, is_commit};

/// Longest file that holds a commit, bytes.
const REF_BYTES: u64 = 1 << 10;

/// One model's part of the cache.
pub(super) struct Shelf {
    /// The cache, links resolved where it is there.
    root: PathBuf,
    /// `models--org--name`.
    name: String,
}

impl Shelf {
    pub(super) fn new(root: &Path, model: &HubModel) -> Self {
        let root = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        Self { root, name: format!("models--{}", model.name.replace('/', "--")) }
    }

    /// Makes the cache itself, wherever it lies.
    pub(super) fn make_root(&mut self) -> Result<()> {
        let root = &self.root;
        fs::create_dir_all(root).with_context(|| format!("could not create {}", root.display()))?;
        self.root = fs::canonicalize(root).with_context(|| root.display().to_string())?;
        Ok(())
    }

    /// Folder of the files of `commit`.
    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.root.join(&self.name).join("snapshots").join(commit)
    }

    /// Whether the file `name` of `commit` is there.
    ///
    /// # Errors
    /// If it lies outside the cache, or is no regular file.
    pub(super) fn has(&self, commit: &str, name: &str) -> Result<bool> {
        self.is_file(&self.snapshot(commit).join(name))
    }

    /// Whether it is known that `commit` has no file `name`.
    pub(super) fn lacks(&self, commit: &str, name: &str) -> bool {
        self.root.join(&self.name).join(".no_exist").join(commit).join(name).is_file()
    }

    /// Notes that `commit` has no files of these names.
    pub(super) fn note_absent<'a>(&self, commit: &str, names: impl Iterator<Item = &'a str>) -> Result<()> {
        let folder = self.folder(&[".no_exist", commit])?;
        for name in names {
            match create_new(&folder.join(name)) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// The commit that `revision` stood for when the hub was asked last.
    pub(super) fn commit_of(&self, revision: &str) -> Option<String> {
        let path = self.root.join(&self.name).join("refs").join(revision);
        self.is_file(&path).ok().filter(|there| *there)?;
        let text = String::from_utf8(read_regular(&path, REF_BYTES).ok()?).ok()?;
        Some(text.trim().to_owned()).filter(|text| is_commit(text))
    }

    /// Notes that `revision` stands for `commit` now.
    pub(super) fn note_commit(&self, revision: &str, commit: &str) -> Result<()> {
        if self.commit_of(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        let (folder, name) = revision.rsplit_once('/').unwrap_or(("", revision));
        let path = self.folder(&["refs", folder])?.join(name);
        write_whole(&path, |w| Ok(w.write_all(commit.as_bytes())?))
    }

    /// Where the content with this hash lies, and where it lies as long as it is not whole.
    pub(super) fn blob(&self, hash: &ContentHash) -> Result<(PathBuf, PathBuf)> {
        let folder = self.folder(&["blobs"])?;
        Ok((folder.join(hash.to_string()), folder.join(format!("{hash}.incomplete"))))
    }

    /// Lets the file `name` of `commit` be the content with this hash.
    pub(super) fn link(&self, commit: &str, name: &str, hash: &ContentHash) -> Result<()> {
        let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
        let up = if folder.is_empty() { "../.." } else { "../../.." };
        let folder = self.folder(&["snapshots", commit, folder])?;
        let target = format!("{up}/blobs/{hash}");
        let made = tempfile::Builder::new().prefix(".").make_in(&folder, |path| symlink(&target, path));
        let made = made.with_context(|| format!("could not make a link in {}", folder.display()))?;
        made.into_temp_path().persist(folder.join(file))?;
        ensure!(self.has(commit, name)?, "{}: the link leads nowhere", folder.join(file).display());
        Ok(())
    }

    /// The sole right to fetch the content with this hash; `None` while another process has it.
    pub(super) fn try_lock(&self, hash: &ContentHash) -> Result<Option<Lock>> {
        let path = folder_within(&self.root, &[".locks", &self.name])?.join(format!("{hash}.lock"));
        let file = plain(OpenOptions::new().create(true).append(true)).open(&path);
        let file = file.with_context(|| format!("could not open {}", path.display()))?;
        Lock::try_on(file, &path)
    }

    /// Whether there is a file at `path`.
    fn is_file(&self, path: &Path) -> Result<bool> {
        let whole = match fs::canonicalize(path) {
            Ok(whole) => whole,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(false);
            }
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        ensure!(whole.starts_with(&self.root), leads_out(path, &self.root));
        ensure!(
            whole.is_file(),
            "{}: not a regular file; remove it, then it is fetched anew",
            path.display()
        );
        Ok(true)
    }

    /// The folder of these names in the model's part, made where it is missing.
    fn folder(&self, names: &[&str]) -> Result<PathBuf> {
        folder_within(&self.root, &[&[self.name.as_str()], names].concat())
    }
}

/// The folder of these names in `root`, made where it is missing.
fn folder_within(root: &Path, names: &[&str]) -> Result<PathBuf> {
    let names: PathBuf = names.iter().collect();
    let mut path = root.to_owned();
    for name in names.components() {
        let Component::Normal(name) = name else { bail!("{}: leads out of the cache", names.display()) };
        path.push(name);
        match DirBuilder::new().create(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let whole = fs::canonicalize(&path).with_context(|| path.display().to_string())?;
                ensure!(whole.starts_with(root), leads_out(&path, root));
                ensure!(whole.is_dir(), "{}: not a folder; remove it", path.display());
            }
            made => made.with_context(|| format!("could not create {}", path.display()))?,
        }
    }
    Ok(path)
}

fn leads_out(path: &Path, root: &Path) -> String {
    format!(
        "{}: a link that leads out of the cache {}; remove it, or name the cache that holds it all with HF_HUB_CACHE",
        path.display(),
        root.display()
    )
}

/// Opening that follows no link and does not wait for the other end of a pipe.
fn plain(options: &mut OpenOptions) -> &mut OpenOptions {
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
}

/// An empty file at `path`, where nothing was.
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create_new(true).open(path)
}

/// The regular file at `path` itself, to read it and to write behind its end; made where it is missing.
pub(super) fn open_or_create(path: &Path) -> io::Result<File> {
    match create_new(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => return made,
    }
    let file = plain(OpenOptions::new().read(true).append(true)).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("not a regular file; remove it")),
    }
}

/// That there is room for `bytes` more bytes beside `path`.
pub(super) fn require_room(path: &Path, bytes: u64) -> Result<()> {
    let room = rustix::fs::statvfs(path.parent().unwrap_or(path))?;
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    let full =
        || io::Error::new(ErrorKind::StorageFull, format!("{bytes} bytes are to come, {free} are free"));
    if bytes > free { Err(full().into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const COMMIT: &str = "1111111111111111111111111111111111111111";

    fn shelf(root: &Path) -> Shelf {
        Shelf::new(root, &"org/tiny".parse().unwrap())
    }

    fn hash() -> ContentHash {
        ContentHash::of_tag(&"ab".repeat(20)).unwrap()
    }

    #[test]
    fn the_layout_is_that_of_other_tools() {
        let dir = tempfile::tempdir().unwrap();
        let mut shelf = shelf(&dir.path().join("hub"));
        assert_eq!(shelf.commit_of("main"), None);
        shelf.make_root().unwrap();
        let (blob, _) = shelf.blob(&hash()).unwrap();
        fs::write(&blob, "{}").unwrap();
        for (name, target) in [("config.json", "../../blobs/"), ("more/x.jinja", "../../../blobs/")] {
            assert!(!shelf.has(COMMIT, name).unwrap());
            // A link that leads nowhere any more is replaced.
            for _ in 0..2 {
                shelf.link(COMMIT, name, &hash()).unwrap();
            }
            let link = fs::read_link(shelf.snapshot(COMMIT).join(name)).unwrap();
            assert_eq!(link, Path::new(&format!("{target}{}", hash())));
        }
        shelf.note_commit("refs/pr/3", COMMIT).unwrap();
        shelf.note_commit("main", COMMIT).unwrap();
        assert_eq!(shelf.commit_of("refs/pr/3").unwrap(), COMMIT);
        shelf.note_absent(COMMIT, ["vocab.txt", "vocab.txt"].into_iter()).unwrap();
        assert!(shelf.lacks(COMMIT, "vocab.txt") && !shelf.lacks(COMMIT, "config.json"));
        let root = dir.path().join("hub/models--org--tiny");
        for path in
            ["refs/refs/pr/3", "refs/main", ".no_exist/1111111111111111111111111111111111111111/vocab.txt"]
        {
            assert!(root.join(path).is_file(), "{path}");
        }
        let held = shelf.try_lock(&hash()).unwrap();
        assert!(held.is_some() && shelf.try_lock(&hash()).unwrap().is_none());
        assert!(dir.path().join(format!("hub/.locks/models--org--tiny/{}.lock", hash())).is_file());
        drop(held);
        assert!(shelf.try_lock(&hash()).unwrap().is_some());
    }

    #[test]
    fn no_link_is_followed_out_of_the_cache() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("hub"), dir.path().join("outside"));
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("secret"), COMMIT).unwrap();
        let model = root.join("models--org--tiny");
        for (at, folder) in [
            ("models--org--tiny", true),
            (".locks", true),
            ("models--org--tiny/blobs", true),
            ("models--org--tiny/snapshots", true),
            ("models--org--tiny/refs", true),
            ("models--org--tiny/.no_exist", true),
            ("models--org--tiny/refs/main", false),
            (".locks/models--org--tiny/abababababababababababababababababababab.lock", false),
            ("models--org--tiny/blobs/abababababababababababababababababababab.incomplete", false),
        ] {
            let _ = fs::remove_dir_all(&root);
            fs::create_dir_all(model.join("nothing")).unwrap();
            let at = root.join(at);
            let _ = fs::remove_dir_all(&at);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            let target = if folder { outside.clone() } else { outside.join("new") };
            symlink(&target, &at).unwrap();
            let shelf = shelf(&root);
            let _ = shelf.note_absent(COMMIT, ["vocab.txt"].into_iter());
            let _ = shelf.note_commit("main", COMMIT);
            let _ = shelf.try_lock(&hash());
            let _ = shelf.link(COMMIT, "config.json", &hash());
            if let Ok((_, part)) = shelf.blob(&hash()) {
                let _ = open_or_create(&part);
            }
            let left: Vec<_> =
                fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(left, ["secret"], "{}", at.display());
        }
        let shelf = shelf(&root);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(shelf.snapshot(COMMIT)).unwrap();
        symlink(outside.join("secret"), shelf.snapshot(COMMIT).join("config.json")).unwrap();
        let error = shelf.has(COMMIT, "config.json").unwrap_err().to_string();
        assert!(error.contains("leads out of the cache"), "{error}");
        fs::create_dir_all(model.join("refs")).unwrap();
        symlink(outside.join("secret"), model.join("refs/other")).unwrap();
        assert_eq!(shelf.commit_of("other"), None);
    }

    #[test]
    fn a_part_is_a_regular_file_and_fits() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(open_or_create(&pipe).is_err() && open_or_create(dir.path()).is_err());
        let part = dir.path().join("part");
        for length in 0..2 {
            assert_eq!(open_or_create(&part).unwrap().metadata().unwrap().len(), length);
            fs::write(&part, "x").unwrap();
        }
        require_room(&part, 1).unwrap();
        assert!(crate::files::is_full(&require_room(&part, u64::MAX).unwrap_err()));
    }
}
