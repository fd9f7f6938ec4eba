//! Findings on a recipe, gathered by small rules on its keys.

use std::fmt::Display;

use super::{explain, problem::Finding};

/// Findings so far.
#[derive(Default)]
pub(super) struct Rules(Vec<Finding>);

impl Rules {
    pub(super) fn findings(self) -> Vec<Finding> {
        self.0
    }

    pub(super) fn broken(&mut self, keys: &[&str], message: String) {
        self.0.push(Finding { keys: keys.iter().map(|&key| key.to_owned()).collect(), message });
    }

    pub(super) fn broken_if(&mut self, broken: bool, keys: &[&str], message: impl FnOnce() -> String) {
        if broken {
            self.broken(keys, message());
        }
    }

    pub(super) fn range(&mut self, key: &str, got: impl Display, holds: bool, expected: &str) {
        self.broken_if(!holds, &[key], || format!("{}: got {got}, expected {expected}", explain::name(key)));
    }

    pub(super) fn positive(&mut self, key: &str, got: u64) {
        self.range(key, got, got >= 1, "at least 1");
    }

    /// AdamW moves every weight by about its learning rate.
    pub(super) fn learning_rate(&mut self, key: &str, got: f64) {
        let expected =
            "above 0 and at most 1, since every weight moves by about that much; usual are 1e-6 to 1e-2";
        self.range(key, got, got > 0.0 && got <= 1.0, expected);
    }

    pub(super) fn not_negative(&mut self, key: &str, got: f64) {
        self.range(key, got, got.is_finite() && got >= 0.0, "a finite number, 0 or more");
    }

    /// Problems a part reports of itself, each `key: what is wrong`.
    pub(super) fn of_part(&mut self, section: &str, problems: Vec<String>) {
        for problem in problems {
            match problem.split_once(": ") {
                Some((key, rest)) => {
                    let key = format!("{section}.{key}");
                    self.broken(&[&key], format!("{}: {rest}", explain::name(&key)));
                }
                None => self.broken(&[section], format!("{} {problem}", explain::section(section))),
            }
        }
    }
}
