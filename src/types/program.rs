//! How this program was started, so that commands that it suggests can be pasted.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::LazyLock;

use super::printable::shell_word;

/// Name of the program where nothing else is known.
const NAME: &str = "rlcredit";

/// The program as a shell takes it: `rlcredit`, or the path by which it was started, such as `scripts/rlcredit`.
#[must_use]
pub(crate) fn program() -> &'static str {
    static PROGRAM: LazyLock<String> = LazyLock::new(|| named(std::env::args_os().next().as_deref()));
    &PROGRAM
}

fn named(started: Option<&OsStr>) -> String {
    // A test of the library is no program that a person starts.
    let own = started.filter(|started| Path::new(started).file_name() == Some(OsStr::new(NAME)));
    own.and_then(OsStr::to_str).map_or_else(|| NAME.to_owned(), shell_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_the_program_as_it_was_started() {
        for (started, said) in [
            ("rlcredit", "rlcredit"),
            ("scripts/rlcredit", "scripts/rlcredit"),
            ("./target/release/rlcredit", "./target/release/rlcredit"),
            ("/opt/my tools/rlcredit", "'/opt/my tools/rlcredit'"),
            ("target/release/deps/rlcredit-0123456789", "rlcredit"),
        ] {
            assert_eq!(named(Some(OsStr::new(started))), said);
        }
        assert_eq!(named(None), "rlcredit");
    }
}
