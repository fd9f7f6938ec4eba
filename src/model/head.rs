//! From hidden states to log-probabilities, and back, holding at most `MAX_LOGITS` of `[tokens, vocabulary]` at a time.
//!
//! With logits `l = h W^T / T` and `p = softmax(l)`:
//!
//! ```text
//! logprob = l_target - logsumexp(l)              d logprob / dl = onehot(target) - p
//! entropy = logsumexp(l) - sum_v p_v l_v         d entropy / dl = -p (l - logsumexp(l) + entropy)
//! ```
//!
//! Of rows of `W` that stand for no token `l` is minus infinity, so that `p`, and with it every gradient, is 0.

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
    without: Option<&'a Tensor>, // rows of the weight without a token, int64
    max_logits: i64,
}

impl<'a> Head<'a> {
    /// The layer `weight` `[V, E]` at `temperature`.
    #[must_use]
    pub fn new(weight: &'a Tensor, temperature: f64) -> Self {
        Self { weight, temperature, without: None, max_logits: MAX_LOGITS }
    }

    /// The same layer, of which `rows`, int64, stand for no token: they take no probability.
    #[must_use]
    pub fn without(self, rows: Option<&'a Tensor>) -> Self {
        Self { without: rows, ..self }
    }

    /// The distribution over the next token, f32 `[N, V]`; for the N rows of a decoding step.
    pub fn probabilities(&self, hidden: &Tensor) -> Tensor {
        let mut logits = self.logits(hidden);
        fill(&mut logits, -1, self.without, f64::NEG_INFINITY);
        logits.softmax(-1, None)
    }

    /// Draws a token for each row of `hidden` `[B, E]`, the weight in main memory: the one that `draws[b]` in [0, 1) stands
    /// for, or the most likely one where it is `None`. Gives tokens and their log-probabilities, NaN where the distribution is
    /// not finite.
    ///
    /// # Errors
    /// If the weight is elsewhere.
    pub fn draw(&self, hidden: &Tensor, draws: &[Option<f64>]) -> Result<Vec<(TokenId, f32)>> {
        let _guard = tch::no_grad_guard();
        let mut logits = linear(self.weight, hidden)?; // (V, B)
        fill(&mut logits, 0, self.without, f64::NEG_INFINITY);
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
            let mut logits = linear(&h, self.weight)?;
            parts.push((by.stats)(&mut logits, &t, self.temperature, self.without)?);
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
            let mut d_logits = (self.way().back)(logits, &t, self.temperature, &numbers, &grad)?; // (n, V)
            fill(&mut d_logits, -1, self.without, 0.0);
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

/// Sets what stands at `rows` of dimension `dim` of `x` to `value`.
fn fill(x: &mut Tensor, dim: i64, rows: Option<&Tensor>, value: f64) {
    if let Some(rows) = rows {
        let _ = x.index_fill_(dim, rows, value);
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

    /// Whatever the rows say, and they say it loudest.
    #[test]
    fn rows_without_a_token_are_as_if_they_were_not_there() {
        tch::manual_seed(6);
        let (n, v, e) = (11, 700, 8);
        let normal = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
        let ids: Vec<i64> = (0..v).collect();
        let (gone, kept): (Vec<i64>, Vec<i64>) = ids.iter().partition(|id| **id % 7 == 0 || **id > 650);
        let (gone, kept) = (Tensor::from_slice(&gone), Tensor::from_slice(&kept));
        for (kind, tolerance) in [(Kind::Float, 1e-5), (Kind::BFloat16, 2e-2)] {
            let mut weight = normal(&[v, e]);
            let _ = weight.index_fill_(0, &Tensor::from_slice(&[0i64, 651, 699]), 90.0);
            let (weight, hidden) = (weight.to_kind(kind), normal(&[n, e]).to_kind(kind));
            let small = weight.index_select(0, &kept);
            let targets = Tensor::randint(kept.size()[0], [n], (Kind::Int64, Device::Cpu));
            let grad = StatsGrad { logprobs: normal(&[n]), entropies: Some(normal(&[n])) };
            let all = |head: Head<'_>, targets: &Tensor| {
                let scored = head.score(&hidden, targets).unwrap();
                let TokenStats { logprobs, entropies } = &scored.stats;
                let [logprobs, entropies] = [logprobs, entropies].map(Tensor::shallow_clone);
                let mut d_weight = Tensor::zeros(head.weight.size(), (Kind::Float, Device::Cpu));
                let d_hidden = head.backward(&hidden, targets, scored, &grad, &mut d_weight).unwrap();
                let probs = head.probabilities(&hidden);
                let draws: Vec<Option<f64>> =
                    (0..n).map(|b| (b > 2).then_some(b as f64 / n as f64)).collect();
                let drawn = head.draw(&hidden, &draws).unwrap();
                ([logprobs, entropies, d_hidden.to_kind(Kind::Float)], d_weight, probs, drawn)
            };
            let masked = all(Head::new(&weight, 0.7).without(Some(&gone)), &kept.index_select(0, &targets));
            let without = all(Head::new(&small, 0.7), &targets);
            for (a, b) in masked.0.iter().zip(&without.0) {
                assert!(a.allclose(b, tolerance, tolerance, false), "{kind:?}: {a} {b}");
            }
            let of = |x: &Tensor, dim: i64, rows: &Tensor| x.index_select(dim, rows);
            assert!(of(&masked.1, 0, &kept).allclose(&without.1, tolerance, tolerance, false));
            assert!(of(&masked.2, 1, &kept).allclose(&without.2, tolerance, tolerance, false));
            for none in [of(&masked.1, 0, &gone), of(&masked.2, 1, &gone)] {
                assert_eq!(none.abs().max().double_value(&[]), 0.0);
            }
            for ((a, a_logprob), (b, b_logprob)) in masked.3.iter().zip(&without.3) {
                assert_eq!(i64::from(*a), kept.int64_value(&[i64::from(*b)]));
                assert!((a_logprob - b_logprob).abs() < 1e-4);
            }
        }
    }
}
