//! What is attributed: a loss at the last position, low on the clean run.

use tch::{Kind, Tensor};

use super::config::MetricKind;
use super::pairs::Pair;

/// The loss of runs of some pairs.
pub(super) enum Loss {
    /// `sum_v p_clean (log p_clean - log p)`; log-probabilities of the clean runs, `[P, V]`.
    Kl(Tensor),
    /// `logit[corrupted answer] - logit[clean answer]`; the answers, int64 `[P, 1]` each.
    LogitDiff { clean: Tensor, corrupted: Tensor },
}

impl Loss {
    /// Of `pairs` with the logits of their clean runs `clean` `[P, V]`.
    pub(super) fn new(kind: MetricKind, pairs: &[&Pair], clean: &Tensor) -> Self {
        let answers = |of: fn(&Pair) -> Option<u32>| {
            let ids: Vec<i64> = pairs.iter().map(|pair| of(pair).map_or(0, i64::from)).collect();
            Tensor::from_slice(&ids).unsqueeze(1).to_device(clean.device())
        };
        match kind {
            MetricKind::Kl => Self::Kl(clean.log_softmax(-1, Kind::Float)),
            MetricKind::LogitDiff => Self::LogitDiff {
                clean: answers(|pair| pair.clean_answer),
                corrupted: answers(|pair| pair.corrupted_answer),
            },
        }
    }

    /// Of logits `[P m, V]`, m runs of each pair after those of the one before: `[P m]`.
    pub(super) fn of(&self, logits: &Tensor) -> Tensor {
        let runs = |x: &Tensor| x.repeat_interleave_self_int(logits.size()[0] / x.size()[0], 0, None);
        match self {
            Self::Kl(clean) => {
                let clean = runs(clean);
                let differ = &clean - logits.log_softmax(-1, Kind::Float);
                (clean.exp() * differ).sum_dim_intlist([-1i64].as_slice(), false, None)
            }
            Self::LogitDiff { clean, corrupted } => {
                let of = |answers: &Tensor| logits.gather(-1, &runs(answers), false).squeeze_dim(-1);
                of(corrupted) - of(clean)
            }
        }
    }
}
