//! Credit strategies: how much of a response's advantage each of its tokens gets.
//!
//! ```text
//! A_t <- gamma_t A_t        for each strategy of the chain in turn
//! ```
//!
//! Each gives one gain per response token and never sees a reward. To add one that scores tokens and pays the best of them
//! more, write its file as `entropy.rs` is written ([`Scores`] has the common part), and add it to [`CreditConfig`]; one of
//! another kind implements [`StrategySettings`] and [`CreditStrategy`] itself, as `rhythm.rs` does. `inspect`, `compare` and
//! `check` go by what these say.

mod anatomy;
mod boost;
mod entropy;
mod entry;
mod gains;
mod global_anchor;
#[cfg(test)]
mod late;
mod local_chunk;
mod random;
mod response;
mod rhythm;
#[cfg(test)]
mod tests;
mod threshold;
mod uniform;

use anyhow::{Result, anyhow};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

pub(crate) use anatomy::{dominated, jumps, top};
pub(crate) use boost::{ApplyTo, Boost, Scores, Take};
pub(crate) use entropy::EntropyConfig;
pub(crate) use entry::CreditEntry;
pub(crate) use gains::{Curve, Gains, Mark, Role, Share};
pub(crate) use global_anchor::GlobalAnchorConfig;
pub(crate) use local_chunk::LocalChunkConfig;
pub(crate) use random::RandomConfig;
pub(crate) use response::Response;
#[cfg(test)]
pub(crate) use rhythm::Overlap;
pub(crate) use rhythm::RhythmConfig;
pub(crate) use threshold::Threshold;
pub(crate) use uniform::UniformConfig;

use crate::types::{Needs, Rules, RunRandom, Step, nearest};

/// Weighs the tokens of a response against each other.
pub(crate) trait CreditStrategy {
    /// What must be measured for it.
    fn needs(&self) -> Needs;

    /// Which advantages it reshapes; the others keep what they have.
    fn apply_to(&self) -> ApplyTo;

    /// Whether it reshapes nothing in `step` and later on.
    fn is_over(&self, step: Step) -> bool {
        _ = step;
        false
    }

    /// The gain of each token of `response`, and the tokens that it singles out.
    ///
    /// # Errors
    /// If something it needs was not measured.
    fn gains(&self, response: &Response<'_>) -> Result<Gains>;
}

/// The settings of one strategy, as an entry of `[[credit]]` holds them.
pub(crate) trait StrategySettings {
    /// What its keys may be.
    fn rules(&self) -> Rules;

    /// What has no effect where responses have at most `max_new_tokens` tokens, each as a sentence.
    fn idle(&self, max_new_tokens: usize) -> Vec<String> {
        _ = max_new_tokens;
        Vec::new()
    }

    /// The strategy, with the randomness of the run.
    fn build(&self, random: RunRandom) -> Box<dyn CreditStrategy>;
}

/// A strategy with its own keys; [`CreditEntry`] has those that all take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, VariantNames, IntoStaticStr, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(crate) enum CreditConfig {
    /// Every token the same: plain GRPO, as a name for comparisons.
    Uniform(UniformConfig),
    /// Anchors and openers, coupled: anchors inside a chunk share with the token that opens it.
    Rhythm(RhythmConfig),
    /// More for tokens at which the local heads' reach changes: where a chunk begins.
    LocalChunk(LocalChunkConfig),
    /// More for tokens that later tokens look back at.
    GlobalAnchor(GlobalAnchorConfig),
    /// More for tokens at which the policy was least sure.
    Entropy(EntropyConfig),
    /// More for tokens drawn by lot: what attention must beat.
    Random(RandomConfig),
    /// One that tests add.
    #[cfg(test)]
    #[schemars(skip)]
    Late(late::LateConfig),
}

impl CreditConfig {
    /// What strategies are called.
    pub(crate) const NAMES: &[&str] = Self::VARIANTS;

    /// The strategy called `name`, with its defaults.
    ///
    /// # Errors
    /// If there is none of that name; the message names all there are.
    pub(crate) fn named(name: &str) -> Result<Self> {
        let table = toml::Table::from_iter([(String::from("type"), name.into())]);
        table.try_into().map_err(|_| {
            let meant =
                nearest(name, Self::NAMES).map_or_else(String::new, |near| format!("; did you mean {near}?"));
            anyhow!(
                "no credit strategy is called {name:?}; expected one of {}{meant}",
                Self::NAMES.join(", ")
            )
        })
    }

    /// What it is called.
    #[must_use]
    pub(crate) fn name(&self) -> &'static str {
        self.into()
    }

    /// Whether it leaves every advantage as it is, so that a chain is the same without it.
    #[must_use]
    pub(crate) fn is_uniform(&self) -> bool {
        matches!(self, Self::Uniform(_))
    }

    fn settings(&self) -> &dyn StrategySettings {
        match self {
            Self::Uniform(config) => config,
            Self::Rhythm(config) => config,
            Self::LocalChunk(config) => config,
            Self::GlobalAnchor(config) => config,
            Self::Entropy(config) => config,
            Self::Random(config) => config,
            #[cfg(test)]
            Self::Late(config) => config,
        }
    }

    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        self.settings().rules()
    }

    /// See [`StrategySettings::idle`].
    #[must_use]
    pub(crate) fn idle(&self, max_new_tokens: usize) -> Vec<String> {
        self.settings().idle(max_new_tokens)
    }

    /// What must be measured for it.
    #[must_use]
    pub(crate) fn needs(&self) -> Needs {
        self.build(RunRandom::new(0)).needs()
    }

    /// The strategy that the recipe chose, with the randomness of the run.
    #[must_use]
    pub(crate) fn build(&self, random: RunRandom) -> Box<dyn CreditStrategy> {
        self.settings().build(random)
    }
}
