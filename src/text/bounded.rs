//! JSON of others as values, as many as are worth reading. A value takes some hundred bytes, and two in the file: `0,`.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::{Map, Number, Value};

/// Most memory of what is read at once, in bytes; real configurations and sections have a hundredth of it.
const MAX_BYTES: usize = 4 << 20;

/// Memory of a value besides its text, in bytes.
const VALUE_BYTES: usize = 100;

/// Reads a value, whose parts share what is left.
#[derive(Clone, Copy)]
pub(super) struct Bounded<'b>(&'b Cell<usize>);

impl<'b> Bounded<'b> {
    /// Takes from `left`, see [`Bounded::all`].
    pub(super) fn new(left: &'b Cell<usize>) -> Self {
        Self(left)
    }

    /// What may be read at once.
    pub(super) fn all() -> Cell<usize> {
        Cell::new(MAX_BYTES)
    }

    fn take<E: Error>(self, bytes: usize) -> Result<(), E> {
        let left = self.0.get().checked_sub(bytes);
        self.0.set(left.ok_or_else(|| E::custom(format!("it takes more than {} MB", MAX_BYTES >> 20)))?);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.take(VALUE_BYTES)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.take(value.len())?;
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.take(key.len())?;
            fields.insert(key, entries.next_value_seed(self)?);
        }
        Ok(Value::Object(fields))
    }
}

/// A value that is read within bounds of its own.
#[derive(Debug, Default)]
pub(super) struct Limited(pub Value);

impl<'de> Deserialize<'de> for Limited {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Bounded(&Bounded::all()).deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_read_is_the_same_and_not_too_much() {
        let text = r#"{"b":[1,-2,3.5,null,true,"é"],"a":{"c":18446744073709551615},"b2":[]}"#;
        let Limited(value) = serde_json::from_str(text).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(value.to_string(), text);
        let many = format!("[{}0]", "0,".repeat(50_000));
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(5 << 20));
        let key = format!("{{\"{}\":1}}", "x".repeat(5 << 20));
        for text in [many, long, key] {
            let error = serde_json::from_str::<Limited>(&text).unwrap_err().to_string();
            assert!(error.starts_with("it takes more than 4 MB"), "{error}");
        }
    }
}
