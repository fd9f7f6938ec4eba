//! What an update reports: sums over tokens, gathered micro-batch by micro-batch.

use tch::{Kind, Tensor};

use crate::types::MetricRow;

/// The result of the updates of one step.
#[derive(Clone, Debug)]
pub struct UpdateReport {
    /// `loss/*`, `policy/*` and `optim/*` keys.
    pub metrics: MetricRow,
    /// Log-probabilities that the first pass over each sample found, in order of the samples.
    pub first_logprobs: Vec<Vec<f32>>,
    /// Entropies of the same pass.
    pub first_entropies: Vec<Vec<f32>>,
    /// What was not finite, if an update was refused for it.
    pub not_finite: Option<String>,
}

/// Means over all tokens of all updates of a step.
#[derive(Default)]
pub(super) struct Tally {
    sums: Vec<(&'static str, f64)>,
    n_tokens: f64,
}

impl Tally {
    /// Adds the `[N]` values of a micro-batch under their metric names.
    pub fn add(&mut self, n_tokens: i64, values: &[(&'static str, Tensor)]) {
        self.n_tokens += n_tokens as f64;
        for (name, tensor) in values {
            let sum = tensor.sum(Kind::Double).double_value(&[]);
            match self.sums.iter_mut().find(|(known, _)| known == name) {
                Some((_, total)) => *total += sum,
                None => self.sums.push((name, sum)),
            }
        }
    }

    /// Means per token.
    pub fn means(&self) -> MetricRow {
        self.sums.iter().map(|(name, sum)| (*name, sum / self.n_tokens)).collect()
    }
}
