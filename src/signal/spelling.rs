//! How `[signals]` spells what is either a name or a value: `layers`, `heads` and `regroup_every`.

use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::config::{CircuitHeads, Heads, Layers, Regroup};

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

impl Serialize for Heads {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Groups => serializer.serialize_str("groups"),
            Self::All => serializer.serialize_str("all"),
            Self::Circuit => serializer.serialize_str("circuit"),
            Self::Listed(heads) => serializer.collect_seq(heads.iter().map(ToString::to_string)),
            Self::OfCircuit(heads) => heads.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Heads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeadsVisitor;
        impl<'de> Visitor<'de> for HeadsVisitor {
            type Value = Heads;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "\"groups\", \"all\", \"circuit\", a list of heads such as \"1.2\", or \
                     { circuit = \"FILE.json\", top = 0.3 }",
                )
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Heads, E> {
                match name {
                    "groups" => Ok(Heads::Groups),
                    "all" => Ok(Heads::All),
                    "circuit" => Ok(Heads::Circuit),
                    other => Err(E::invalid_type(Unexpected::Str(other), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Heads, A::Error> {
                let mut heads = Vec::new();
                while let Some(head) = seq.next_element::<String>()? {
                    heads.push(head.parse().map_err(A::Error::custom)?);
                }
                Ok(Heads::Listed(heads))
            }

            // Not derived: a value with keys of its own would be a section to those who ask serde for the keys of a recipe.
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Heads, A::Error> {
                let (mut circuit, mut top) = (None, 0.3);
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "circuit" => circuit = Some(map.next_value()?),
                        "top" => top = map.next_value()?,
                        other => {
                            return Err(A::Error::custom(format!(
                                "got `{other}`, expected `circuit`, a file, and `top`, a share of its heads"
                            )));
                        }
                    }
                }
                let circuit =
                    circuit.ok_or_else(|| A::Error::custom("`circuit` is missing: the file of a circuit"))?;
                Ok(Heads::OfCircuit(CircuitHeads { circuit, top }))
            }
        }
        deserializer.deserialize_any(HeadsVisitor)
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
