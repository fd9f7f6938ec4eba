//! Sequences in micro-batches under a strict budget of tokens, what they have in common read once.

use std::collections::HashMap;

use tch::{Device, Tensor};

use crate::model::{Inputs, gather_rows, scatter_add_rows};
use crate::types::TokenId;

/// The tokens of one prompt and one response to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sequence<'a> {
    /// Never empty.
    pub prompt: &'a [TokenId],
    /// Tokens after the prompt. Never empty.
    pub response: &'a [TokenId],
}

/// Which tokens of a sequence the model reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Those that predict a response token: all but the last, whose successor nobody asks for.
    Predictors,
    /// All of them, where attention is read and the last token looks back as well.
    All,
}

/// Attention sees the sequences of a micro-batch in full; several of them hold at most this many times the budget.
const SPREAD: usize = 4;

impl Sequence<'_> {
    /// The tokens that the model reads.
    fn inputs(&self, reads: Reads) -> impl Iterator<Item = TokenId> {
        self.prompt.iter().chain(self.response).copied().take(self.n_inputs(reads))
    }

    fn n_inputs(&self, reads: Reads) -> usize {
        self.prompt.len() + self.response.len() - usize::from(reads == Reads::Predictors)
    }
}

/// Groups of indices into `sequences`, in each of which at most `max_tokens` tokens are read (a single sequence above the
/// budget gets a group of its own), common beginnings once, and of which attention sees at most `SPREAD` times as many.
/// Responses to one prompt stay together where they can; within a group the longest sequence comes first.
#[must_use]
pub(crate) fn pack(sequences: &[Sequence<'_>], max_tokens: usize, reads: Reads) -> Vec<Vec<usize>> {
    let length = |i: &usize| sequences[*i].n_inputs(reads);
    let mut of_prompt: HashMap<&[TokenId], usize> = HashMap::new();
    for (i, sequence) in sequences.iter().enumerate() {
        let longest = of_prompt.entry(sequence.prompt).or_insert(i);
        if length(&i) > length(longest) {
            *longest = i;
        }
    }
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|i| {
        let longest = of_prompt[sequences[*i].prompt];
        (std::cmp::Reverse(length(&longest)), longest, std::cmp::Reverse(length(i)))
    });
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let (mut tree, mut spread) = (PrefixTree::default(), 0);
    for i in order {
        let fits = tree.tokens.len() + tree.n_new(sequences[i].inputs(reads)) <= max_tokens
            && spread + length(&i) <= SPREAD * max_tokens;
        match groups.last_mut() {
            Some(group) if fits => group.push(i),
            _ => {
                groups.push(vec![i]);
                (tree, spread) = (PrefixTree::default(), 0);
            }
        }
        tree.add(sequences[i].inputs(reads));
        spread += length(&i);
    }
    for group in &mut groups {
        group.sort_by_key(|i| std::cmp::Reverse(length(i)));
    }
    groups
}

/// Tokens by their past: sequences that begin alike share those tokens.
#[derive(Default)]
struct PrefixTree {
    tokens: Vec<TokenId>,
    next: HashMap<(Option<usize>, TokenId), usize>,
}

impl PrefixTree {
    /// Adds a sequence; gives the indices of its tokens.
    fn add(&mut self, sequence: impl Iterator<Item = TokenId>) -> Vec<usize> {
        let mut last = None;
        let step = |token| {
            let index = *self.next.entry((last, token)).or_insert_with(|| {
                self.tokens.push(token);
                self.tokens.len() - 1
            });
            last = Some(index);
            index
        };
        sequence.map(step).collect()
    }

    /// The number of tokens that the sequence would add.
    fn n_new(&self, mut sequence: impl Iterator<Item = TokenId>) -> usize {
        let mut last = None;
        while let Some(token) = sequence.next() {
            match self.next.get(&(last, token)) {
                Some(index) => last = Some(*index),
                None => return 1 + sequence.count(),
            }
        }
        0
    }
}

/// A micro-batch on the device.
pub(crate) struct TokenBatch {
    /// What the model reads.
    pub inputs: Inputs,
    /// The response tokens, sequence after sequence: int64 `[N]`.
    pub targets: Tensor,
    predictors: Tensor, // which input predicts each response token, int64 [N]
    lengths: Vec<usize>,
    device: Device,
}

impl TokenBatch {
    /// Lays `sequences` out, the longest first as [`pack`] gives them.
    #[must_use]
    pub(crate) fn new(sequences: &[Sequence<'_>], reads: Reads, device: Device) -> Self {
        let mut tree = PrefixTree::default();
        let paths: Vec<Vec<usize>> = sequences.iter().map(|s| tree.add(s.inputs(reads))).collect();
        let (mut predictors, mut targets) = (Vec::new(), Vec::new());
        for (sequence, path) in sequences.iter().zip(&paths) {
            // A token predicts its successor, so the prompt's last predicts the first of the response.
            let path = &path[sequence.prompt.len() - 1..];
            predictors.extend(path.iter().take(sequence.response.len()).map(|i| *i as i64));
            targets.extend(sequence.response.iter().map(|t| i64::from(*t)));
        }
        let tensor = |values: &[i64]| Tensor::from_slice(values).to_device(device);
        Self {
            inputs: Inputs::new(&tree.tokens, &paths, device),
            predictors: tensor(&predictors),
            targets: tensor(&targets),
            lengths: sequences.iter().map(|s| s.response.len()).collect(),
            device,
        }
    }

    /// The hidden states that predict response tokens, of those of all tokens: `[N, E]`.
    pub(crate) fn pick(&self, hidden: &Tensor) -> Tensor {
        gather_rows(hidden, &self.predictors)
    }

    /// The gradient of [`TokenBatch::pick`].
    pub(crate) fn unpick(&self, d_picked: &Tensor) -> Tensor {
        scatter_add_rows(d_picked, &self.predictors, self.inputs.n_tokens())
    }

    /// One value per response token of each sequence, in order, as a tensor `[N]`.
    pub(crate) fn per_token<'v>(&self, values: impl Iterator<Item = &'v [f32]>) -> Tensor {
        Tensor::from_slice(&values.flatten().copied().collect::<Vec<_>>()).to_device(self.device)
    }

    /// A value per sequence, repeated for each of its response tokens: `[N]`.
    pub(crate) fn per_sequence(&self, values: &[f64]) -> Tensor {
        let repeated = values.iter().zip(&self.lengths).flat_map(|(v, n)| std::iter::repeat_n(*v as f32, *n));
        Tensor::from_slice(&repeated.collect::<Vec<_>>()).to_device(self.device)
    }

    /// The inverse of [`TokenBatch::per_token`]: `values` `[N]` as one vector per sequence.
    ///
    /// # Errors
    /// If the values cannot be copied to the host.
    pub(crate) fn by_sequence(&self, values: &Tensor) -> anyhow::Result<Vec<Vec<f32>>> {
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
            lengths in prop::collection::vec((1usize..20, 1usize..60, 0u32..3), 1..40), budget in 80usize..400
        ) {
            let tokens: Vec<TokenId> = (0..100).collect();
            let sequences: Vec<Sequence<'_>> = lengths
                .iter()
                .map(|(p, r, from)| Sequence { prompt: &tokens[..*p], response: &tokens[*from as usize..*from as usize + r] })
                .collect();
            let groups = pack(&sequences, budget, Reads::Predictors);
            let mut seen: Vec<usize> = groups.iter().flatten().copied().collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..sequences.len()).collect::<Vec<_>>());
            for group in groups {
                let rows: Vec<_> = group.iter().map(|i| sequences[*i]).collect();
                let batch = TokenBatch::new(&rows, Reads::Predictors, Device::Cpu);
                prop_assert!(batch.inputs.n_tokens() <= budget);
                prop_assert!(rows.windows(2).all(|w| w[0].n_inputs(Reads::Predictors) >= w[1].n_inputs(Reads::Predictors)));
            }
        }
    }

    #[test]
    fn each_response_token_is_predicted_by_its_predecessor() {
        let prompt: &[TokenId] = &[5, 6];
        let rows = [
            Sequence { prompt, response: &[7, 8, 9] },
            Sequence { prompt, response: &[7, 3] },
            Sequence { prompt: &[1], response: &[2] },
        ];
        let batch = TokenBatch::new(&rows, Reads::Predictors, Device::Cpu);
        assert_eq!(batch.inputs.tokens, Tensor::from_slice(&[5i64, 6, 7, 8, 1]));
        assert_eq!(batch.predictors, Tensor::from_slice(&[1i64, 2, 3, 1, 2, 4]));
        assert_eq!(batch.targets, Tensor::from_slice(&[7i64, 8, 9, 7, 3, 2]));
        let values = [vec![0.1f32, 0.2, 0.3], vec![0.4, 0.5], vec![0.6]];
        let tensor = batch.per_token(values.iter().map(Vec::as_slice));
        assert_eq!(batch.by_sequence(&tensor).ok(), Some(values.to_vec()));
    }

    #[test]
    fn responses_to_one_prompt_stay_together() {
        let prompts: [Vec<TokenId>; 2] = [vec![1; 6], vec![2; 6]];
        let response = |i: usize| &[[3, 4, 5, 6], [4, 5, 6, 7], [5, 6, 7, 8]][i][..];
        let sequences: Vec<_> =
            (0..6).map(|i| Sequence { prompt: &prompts[i % 2], response: response(i / 2) }).collect();
        // 6 + 3 * 3 tokens a prompt.
        assert_eq!(pack(&sequences, 15, Reads::Predictors), [[0, 2, 4], [1, 3, 5]]);
    }
}
