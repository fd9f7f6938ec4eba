//! What later harvests depend on, as a checkpoint keeps it.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::gather::{Gatherer, Sprouts, leaf};
use crate::data::sampler::SamplerState;
use crate::rollout::explore::ExplorerState;
use crate::types::{Completion, Finish, Fork, Prompt, TokenId, Tree};

/// Where a rollout source stands.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceState {
    /// In its prompts.
    pub sampler: SamplerState,
    /// What its explorer has learnt.
    pub explorer: ExplorerState,
    /// What was generated ahead, if anything is.
    pub pending: Option<Pending>,
}

/// First responses that wait for their branches. Texts and verdicts are not kept: the same tokens give the same again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    trees: Vec<PendingTree>,
    /// Tree, leaf, and tokens shared with it.
    forks: Vec<(usize, usize, usize)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PendingTree {
    prompt: u64,
    responses: Vec<PendingResponse>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PendingResponse {
    sample: u32,
    tokens: Vec<TokenId>,
    /// The bits of each log-probability, since JSON knows no number that is not finite.
    logprob_bits: Vec<u32>,
    finish: Finish,
}

impl Pending {
    fn new(sprouts: &Sprouts) -> Self {
        let tree = |tree: &Tree| PendingTree {
            prompt: tree.prompt.id,
            responses: tree
                .leaves
                .iter()
                .map(|leaf| PendingResponse {
                    sample: leaf.sample,
                    tokens: leaf.tokens.clone(),
                    logprob_bits: leaf.logprobs.iter().map(|l| l.to_bits()).collect(),
                    finish: leaf.finish,
                })
                .collect(),
        };
        Self {
            trees: sprouts.trees.iter().map(tree).collect(),
            forks: sprouts.forks.iter().map(|(tree, fork)| (*tree, fork.parent, fork.at)).collect(),
        }
    }
}

impl Gatherer {
    /// Where it stands, with what is `pending`.
    #[must_use]
    pub fn state(&self, pending: Option<&Sprouts>) -> SourceState {
        SourceState {
            sampler: self.sampler.state(),
            explorer: self.explorer.state(),
            pending: pending.map(Pending::new),
        }
    }

    /// Goes on from `state`; gives what is pending.
    ///
    /// # Errors
    /// If the state does not fit sampler or prompts.
    pub fn restore(&mut self, state: SourceState) -> Result<Option<Sprouts>> {
        let SourceState { sampler, explorer, pending } = state;
        self.sampler.restore(sampler)?;
        self.explorer.restore(explorer);
        pending.map(|pending| self.sprouts(pending)).transpose()
    }

    fn sprouts(&self, pending: Pending) -> Result<Sprouts> {
        let trees = pending.trees.into_iter().map(|tree| {
            let prompt: Arc<Prompt> = self.sampler.prompt(tree.prompt).with_context(|| {
                format!(
                    "pending responses: the data set has no prompt {}; it was saved with other data",
                    tree.prompt
                )
            })?;
            let leaves = tree.responses.into_iter().map(|response| {
                let PendingResponse { sample, tokens, logprob_bits, finish } = response;
                let logprobs = logprob_bits.into_iter().map(f32::from_bits).collect();
                let done = Completion { tokens, logprobs, finish, signals: None };
                leaf(sample, &prompt, done, &self.scorer, &self.tokenizer)
            });
            Ok(Tree { leaves: leaves.collect::<Result<_>>()?, prompt: Arc::clone(&prompt) })
        });
        let trees: Vec<Tree> = trees.collect::<Result<_>>()?;
        let forks = pending.forks.into_iter().map(|(i, parent, at)| {
            let parent_leaf = trees.get(i).and_then(|tree| tree.leaves.get(parent));
            ensure!(
                parent_leaf.is_some_and(|leaf| at < leaf.tokens.len()),
                "pending responses: a branch leaves response {parent} of tree {i} at token {at}, which is not there"
            );
            Ok((i, Fork { parent, at }))
        });
        let forks = forks.collect::<Result<_>>()?;
        Ok(Sprouts { trees, forks })
    }
}
