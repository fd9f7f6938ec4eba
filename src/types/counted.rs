//! Numbers of things as a person says them.

use std::fmt::Display;

/// `1 step`, `2 steps`: how many of what is called `one` there are.
#[must_use]
pub(crate) fn counted(n: impl Display, one: &str) -> String {
    let n = n.to_string();
    let end = if n == "1" { "" } else { "s" };
    format!("{n} {one}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_all_others_are_many() {
        let said = [0, 1, 2, 11, 21].map(|n| counted(n, "step"));
        assert_eq!(said, ["0 steps", "1 step", "2 steps", "11 steps", "21 steps"]);
    }
}
