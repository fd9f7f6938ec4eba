//! A row of metrics: flat names, one number each, in order of name.

use std::collections::BTreeMap;

/// What one step reports. Keys are those of the glossary (`observe::glossary`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricRow {
    values: BTreeMap<String, f64>,
}

impl MetricRow {
    /// Sets `key` to `value`, replacing an earlier one.
    pub fn set(&mut self, key: impl Into<String>, value: f64) {
        self.values.insert(key.into(), value);
    }

    /// The value of `key`, if the row has one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<f64> {
        self.values.get(key).copied()
    }

    /// Takes over all values of `other`.
    pub fn extend(&mut self, other: Self) {
        self.values.extend(other.values);
    }

    /// All values, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.values.iter().map(|(k, v)| (k.as_str(), *v))
    }
}

impl<K: Into<String>> FromIterator<(K, f64)> for MetricRow {
    fn from_iter<I: IntoIterator<Item = (K, f64)>>(pairs: I) -> Self {
        Self { values: pairs.into_iter().map(|(k, v)| (k.into(), v)).collect() }
    }
}
