//! Opening what must be a file.
//!
//! A name may lead to anything: opening a pipe waits for somebody to write into it, and a device has no end. So a name is
//! opened without waiting, and what was opened is asked what it is, since a name may lead elsewhere a moment later.
//!
//! Standard input, [`STDIN`], is the one pipe that is read: whole, once, into a file without a name, so that whoever reads a
//! file can read it too, and more than once.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Error, ErrorKind, Read, Result};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::OnceLock;

/// What standard input is called where a file can be named; `-` on the command line.
pub(crate) const STDIN: &str = "/dev/stdin";

/// Opens the file `path` for reading; links are followed.
///
/// # Errors
/// If there is none, it cannot be opened, or it is a folder, a pipe, a socket or a device. The name is for the caller to say.
pub(crate) fn open_regular(path: &Path) -> Result<File> {
    if path == Path::new(STDIN) {
        return standard_input();
    }
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        // What the kernel says of a socket, "no such device", leads nowhere.
        Some(libc::ENXIO) => path.metadata().map_or(error, |found| not_a_file(found.file_type())),
        _ => error,
    })?;
    require_file(file.metadata()?.file_type())?;
    Ok(file)
}

/// All of standard input as a file, from its beginning.
fn standard_input() -> Result<File> {
    static KEPT: OnceLock<File> = OnceLock::new();
    if KEPT.get().is_none() {
        let mut file = tempfile::tempfile()?;
        io::copy(&mut io::stdin().lock(), &mut file)?;
        // Whoever was first has read it; who comes second has read nothing.
        _ = KEPT.set(file);
    }
    let kept = KEPT.get().ok_or_else(|| Error::other("standard input cannot be kept"))?;
    // Opened anew, so that each reader has a place of its own.
    File::open(format!("/proc/self/fd/{}", kept.as_raw_fd()))
}

/// Opens `path`, a name of the program's own choice, for writing at its end; makes the file where there is none. A link is not
/// followed: what a program adds to is its own.
///
/// # Errors
/// If the file cannot be opened, or something other than a file stands there.
pub(crate) fn append_to(path: &Path) -> Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let opened = OpenOptions::new().append(true).create(true).custom_flags(flags).open(path);
    let file = opened.map_err(|error| match path.symlink_metadata() {
        Ok(found) => require_file(found.file_type()).err().unwrap_or(error),
        Err(_) => error,
    })?;
    require_file(file.metadata()?.file_type())?;
    Ok(file)
}

/// # Errors
/// If what was found is not a file.
pub(super) fn require_file(found: FileType) -> Result<()> {
    if found.is_file() { Ok(()) } else { Err(not_a_file(found)) }
}

/// The bytes of the file `path`, at most `most` of them.
///
/// # Errors
/// As [`open_regular`]; if the file cannot be read, or is larger.
pub(crate) fn read_regular(path: &Path, most: u64) -> Result<Vec<u8>> {
    let file = open_regular(path)?;
    let size = file.metadata()?.len();
    let too_large = |size: &str| {
        let reason = format!("it has {size} bytes, more than the {most} that are read of such a file");
        Error::new(ErrorKind::FileTooLarge, reason)
    };
    if size > most {
        return Err(too_large(&size.to_string()));
    }
    let mut content = Vec::new();
    content.try_reserve_exact(usize::try_from(size).unwrap_or(usize::MAX))?;
    // It may grow, and files that the kernel makes up have no size.
    let n_read = file.take(most.saturating_add(1)).read_to_end(&mut content)?;
    if n_read as u64 > most { Err(too_large("more")) } else { Ok(content) }
}

/// The text of the file `path`, at most `most` bytes of it.
///
/// # Errors
/// As [`read_regular`]; if it is not UTF-8, with the line.
pub(crate) fn read_regular_text(path: &Path, most: u64) -> Result<String> {
    let content = read_regular(path, most)?;
    String::from_utf8(content).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|&&byte| byte == b'\n').count();
        Error::new(
            ErrorKind::InvalidData,
            format!("line {line} is not UTF-8; save the file in that encoding"),
        )
    })
}

fn not_a_file(found: FileType) -> Error {
    let (error, what) = match found {
        found if found.is_dir() => (ErrorKind::IsADirectory, "a folder"),
        found if found.is_fifo() => (ErrorKind::InvalidInput, "a pipe"),
        found if found.is_socket() => (ErrorKind::InvalidInput, "a socket"),
        found if found.is_symlink() => (ErrorKind::InvalidInput, "a link"),
        _ => (ErrorKind::InvalidInput, "a device"),
    };
    Error::new(error, format!("it is {what}, expected a file"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::fs;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;

    #[test]
    fn what_is_no_file_is_refused_without_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        let _listener = UnixListener::bind(path("socket")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("link")).unwrap();
        for (path, expected) in [
            (path("pipe"), "it is a pipe, expected a file"),
            (path("socket"), "it is a socket, expected a file"),
            (path("link"), "it is a device, expected a file"),
            (dir.path().to_owned(), "it is a folder, expected a file"),
        ] {
            assert_eq!(open_regular(&path).unwrap_err().to_string(), expected);
            assert_eq!(read_regular(&path, 9).unwrap_err().to_string(), expected);
        }
        assert_eq!(open_regular(&path("none")).unwrap_err().kind(), ErrorKind::NotFound);
        std::os::unix::fs::symlink(path("elsewhere"), path("away")).unwrap();
        for (name, what) in [("pipe", "pipe"), ("socket", "socket"), ("link", "link"), ("away", "link")] {
            let error = append_to(&path(name)).unwrap_err().to_string();
            assert_eq!(error, format!("it is a {what}, expected a file"));
        }
        assert!(!path("elsewhere").exists());
        assert!(append_to(&path("new")).is_ok() && append_to(&path("new")).is_ok());
    }

    #[test]
    fn a_file_is_read_up_to_a_size() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "four").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(read_regular(&link, 4).unwrap(), b"four");
        let error = read_regular(&file, 3).unwrap_err().to_string();
        assert_eq!(error, "it has 4 bytes, more than the 3 that are read of such a file");
        // The kernel says that it has none.
        assert!(read_regular(Path::new("/proc/self/status"), 3).is_err());
        File::options().write(true).open(&file).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(read_regular(&file, 1 << 20).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_text_that_is_none_has_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"a\n\xc3\xa9\nb\xff").unwrap();
        let error = read_regular_text(&file, 9).unwrap_err().to_string();
        assert_eq!(error, "line 3 is not UTF-8; save the file in that encoding");
        fs::write(&file, "é").unwrap();
        assert_eq!(read_regular_text(&file, 9).unwrap(), "é");
    }
}
