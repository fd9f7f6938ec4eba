//! A row of metrics: flat names, one number each, in order of name.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
        Self { values: pairs.into_iter().map(|(k, v)| (k.into(), v)).collect() }
    }
}
