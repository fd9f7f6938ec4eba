//! Measuring: what the models say about the tokens that were sampled, once and together for all who asked.

use anyhow::Result;

use crate::batch::{Sequence, TokenGrid, pack};
use crate::model::Policy;
use crate::types::{MeasuredTree, Needs, PathField, Tree};

/// The models to ask and how.
pub struct Measurer<'a> {
    /// The policy as it is before the step's first update.
    pub policy: &'a Policy,
    /// The reference, where a KL penalty wants one.
    pub reference: Option<&'a Policy>,
    /// Temperature of the sampling distribution.
    pub temperature: f64,
    /// Padded tokens per forward pass.
    pub max_tokens: usize,
}

impl Measurer<'_> {
    /// Measures what `needs` names on every leaf of `trees`.
    ///
    /// # Errors
    /// If results cannot be copied to the host.
    pub fn measure(&self, trees: Vec<Tree>, needs: Needs) -> Result<Vec<MeasuredTree>> {
        let own = if needs.old_logprobs { Some(self.ask(self.policy, &trees)?) } else { None };
        let reference = match self.reference.filter(|_| needs.ref_logprobs) {
            Some(reference) => Some(self.ask(reference, &trees)?),
            None => None,
        };
        let mut own = own.map(Vec::into_iter);
        let mut reference = reference.map(Vec::into_iter);
        let measured = trees.into_iter().map(|tree| {
            let (old_logprobs, entropies) = own.as_mut().and_then(Iterator::next).unzip();
            let ref_logprobs = reference.as_mut().and_then(Iterator::next).map(|(logprobs, _)| logprobs);
            MeasuredTree { tree, old_logprobs, entropies, ref_logprobs }
        });
        Ok(measured.collect())
    }

    /// Log-probabilities and entropies of every response token of every tree under `model`.
    fn ask(&self, model: &Policy, trees: &[Tree]) -> Result<Vec<(PathField<f32>, PathField<f32>)>> {
        let leaves: Vec<Sequence<'_>> = trees
            .iter()
            .flat_map(|tree| {
                tree.leaves
                    .iter()
                    .map(|leaf| Sequence { prompt: &tree.prompt.tokens, response: &leaf.tokens })
            })
            .collect();
        let mut logprobs = vec![Vec::new(); leaves.len()];
        let mut entropies = vec![Vec::new(); leaves.len()];
        for group in pack(&leaves, self.max_tokens) {
            let rows: Vec<Sequence<'_>> = group.iter().map(|i| leaves[*i]).collect();
            let grid = TokenGrid::new(&rows, model.placement.device);
            let hidden = grid.pick(&model.hidden(&grid.tokens));
            let stats = model.head(self.temperature).stats(&hidden, &grid.targets);
            for (field, values) in [(&mut logprobs, &stats.logprobs), (&mut entropies, &stats.entropies)] {
                for (i, row) in group.iter().zip(grid.rows(values)?) {
                    field[*i] = row;
                }
            }
        }
        let (mut logprobs, mut entropies) = (logprobs.into_iter(), entropies.into_iter());
        let fields = trees.iter().map(|tree| {
            let n = tree.leaves.len();
            let logprobs = PathField::new(tree, logprobs.by_ref().take(n).collect())?;
            let entropies = PathField::new(tree, entropies.by_ref().take(n).collect())?;
            Ok((logprobs, entropies))
        });
        fields.collect()
    }
}
