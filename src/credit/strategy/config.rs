//! `[[credit]]`: the chain of strategies that reshape the advantages, with every constant of each.

use std::fmt;

use anyhow::{Result, anyhow};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One entry of the chain. An empty chain pays every token of a response the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CreditConfig {
    /// Every token the same: plain GRPO, as a name for comparisons.
    Uniform(UniformConfig),
    /// More for tokens at which the local heads' reach changes: where a chunk begins.
    LocalChunk(LocalChunkConfig),
    /// More for tokens that later tokens look back at.
    GlobalAnchor(GlobalAnchorConfig),
    /// Both, coupled: anchors inside a chunk share with the token that opens it.
    Rhythm(RhythmConfig),
    /// More for tokens drawn by lot: what attention must beat.
    Random(RandomConfig),
    /// More for tokens at which the policy was least sure.
    Entropy(EntropyConfig),
}

/// Which tokens of a response are chosen by a score, and what they get.
macro_rules! chosen_share {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            /// What the advantage of a chosen token is multiplied by.
            pub gain: f64,
            /// Share of a response's tokens that are chosen, rounded up.
            pub fraction: f64,
            /// Which end of the ranking is chosen.
            pub take: Take,
            /// Which advantages are reshaped.
            pub apply_to: ApplyTo,
        }

        impl Default for $name {
            fn default() -> Self {
                Self { gain: 1.5, fraction: 0.4, take: Take::Top, apply_to: ApplyTo::Both }
            }
        }
    };
}

chosen_share!(
    /// Settings of [`CreditConfig::LocalChunk`].
    LocalChunkConfig
);
chosen_share!(
    /// Settings of [`CreditConfig::GlobalAnchor`].
    GlobalAnchorConfig
);
chosen_share!(
    /// Settings of [`CreditConfig::Entropy`].
    EntropyConfig
);

/// Settings of [`CreditConfig::Uniform`]: there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UniformConfig {}

/// Settings of [`CreditConfig::Random`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RandomConfig {
    /// What the advantage of a chosen token is multiplied by.
    pub gain: f64,
    /// Share of a response's tokens that are chosen, rounded up.
    pub fraction: f64,
    /// Which advantages are reshaped.
    pub apply_to: ApplyTo,
}

impl Default for RandomConfig {
    fn default() -> Self {
        Self { gain: 1.5, fraction: 0.4, apply_to: ApplyTo::Both }
    }
}

/// Settings of [`CreditConfig::Rhythm`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RhythmConfig {
    /// What the advantage of an anchor is multiplied by; a dominated one shares what is above 1.
    pub gain: f64,
    /// Share of a response's tokens that are anchors, rounded up.
    pub fraction: f64,
    /// Which end of the ranking by FAI is taken for anchors.
    pub take: Take,
    /// k: how many tokens before a dominated anchor its opener is looked for.
    pub lookback: usize,
    /// An anchor with a WAAD above this is not dominated.
    pub tau_waad: Threshold,
    /// An anchor is dominated only if a jump before it reaches this.
    pub tau_jump: Threshold,
    /// Share of a dominated anchor's extra credit that goes to its opener.
    pub alpha: f64,
    /// What a token gets that is an anchor and an opener.
    pub overlap: Overlap,
    /// Which advantages are reshaped.
    pub apply_to: ApplyTo,
}

impl Default for RhythmConfig {
    fn default() -> Self {
        Self {
            gain: 1.5,
            fraction: 0.4,
            take: Take::Top,
            lookback: 3,
            tau_waad: Threshold::Median,
            tau_jump: Threshold::Median,
            alpha: 0.5,
            overlap: Overlap::Add,
            apply_to: ApplyTo::Both,
        }
    }
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

    /// What strategies are called.
    pub const NAMES: [&str; 6] = ["uniform", "local_chunk", "global_anchor", "rhythm", "random", "entropy"];

    /// What cannot work, each as `key: got ..., expected ...`.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let (gain, fraction) = match self {
            Self::Uniform(_) => return Vec::new(),
            Self::LocalChunk(c) => (c.gain, c.fraction),
            Self::GlobalAnchor(c) => (c.gain, c.fraction),
            Self::Rhythm(c) => (c.gain, c.fraction),
            Self::Random(c) => (c.gain, c.fraction),
            Self::Entropy(c) => (c.gain, c.fraction),
        };
        let mut problems = Vec::new();
        if !(gain.is_finite() && gain >= 0.0) {
            problems.push(format!("gain: got {gain}, expected a finite number, 0 or more"));
        }
        if !(fraction > 0.0 && fraction <= 1.0) {
            problems.push(format!("fraction: got {fraction}, expected above 0 and at most 1"));
        }
        if let Self::Rhythm(c) = self {
            if !(0.0..=1.0).contains(&c.alpha) {
                problems.push(format!("alpha: got {}, expected 0 to 1", c.alpha));
            }
            if c.lookback == 0 {
                problems.push("lookback: got 0, expected at least 1 token".into());
            }
            for (key, threshold) in [("tau_waad", c.tau_waad), ("tau_jump", c.tau_jump)] {
                if matches!(threshold, Threshold::Value(value) if !value.is_finite()) {
                    problems.push(format!("{key}: expected \"median\" or a finite number"));
                }
            }
        }
        problems
    }
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
