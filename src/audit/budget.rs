//! How much an audit may take.

use std::fmt;
use std::str::FromStr;

use anyhow::bail;
use schemars::JsonSchema;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What an audit may take: responses, or time.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema)]
#[schemars(untagged)]
pub(crate) enum Budget {
    /// So many responses.
    Responses(usize),
    /// So many minutes on this machine, about.
    #[schemars(with = "String")]
    Minutes(f64),
}

/// What is expected of one.
const EXPECTED: &str = "a number of responses such as 4608, or of minutes such as \"10m\"";

impl FromStr for Budget {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if let Ok(responses) = text.parse() {
            return Ok(Self::Responses(responses));
        }
        match text.strip_suffix('m').map(str::parse) {
            Some(Ok(minutes)) => Ok(Self::Minutes(minutes)),
            _ => bail!("got {text:?}, expected {EXPECTED}"),
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Responses(responses) => write!(f, "{responses}"),
            Self::Minutes(minutes) => write!(f, "{minutes}m"),
        }
    }
}

impl Serialize for Budget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Responses(responses) => serializer.serialize_u64(*responses as u64),
            Self::Minutes(_) => serializer.serialize_str(&self.to_string()),
        }
    }
}

impl<'de> Deserialize<'de> for Budget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BudgetVisitor;
        impl Visitor<'_> for BudgetVisitor {
            type Value = Budget;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Budget, E> {
                text.parse().map_err(|_| E::invalid_type(Unexpected::Str(text), &self))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Budget, E> {
                let responses = usize::try_from(value);
                responses
                    .map(Budget::Responses)
                    .map_err(|_| E::invalid_type(Unexpected::Signed(value), &self))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Budget, E> {
                Ok(Budget::Responses(value as usize))
            }
        }
        deserializer.deserialize_any(BudgetVisitor)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_responses_or_minutes() {
        for (text, budget) in [
            ("4608", Budget::Responses(4608)),
            ("10m", Budget::Minutes(10.0)),
            ("0.5m", Budget::Minutes(0.5)),
        ] {
            assert_eq!((text.parse::<Budget>().unwrap(), budget.to_string().as_str()), (budget, text));
            let written = serde_json::to_string(&budget).unwrap();
            assert_eq!(serde_json::from_str::<Budget>(&written).unwrap(), budget);
        }
        for wrong in ["", "m", "ten", "10 min", "-3", "3.5"] {
            assert!(wrong.parse::<Budget>().unwrap_err().to_string().contains("such as \"10m\""), "{wrong}");
        }
        for wrong in ["-3", "true", "\"soon\"", "3.5"] {
            let error = serde_json::from_str::<Budget>(wrong).unwrap_err().to_string();
            assert!(error.contains("expected a number of responses such as 4608"), "{error}");
        }
    }
}
