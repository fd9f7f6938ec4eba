//! `[sampler]`: which prompts a step trains on.
//!
//! A sampler only ever chooses among the training prompts. It may learn from the scored trees (the
//! *difficulty* pipe back from scoring); what it has learned is its state, saved with every checkpoint.

use std::sync::Arc;

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::{Prompt, Rules, RunRandom, Tree};

mod adaptive;
mod uniform;

pub(crate) use adaptive::{AdaptiveConfig, AdaptiveState};
pub(crate) use uniform::{Uniform, UniformConfig, UniformState};

/// Chooses the prompts of each step, and learns from what came of them.
pub(crate) trait PromptSampler: Send {
    /// The next `n` prompts, or as many as the sampler holds right, all different, since the draws of a response depend on its
    /// prompt and step; all there are where there are fewer.
    fn draw(&mut self, n: usize) -> Vec<Arc<Prompt>>;

    /// The prompt `id`, if there is one.
    fn prompt(&self, id: u64) -> Option<Arc<Prompt>>;

    /// Takes notice of how the responses to drawn prompts were scored.
    fn observe(&mut self, trees: &[Tree]);

    /// All that later draws depend on, besides configuration, prompts and seed.
    fn state(&self) -> SamplerState;

    /// Continues from `state` as if never stopped.
    ///
    /// # Errors
    /// If the state is another sampler's or does not fit the prompts; nothing is changed then.
    fn restore(&mut self, state: SamplerState) -> Result<()>;
}

/// Which prompts a step trains on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum SamplerConfig {
    /// Draws all prompts equally often.
    Uniform(UniformConfig),
    /// Draws more prompts while few of them have rewards that differ.
    Adaptive(AdaptiveConfig),
}

impl Default for SamplerConfig {
    fn default() -> Self {
        Self::Uniform(UniformConfig {})
    }
}

/// The settings of one sampler.
pub(crate) trait SamplerSettings {
    /// What its keys may be.
    fn rules(&self) -> Rules {
        Rules::default()
    }

    /// The most prompts of a step, where it may have more than the first.
    fn most(&self) -> Option<usize> {
        None
    }

    /// The sampler over `prompts`.
    ///
    /// # Errors
    /// If there are no prompts.
    fn build(&self, prompts: Vec<Arc<Prompt>>, random: RunRandom) -> Result<Box<dyn PromptSampler>>;
}

impl SamplerConfig {
    /// What the recipe chose.
    #[must_use]
    pub(crate) fn settings(&self) -> &dyn SamplerSettings {
        match self {
            Self::Uniform(config) => config,
            Self::Adaptive(config) => config,
        }
    }
}

/// State of a sampler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum SamplerState {
    /// Of [`Uniform`].
    Uniform(UniformState),
    /// Of [`Adaptive`].
    Adaptive(AdaptiveState),
}
