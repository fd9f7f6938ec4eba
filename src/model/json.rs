//! JSON of model folders. Of a key that stands twice readers take one value or the other, so here it is an error.

use std::fmt;

use anyhow::{Context, Result};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The one value in `bytes`; a byte order mark before it is passed over.
///
/// # Errors
/// No JSON (NaN and infinity are none), nested more than 128 deep, or an object with a key twice.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let parsed: Unambiguous = serde_json::from_slice(bytes).context("not JSON; fetch the file again")?;
    Ok(parsed.0)
}

/// Characters of a name or value in a message.
pub(crate) const OF_VALUE: usize = 80;
/// Characters of what a library says of a value with it in it.
pub(crate) const OF_REASON: usize = 300;

/// The first `most` characters of `text`: what stands in a file of others may be as long as the file.
pub(crate) fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values).map(Self)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unambiguous(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Unambiguous(value))) = entries.next_entry::<String, _>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {:?} stands twice", short(&key, OF_VALUE))));
            }
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_serde_json() {
        let text = r#"{"a": [1, -2, 3.5, 1e3, 18446744073709551615], "b": {"c": null, "d": "\u00e9"}, "e": [true, {}]}"#;
        assert_eq!(parse(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(parse(b"\xef\xbb\xbf[1]").unwrap(), serde_json::json!([1]));
    }

    #[test]
    fn what_is_no_json_or_says_two_things_is_refused() {
        let deep = "[".repeat(200_000);
        for (text, expected) in [
            (
                r#"{"a": 1, "a": 1}"#,
                "not JSON; fetch the file again: the key \"a\" stands twice at line 1 column 16",
            ),
            (r#"[{"b": {"c": 1, "c": 2}}]"#, "not JSON; fetch the file again: the key \"c\" stands twice"),
            (r#"{"a": NaN}"#, "not JSON; fetch the file again: expected value at line 1 column 7"),
            (&deep, "not JSON; fetch the file again: recursion limit exceeded at line 1 column 128"),
        ] {
            let got = format!("{:#}", parse(text.as_bytes()).unwrap_err());
            assert!(got.starts_with(expected), "{got}");
        }
        let long = format!(r#"{{"{0}": 1, "{0}": 2}}"#, "é".repeat(1_000_000));
        let got = format!("{:#}", parse(long.as_bytes()).unwrap_err());
        assert!(got.contains("éé...\" stands twice at line 1") && got.len() < 1000, "{}", got.len());
    }
}
