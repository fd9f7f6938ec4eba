//! As many prompts as it takes for about as many responses that tell something (arXiv 2509.26628).
//!
//! ```text
//! B <- floor(0.9 B + 0.1 (target / valid) B + 1/2),   1 <= B <= most
//! ```
//!
//! `valid` counts the graded responses of a step to prompts whose rewards differ. Prompts come in the order of the uniform sampler.
//! Where draws are made a step ahead, B is the size of the newest draw and `valid` is of the one before it, the last that is
//! known.

use std::sync::Arc;

use anyhow::{Result, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PromptSampler, SamplerSettings, SamplerState, Uniform, UniformState};
use crate::types::{Prompt, Rules, RunRandom, Tree};

/// Keys of `type = "adaptive"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdaptiveConfig {
    /// Responses per step to prompts whose rewards differ.
    pub target: usize,
    /// Most prompts per step.
    pub most: usize,
}

/// Where the next draw begins, and how many prompts it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdaptiveState {
    /// In the order of prompts.
    pub order: UniformState,
    /// Prompts of the next draw; `None` before the first, which is as large as it is asked for.
    pub batch: Option<usize>,
}

/// Draws more prompts while few of them tell something.
pub(crate) struct Adaptive {
    order: Uniform,
    config: AdaptiveConfig,
    batch: Option<usize>,
}

impl Adaptive {
    /// On top of `order`.
    #[must_use]
    pub(crate) fn new(order: Uniform, config: AdaptiveConfig) -> Self {
        Self { order, config, batch: None }
    }
}

impl AdaptiveConfig {
    /// Prompts of the step after one with `batch`, of whose responses `valid` told something.
    #[must_use]
    pub(crate) fn next(&self, batch: usize, valid: usize) -> usize {
        let (batch, share) = (batch as f64, self.target as f64 / valid.max(1) as f64);
        let next = (0.9 * batch + 0.1 * share * batch + 0.5).floor() as usize;
        next.clamp(1, self.most)
    }
}

impl SamplerSettings for AdaptiveConfig {
    fn rules(&self) -> Rules {
        let mut rules = Rules::default();
        rules.positive("target", self.target);
        rules.positive("most", self.most);
        rules
    }

    fn most(&self) -> Option<usize> {
        Some(self.most)
    }

    fn build(&self, prompts: Vec<Arc<Prompt>>, random: RunRandom) -> Result<Box<dyn PromptSampler>> {
        Ok(Box::new(Adaptive::new(Uniform::new(prompts, random)?, *self)))
    }
}

impl PromptSampler for Adaptive {
    fn draw(&mut self, n: usize) -> Vec<Arc<Prompt>> {
        let batch = *self.batch.get_or_insert(n.min(self.config.most));
        self.order.draw(batch)
    }

    fn prompt(&self, id: u64) -> Option<Arc<Prompt>> {
        self.order.prompt(id)
    }

    fn observe(&mut self, trees: &[Tree]) {
        let valid = trees.iter().filter(|tree| tree.has_signal()).map(|tree| tree.graded().count()).sum();
        self.batch = self.batch.map(|batch| self.config.next(batch, valid));
    }

    fn state(&self) -> SamplerState {
        SamplerState::Adaptive(AdaptiveState { order: self.order.place(), batch: self.batch })
    }

    fn restore(&mut self, state: SamplerState) -> Result<()> {
        let SamplerState::Adaptive(AdaptiveState { order, batch }) = state else {
            bail!("state of the adaptive sampler: got {state:?}; it was saved by another sampler");
        };
        self.order.go_to(order)?;
        self.batch = batch;
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::credit::advantage::testing::group;
    use crate::types::RunRandom;

    #[test]
    fn the_batch_grows_where_little_is_valid() {
        let next = |batch, target, valid| AdaptiveConfig { target, most: 1000 }.next(batch, valid);
        assert_eq!(next(64, 1920, 1920), 64);
        assert_eq!(next(64, 1920, 960), 70); // 57.6 + 12.8
        assert_eq!(next(100, 1920, 2400), 98);
        assert_eq!(next(8, 240, 0), 199);
        assert_eq!(next(75, 1920, 1500), 77); // 67.5 + 9.6
        assert_eq!(AdaptiveConfig { target: 240, most: 50 }.next(8, 0), 50);
        assert_eq!(AdaptiveConfig { target: 1, most: 50 }.next(1, 1000), 1);
    }

    #[test]
    fn draws_follow_what_was_observed_and_go_on_from_a_state() {
        let prompts: Vec<_> =
            (0..40).map(|id| Arc::new(Prompt { id, ..(*group(&[0.0]).tree.prompt).clone() })).collect();
        let sampler = || {
            let order = Uniform::new(prompts.clone(), RunRandom::new(1)).unwrap();
            Adaptive::new(order, AdaptiveConfig { target: 8, most: 12 })
        };
        let mut one = sampler();
        assert_eq!(one.draw(4).len(), 4);
        one.observe(&[group(&[1.0, 0.0]).tree, group(&[1.0, 1.0]).tree]); // 2 of 8: 3.6 + 1.6
        assert_eq!(one.draw(4).len(), 5);
        let mut other = sampler();
        other.restore(one.state()).unwrap();
        assert_eq!(one.draw(4), other.draw(4));
        assert!(other.restore(SamplerState::Uniform(UniformState::default())).is_err());
        assert_eq!(one.prompt(7).unwrap().id, 7);
        assert!(one.prompt(40).is_none());
    }
}
