//! Reading responses for what branch rules go by.

use std::sync::Arc;

use anyhow::Result;

use crate::batch::Sequence;
use crate::measure::{Passes, logprobs};
use crate::model::Policy;
use crate::ranks::Ranks;
use crate::rollout::explore::branch::{Root, RootNeeds};
use crate::signal::{Segmented, Segmenter, influence};
use crate::types::{Coordinates, Leaf, RunRandom, Step, Tree};

/// Reads responses under the policy that sampled them.
#[derive(Clone)]
pub(crate) struct RootReader {
    /// Cuts responses into steps.
    pub segmenter: Arc<Segmenter>,
    /// Temperature of the sampling distribution.
    pub temperature: f64,
    /// Tokens per forward pass, common beginnings once.
    pub max_tokens: usize,
    /// Randomness of the run.
    pub random: RunRandom,
    /// Those that read together: each its share.
    pub ranks: Ranks,
}

/// What was read of one depth of some trees, response after response.
pub(crate) struct Roots {
    depth: usize,
    segmented: Vec<Segmented>,
    influence: Vec<Vec<f32>>,
    entropies: Vec<Vec<f32>>,
    random: RunRandom,
    step: Step,
}

impl RootReader {
    /// Reads what `needs` names of the responses of one depth of `trees`, sampled in `step` by `policy`.
    ///
    /// # Errors
    /// If results cannot be copied to the host; that of `check`, which is asked between two passes.
    pub(crate) fn read(
        &self,
        policy: &Policy,
        trees: &[Tree],
        depth: usize,
        needs: RootNeeds,
        step: Step,
        check: &dyn Fn() -> Result<()>,
    ) -> Result<Roots> {
        let of_tree = |tree| Tree::at_depth(tree, depth).map(move |(_, leaf)| (tree, leaf));
        let leaves = || trees.iter().flat_map(of_tree);
        let sequences: Vec<Sequence<'_>> = leaves()
            .map(|(tree, leaf)| Sequence { prompt: &tree.prompt.tokens, response: &leaf.tokens })
            .collect();
        let mut roots = Roots {
            depth,
            segmented: leaves().map(|(_, leaf)| self.segmenter.segment(&leaf.tokens)).collect(),
            influence: Vec::new(),
            entropies: Vec::new(),
            random: self.random,
            step,
        };
        let _guard = tch::no_grad_guard();
        let costs: Vec<usize> = sequences.iter().map(|one| one.prompt.len() + one.response.len()).collect();
        let own = self.ranks.share(&costs);
        let (sequences, segmented) = (&sequences[own.clone()], &roots.segmented[own]);
        let read = || {
            let influence = needs.influence.map_or(Ok(Vec::new()), |distance| {
                influence(policy, sequences, segmented, distance, self.max_tokens, check)
            });
            let passes = Passes { max_tokens: self.max_tokens, check };
            let entropies = match needs.entropies {
                true => logprobs(policy, sequences, self.temperature, passes)?.entropies,
                false => Vec::new(),
            };
            Ok((influence?, entropies))
        };
        for (influence, entropies) in self.ranks.exchange::<(Vec<Vec<f32>>, Vec<Vec<f32>>)>(read())? {
            roots.influence.extend(influence);
            roots.entropies.extend(entropies);
        }
        Ok(roots)
    }
}

impl Roots {
    /// The responses of `tree` that were read; the first is number `first` of all.
    pub(crate) fn of_tree<'r>(&'r self, tree: &'r Tree, first: usize) -> Vec<Root<'r>> {
        fn list<T>(all: &[Vec<T>], i: usize) -> &[T] {
            all.get(i).map_or(&[], Vec::as_slice)
        }
        let root = |(i, (index, leaf)): (usize, (usize, &'r Leaf))| Root {
            leaf: index,
            from: leaf.fork.map_or(0, |fork| fork.at),
            n_prompt: tree.prompt.tokens.len(),
            steps: &self.segmented[i].steps,
            influence: list(&self.influence, i),
            entropies: list(&self.entropies, i),
            logprobs: &leaf.logprobs,
            n_tokens: leaf.tokens.len(),
            random: self.random,
            coordinates: Coordinates {
                step: self.step,
                prompt: tree.prompt.id,
                sample: u64::from(leaf.sample),
            },
        };
        (first..).zip(tree.at_depth(self.depth)).map(root).collect()
    }
}
