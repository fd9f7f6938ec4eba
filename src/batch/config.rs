//! `[batch]`: how many prompts make a step and how a step is cut into updates.

use serde::{Deserialize, Serialize};

use crate::types::SharedPrefix;

/// Sizes of a training step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchConfig {
    /// Prompts per step.
    pub prompts: usize,
    /// Optimiser steps per epoch; divides `prompts`.
    #[serde(default = "one")]
    pub minibatches: usize,
    /// Passes over the responses of a step.
    #[serde(default = "one")]
    pub epochs: usize,
    /// Tokens per micro-batch, a strict limit; what its sequences have in common at their beginning counts once.
    #[serde(default = "max_tokens")]
    pub max_tokens: usize,
    /// Whether the backward pass computes activations again instead of keeping them: less memory, more time. The warm start
    /// keeps them; there [warmup] `max_tokens` is what to lower.
    #[serde(default)]
    pub recompute: bool,
    /// Which of the paths through a shared prefix of a tree train its tokens.
    #[serde(default)]
    pub shared_prefix: SharedPrefix,
}

fn one() -> usize {
    1
}
fn max_tokens() -> usize {
    16384
}
