//! Findings on a recipe, gathered by small rules on its keys.

use super::{explain, problem::Finding};
use crate::types::{Broken, Rules};

/// Findings so far.
#[derive(Default)]
pub(super) struct Findings(pub Vec<Finding>);

impl Findings {
    pub(super) fn broken(&mut self, keys: &[&str], message: String) {
        self.0.push(Finding { keys: keys.iter().map(|&key| key.to_owned()).collect(), message });
    }

    pub(super) fn broken_if(&mut self, broken: bool, keys: &[&str], message: impl FnOnce() -> String) {
        if broken {
            self.broken(keys, message());
        }
    }

    /// The rules that do not hold.
    pub(super) fn of_rules(&mut self, rules: &Rules) {
        for Broken { keys, message } in rules.broken() {
            let named = keys.first().map_or_else(String::new, |key| explain::name(key));
            // What is said of a section is placed by the keys that it is about.
            let within = |key: &String| {
                keys.iter()
                    .any(|other| other.strip_prefix(key.as_str()).is_some_and(|rest| rest.starts_with('.')))
            };
            let keys = keys.iter().filter(|key| !within(key)).cloned().collect();
            self.0.push(Finding { keys, message: format!("{named}{message}") });
        }
    }
}
