//! A bound that a response sets itself, or that all share.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::stats::median;
use crate::types::Rules;

/// A threshold over the tokens of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub(crate) enum Threshold {
    /// The median of the response's own values.
    #[default]
    Median,
    /// This value for all responses.
    #[schemars(untagged)]
    Value(f64),
}

impl Threshold {
    /// That `key` may be such a threshold: WAAD and jumps are never below 0.
    pub(super) fn rule(self, key: &str, rules: &mut Rules) {
        let (got, holds) = match self {
            Self::Median => (String::from("median"), true),
            Self::Value(value) => (format!("{value:?}"), value.is_finite() && value >= 0.0),
        };
        rules.expect(key, got, "\"median\" or a finite number, 0 or more", holds);
    }

    /// The threshold for a response with these values.
    #[must_use]
    pub(crate) fn over(self, values: &[f32]) -> f64 {
        match self {
            Self::Median => median(values.iter().map(|value| f64::from(*value)).collect()),
            Self::Value(value) => value,
        }
    }
}

impl Serialize for Threshold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Median => serializer.serialize_str("median"),
            Self::Value(value) => serializer.serialize_f64(*value),
        }
    }
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ThresholdVisitor;
        impl Visitor<'_> for ThresholdVisitor {
            type Value = Threshold;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"median\" or a number")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Threshold, E> {
                match name {
                    "median" => Ok(Threshold::Median),
                    other => Err(E::invalid_type(Unexpected::Str(other), &self)),
                }
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Threshold, E> {
                Ok(Threshold::Value(value))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Threshold, E> {
                Ok(Threshold::Value(value as f64))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Threshold, E> {
                Ok(Threshold::Value(value as f64))
            }
        }
        deserializer.deserialize_any(ThresholdVisitor)
    }
}
