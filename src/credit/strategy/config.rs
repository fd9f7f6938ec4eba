//! `[[credit]]`: the chain of strategies that reshape the advantages, and the small choices that several of them offer.
//! The settings of a strategy stand in its own file.

use std::fmt;

use anyhow::{Result, anyhow};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    CreditStrategy, EntropyConfig, GlobalAnchorConfig, LocalChunkConfig, RandomConfig, RhythmConfig,
    UniformConfig,
};
use crate::types::RunRandom;

/// The settings of one strategy, as an entry of `[[credit]]` holds them.
pub trait StrategyConfig {
    /// What cannot work, each as `key: got ..., expected ...`.
    fn problems(&self) -> Vec<String>;

    /// Whether it goes by FAI, which no token has whose response ends before the horizon begins.
    fn looks_ahead(&self) -> bool {
        false
    }

    /// The strategy, with the randomness of the run.
    fn build(&self, random: RunRandom) -> Box<dyn CreditStrategy>;
}

/// Makes the enum of all strategies, with what can be had from its entries alone: names, and the settings inside.
macro_rules! strategies {
    ($($(#[$doc:meta])* $Name:ident($Config:ty) = $name:literal,)*) => {
        /// One entry of the chain. An empty chain pays every token of a response the same.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type")]
        pub enum CreditConfig {
            $($(#[$doc])* #[serde(rename = $name)] $Name($Config),)*
        }

        impl CreditConfig {
            /// What strategies are called.
            pub const NAMES: &[&str] = &[$($name),*];

            fn settings(&self) -> &dyn StrategyConfig {
                match self {
                    $(Self::$Name(config) => config,)*
                }
            }
        }
    };
}

strategies! {
    /// Every token the same: plain GRPO, as a name for comparisons.
    Uniform(UniformConfig) = "uniform",
    /// More for tokens at which the local heads' reach changes: where a chunk begins.
    LocalChunk(LocalChunkConfig) = "local_chunk",
    /// More for tokens that later tokens look back at.
    GlobalAnchor(GlobalAnchorConfig) = "global_anchor",
    /// Both, coupled: anchors inside a chunk share with the token that opens it.
    Rhythm(RhythmConfig) = "rhythm",
    /// More for tokens drawn by lot: what attention must beat.
    Random(RandomConfig) = "random",
    /// More for tokens at which the policy was least sure.
    Entropy(EntropyConfig) = "entropy",
}

impl CreditConfig {
    /// The strategy called `name`, with its defaults.
    ///
    /// # Errors
    /// If there is none of that name; the message names all there are.
    pub fn named(name: &str) -> Result<Self> {
        let table = toml::Table::from_iter([(String::from("type"), name.into())]);
        table.try_into().map_err(|_| {
            anyhow!("no credit strategy is called {name:?}; expected one of {}", Self::NAMES.join(", "))
        })
    }

    /// What cannot work, each as `key: got ..., expected ...`.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.settings().problems()
    }

    /// Whether it goes by FAI, see [`StrategyConfig::looks_ahead`].
    #[must_use]
    pub fn looks_ahead(&self) -> bool {
        self.settings().looks_ahead()
    }

    /// The strategy that the recipe chose, with the randomness of the run.
    #[must_use]
    pub fn build(&self, random: RunRandom) -> Box<dyn CreditStrategy> {
        self.settings().build(random)
    }
}

/// Far above any use. A few strategies in a chain and the largest advantages still stay within f32.
const LARGEST_GAIN: f64 = 1000.0;

/// What cannot work in the two settings that strategies have in common.
pub(super) fn share_problems(gain: f64, fraction: f64) -> Vec<String> {
    let mut problems = Vec::new();
    if !(0.0..=LARGEST_GAIN).contains(&gain) {
        problems.push(format!("gain: got {gain:?}, expected 0 to {LARGEST_GAIN}"));
    }
    if !(fraction > 0.0 && fraction <= 1.0) {
        problems.push(format!("fraction: got {fraction}, expected above 0 and at most 1"));
    }
    problems
}

/// Which end of a ranking is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Take {
    /// The largest scores.
    #[default]
    Top,
    /// The smallest: the ablation that should do harm.
    Bottom,
}

/// Which advantages are reshaped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplyTo {
    /// All of them.
    #[default]
    Both,
    /// Those above 0.
    Positive,
    /// Those below 0.
    Negative,
}

impl ApplyTo {
    /// Whether `advantage` is reshaped.
    #[must_use]
    pub fn includes(self, advantage: f32) -> bool {
        match self {
            Self::Both => true,
            Self::Positive => advantage > 0.0,
            Self::Negative => advantage < 0.0,
        }
    }
}

/// What a token gets that is an anchor and the opener of another anchor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The sum of both extras.
    #[default]
    Add,
    /// The sum, at most the whole `gain`.
    Cap,
    /// The opener's extra alone.
    Overwrite,
}

/// A threshold over the tokens of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Threshold {
    /// The median of the response's own values.
    #[default]
    Median,
    /// This value for all responses.
    Value(f64),
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
