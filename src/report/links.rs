//! Links from one file to another, as a page has them.

use std::fs::canonicalize;
use std::path::{Component, Path, PathBuf};

/// From a page in the folder `from` to the file `to`; `None` where one of them is not there.
pub(super) fn link(from: &Path, to: &Path) -> Option<String> {
    let (from, to) = (canonicalize(from).ok()?, canonicalize(to).ok()?);
    Some(
        relative(&from, &to)
            .iter()
            .map(|part| escaped(&part.to_string_lossy()))
            .collect::<Vec<_>>()
            .join("/"),
    )
}

/// The way from the folder `from` to `to`, both from the root.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(one, other)| one == other).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(to.components().skip(shared)).collect()
}

/// A part of a path with every byte that a link may not hold as it is, as `%20`.
fn escaped(part: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    part.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_link_goes_by_the_folders_that_both_share() {
        for (from, to, expected) in [
            ("/a/run", "/a/run/inspect/step_000040.html", "inspect/step_000040.html"),
            ("/a/b", "/a/run/x.html", "../run/x.html"),
            ("/", "/x", "x"),
        ] {
            assert_eq!(relative(Path::new(from), Path::new(to)), Path::new(expected));
        }
    }

    #[test]
    fn what_is_special_in_a_link_is_escaped() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a #1?é");
        std::fs::write(&file, "").unwrap();
        assert_eq!(link(dir.path(), &file).unwrap(), "a%20%231%3F%C3%A9");
        assert_eq!(link(dir.path(), &dir.path().join("none")), None);
    }
}
