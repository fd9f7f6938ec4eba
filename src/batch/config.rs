//! `[batch]`: how many prompts make a step and how a step is cut into updates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::{Rules, SharedPrefix};

/// Sizes of a training step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchConfig {
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
    /// Whether the backward pass computes activations again instead of keeping them: less memory, more time. SFT
    /// keeps them; there [sft] `max_tokens` is what to lower.
    #[serde(default)]
    pub gradient_checkpointing: bool,
    /// Which of the paths through a shared prefix of a tree train its tokens.
    #[serde(default)]
    pub shared_prefix: SharedPrefix,
}

impl BatchConfig {
    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self { prompts, minibatches, epochs, max_tokens: _, gradient_checkpointing: _, shared_prefix: _ } =
            *self;
        let mut rules = Rules::default();
        rules.positive("prompts", prompts);
        rules.positive("minibatches", minibatches);
        rules.positive("epochs", epochs);
        let uneven = prompts > 0 && minibatches > 0 && !prompts.is_multiple_of(minibatches);
        rules.forbid(uneven, &["minibatches", "prompts"], || {
            let [below, above] = divisors_around(prompts, minibatches);
            format!(
                ": got {minibatches}, expected a divisor of `prompts` = {prompts}, such as {below} or {above}"
            )
        });
        rules
    }
}

/// A divisor of `n` below `near` and one above, the nearest where a short search finds them. Where `near` is above `n`,
/// both are at most `n`.
fn divisors_around(n: usize, near: usize) -> [usize; 2] {
    const REACH: usize = 10_000;
    let divides = |d: &usize| n.is_multiple_of(*d);
    let below = (1..near.min(n)).rev().take(REACH).find(divides).unwrap_or(1);
    [below, (near..n).take(REACH).find(divides).unwrap_or(n)]
}

fn one() -> usize {
    1
}
fn max_tokens() -> usize {
    16384
}
