//! Reads the values of a JSON object one by one and collects, by key, what is wrong with them.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::Value;

/// What to do about a file that contradicts itself.
pub(super) const FETCH_AGAIN: &str = "fetch the file again or correct it";

/// A JSON object being read. Keys may be dotted: `rope_parameters.rope_theta`.
pub(super) struct Fields<'a> {
    root: &'a Value,
    /// One line for each thing that is wrong.
    pub problems: Vec<String>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        Self { root, problems: Vec::new() }
    }

    /// The value of a key; null counts.
    pub(super) fn find(&self, key: &str) -> Option<&'a Value> {
        key.split('.').try_fold(self.root, |value, part| value.get(part))
    }

    /// The value of a key; null is as good as absent.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.find(key).filter(|value| !value.is_null())
    }

    /// A whole number from 1 on; `None` where a problem was recorded, as in the functions that follow.
    pub(super) fn count(&mut self, key: &str, default: Option<i64>) -> Option<i64> {
        self.whole(key, 1, default)
    }

    /// A whole number from `least` on.
    pub(super) fn whole(&mut self, key: &str, least: i64, default: Option<i64>) -> Option<i64> {
        let most = i64::from(i32::MAX);
        let got = self.get(key);
        let whole = got.map_or(default, Value::as_i64).filter(|n| (least..=most).contains(n));
        if whole.is_none() {
            let expected = format!("a whole number from {least} to {most}");
            self.problem(key, shown(got), expected, FETCH_AGAIN);
        }
        whole
    }

    /// A number within `range`.
    pub(super) fn number(
        &mut self,
        key: &str,
        range: RangeInclusive<f64>,
        default: Option<f64>,
    ) -> Option<f64> {
        let got = self.get(key);
        let number = got.map_or(default, Value::as_f64).filter(|number| range.contains(number));
        if number.is_none() {
            let expected = format!("a number from {:?} to {:?}", range.start(), range.end());
            self.problem(key, shown(got), expected, FETCH_AGAIN);
        }
        number
    }

    /// A flag, false when absent.
    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        let got = self.get(key);
        let flag = got.map_or(Some(false), Value::as_bool);
        if flag.is_none() {
            self.problem(key, shown(got), "true or false", FETCH_AGAIN);
        }
        flag
    }

    pub(super) fn problem(&mut self, key: &str, got: impl Display, expected: impl Display, remedy: &str) {
        self.problems.push(format!("{key}: got {got}, expected {expected}; {remedy}"));
    }
}

/// A value as it stands in the file, a long one cut.
pub(super) fn shown(value: Option<&Value>) -> String {
    /// Characters that tell a value.
    const MOST: usize = 80;
    let Some(value) = value else { return "nothing".to_owned() };
    match value {
        Value::Array(list) if list.len() > MOST / 2 => format!("a list of {}", list.len()),
        Value::Object(object) if object.len() > MOST / 8 => format!("an object of {} keys", object.len()),
        Value::String(text) if text.len() > MOST => format!("a text of {} bytes", text.len()),
        value => {
            let text = value.to_string();
            match text.char_indices().nth(MOST) {
                Some((end, _)) => format!("{}...", &text[..end]),
                None => text,
            }
        }
    }
}
