//! Files that appear whole or not at all, and names that lead nowhere else.
//!
//! A file is written under a hidden temporary name beside its final one, synced, and renamed. A process killed at
//! any moment leaves the old file or the new one, never half of one: [`write_whole`], and [`write_named`] where a person
//! has named it. What is read or added to must be a file: [`open_regular`], [`append_to`].

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

mod difference;
mod fingerprint;
mod hash;
mod home;
pub(crate) mod model_folder;
mod regular;
mod whole;

pub(crate) use difference::difference;
pub(crate) use fingerprint::Fingerprint;
pub(crate) use hash::hash_of;
pub(crate) use home::at_home;
pub(crate) use regular::append_to;
pub(crate) use regular::{STDIN, open_regular, read_regular, read_regular_text};
pub(crate) use whole::{is_temporary, temporary_beside};
pub(crate) use whole::{require_writable, write_named, write_whole};

/// No room for the file at this path.
#[derive(Debug)]
pub(crate) struct DiskFull(PathBuf);

impl fmt::Display for DiskFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not write {}: the disk is full; make room, then try again", self.0.display())
    }
}

impl std::error::Error for DiskFull {}

/// What to say where `error` kept `path` from being written; of a full disk nothing but that.
pub(crate) fn could_not_write(path: &Path, error: anyhow::Error) -> anyhow::Error {
    if is_full(&error) {
        DiskFull(path.to_owned()).into()
    } else {
        error.context(format!("could not write {}", path.display()))
    }
}

/// Whether a full disk, or a used up share of it, is behind `error`.
pub(crate) fn is_full(error: &anyhow::Error) -> bool {
    let kind = |cause: &(dyn std::error::Error + 'static)| {
        let own = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        own.or_else(|| cause.downcast_ref::<serde_json::Error>()?.io_error_kind())
    };
    let full = |kind| matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    error.chain().any(|cause| cause.is::<DiskFull>() || kind(cause).is_some_and(full))
}

/// Makes the names in `folder` survive a loss of power.
///
/// # Errors
/// If the folder cannot be opened or synced.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let handle = File::open(folder).with_context(|| format!("could not open {}", folder.display()))?;
    handle.sync_all().with_context(|| format!("could not sync {}", folder.display()))
}

/// What lies in `folder`, in no order.
pub(crate) fn list(folder: &Path) -> Result<Vec<fs::DirEntry>> {
    fs::read_dir(folder)
        .and_then(Iterator::collect)
        .with_context(|| format!("could not list {}", folder.display()))
}

/// Removes a file, or a folder with all it holds.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.with_context(|| format!("could not remove {}", path.display()))
}

/// Renames `path` to the first free one of `NAME.damaged`, `NAME.damaged-2`, ..., and gives that.
pub(crate) fn set_aside(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let names =
        (1..).map(|n: u32| if n == 1 { format!("{name}.damaged") } else { format!("{name}.damaged-{n}") });
    let mut free = names.map(|name| path.with_file_name(name)).filter(|to| to.symlink_metadata().is_err());
    let to = free.next().unwrap_or_default();
    fs::rename(path, &to)
        .with_context(|| format!("could not rename {} to {}", path.display(), to.display()))?;
    Ok(to)
}

/// Holds a file so that no other process can; ends with this value or the process, however that ends.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// The lock behind the file at `path`, which is made where it is missing; `None` while somebody else holds it.
    ///
    /// # Errors
    /// If the file cannot be opened, or its file system knows no locks.
    pub(crate) fn try_acquire(path: &Path) -> Result<Option<Self>> {
        let file = append_to(path).with_context(|| format!("could not open {}", path.display()))?;
        Self::try_on(file, path)
    }

    /// As [`Lock::try_acquire`], of a `file` that was opened at `path`.
    pub(crate) fn try_on(file: File, path: &Path) -> Result<Option<Self>> {
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("could not lock {}", path.display()))
            }
        }
    }
}

impl Drop for Lock {
    /// Closing alone would not do: a program that is being started at the moment holds the file too, until it runs.
    fn drop(&mut self) {
        _ = self.0.unlock();
    }
}

/// Most memory this process has held so far, GB (10^9 bytes); 0 where the kernel does not say.
#[must_use]
pub(crate) fn peak_rss_gb() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib =
        line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kib| kib.trim().parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1024.0 / 1e9
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::io::Write;

    use super::*;

    /// As it is in a child process between its fork and its program.
    #[test]
    fn a_lock_ends_with_its_value_though_its_file_is_open_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = Lock::try_acquire(&path).unwrap().unwrap();
        let _elsewhere = lock.0.try_clone().unwrap();
        assert!(Lock::try_acquire(&path).unwrap().is_none());
        drop(lock);
        assert!(Lock::try_acquire(&path).unwrap().is_some());
    }

    #[test]
    fn a_full_disk_is_said_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        let full = || File::options().write(true).open("/dev/full");
        let plain = write_whole(&path, |_| Ok(full()?.write_all(b"x")?));
        let json = write_whole(&path, |_| Ok(serde_json::to_writer(full()?, &[1, 2])?));
        let nested = write_whole(&path, |_| Err(could_not_write(&path, plain.unwrap_err())));
        for error in [json, nested] {
            let expected =
                format!("could not write {}: the disk is full; make room, then try again", path.display());
            assert_eq!(format!("{:#}", error.unwrap_err()), expected);
        }
    }

    #[test]
    fn a_lock_has_one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".lock");
        let held = Lock::try_acquire(&path).unwrap();
        assert!(held.is_some() && Lock::try_acquire(&path).unwrap().is_none());
        drop(held);
        assert!(Lock::try_acquire(&path).unwrap().is_some());
    }
}
