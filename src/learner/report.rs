//! What an update reports: sums over tokens, gathered micro-batch by micro-batch.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::types::{MetricRow, Seen};

/// The result of the updates of one step.
#[derive(Clone, Debug)]
pub(crate) struct UpdateReport {
    /// `loss/*`, `policy/*` and `optim/*` keys.
    pub metrics: MetricRow,
    /// What the first pass over each sample saw, in order of the samples, as far as it came.
    pub seen: Vec<Seen>,
    /// How far the pass of the first update was from the old log-probabilities; `None` if there was nothing to train on.
    pub first_gap: Option<Gap>,
    /// What was not finite, if an update was refused for it.
    pub not_finite: Option<String>,
}

/// Distances between two measurements of the same log-probabilities, nats; 0 where there are none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Gap {
    /// Mean over the tokens.
    pub mean: f64,
    /// Largest of all.
    pub max: f64,
}

impl Gap {
    /// Over the distances given.
    pub(crate) fn from_distances(distances: impl Iterator<Item = f64>) -> Self {
        let (mut sum, mut max, mut n) = (0.0, 0f64, 0u64);
        for distance in distances {
            sum += distance;
            // `f64::max` would swallow a NaN.
            max = if distance > max || distance.is_nan() { distance } else { max };
            n += 1;
        }
        Self { mean: sum / n.max(1) as f64, max }
    }
}

/// Means over the updates of a step: of quantities over all their tokens, of losses over the updates.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct MetricAccumulator {
    sums: Vec<(String, f64)>,
    n_tokens: f64,
    losses: Vec<(String, f64)>,
}

impl MetricAccumulator {
    /// Adds the `[N]` values of a micro-batch under their metric names.
    pub(super) fn add(&mut self, n_tokens: i64, values: &[(&'static str, Tensor)]) {
        self.n_tokens += n_tokens as f64;
        add(&mut self.sums, values);
    }

    /// Adds a micro-batch's share of losses, `[N]` each, that hold their tokens' weights in the minibatch already.
    pub(super) fn add_losses(&mut self, weighted: &[(&'static str, Tensor)]) {
        add(&mut self.losses, weighted);
    }

    /// Adds a micro-batch's share of a loss that was summed up already.
    pub(super) fn add_loss(&mut self, name: &'static str, sum: f64) {
        add_sum(&mut self.losses, name, sum);
    }

    /// Adds what was gathered elsewhere.
    pub(super) fn merge(&mut self, other: &Self) {
        self.n_tokens += other.n_tokens;
        other.sums.iter().for_each(|(name, sum)| add_sum(&mut self.sums, name, *sum));
        other.losses.iter().for_each(|(name, sum)| add_sum(&mut self.losses, name, *sum));
    }

    /// The sum of what was added to a loss.
    pub(super) fn loss(&self, name: &str) -> f64 {
        self.losses.iter().find(|(known, _)| known == name).map_or(0.0, |(_, sum)| *sum)
    }

    /// The first loss that is not finite, with its value.
    pub(super) fn loss_not_finite(&self) -> Option<(&str, f64)> {
        let losses = self.losses.iter().map(|(name, sum)| (name.as_str(), *sum));
        losses.into_iter().find(|(_, sum)| !sum.is_finite())
    }

    /// Means per token and, of the losses, per update.
    pub(super) fn means(&self, n_updates: f64) -> MetricRow {
        let per_token = self.sums.iter().map(|(name, sum)| (name.as_str(), sum / self.n_tokens));
        per_token.chain(self.losses.iter().map(|(name, sum)| (name.as_str(), sum / n_updates))).collect()
    }
}

fn add(sums: &mut Vec<(String, f64)>, values: &[(&'static str, Tensor)]) {
    for (name, tensor) in values {
        add_sum(sums, name, tensor.sum(Kind::Double).double_value(&[]));
    }
}

fn add_sum(sums: &mut Vec<(String, f64)>, name: &str, sum: f64) {
    match sums.iter_mut().find(|(known, _)| known == name) {
        Some((_, total)) => *total += sum,
        None => sums.push((name.to_owned(), sum)),
    }
}
