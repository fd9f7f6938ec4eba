//! The lists of tokens in a `tokenizer.json`, which are long: read for how long their tokens are, and not kept.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::text::bounded::{Bounded, Limited};

/// Number and length of the added tokens.
#[derive(Debug, Default)]
pub(super) struct Added {
    pub n: usize,
    /// Bytes of the longest.
    pub longest: usize,
}

impl<'de> Deserialize<'de> for Added {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(AddedVisitor)
    }
}

struct AddedVisitor;

impl<'de> Visitor<'de> for AddedVisitor {
    type Value = Added;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tokens")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut tokens: A) -> Result<Added, A::Error> {
        let mut added = Added::default();
        while let Some(Limited(token)) = tokens.next_element()? {
            added.n += 1;
            added.longest = added.longest.max(token["content"].as_str().map_or(0, str::len));
        }
        Ok(added)
    }
}

/// What a model says besides its lists.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Settings {
    pub dropout: Option<f64>,
    pub continuing_subword_prefix: Option<String>,
    pub end_of_word_suffix: Option<String>,
    pub unk_token: Option<String>,
    pub unk_id: Option<u64>,
}

/// The section of the model, without its lists.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub settings: Settings,
    /// Bytes of the longest token.
    pub longest: usize,
}

impl<'de> Deserialize<'de> for Model {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ModelVisitor)
    }
}

struct ModelVisitor;

impl<'de> Visitor<'de> for ModelVisitor {
    type Value = Model;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a model")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Model, A::Error> {
        let (mut longest, mut rest, left) = (0, Map::new(), Bounded::all());
        while let Some(key) = fields.next_key::<String>()? {
            match key.as_str() {
                "vocab" => longest = longest.max(fields.next_value::<Longest>()?.0),
                "merges" => drop(fields.next_value::<IgnoredAny>()?),
                _ => drop(rest.insert(key, fields.next_value_seed(Bounded::new(&left))?)),
            }
        }
        let settings = serde_json::from_value(Value::Object(rest)).map_err(A::Error::custom)?;
        Ok(Model { settings, longest })
    }
}
/// Bytes of the longest token of a vocabulary: keys of an object, or first of the pairs of a list.
struct Longest(usize);

impl<'de> Deserialize<'de> for Longest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LongestVisitor)
    }
}

struct LongestVisitor;

impl<'de> Visitor<'de> for LongestVisitor {
    type Value = Longest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a vocabulary")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut ids: A) -> Result<Longest, A::Error> {
        let mut longest = 0;
        while let Some((Length(length), _)) = ids.next_entry::<Length, IgnoredAny>()? {
            longest = longest.max(length);
        }
        Ok(Longest(longest))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pairs: A) -> Result<Longest, A::Error> {
        let mut longest = 0;
        while let Some((Length(length), _)) = pairs.next_element::<(Length, IgnoredAny)>()? {
            longest = longest.max(length);
        }
        Ok(Longest(longest))
    }
}

/// Bytes of a text.
struct Length(usize);

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(LengthVisitor)
    }
}

struct LengthVisitor;

impl Visitor<'_> for LengthVisitor {
    type Value = Length;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Length, E> {
        Ok(Length(text.len()))
    }
}
