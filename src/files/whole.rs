//! Writing a file whole, or not at all.
//!
//! What is being written has a name that nobody can foresee, and is made only if nothing has that name: nobody can have
//! put a link there that leads to another file.

use std::fs::{self, File, Metadata};
use std::io::{BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use rand::TryRng;
use rand::rngs::SysRng;

use super::regular::require_file;
use super::{could_not_write, sync_folder};
use crate::types::floor_boundary;

/// Writes `path`, a name of the program's own choice, through `fill`; what stood there before is replaced in one step. A link
/// is replaced too, so that none in a foreign folder leads elsewhere.
///
/// # Errors
/// If the file cannot be written, `fill` fails, or something other than a file or a link stands at `path`, which is then still
/// there.
pub(crate) fn write_whole(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let before = path.symlink_metadata().ok();
    let is_link = before.as_ref().is_some_and(Metadata::is_symlink);
    replace(path, before.filter(|_| !is_link), fill).map_err(|error| could_not_write(path, error))
}

/// What standard output is called where a person names a file to write.
const STDOUT: &str = "-";

/// Writes `path`, a name that a person chose, through `fill`, as [`write_whole`] does, but where a link leads, for that is
/// what links are made for; to standard output where it is `-`. `inputs` are what was read for it.
///
/// # Errors
/// As for [`write_whole`]; if `path` is, by whatever name, one of the `inputs`.
pub(crate) fn write_named(
    path: &Path,
    inputs: &[PathBuf],
    fill: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let write = || {
        if path == Path::new(STDOUT) {
            let mut out = BufWriter::new(std::io::stdout().lock());
            fill(&mut out)?;
            return Ok(out.flush()?);
        }
        let (target, before) = free(path, inputs)?;
        replace(&target, before, fill)
    };
    write().map_err(|error| could_not_write(path, error))
}

/// What [`write_named`] would refuse, told before there is anything to write.
///
/// # Errors
/// If it would.
pub(crate) fn require_writable(path: &Path, inputs: &[PathBuf]) -> Result<()> {
    let check = || {
        if path == Path::new(STDOUT) {
            return Ok(());
        }
        let (target, before) = free(path, inputs)?;
        require_replaceable(&target, before.as_ref())
    };
    check().map_err(|error| could_not_write(path, error))
}

/// Where `path` leads, and what stands there, which is none of `inputs`.
fn free(path: &Path, inputs: &[PathBuf]) -> Result<(PathBuf, Option<Metadata>)> {
    let target = target_of(path)?;
    let before = target.metadata().ok();
    let is_before = |input: &&PathBuf| match (&before, input.metadata()) {
        (Some(before), Ok(input)) => (before.dev(), before.ino()) == (input.dev(), input.ino()),
        _ => false,
    };
    if let Some(input) = inputs.iter().find(is_before) {
        bail!("it is what is read, {}; choose another name", input.display());
    }
    Ok((target, before))
}

/// That a file can be written at `path`, where `before` stands.
fn require_replaceable(path: &Path, before: Option<&Metadata>) -> Result<()> {
    if let Some(before) = before {
        require_file(before.file_type())?;
    }
    ensure!(path.file_name().is_some(), "it is a folder, expected a file");
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    ensure!(folder.is_none_or(Path::is_dir), "there is no such folder; make it first");
    Ok(())
}

/// Most links behind one another, as for the kernel.
const MOST_LINKS: usize = 40;

/// Where `path` leads in the end, whether or not anything is there.
fn target_of(path: &Path) -> Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(next) = fs::read_link(&target) else { return Ok(target) };
        target = target.parent().unwrap_or(Path::new("")).join(next);
    }
    bail!("its links lead nowhere: more than {MOST_LINKS} behind one another")
}

/// Writes `path`, where `before` stands.
fn replace(
    path: &Path,
    before: Option<Metadata>,
    fill: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    require_replaceable(path, before.as_ref())?;
    let temporary = temporary_beside(path)?;
    let file = File::create_new(&temporary)?;
    let write = || {
        if let Some(before) = before {
            file.set_permissions(before.permissions())?;
        }
        let mut writer = BufWriter::new(file);
        fill(&mut writer)?;
        writer.into_inner()?.sync_all()?;
        Ok(fs::rename(&temporary, path)?)
    };
    let written: Result<()> = write();
    if written.is_err() {
        // The error to report is the first one; a leftover under a hidden name harms nobody.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// A name in the folder of `path` that nobody can foresee: `.NAME.tmp-RANDOM`.
///
/// # Errors
/// If the system has no random numbers to give.
pub(crate) fn temporary_beside(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // The names of a folder have at most 255 bytes.
    let name = &name[..floor_boundary(&name, 200)];
    Ok(path.with_file_name(format!(".{name}{TEMPORARY}{:016x}", SysRng.try_next_u64()?)))
}

/// Whether `name` is one that [`temporary_beside`] gives.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.contains(TEMPORARY)
}

const TEMPORARY: &str = ".tmp-";

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::Command;

    use super::*;

    fn write(path: &Path, text: &str) -> Result<()> {
        write_whole(path, |w| Ok(w.write_all(text.as_bytes())?))
    }

    fn write_from(path: &Path, inputs: &[PathBuf]) -> Result<()> {
        write_named(path, inputs, |w| Ok(w.write_all(b"new")?))
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("latest");
        write(&path, "old").unwrap();
        let error = write_whole(&path, |w| {
            w.write_all(b"half of the new")?;
            anyhow::bail!("the disk is full")
        });
        let error = format!("{:#}", error.unwrap_err());
        assert!(error.contains("latest") && error.ends_with("the disk is full"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_followed_where_a_person_named_it_and_replaced_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("page.html"), "old").unwrap();
        fs::set_permissions(path("page.html"), PermissionsExt::from_mode(0o600)).unwrap();
        symlink("page.html", path("one")).unwrap();
        symlink(path("one"), path("two")).unwrap();
        symlink("not yet", path("dangling")).unwrap();
        symlink("circle", path("circle")).unwrap();
        write_from(&path("two"), &[]).unwrap();
        write_from(&path("dangling"), &[]).unwrap();
        assert_eq!(fs::read(path("page.html")).unwrap(), b"new");
        assert_eq!(fs::read(path("not yet")).unwrap(), b"new");
        assert!(path("two").is_symlink() && path("one").is_symlink() && path("dangling").is_symlink());
        assert_eq!(path("page.html").metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let error = format!("{:#}", write_from(&path("circle"), &[]).unwrap_err());
        assert!(error.contains("its links lead nowhere"), "{error}");

        write(&path("one"), "own").unwrap();
        assert!(!path("one").is_symlink());
        assert_eq!(fs::read(path("page.html")).unwrap(), b"new");
    }

    #[test]
    fn only_files_are_replaced_and_never_what_was_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        fs::create_dir(path("folder")).unwrap();
        symlink("/dev/null", path("null")).unwrap();
        for (name, expected) in [
            ("pipe", "it is a pipe, expected a file"),
            ("folder", "it is a folder, expected a file"),
            ("null", "it is a device, expected a file"),
            ("..", "it is a folder, expected a file"),
        ] {
            let error = format!("{:#}", write_from(&path(name), &[]).unwrap_err());
            assert!(error.starts_with("could not write ") && error.ends_with(expected), "{error}");
            if name != "null" {
                assert!(format!("{:#}", write(&path(name), "").unwrap_err()).ends_with(expected));
            }
        }
        fs::write(path("input"), "old").unwrap();
        symlink("input", path("link")).unwrap();
        fs::hard_link(path("input"), path("twin")).unwrap();
        for name in ["input", "link", "twin", "folder/../input"] {
            let error = write_from(&path(name), &[path("other"), path("input")]).unwrap_err();
            assert!(format!("{error:#}").contains("it is what is read, "), "{error:#}");
        }
        assert_eq!(fs::read(path("input")).unwrap(), b"old");
    }

    #[test]
    fn temporary_names_are_hidden_and_recognised_and_never_the_same() {
        for name in ["step_000040".to_owned(), "é".repeat(127)] {
            let path = PathBuf::from("a").join(&name);
            let (one, other) = (temporary_beside(&path).unwrap(), temporary_beside(&path).unwrap());
            assert_ne!(one, other);
            let one = one.file_name().unwrap().to_str().unwrap();
            assert!(one.starts_with(&format!(".{}", &name[..8])) && is_temporary(one) && one.len() <= 255);
        }
        assert!(!is_temporary("step_000040") && !is_temporary(".gitignore"));
    }
}
