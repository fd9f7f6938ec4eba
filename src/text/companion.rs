//! The configurations beside a `tokenizer.json`, and what they say.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Result, anyhow};
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::bounded::Bounded;

/// The value of `key` in the file `name`, null being as good as absent.
///
/// # Errors
/// If the file is not an object of JSON, or the value takes more memory than one may.
pub(super) fn read(files: &BTreeMap<String, Vec<u8>>, name: &str, key: &str) -> Result<Option<Value>> {
    let value = fields(files, name, Some(key))?.remove(key);
    Ok(value.filter(|value| !value.is_null()))
}

/// All that the file `name` says: nothing if there is none.
///
/// # Errors
/// As [`read`].
pub(super) fn whole(files: &BTreeMap<String, Vec<u8>>, name: &str) -> Result<Map<String, Value>> {
    fields(files, name, None)
}

fn fields(files: &BTreeMap<String, Vec<u8>>, name: &str, only: Option<&str>) -> Result<Map<String, Value>> {
    let Some(content) = files.get(name) else { return Ok(Map::new()) };
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content); // a byte order mark
    let mut reader = serde_json::Deserializer::from_slice(content);
    let fields = Fields(only).deserialize(&mut reader).and_then(|fields| reader.end().map(|()| fields));
    fields.map_err(|error| match error.is_data() {
        true => anyhow!("{name}: {error}"),
        false => anyhow!("{name}: not valid JSON: {error}"),
    })
}

/// Reads an object, or one key of it and passes over the others, whatever they hold; the last one counts.
struct Fields<'k>(Option<&'k str>);

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let (left, mut found) = (Bounded::all(), Map::new());
        while let Some(key) = map.next_key::<String>()? {
            if self.0.is_none_or(|only| only == key) {
                found.insert(key, map.next_value_seed(Bounded::new(&left))?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn marks_are_passed_over_and_junk_is_not_read() {
        let files = |content: &str| BTreeMap::from([("a.json".to_owned(), content.as_bytes().to_vec())]);
        let marked = files("\u{feff}{\"a\": 1, \"b\": null}");
        assert_eq!(whole(&marked, "a.json").unwrap(), *json!({"a": 1, "b": null}).as_object().unwrap());
        assert_eq!(read(&marked, "a.json", "a").unwrap(), Some(json!(1)));
        assert_eq!(read(&marked, "a.json", "b").unwrap(), None);
        assert_eq!(whole(&marked, "b.json").unwrap(), Map::new());
        let junk = files(&format!("{{\"a\": [{}0], \"b\": 2}}", "0,".repeat(50_000)));
        assert_eq!(read(&junk, "a.json", "b").unwrap(), Some(json!(2)));
        for error in [read(&junk, "a.json", "a").unwrap_err(), whole(&junk, "a.json").unwrap_err()] {
            assert!(error.to_string().starts_with("a.json: it takes more than 4 MB"), "{error}");
        }
        let error = whole(&files("{\"a\""), "a.json").unwrap_err().to_string();
        assert!(error.starts_with("a.json: not valid JSON: EOF"), "{error}");
    }
}
