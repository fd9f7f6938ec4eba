//! How much later steps look back at a step (forward context influence, arXiv 2509.26628).
//!
//! With A the causal attention of a head after softmax, step 0 the prompt and the steps of the response behind it:
//!
//! ```text
//! alpha[j,k] = mean over tokens t of step j and s of step k of A[t,s]
//! FCI_k      = max over all layers and heads of  sum over j >= k + distance of alpha[j,k]
//! ```
//!
//! FCI is 0 for the prompt, for the first step of the response, and from the step on that ends the thinking. The sum over j is
//! linear in rows, so what is kept of a layer is a number per head and column, never a map.

use std::ops::Range;

use anyhow::{Context, Result};
use tch::{Device, Kind, Tensor};

use super::Segmented;
use super::read::{MAX_WEIGHTS, for_blocks};
use crate::batch::{Reads, Sequence, TokenBatch, pack};
use crate::model::{Inputs, Policy, Tapped};

/// A sequence in steps.
#[derive(Clone, Debug)]
pub(crate) struct StepBounds {
    /// End of each step, counted from the first token of the prompt; step 0 is the prompt.
    ends: Vec<usize>,
    /// The first step without influence behind those that have one.
    last: usize,
}

impl StepBounds {
    /// Of `sequence` with its response in steps.
    pub(super) fn new(sequence: &Sequence<'_>, Segmented { steps, end_of_thinking }: &Segmented) -> Self {
        let prompt = sequence.prompt.len();
        let ends = std::iter::once(prompt).chain(steps.iter().map(|step| prompt + step.end)).collect();
        let holds = |place: usize| steps.iter().position(|step| step.contains(&place));
        Self { ends, last: end_of_thinking.and_then(holds).map_or(steps.len(), |step| step) + 1 }
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn start(&self, step: usize) -> usize {
        step.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    /// The step of each of `n` tokens; those behind the last belong to none.
    fn of_tokens(&self, n: usize) -> impl Iterator<Item = Option<usize>> {
        (0..n).map(|t| Some(self.ends.partition_point(|end| *end <= t)).filter(|step| *step < self.len()))
    }
}

/// Reads the influence of the steps of the sequences of one pass, which reads their last tokens too.
pub(crate) struct InfluenceReader<'a> {
    bounds: &'a [StepBounds],
    distance: usize,
    max_weights: i64,
    /// The largest over the heads seen so far, of each step of each sequence.
    found: Result<Vec<Vec<f32>>>,
}

impl<'a> InfluenceReader<'a> {
    /// A reader for sequences with these steps, in the order of the pass. A step counts for those at least `distance` steps
    /// before it.
    pub(super) fn new(bounds: &'a [StepBounds], distance: usize, max_weights: i64) -> Self {
        let found = bounds.iter().map(|bounds| vec![0.0; bounds.len()]).collect();
        Self { bounds, distance, max_weights, found: Ok(found) }
    }

    /// Runs `policy` over `inputs`.
    ///
    /// # Errors
    /// If the policy is not where its placement says.
    pub(super) fn run(&mut self, policy: &Policy, inputs: &Inputs) -> Result<()> {
        let last = policy.network.layout.layers.len().checked_sub(1).context("the policy has no layer")?;
        policy.network.read_until(inputs, last, &mut |tapped| self.see(tapped))
    }

    /// Takes a layer's queries and keys in.
    pub(super) fn see(&mut self, tapped: &Tapped<'_>) {
        let own = self.layer(tapped);
        let Ok(found) = &mut self.found else { return };
        match own {
            Ok(own) => {
                for (all, own) in found[tapped.sequences.clone()].iter_mut().zip(own) {
                    all.iter_mut().zip(own).for_each(|(most, own)| *most = most.max(own));
                }
            }
            Err(error) => self.found = Err(error),
        }
    }

    /// FCI of each step of each sequence, the prompt first.
    ///
    /// # Errors
    /// If results could not be copied to the host.
    pub(super) fn finish(self) -> Result<Vec<Vec<f32>>> {
        self.found
    }

    /// The largest over this layer's heads.
    fn layer(&self, tapped: &Tapped<'_>) -> Result<Vec<Vec<f32>>> {
        let bounds = &self.bounds[tapped.sequences.clone()];
        let (_, c, h, _) = tapped.queries.size4()?;
        let mut sums = StepSums::new(bounds, self.distance, h, c, tapped.queries.device());
        let rows = sums.rows();
        for_blocks(tapped, rows, self.max_weights, &mut |attention, first| sums.add(attention, first))?;
        sums.finish()
    }
}

/// What the columns of one layer have received of the rows seen so far; B sequences, H heads, C columns of tokens.
struct StepSums<'a> {
    bounds: &'a [StepBounds],
    steps: Vec<Vec<Option<usize>>>, // of each token of each sequence
    distance: usize,
    received: Tensor, // (B, H, C), f32
}

impl<'a> StepSums<'a> {
    fn new(bounds: &'a [StepBounds], distance: usize, h: i64, c: i64, device: Device) -> Self {
        let steps = bounds.iter().map(|bounds| bounds.of_tokens(c as usize).collect()).collect();
        let received = Tensor::zeros([bounds.len() as i64, h, c], (Kind::Float, device));
        Self { bounds, steps, distance, received }
    }

    /// The rows that count: the first step that has an influence is the second of the response.
    fn rows(&self) -> Range<i64> {
        let first = 2 + self.distance;
        let starts = self.bounds.iter().filter(|b| b.len() > first).map(|b| b.start(first));
        let end = self.bounds.iter().filter_map(|b| b.ends.last()).max().copied().unwrap_or(0);
        starts.min().unwrap_or(end) as i64..end as i64
    }

    /// Adds the rows `attention`, f32 `[B, H, Q, C']`: row i belongs to the token in column `first + i`, columns count from 0
    /// to C' = `first + Q`.
    fn add(&mut self, attention: &Tensor, first: i64) {
        let (n_rows, n_columns) = (attention.size()[2], attention.size()[3]);
        let rows = first as usize..(first + n_rows) as usize;
        let weights = self.weights(rows, n_columns as usize).to_device(attention.device());
        let sums = (attention * weights).sum_dim_intlist([2i64].as_slice(), false, None); // (B, H, C')
        let _ = self.received.narrow(2, 0, n_columns).g_add_(&sums);
    }

    /// What the attention of each of `rows` to each of `n` columns counts, `[B, 1, Q, C']`: one over the tokens of the row's
    /// step where the column's step lies far enough before it, 0 elsewhere.
    fn weights(&self, rows: Range<usize>, n: usize) -> Tensor {
        let mut weights = vec![0f32; self.bounds.len() * rows.len() * n];
        let lines = self.steps.iter().zip(self.bounds);
        let lines = lines.flat_map(|(steps, bounds)| rows.clone().map(move |t| (steps[t], bounds)));
        for ((step, bounds), line) in lines.zip(weights.chunks_exact_mut(n)) {
            let Some(j) = step.filter(|j| *j >= self.distance) else { continue };
            let far = bounds.ends[j - self.distance].min(n);
            line[..far].fill(((bounds.ends[j] - bounds.start(j)) as f32).recip());
        }
        Tensor::from_slice(&weights).view([self.bounds.len() as i64, 1, rows.len() as i64, n as i64])
    }

    /// The largest over the heads, of each step of each sequence.
    fn finish(self) -> Result<Vec<Vec<f32>>> {
        let (_, h, c) = self.received.size3()?;
        let (h, c) = (h as usize, c as usize);
        let host = Vec::<f32>::try_from(self.received.to_device(Device::Cpu).reshape([-1]))?;
        let of_sequence = |(b, bounds): (usize, &StepBounds)| -> Vec<f32> {
            let influence = |k: usize| {
                let step = bounds.start(k)..bounds.ends[k];
                let n = step.len() as f32;
                let of_head = |head: usize| host[(b * h + head) * c..][step.clone()].iter().sum::<f32>() / n;
                (0..h).map(of_head).fold(0.0, f32::max)
            };
            (0..bounds.len())
                .map(|k| if (2..bounds.last).contains(&k) { influence(k) } else { 0.0 })
                .collect()
        };
        Ok(self.bounds.iter().enumerate().map(of_sequence).collect())
    }
}

/// FCI of each response step of `sequences`, whose responses are `segmented`. `policy` reads at most `max_tokens` tokens at a
/// time, common beginnings once.
///
/// # Errors
/// If the policy is not where its placement says, or results cannot be copied to the host.
pub(crate) fn influence(
    policy: &Policy,
    sequences: &[Sequence<'_>],
    segmented: &[Segmented],
    distance: usize,
    max_tokens: usize,
    check: &dyn Fn() -> Result<()>,
) -> Result<Vec<Vec<f32>>> {
    let mut found = vec![Vec::new(); sequences.len()];
    for group in pack(sequences, max_tokens, Reads::All) {
        check()?;
        let rows: Vec<Sequence<'_>> = group.iter().map(|i| sequences[*i]).collect();
        let bounds: Vec<StepBounds> =
            group.iter().map(|i| StepBounds::new(&sequences[*i], &segmented[*i])).collect();
        let batch = TokenBatch::new(&rows, Reads::All, policy.network.placement.device);
        let mut reader = InfluenceReader::new(&bounds, distance, MAX_WEIGHTS);
        reader.run(policy, &batch.inputs)?;
        for (i, own) in group.iter().zip(reader.finish()?) {
            found[*i] = own[1..].to_vec();
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
