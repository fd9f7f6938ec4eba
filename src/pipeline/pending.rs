//! What later rollout batches depend on, as a checkpoint keeps it.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use rewards::{Status, Verdict};
use serde::{Deserialize, Serialize};

use super::collect::{Branch, Collector, PendingBranches, Timings};
use super::overlapped::AGE;
use super::{Discarded, RolloutBatch};
use crate::data::sampler::SamplerState;
use crate::rollout::Counts;
use crate::rollout::explore::ExplorerState;
use crate::score::{Score, Whole};
use crate::types::{Attention, Completion, Finish, Fork, Leaf, Prompt, Span, TokenId, Tree};

/// Where a rollout source stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SourceState {
    /// In its prompts.
    pub sampler: SamplerState,
    /// What its explorer has learnt.
    pub explorer: ExplorerState,
    /// What was generated ahead, if anything is.
    pub pending: Option<Pending>,
}

/// Responses that were generated ahead. Texts are not kept, which the same tokens give again; scores are, since a grader that is
/// another program may fail on one try and not on the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pending {
    trees: Vec<PendingTree>,
    /// Branches that are still to be asked for: tree, leaf, and tokens shared with it.
    forks: Vec<(usize, usize, usize)>,
    /// Of trees that are whole: what was discarded beside them, and what contexts took.
    whole: Option<(Discarded, Counts)>,
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
    /// Leaf that it forked off, and tokens shared with it.
    fork: Option<(usize, usize)>,
    tokens: Vec<TokenId>,
    /// The bits of each log-probability, since JSON knows no number that is not finite.
    logprob_bits: Vec<u32>,
    finish: Finish,
    /// The weights that a server drew the tokens from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    versions: Vec<Span>,
    /// What it was given; where it is missing, graders are asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    score: Option<PendingScore>,
}

/// A [`Score`], each number as its bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PendingScore {
    value_bits: u64,
    part_bits: BTreeMap<String, u64>,
    status: Status,
    answer: Option<String>,
    note: Option<String>,
    is_graded: bool,
    rounding_bits: u64,
}

impl PendingScore {
    fn new(leaf: &Leaf) -> Self {
        let Verdict { value, parts, status, answer, note } = &leaf.verdict;
        Self {
            value_bits: value.to_bits(),
            part_bits: parts.iter().map(|(name, value)| (name.clone(), value.to_bits())).collect(),
            status: *status,
            answer: answer.clone(),
            note: note.clone(),
            is_graded: leaf.is_graded,
            rounding_bits: leaf.rounding.to_bits(),
        }
    }

    fn score(self) -> Score {
        let Self { value_bits, part_bits, status, answer, note, is_graded, rounding_bits } = self;
        let parts = part_bits.into_iter().map(|(name, bits)| (name, f64::from_bits(bits))).collect();
        let verdict = Verdict { value: f64::from_bits(value_bits), parts, status, answer, note };
        Score { verdict, is_graded, rounding: f64::from_bits(rounding_bits) }
    }
}

impl Pending {
    fn of_branches(branches: &PendingBranches) -> Self {
        let forks =
            branches.branches.iter().map(|Branch { tree, fork }| (*tree, fork.parent, fork.at)).collect();
        Self { trees: branches.trees.iter().map(PendingTree::new).collect(), forks, whole: None }
    }

    fn of_batch(rollouts: &RolloutBatch) -> Self {
        let trees = rollouts.trees.iter().map(PendingTree::new).collect();
        Self { trees, forks: Vec::new(), whole: Some((rollouts.discarded, rollouts.timings.counts)) }
    }
}

impl SourceState {
    /// For a process that a signal ends, and perhaps its graders with it: where a grader has failed, all that was generated
    /// ahead is judged again, in the process that goes on.
    #[must_use]
    pub(crate) fn without_failures(mut self) -> Self {
        let trees = self.pending.iter_mut().flat_map(|pending| &mut pending.trees);
        let mut responses: Vec<&mut PendingResponse> = trees.flat_map(|tree| &mut tree.responses).collect();
        let failed =
            |response: &&mut PendingResponse| response.score.as_ref().is_some_and(|score| !score.is_graded);
        if responses.iter().any(failed) {
            responses.iter_mut().for_each(|response| response.score = None);
        }
        self
    }
}

impl PendingTree {
    fn new(tree: &Tree) -> Self {
        let response = |leaf: &Leaf| PendingResponse {
            sample: leaf.sample,
            fork: leaf.fork.map(|fork| (fork.parent, fork.at)),
            tokens: leaf.tokens.clone(),
            logprob_bits: leaf.logprobs.iter().map(|l| l.to_bits()).collect(),
            finish: leaf.finish,
            versions: leaf.versions.clone(),
            score: Some(PendingScore::new(leaf)),
        };
        Self { prompt: tree.prompt.id, responses: tree.leaves.iter().map(response).collect() }
    }
}

impl Collector {
    /// Where it stands, with roots that are `pending`.
    #[must_use]
    pub(crate) fn state(&self, pending: Option<&PendingBranches>) -> SourceState {
        self.state_with(pending.map(Pending::of_branches))
    }

    /// Where it stands, with a rollout batch that was gathered `ahead`.
    pub(super) fn state_ahead(&self, ahead: Option<&RolloutBatch>) -> SourceState {
        self.state_with(ahead.map(Pending::of_batch))
    }

    fn state_with(&self, pending: Option<Pending>) -> SourceState {
        SourceState { sampler: self.sampler.state(), explorer: self.explorer.state(), pending }
    }

    /// Goes on from `state`; gives roots or whole trees that are pending.
    ///
    /// # Errors
    /// If the state does not fit sampler or prompts.
    pub(super) fn restore(
        &mut self,
        state: SourceState,
    ) -> Result<(Option<PendingBranches>, Option<RolloutBatch>)> {
        let SourceState { sampler, explorer, pending } = state;
        self.sampler.restore(sampler)?;
        self.explorer.restore(explorer);
        let Some(pending) = pending else { return Ok((None, None)) };
        let whole = pending.whole;
        let branches = self.branches(pending)?;
        let Some((discarded, counts)) = whole else { return Ok((Some(branches), None)) };
        let n_trees = branches.trees.len();
        let (trees, ages) = (branches.trees, vec![AGE; n_trees]);
        let timings = Timings { counts, ..Timings::default() };
        Ok((None, Some(RolloutBatch { trees, attention: Attention::unread(), ages, discarded, timings })))
    }

    fn branches(&self, pending: Pending) -> Result<PendingBranches> {
        // Earlier versions took it from trees that were whole.
        let has_penalty =
            |score: &Score| self.judge.overlong.is_none() || score.verdict.parts.contains_key("overlong");
        let (mut prompts, mut forks) = (Vec::new(), Vec::new());
        let (mut whole, mut scores): (Vec<Whole>, Vec<Option<Score>>) = (Vec::new(), Vec::new());
        for PendingTree { prompt, responses } in pending.trees {
            let prompt: Arc<Prompt> = self.sampler.prompt(prompt).with_context(|| {
                format!(
                    "pending responses: the data set has no prompt {prompt}; it was saved with other data"
                )
            })?;
            prompts.push((Arc::clone(&prompt), responses.len()));
            for PendingResponse { sample, fork, tokens, logprob_bits, finish, versions, score } in responses {
                let logprobs = logprob_bits.into_iter().map(f32::from_bits).collect();
                forks.push(fork.map(|(parent, at)| Fork { parent, at }));
                scores.push(score.map(PendingScore::score).filter(has_penalty));
                let completion = Completion { tokens, logprobs, finish, versions };
                whole.push(Whole { sample, prompt: Arc::clone(&prompt), completion });
            }
        }
        let leaves = match scores.into_iter().collect::<Option<Vec<Score>>>() {
            Some(scores) => self.judge.leaves_again(whole, scores)?,
            None => self.judge.leaves(whole, &mut |_| Ok(()))?,
        };
        let mut leaves = leaves.into_iter().zip(forks).map(|(leaf, fork)| Leaf { fork, ..leaf });
        let tree = |(prompt, n)| Tree { prompt, leaves: leaves.by_ref().take(n).collect() };
        let trees: Vec<Tree> = prompts.into_iter().map(tree).collect();
        let branches = pending.forks.into_iter().map(|(i, parent, at)| {
            let parent_leaf = trees.get(i).and_then(|tree| tree.leaves.get(parent));
            ensure!(
                parent_leaf.is_some_and(|leaf| at < leaf.tokens.len()),
                "pending responses: a branch leaves response {parent} of tree {i} at token {at}, which is not there"
            );
            Ok(Branch { tree: i, fork: Fork { parent, at } })
        });
        let branches = branches.collect::<Result<_>>()?;
        Ok(PendingBranches { trees, branches })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::credit::advantage::testing::group;

    #[test]
    fn scores_are_kept_to_the_bit() {
        let mut tree = group(&[0.1 + 0.2, f64::NEG_INFINITY]).tree;
        tree.leaves[0].verdict.parts.insert("correct".into(), 1.0);
        let last = &mut tree.leaves[1];
        (last.is_graded, last.verdict.status) = (false, Status::Timeout);
        (last.verdict.answer, last.verdict.note) = (Some("3".into()), Some("late".into()));
        for leaf in &tree.leaves {
            let json = serde_json::to_string(&PendingScore::new(leaf)).unwrap();
            let Score { verdict, is_graded, rounding } =
                serde_json::from_str::<PendingScore>(&json).unwrap().score();
            assert_eq!((&verdict, is_graded, rounding), (&leaf.verdict, leaf.is_graded, leaf.rounding));
        }
    }

    #[test]
    fn where_a_grader_has_failed_all_is_judged_again() {
        let state = |failed: bool| {
            let mut trees = [group(&[0.5, 1.0]).tree, group(&[0.0, 1.0]).tree];
            trees[1].leaves[0].is_graded = !failed;
            let trees = trees.iter().map(PendingTree::new).collect();
            let pending = Some(Pending { trees, forks: Vec::new(), whole: None });
            let sampler = serde_json::from_str(r#"{"type": "uniform", "epoch": 0, "position": 0}"#).unwrap();
            SourceState { sampler, explorer: ExplorerState::default(), pending }
        };
        assert_eq!(state(false).without_failures(), state(false));
        let again = state(true).without_failures().pending.unwrap();
        let mut responses = again.trees.iter().flat_map(|tree| &tree.responses);
        assert!(responses.all(|response| response.score.is_none()));
    }
}
