//! A row of metrics: flat names, one number each, in order of name.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What one step reports. Keys are those of the glossary (`observe::glossary`), each written once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MetricRow {
    values: BTreeMap<String, f64>,
    twice: Option<String>,
}

impl MetricRow {
    /// Sets `key` to `value`. A key that has one keeps it, and the row is remembered as [`written_twice`](Self::written_twice).
    pub(crate) fn set(&mut self, key: impl Into<String>, value: f64) {
        match self.values.entry(key.into()) {
            Entry::Vacant(vacant) => _ = vacant.insert(value),
            Entry::Occupied(known) => self.twice = Some(known.key().clone()),
        }
    }

    /// A key that somebody has set though it had a value: nobody can say which of the two is meant.
    #[must_use]
    pub(crate) fn written_twice(&self) -> Option<&str> {
        self.twice.as_deref()
    }

    /// The value of `key`, if the row has one.
    #[must_use]
    pub(crate) fn get(&self, key: &str) -> Option<f64> {
        self.values.get(key).copied()
    }

    /// Takes over all values of `other`.
    pub(crate) fn extend(&mut self, other: Self) {
        self.twice = self.twice.take().or(other.twice);
        other.values.into_iter().for_each(|(key, value)| self.set(key, value));
    }

    /// All values, in order of name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.values.iter().map(|(k, v)| (k.as_str(), *v))
    }
}

/// As an object; what is not finite, which JSON cannot say, is null and comes back as NaN.
impl Serialize for MetricRow {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(&self.values)
    }
}

impl<'de> Deserialize<'de> for MetricRow {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let values: BTreeMap<String, Option<f64>> = BTreeMap::deserialize(from)?;
        Ok(values.into_iter().map(|(key, value)| (key, value.unwrap_or(f64::NAN))).collect())
    }
}

impl<K: Into<String>> FromIterator<(K, f64)> for MetricRow {
    fn from_iter<I: IntoIterator<Item = (K, f64)>>(pairs: I) -> Self {
        let mut row = Self::default();
        pairs.into_iter().for_each(|(key, value)| row.set(key, value));
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_writer() {
        let mut row: MetricRow = [("a", 1.0), ("b", 2.0)].into_iter().collect();
        assert_eq!(row.written_twice(), None);
        row.set("a", 3.0);
        assert_eq!((row.written_twice(), row.get("a")), (Some("a"), Some(1.0)));
        let mut other: MetricRow = [("b", 2.0)].into_iter().collect();
        other.extend([("c", 1.0)].into_iter().collect());
        assert_eq!(other.written_twice(), None);
        other.extend([("b", 1.0)].into_iter().collect());
        assert_eq!(other.written_twice(), Some("b"));
        let both: MetricRow = [("d", 1.0), ("d", 1.0)].into_iter().collect();
        assert_eq!(both.written_twice(), Some("d"));
    }
}
