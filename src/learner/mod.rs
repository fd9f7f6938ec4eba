//! The learner: finished numbers in, better weights out. It knows no algorithm but its loss.
//!
//! Tested against plain autograd and PyTorch in `src/tests/numerics/{gradient,losses,critic,refusal}.rs`.

mod accumulate;
mod critic_update;
mod fit;
mod policy_update;
mod report;
mod scores;
pub(crate) mod sft;
mod sft_config;

#[cfg(test)]
pub(crate) use accumulate::accumulate;
pub(crate) use critic_update::{CriticConfig, CriticLearner, CriticReport};
pub(crate) use policy_update::{LearnerConfig, PolicyLearner, Rates};
pub(crate) use report::{Gap, UpdateReport};
pub(crate) use scores::{Weighted, add_weighted_scores};
pub(crate) use sft_config::SftConfig;
