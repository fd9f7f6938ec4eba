//! `[sft]`: SFT of a policy (supervised fine-tuning).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::supervised::SourceConfig;
use crate::optim::expect_learning_rate;
use crate::types::Rules;

/// Supervised training on demonstrations before the first step of reinforcement learning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SftConfig {
    /// Optimiser steps.
    pub steps: u64,
    /// Texts per optimiser step.
    pub batch_size: usize,
    /// Peak learning rate; falls along a cosine to a tenth of it at the last step.
    pub lr: f64,
    /// Steps over which the learning rate rises linearly from 0.
    #[serde(default)]
    pub warmup_steps: u64,
    /// Decoupled weight decay.
    #[serde(default)]
    pub weight_decay: f64,
    /// Tokens per micro-batch, a strict limit.
    #[serde(default = "max_tokens")]
    pub max_tokens: usize,
    /// Steps between models that are kept for good, weights alone; 0: none. `rlcredit circuit RUN --checkpoints sft` follows heads
    /// through them.
    #[serde(default)]
    pub keep_model_every: u64,
    /// Where the demonstrations come from.
    pub source: SourceConfig,
}

impl SftConfig {
    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self {
            steps,
            batch_size,
            lr,
            warmup_steps,
            weight_decay,
            max_tokens,
            keep_model_every: _,
            source,
        } = self;
        let mut rules = Rules::default();
        rules.positive("steps", *steps);
        rules.positive("batch_size", *batch_size);
        expect_learning_rate(&mut rules, "lr", *lr);
        rules.forbid(*steps > 0 && warmup_steps > steps, &["warmup_steps", "steps"], || {
            format!(": got {warmup_steps}, expected at most `steps` = {steps}")
        });
        rules.share("weight_decay", *weight_decay);
        rules.positive("max_tokens", *max_tokens);
        rules.part("source", source.settings().rules());
        rules
    }
}

fn max_tokens() -> usize {
    16384
}
