//! Texts as programs write them into files: also as a number, or null where there is none.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};

/// The value of a key that holds a text.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Given {
    #[default]
    Absent,
    Null,
    /// A text, or a number as it is written without an exponent.
    Text(String),
}

impl Given {
    pub(super) fn is_absent(&self) -> bool {
        *self == Self::Absent
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// The text. Null is an empty one, unless another key, that is `there`, says it instead.
    pub(super) fn or_empty_unless(self, there: bool) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null if !there => Some(String::new()),
            Self::Null | Self::Absent => None,
        }
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(Self::Null),
            Value::String(text) => Ok(Self::Text(text)),
            Value::Number(number) => Ok(Self::Text(written(&number))),
            other => Err(D::Error::custom(format!("got {other}, expected a text, a number or null"))),
        }
    }
}

/// `number` without an exponent. Numbers that a double does not hold are read as texts before they come here.
fn written(number: &Number) -> String {
    match number.as_f64().filter(|_| number.is_f64()) {
        Some(value) => value.to_string(),
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn numbers_are_read_as_their_text() {
        for (json, expected) in [
            (r#""1e3""#, "1e3"),
            ("72", "72"),
            ("-0.5", "-0.5"),
            ("72.0", "72"),
            ("1e-7", "0.0000001"),
            ("18446744073709551615", "18446744073709551615"),
            ("1e20", "100000000000000000000"),
        ] {
            assert_eq!(serde_json::from_str::<Given>(json).unwrap(), Given::Text(expected.into()), "{json}");
        }
        assert_eq!(serde_json::from_str::<Given>("null").unwrap(), Given::Null);
        for (json, expected) in
            [("true", "got true, expected a text, a number or null"), ("[1]", "got [1], expected")]
        {
            let error = serde_json::from_str::<Given>(json).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
