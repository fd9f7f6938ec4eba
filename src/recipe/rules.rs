//! Findings on a recipe, gathered by small rules on its keys.

use std::fmt::Display;

use super::{explain, problem::Finding};
use crate::types;

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

    pub(super) fn not_negative(&mut self, key: &str, got: f64) {
        self.range(key, got, got.is_finite() && got >= 0.0, "a finite number, 0 or more");
    }

    /// The rules of a section that do not hold.
    pub(super) fn of_section(&mut self, section: &str, rules: types::Rules) {
        let mut whole = types::Rules::default();
        whole.part(section, rules);
        for broken in whole.broken() {
            let keys: Vec<&str> = broken.keys.iter().map(String::as_str).collect();
            let name = keys.first().map_or_else(String::new, |key| explain::name(key));
            self.broken(&keys, format!("{name}{}", broken.message));
        }
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
