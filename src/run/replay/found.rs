//! What a replay finds: the numbers of each arm, and whether the run's own settings give the run's own numbers.

use serde::Serialize;
use tch::{Kind, Tensor};

use crate::observe::Jsonl;
use crate::run_folder::RunFolder;
use crate::types::{MetricRow, Step};

/// Metrics that a step makes of its responses, whoever sampled them when.
const MADE: [&str; 10] = [
    "loss/",
    "policy/",
    "advantage/",
    "credit/",
    "value/",
    "values/",
    "optim/",
    "reward/",
    "group/mixed",
    "response_length/",
];

/// A step under some settings.
#[derive(Debug, Serialize)]
pub(crate) struct Arm {
    /// What it is called.
    pub label: String,
    /// What it sets beyond the run's own settings.
    pub set: Vec<String>,
    /// Its metrics: `loss/*`, `policy/*`, `advantage/*`, `credit/*`, `optim/*`, ...
    pub metrics: MetricRow,
    /// Updates that it made.
    pub updates: u64,
    /// What its gradient is to that of the run's own settings: the mean of the step's gradients, as the optimiser took them up.
    pub gradient: Against,
    /// The same of the change of the weights.
    pub update: Against,
    /// Of the advantages of all tokens.
    pub advantages: Moved,
}

/// A vector beside that of the run's own settings.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Against {
    /// Its Euclidean norm.
    pub norm: f64,
    /// Cosine of the angle between the two; `None` where one of them is 0.
    pub cosine: Option<f64>,
}

impl Against {
    /// `own` beside `reference`, f32 vectors of one length.
    pub(super) fn new(own: &Tensor, reference: &Tensor) -> Self {
        let dot = |a: &Tensor, b: &Tensor| {
            (a.to_kind(Kind::Double) * b.to_kind(Kind::Double)).sum(None).double_value(&[])
        };
        let (norm, other) = (dot(own, own).sqrt(), dot(reference, reference).sqrt());
        let cosine =
            (norm > 0.0 && other > 0.0).then(|| (dot(own, reference) / (norm * other)).clamp(-1.0, 1.0));
        Self { norm, cosine }
    }
}

/// The advantages of a step beside those of the run's own settings.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Moved {
    /// Mean of their absolute values.
    pub mean_abs: f64,
    /// Their correlation with the others; `None` where either are all the same.
    pub correlation: Option<f64>,
    /// Share of the tokens whose advantage is pulled the other way, or no longer pulled at all, or newly.
    pub turned_frac: f64,
}

impl Moved {
    /// `own` beside `reference`, response after response.
    pub(super) fn new(own: &[Vec<f32>], reference: &[Vec<f32>]) -> Self {
        let pairs: Vec<(f64, f64)> = own
            .iter()
            .flatten()
            .zip(reference.iter().flatten())
            .map(|(a, b)| (f64::from(*a), f64::from(*b)))
            .collect();
        let n = pairs.len().max(1) as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
        let (a, b) = (mean(|pair| pair.0), mean(|pair| pair.1));
        let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
        for (x, y) in &pairs {
            (ab, aa, bb) = (ab + (x - a) * (y - b), aa + (x - a).powi(2), bb + (y - b).powi(2));
        }
        let sign = |value: f64| if value == 0.0 { 0.0 } else { value.signum() };
        let turned = pairs.iter().filter(|(x, y)| sign(*x) != sign(*y)).count();
        Self {
            mean_abs: mean(|pair| pair.0.abs()),
            correlation: (aa > 0.0 && bb > 0.0).then(|| ab / (aa * bb).sqrt()),
            turned_frac: turned as f64 / n,
        }
    }
}

/// The run's own settings, replayed, beside what the run wrote down.
#[derive(Debug, Serialize)]
pub(crate) struct Agreement {
    /// Largest distance of an advantage.
    pub advantages_max_abs: f64,
    /// Metrics that were compared.
    pub n_metrics: usize,
    /// Those that differ.
    pub differing: Vec<Differing>,
}

/// A metric that is not what the run wrote down.
#[derive(Debug, Serialize)]
pub(crate) struct Differing {
    /// Its name.
    pub key: String,
    /// What the run wrote down.
    pub recorded: f64,
    /// What the replay found.
    pub replayed: f64,
}

impl Agreement {
    /// Of `arm`, whose advantages are `advantages`, with the row of `step` in `folder` and the advantages there, `recorded`.
    pub(super) fn new(
        folder: &RunFolder,
        step: Step,
        arm: &MetricRow,
        advantages: &[Vec<f32>],
        recorded: &[Vec<f32>],
    ) -> Self {
        let distance = |(a, b): (&f32, &f32)| f64::from((a - b).abs());
        let distances = advantages.iter().flatten().zip(recorded.iter().flatten()).map(distance);
        let rows = Jsonl::read(&folder.metrics()).unwrap_or_default().rows;
        let row = rows.into_iter().find(|(at, _)| *at == step).map(|(_, row)| row).unwrap_or_default();
        let is_made = |key: &str| MADE.iter().any(|prefix| key.starts_with(prefix));
        let both: Vec<Differing> = row
            .iter()
            .filter(|(key, _)| is_made(key))
            .filter_map(|(key, recorded)| {
                Some(Differing { key: key.to_owned(), recorded, replayed: arm.get(key)? })
            })
            .collect();
        let n_metrics = both.len();
        let same = |one: &Differing| one.recorded.to_bits() == one.replayed.to_bits();
        let differing = both.into_iter().filter(|one| !same(one)).collect();
        Self { advantages_max_abs: distances.fold(0.0, f64::max), n_metrics, differing }
    }

    /// Whether every number is the run's own, to the last bit.
    #[must_use]
    pub(crate) fn is_exact(&self) -> bool {
        self.advantages_max_abs == 0.0 && self.differing.is_empty() && self.n_metrics > 0
    }

    /// Largest distance of a loss, a norm or an advantage, as a share of it, with its name. Others, such as the share of tokens that were
    /// clipped, may be nothing on one machine and one token on another.
    #[must_use]
    pub(crate) fn worst(&self) -> Option<(&str, f64)> {
        const JUDGED: [&str; 3] = ["loss/", "optim/", "advantage/"];
        const FLOOR: f64 = 1e-3;
        let relative = |one: &Differing| {
            (one.recorded - one.replayed).abs() / one.recorded.abs().max(one.replayed.abs()).max(FLOOR)
        };
        let judged =
            self.differing.iter().filter(|one| JUDGED.iter().any(|prefix| one.key.starts_with(prefix)));
        judged.map(|one| (one.key.as_str(), relative(one))).max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_and_advantages_are_put_beside_each_other() {
        let against = |a: &[f32], b: &[f32]| Against::new(&Tensor::from_slice(a), &Tensor::from_slice(b));
        let found = against(&[3.0, 4.0], &[4.0, 3.0]);
        assert!((found.norm - 5.0).abs() < 1e-12 && (found.cosine.unwrap_or_default() - 0.96).abs() < 1e-12);
        assert_eq!(against(&[0.0, 0.0], &[4.0, 3.0]).cosine, None);

        let moved = Moved::new(&[vec![1.0, -1.0], vec![0.0, 2.0]], &[vec![1.0, 1.0], vec![1.0, 1.0]]);
        assert_eq!((moved.mean_abs, moved.turned_frac, moved.correlation), (1.0, 0.5, None));
        let moved = Moved::new(&[vec![2.0, -2.0]], &[vec![1.0, -1.0]]);
        assert_eq!((moved.turned_frac, moved.correlation), (0.0, Some(1.0)));
    }
}
