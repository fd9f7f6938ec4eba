//! Sequences side by side in a grid of tokens, under a strict budget.

use tch::{Device, Tensor};

use crate::types::TokenId;

/// The tokens of one prompt and one response to it.
#[derive(Clone, Copy, Debug)]
pub struct Sequence<'a> {
    /// Never empty.
    pub prompt: &'a [TokenId],
    /// Tokens after the prompt.
    pub response: &'a [TokenId],
}

/// Which tokens of a sequence the model reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Those that predict a response token: all but the last, whose successor nobody asks for.
    Predictors,
    /// All of them, where attention is read and the last token looks back as well.
    All,
}

impl Sequence<'_> {
    /// Number of tokens the model reads.
    fn n_inputs(&self, reads: Reads) -> usize {
        self.prompt.len() + self.response.len() - usize::from(reads == Reads::Predictors)
    }
}

/// Groups of indices into `sequences` such that rows times longest row stays within `max_tokens` in each group (a
/// single sequence above the budget gets a group of its own). Long sequences share groups with long ones.
#[must_use]
pub fn pack(sequences: &[Sequence<'_>], max_tokens: usize, reads: Reads) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(sequences[*i].n_inputs(reads)));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut width = 0;
    for i in order {
        match groups.last_mut() {
            Some(group) if (group.len() + 1) * width <= max_tokens => group.push(i),
            _ => {
                width = sequences[i].n_inputs(reads);
                groups.push(vec![i]);
            }
        }
    }
    groups
}

/// A micro-batch on the device. Rows are padded at their end; only response tokens are ever picked.
pub struct TokenGrid {
    /// Inputs, `[B, T]`, int64.
    pub tokens: Tensor,
    /// Where, in the flattened grid, each response token is predicted: `[N]`, int64.
    pub predictors: Tensor,
    /// The response tokens, row after row: `[N]`, int64.
    pub targets: Tensor,
    lengths: Vec<usize>,
    device: Device,
}

impl TokenGrid {
    /// Lays `sequences` out as rows.
    #[must_use]
    pub fn new(sequences: &[Sequence<'_>], reads: Reads, device: Device) -> Self {
        let width = sequences.iter().map(|s| s.n_inputs(reads)).max().unwrap_or(0);
        let mut tokens = vec![0i64; sequences.len() * width];
        let (mut predictors, mut targets) = (Vec::new(), Vec::new());
        for (row, sequence) in sequences.iter().enumerate() {
            let inputs = sequence.prompt.iter().chain(sequence.response).take(sequence.n_inputs(reads));
            for (slot, token) in tokens[row * width..].iter_mut().zip(inputs) {
                *slot = i64::from(*token);
            }
            // Position p predicts token p + 1, so the first response token is predicted by the prompt's last.
            let first = row * width + sequence.prompt.len() - 1;
            predictors.extend((first..first + sequence.response.len()).map(|p| p as i64));
            targets.extend(sequence.response.iter().map(|t| i64::from(*t)));
        }
        let lengths = sequences.iter().map(|s| s.response.len()).collect();
        let tensor = |values: &[i64]| Tensor::from_slice(values).to_device(device);
        Self {
            tokens: tensor(&tokens).view([sequences.len() as i64, width as i64]),
            predictors: tensor(&predictors),
            targets: tensor(&targets),
            lengths,
            device,
        }
    }

    /// The hidden states that predict response tokens: `hidden` `[B, T, E]` to `[N, E]`.
    pub fn pick(&self, hidden: &Tensor) -> Tensor {
        hidden.flatten(0, 1).index_select(0, &self.predictors)
    }

    /// One value per response token of each row, in order, as a tensor `[N]`.
    pub fn per_token<'v>(&self, values: impl Iterator<Item = &'v [f32]>) -> Tensor {
        Tensor::from_slice(&values.flatten().copied().collect::<Vec<_>>()).to_device(self.device)
    }

    /// A value per row, repeated for each of its response tokens: `[N]`.
    pub fn per_row(&self, values: &[f64]) -> Tensor {
        let repeated = values.iter().zip(&self.lengths).flat_map(|(v, n)| std::iter::repeat_n(*v as f32, *n));
        Tensor::from_slice(&repeated.collect::<Vec<_>>()).to_device(self.device)
    }

    /// The inverse of [`TokenGrid::per_token`]: `values` `[N]` as one vector per row.
    ///
    /// # Errors
    /// If the values cannot be copied to the host.
    pub fn rows(&self, values: &Tensor) -> anyhow::Result<Vec<Vec<f32>>> {
        let values = Vec::<f32>::try_from(values.to_device(Device::Cpu))?;
        let mut rest = values.as_slice();
        let take = |n: &usize| {
            let (row, others) = rest.split_at(*n);
            rest = others;
            row.to_vec()
        };
        Ok(self.lengths.iter().map(take).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_sequence_is_packed_once_and_no_group_breaks_the_budget(
            lengths in prop::collection::vec((1usize..20, 1usize..60), 1..40), budget in 80usize..400
        ) {
            let tokens: Vec<TokenId> = (0..100).collect();
            let sequences: Vec<Sequence<'_>> =
                lengths.iter().map(|(p, r)| Sequence { prompt: &tokens[..*p], response: &tokens[..*r] }).collect();
            let groups = pack(&sequences, budget, Reads::Predictors);
            let mut seen: Vec<usize> = groups.iter().flatten().copied().collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..sequences.len()).collect::<Vec<_>>());
            for group in groups {
                let width = group.iter().map(|i| sequences[*i].n_inputs(Reads::Predictors)).max().unwrap_or(0);
                prop_assert!(group.len() * width <= budget);
            }
        }
    }

    #[test]
    fn each_response_token_is_predicted_by_its_predecessor() {
        let rows =
            [Sequence { prompt: &[5, 6], response: &[7, 8, 9] }, Sequence { prompt: &[1], response: &[2] }];
        let grid = TokenGrid::new(&rows, Reads::Predictors, Device::Cpu);
        assert_eq!(grid.tokens, Tensor::from_slice(&[5i64, 6, 7, 8, 1, 0, 0, 0]).view([2, 4]));
        assert_eq!(grid.predictors, Tensor::from_slice(&[1i64, 2, 3, 4]));
        assert_eq!(grid.targets, Tensor::from_slice(&[7i64, 8, 9, 2]));
        let values = [vec![0.1f32, 0.2, 0.3], vec![0.4]];
        let tensor = grid.per_token(values.iter().map(Vec::as_slice));
        assert_eq!(grid.rows(&tensor).ok(), Some(values.to_vec()));
    }
}
