//! How generating and learning take turns: a [`RolloutSource`] yields the scored trees of a step.

mod config;
mod on_policy;
mod roots;

pub use config::{OnPolicyConfig, PipelineConfig};
pub use on_policy::{OnPolicy, graft};
pub use roots::{RootReader, Roots};

use anyhow::Result;

use crate::data::sampler::SamplerState;
use crate::model::Policy;
use crate::types::{Step, Tree};

/// What a rollout source yields for one step.
pub struct Harvest {
    /// One scored tree per prompt, in the order the prompts were drawn.
    pub trees: Vec<Tree>,
    /// Steps that the weights have moved on since those that each tree was sampled from.
    pub ages: Vec<Step>,
    /// What was sampled beside `trees` and is trained on nowhere.
    pub discarded: Discarded,
    /// Seconds spent generating.
    pub generate_s: f64,
    /// Seconds spent scoring.
    pub score_s: f64,
}

/// Groups without signal that gave their place to others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Discarded {
    /// Generation rounds beyond the first.
    pub rounds: u64,
    /// Prompts.
    pub prompts: u64,
    /// Responses to them.
    pub samples: u64,
    /// Tokens of these.
    pub tokens: u64,
}

/// Yields the scored responses a step trains on.
pub trait RolloutSource {
    /// The harvest of `step`. `progress` hears how many responses have ended since its last call.
    ///
    /// # Errors
    /// If generation fails. A log-probability or reward that is not finite is no error, it stands in its leaf.
    fn next(&mut self, policy: &Policy, step: Step, progress: &mut dyn FnMut(usize)) -> Result<Harvest>;

    /// Everything that later harvests depend on.
    fn state(&self) -> SamplerState;

    /// Goes on from a saved state.
    ///
    /// # Errors
    /// If the state does not fit the recipe's sampler.
    fn restore(&mut self, state: SamplerState) -> Result<()>;
}
