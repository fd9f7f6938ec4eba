//! `~` as a shell takes it, where none has: behind `=`, in quotes, in files.

use std::env;

/// `given` from the home of whoever has started the program, where it begins with `~` or `~/`.
#[must_use]
pub(crate) fn at_home(given: &str) -> Option<String> {
    let rest = given.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
    Some(format!("{}{rest}", env::home_dir()?.display()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_tilde_alone_or_before_a_slash_is_the_home() {
        let home = env::home_dir().unwrap().display().to_string();
        assert_eq!(at_home("~"), Some(home.clone()));
        assert_eq!(at_home("~/data/a.jsonl"), Some(format!("{home}/data/a.jsonl")));
        for other in ["~other/a", "a/~", "", "/~"] {
            assert_eq!(at_home(other), None, "{other}");
        }
    }
}
