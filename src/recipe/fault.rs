//! TOML values read through serde with errors that are data: which key, which choices, which type.
//!
//! The toml crate reports one sentence per failure; explaining a mistake well takes its parts.

use std::fmt;

use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, Expected, IntoDeserializer, Unexpected, Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use toml::{Table, Value};

/// Why a document does not read as the type asked for: the first reason serde meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A struct without such a key; the keys it has.
    UnknownKey(&'static [&'static str]),
    /// A struct that lacks this key.
    Missing(&'static str),
    /// Not a name of the choices.
    NoChoice(&'static [&'static str]),
    /// A value of another type than the one described here, in serde's words.
    WrongType(String),
    /// Anything else, as a sentence.
    Other(String),
}

/// Reads `document` as a `T`.
pub(super) fn read<T: DeserializeOwned>(document: &Table) -> Result<T, Fault> {
    let entries = document.iter().map(|(key, value)| (key.as_str(), Node(value)));
    T::deserialize(MapDeserializer::new(entries))
}

/// A borrowed value whose deserialisation fails with a [`Fault`].
#[derive(Clone, Copy)]
struct Node<'a>(&'a Value);

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(flag) => visitor.visit_bool(*flag),
            Value::Datetime(_) => Err(de::Error::invalid_type(Unexpected::Other("date"), &visitor)),
            Value::Array(items) => SeqDeserializer::new(items.iter().map(Node)).deserialize_any(visitor),
            Value::Table(entries) => {
                let entries = entries.iter().map(|(key, value)| (key.as_str(), Node(value)));
                MapDeserializer::new(entries).deserialize_any(visitor)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Value::String(name) => visitor.visit_enum(name.as_str().into_deserializer()),
            _ => Err(Fault::NoChoice(variants)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Fault> for Node<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl de::Error for Fault {
    fn custom<M: fmt::Display>(message: M) -> Self {
        Self::Other(message.to_string())
    }
    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::WrongType(expected.to_string())
    }
    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::WrongType(expected.to_string())
    }
    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::WrongType(expected.to_string())
    }
    fn unknown_variant(_: &str, choices: &'static [&'static str]) -> Self {
        Self::NoChoice(choices)
    }
    fn unknown_field(_: &str, keys: &'static [&'static str]) -> Self {
        Self::UnknownKey(keys)
    }
    fn missing_field(key: &'static str) -> Self {
        Self::Missing(key)
    }
}

impl std::error::Error for Fault {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey(_) => write!(f, "a key that does not exist"),
            Self::Missing(key) => write!(f, "`{key}` is missing"),
            Self::NoChoice(choices) => write!(f, "not one of {}", choices.join(", ")),
            Self::WrongType(expected) => write!(f, "expected {expected}"),
            Self::Other(message) => f.write_str(message),
        }
    }
}
