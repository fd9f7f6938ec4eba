//! Reads the values of a JSON object one by one and collects, by key, what is wrong with them.

use std::fmt::Display;

use serde_json::Value;

/// What to do about a file that contradicts itself.
pub const FETCH_AGAIN: &str = "fetch the file again or correct it";

/// A JSON object being read. Keys may be dotted: `rope_parameters.rope_theta`.
pub struct Fields<'a> {
    root: &'a Value,
    /// One line for each thing that is wrong.
    pub problems: Vec<String>,
}

impl<'a> Fields<'a> {
    pub fn new(root: &'a Value) -> Self {
        Self { root, problems: Vec::new() }
    }

    /// The value of a key; null counts.
    pub fn find(&self, key: &str) -> Option<&'a Value> {
        key.split('.').try_fold(self.root, |value, part| value.get(part))
    }

    /// The value of a key; null is as good as absent.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.find(key).filter(|value| !value.is_null())
    }

    /// A whole number of at least 1; `None` where a problem was recorded, as in the functions that follow.
    pub fn count(&mut self, key: &str, default: Option<i64>) -> Option<i64> {
        let got = self.get(key);
        let count = got.map_or(default, Value::as_i64).filter(|n| (1..=i64::from(i32::MAX)).contains(n));
        if count.is_none() {
            self.problem(key, shown(got), "a whole number of at least 1", FETCH_AGAIN);
        }
        count
    }

    /// A number above 0.
    pub fn positive(&mut self, key: &str, default: Option<f64>) -> Option<f64> {
        let got = self.get(key);
        let number = got.map_or(default, Value::as_f64).filter(|&number| number > 0.0);
        if number.is_none() {
            self.problem(key, shown(got), "a number above 0", FETCH_AGAIN);
        }
        number
    }

    /// A flag, false when absent.
    pub fn flag(&mut self, key: &str) -> Option<bool> {
        let got = self.get(key);
        let flag = got.map_or(Some(false), Value::as_bool);
        if flag.is_none() {
            self.problem(key, shown(got), "true or false", FETCH_AGAIN);
        }
        flag
    }

    pub fn problem(&mut self, key: &str, got: impl Display, expected: impl Display, remedy: &str) {
        self.problems.push(format!("{key}: got {got}, expected {expected}; {remedy}"));
    }
}

/// A value as it stands in the file.
pub fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), Value::to_string)
}
