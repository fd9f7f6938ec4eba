//! How `[signals]` spells what is either a name or a value: `layers` and `regroup_every`.

use std::fmt;

use serde::de::{Error, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::config::{Layers, Regroup};

impl Serialize for Layers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Middle => serializer.serialize_str("middle"),
            Self::All => serializer.serialize_str("all"),
            Self::List(layers) => layers.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Layers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LayersVisitor;
        impl<'de> Visitor<'de> for LayersVisitor {
            type Value = Layers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"middle\", \"all\" or a list of layer numbers")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Layers, E> {
                match name {
                    "middle" => Ok(Layers::Middle),
                    "all" => Ok(Layers::All),
                    other => Err(E::invalid_type(Unexpected::Str(other), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Layers, A::Error> {
                let mut layers = Vec::new();
                while let Some(layer) = seq.next_element()? {
                    layers.push(layer);
                }
                Ok(Layers::List(layers))
            }
        }
        deserializer.deserialize_any(LayersVisitor)
    }
}

impl Serialize for Regroup {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Frozen => serializer.serialize_str("frozen"),
            Self::Every(n) => serializer.serialize_u64(*n),
        }
    }
}

impl<'de> Deserialize<'de> for Regroup {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RegroupVisitor;
        impl Visitor<'_> for RegroupVisitor {
            type Value = Regroup;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"frozen\" or a number of steps")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Regroup, E> {
                match name {
                    "frozen" => Ok(Regroup::Frozen),
                    other => Err(E::invalid_type(Unexpected::Str(other), &self)),
                }
            }

            fn visit_u64<E: Error>(self, n: u64) -> Result<Regroup, E> {
                Ok(if n == 0 { Regroup::Frozen } else { Regroup::Every(n) })
            }

            fn visit_i64<E: Error>(self, n: i64) -> Result<Regroup, E> {
                let n = u64::try_from(n).map_err(|_| E::invalid_type(Unexpected::Signed(n), &self))?;
                self.visit_u64(n)
            }
        }
        deserializer.deserialize_any(RegroupVisitor)
    }
}
