//! From hidden states to log-probabilities, and back, holding at most `MAX_LOGITS` of `[tokens, vocabulary]` at a time.
//!
//! With logits `l = h W^T / T` and `p = softmax(l)`:
//!
//! ```text
//! logprob = l_target - logsumexp(l)              d logprob / dl = onehot(target) - p
//! entropy = logsumexp(l) - sum_v p_v l_v         d entropy / dl = -p (l - logsumexp(l) + entropy)
//! ```

mod way;

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use self::way::{BY_KERNELS, BY_OPERATIONS, RowNumbers, Way};
use super::product::{add_outer, linear, mm};
use crate::kernel::{self, Bf16};
use crate::types::TokenId;

/// Most logits held at a time: 128 MiB in bf16.
const MAX_LOGITS: i64 = 1 << 26;

/// What the policy says about each of N target tokens; f32, `[N]` each, no gradient.
pub struct TokenStats {
    /// Log-probability of the target.
    pub logprobs: Tensor,
    /// Entropy of the whole distribution, nats.
    pub entropies: Tensor,
}

/// The derivative of a loss with respect to [`TokenStats`], f32, `[N]` each.
pub struct StatsGrad {
    /// With respect to the log-probabilities.
    pub logprobs: Tensor,
    /// With respect to the entropies; `None` where the loss does not depend on them.
    pub entropies: Option<Tensor>,
}

/// [`TokenStats`], and what their gradient needs.
pub struct Scored {
    /// What was asked for.
    pub stats: TokenStats,
    normalisers: Tensor, // logsumexp of each row, (N)
    /// The logits, where they were few enough to be kept.
    kept: Option<Tensor>,
}

/// One linear layer `W` `[V, E]` at temperature T over the vocabulary.
pub struct Head<'a> {
    /// Output projection.
    pub weight: &'a Tensor,
    /// Divides the logits.
    pub temperature: f64,
    max_logits: i64,
}

impl<'a> Head<'a> {
    /// The layer `weight` `[V, E]` at `temperature`.
    #[must_use]
    pub fn new(weight: &'a Tensor, temperature: f64) -> Self {
        Self { weight, temperature, max_logits: MAX_LOGITS }
    }

    /// The distribution over the next token, f32 `[N, V]`; for the N rows of a decoding step.
    pub fn probabilities(&self, hidden: &Tensor) -> Tensor {
        self.logits(hidden).softmax(-1, None)
    }

    /// Draws a token for each row of `hidden` `[B, E]`, the weight in main memory: the one that `draws[b]` in [0, 1) stands
    /// for, or the most likely one where it is `None`. Gives tokens and their log-probabilities, NaN where the distribution is
    /// not finite.
    ///
    /// # Errors
    /// If the weight is elsewhere.
    pub fn draw(&self, hidden: &Tensor, draws: &[Option<f64>]) -> Result<Vec<(TokenId, f32)>> {
        let _guard = tch::no_grad_guard();
        let logits = linear(self.weight, hidden)?; // (V, B)
        let drawn = match logits.kind() {
            Kind::BFloat16 => kernel::draw(kernel::view::<Bf16>(&logits)?, draws, self.temperature),
            _ => kernel::draw(kernel::view::<f32>(&logits)?, draws, self.temperature),
        };
        Ok(drawn.into_iter().map(|drawn| (drawn.token, drawn.logprob)).collect())
    }

    /// Log-probabilities and entropies of `targets` `[N]` (int64) under `hidden` `[N, E]`.
    ///
    /// # Errors
    /// If one of them is not where the weight is.
    pub fn stats(&self, hidden: &Tensor, targets: &Tensor) -> Result<TokenStats> {
        Ok(self.score(hidden, targets)?.stats)
    }

    /// As [`Head::stats`], with what [`Head::backward`] needs.
    ///
    /// # Errors
    /// As [`Head::stats`].
    pub fn score(&self, hidden: &Tensor, targets: &Tensor) -> Result<Scored> {
        let _guard = tch::no_grad_guard();
        let by = self.way();
        let mut parts = Vec::new();
        let mut kept = None;
        for (h, t) in self.chunks(hidden, targets) {
            let logits = linear(&h, self.weight)?;
            parts.push((by.stats)(&logits, &t, self.temperature)?);
            kept = Some(logits).filter(|_| by.keeps && parts.len() == 1 && t.size() == targets.size());
        }
        let whole =
            |part: fn(&RowNumbers) -> &Tensor| Tensor::cat(&parts.iter().map(part).collect::<Vec<_>>(), 0);
        let stats = TokenStats { logprobs: whole(|p| &p.logprobs), entropies: whole(|p| &p.entropies) };
        Ok(Scored { stats, normalisers: whole(|p| &p.normalisers), kept })
    }

    /// Pulls `grad` back through [`Head::score`]: gives the gradient of `hidden`, `[N, E]`, and adds that of the weight to
    /// `weight_grad` (`[V, E]`, f32).
    ///
    /// # Errors
    /// As [`Head::stats`].
    pub fn backward(
        &self,
        hidden: &Tensor,
        targets: &Tensor,
        scored: Scored,
        grad: &StatsGrad,
        weight_grad: &mut Tensor,
    ) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        let Scored { stats, normalisers, mut kept } = scored;
        let (mut start, mut parts) = (0, Vec::new());
        for (h, t) in self.chunks(hidden, targets) {
            let n = t.size()[0];
            let part = |x: &Tensor| x.narrow(0, start, n);
            let numbers = RowNumbers {
                logprobs: part(&stats.logprobs),
                entropies: part(&stats.entropies),
                normalisers: part(&normalisers),
            };
            let grad =
                StatsGrad { logprobs: part(&grad.logprobs), entropies: grad.entropies.as_ref().map(part) };
            let logits = kept.take().map_or_else(|| linear(&h, self.weight), Ok)?;
            let d_logits = (self.way().back)(logits, &t, self.temperature, &numbers, &grad)?; // (n, V)
            add_outer(weight_grad, &d_logits, &h)?;
            parts.push(mm(&d_logits, self.weight)?);
            start += n;
        }
        Ok(Tensor::cat(&parts, 0))
    }

    /// The way of the device.
    fn way(&self) -> Way {
        match self.weight.device() {
            Device::Cpu => BY_KERNELS,
            _ => BY_OPERATIONS,
        }
    }

    fn logits(&self, hidden: &Tensor) -> Tensor {
        hidden.linear::<Tensor>(self.weight, None).to_kind(Kind::Float) / self.temperature
    }

    /// `hidden` and `targets` in pieces of at most `max_logits` logits each, at least one row.
    fn chunks(&self, hidden: &Tensor, targets: &Tensor) -> impl Iterator<Item = (Tensor, Tensor)> + use<> {
        let rows = (self.max_logits / self.weight.size()[0]).max(1);
        hidden.split(rows, 0).into_iter().zip(targets.split(rows, 0))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_the_chunks_changes_nothing() {
        tch::manual_seed(4);
        let (n, v, e) = (23, 40, 8);
        let normal = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
        let (weight, hidden) = (normal(&[v, e]), normal(&[n, e]));
        let targets = Tensor::randint(v, [n], (Kind::Int64, Device::Cpu));
        let grad = StatsGrad { logprobs: normal(&[n]), entropies: Some(normal(&[n])) };
        let all = |max_logits: i64| {
            let head = Head { max_logits, ..Head::new(&weight, 0.7) };
            assert_eq!(head.chunks(&hidden, &targets).count() as i64, (n * v + max_logits - 1) / max_logits);
            let scored = head.score(&hidden, &targets).unwrap();
            let TokenStats { logprobs, entropies } = &scored.stats;
            let [logprobs, entropies] = [logprobs, entropies].map(Tensor::shallow_clone);
            let mut d_weight = weight.ones_like();
            let d_hidden = head.backward(&hidden, &targets, scored, &grad, &mut d_weight).unwrap();
            [logprobs, entropies, d_hidden, d_weight]
        };
        let whole = all(n * v);
        for rows in [1, 4, 22] {
            for (part, whole) in all(rows * v).iter().zip(&whole) {
                assert!(part.allclose(whole, 1e-5, 1e-5, false), "{rows} rows at a time");
            }
        }
    }
}
