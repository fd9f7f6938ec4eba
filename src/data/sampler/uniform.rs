//! Every prompt once per epoch, in an order drawn anew for each epoch from (seed, epoch).
//!
//! A draw that reaches the end of an epoch goes on in the next, so all draws have the size asked for, and passes over
//! prompts that it already holds: within an epoch and within a draw no prompt comes twice. The state is a cursor.

use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PromptSampler, SamplerSettings, SamplerState};
use crate::{
    data::order::visits,
    types::{Prompt, Purpose, RunRandom, Tree},
};

/// Keys of `type = "uniform"`: none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UniformConfig {}

impl SamplerSettings for UniformConfig {
    fn build(&self, prompts: Vec<Arc<Prompt>>, random: RunRandom) -> Result<Box<dyn PromptSampler>> {
        Ok(Box::new(Uniform::new(prompts, random)?))
    }
}

/// Where the next draw begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UniformState {
    /// Finished epochs.
    pub epoch: u64,
    /// Prompts already drawn in the current epoch, less than there are.
    pub position: u64,
}

/// Draws all prompts equally often.
pub(crate) struct Uniform {
    prompts: Vec<Arc<Prompt>>,
    random: RunRandom,
    state: UniformState,
}

impl Uniform {
    /// A sampler over `prompts`, at the start of the first epoch.
    ///
    /// # Errors
    /// If there are no prompts.
    pub(crate) fn new(prompts: Vec<Arc<Prompt>>, random: RunRandom) -> Result<Self> {
        ensure!(!prompts.is_empty(), "the uniform sampler got no prompts, expected at least one");
        Ok(Self { prompts, random, state: UniformState::default() })
    }

    /// Where the next draw begins.
    pub(super) fn place(&self) -> UniformState {
        self.state
    }

    /// Lets the next draw begin at `state`.
    pub(super) fn go_to(&mut self, state: UniformState) -> Result<()> {
        ensure!(
            state.position < self.prompts.len() as u64,
            "state of the uniform sampler: position is {}, but the data set has {} prompts; it was saved with other data",
            state.position,
            self.prompts.len()
        );
        self.state = state;
        Ok(())
    }
}

impl PromptSampler for Uniform {
    fn draw(&mut self, n: usize) -> Vec<Arc<Prompt>> {
        let n_prompts = self.prompts.len();
        let mut at = self.state.epoch * n_prompts as u64 + self.state.position;
        let mut drawn: Vec<usize> = Vec::with_capacity(n);
        while drawn.len() < n.min(n_prompts) {
            let next = at + (n - drawn.len()) as u64;
            for i in visits(&self.random, Purpose::PromptOrder, n_prompts, at..next) {
                if !drawn.contains(&i) {
                    drawn.push(i);
                }
            }
            at = next;
        }
        self.state = UniformState { epoch: at / n_prompts as u64, position: at % n_prompts as u64 };
        drawn.into_iter().map(|i| Arc::clone(&self.prompts[i])).collect()
    }

    fn prompt(&self, id: u64) -> Option<Arc<Prompt>> {
        // A prompt's id is its place, but where the training set is a part of another.
        let by_place = self.prompts.get(usize::try_from(id).ok()?).filter(|prompt| prompt.id == id);
        by_place.or_else(|| self.prompts.iter().find(|prompt| prompt.id == id)).cloned()
    }

    fn observe(&mut self, _trees: &[Tree]) {}

    fn state(&self) -> SamplerState {
        SamplerState::Uniform(self.state)
    }

    fn restore(&mut self, state: SamplerState) -> Result<()> {
        let SamplerState::Uniform(state) = state else {
            bail!("state of the uniform sampler: got {state:?}; it was saved by another sampler");
        };
        self.go_to(state)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;

    use rewards::{Countdown, Task};

    use super::*;
    use crate::data::sampler::SamplerConfig;

    fn sampler(n_prompts: u64, seed: u64) -> Box<dyn PromptSampler> {
        let task = Task::Countdown(Countdown { numbers: vec![1, 2, 3], target: 6 });
        let prompts = (0..n_prompts)
            .map(|id| Arc::new(Prompt { id, text: "?".into(), tokens: vec![0], task: task.clone() }));
        SamplerConfig::default().settings().build(prompts.collect(), RunRandom::new(seed)).unwrap()
    }

    fn ids(drawn: Vec<Arc<Prompt>>) -> Vec<u64> {
        drawn.iter().map(|p| p.id).collect()
    }

    #[test]
    fn draws_across_the_end_of_an_epoch_keep_their_size_and_hold_no_prompt_twice() {
        let mut sampler = sampler(10, 0);
        let mut visits = [0; 10];
        for _ in 0..500 {
            let drawn = ids(sampler.draw(4));
            assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), 4, "{drawn:?}");
            drawn.iter().for_each(|id| visits[*id as usize] += 1);
        }
        assert!(visits.iter().all(|n| (180..=220).contains(n)), "{visits:?}");
        let SamplerState::Uniform(state) = sampler.state() else { panic!("of the uniform sampler") };
        assert!((200..=230).contains(&state.epoch), "{state:?}");
    }

    #[test]
    fn every_epoch_has_an_order_of_its_own_that_does_not_depend_on_the_sizes_of_the_draws() {
        let (mut small, mut large) = (sampler(6, 5), sampler(6, 5));
        let drawn: Vec<u64> = (0..24).flat_map(|_| ids(small.draw(1))).collect();
        for epoch in drawn.chunks_exact(6) {
            assert_eq!(epoch.iter().copied().collect::<BTreeSet<_>>(), (0..6).collect());
        }
        assert_ne!(drawn[..6], drawn[6..12]);
        assert_eq!((0..8).flat_map(|_| ids(large.draw(3))).collect::<Vec<_>>(), drawn);
        assert_ne!(ids(sampler(6, 6).draw(6)), drawn[..6]);
        assert!(large.draw(0).is_empty());
        assert_eq!(large.draw(7).len(), 6);
    }

    #[test]
    fn continues_from_a_saved_state() {
        let mut whole = sampler(10, 1);
        (0..7).for_each(|_| drop(whole.draw(4)));
        let saved = serde_json::to_string(&whole.state()).unwrap();
        let mut resumed = sampler(10, 1);
        resumed.restore(serde_json::from_str(&saved).unwrap()).unwrap();
        for _ in 0..7 {
            assert_eq!(ids(resumed.draw(4)), ids(whole.draw(4)));
        }
    }

    #[test]
    fn refuses_a_state_of_other_data_and_an_empty_data_set() {
        let mut sampler = sampler(3, 0);
        let before = sampler.state();
        let error =
            sampler.restore(SamplerState::Uniform(UniformState { epoch: 0, position: 3 })).unwrap_err();
        assert!(error.to_string().contains("position is 3, but the data set has 3 prompts"), "{error}");
        assert_eq!(sampler.state(), before);
        assert!(SamplerConfig::default().settings().build(Vec::new(), RunRandom::new(0)).is_err());
    }
}
