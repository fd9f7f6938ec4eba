//! From hidden states to log-probabilities, and back, holding at most `MAX_LOGITS` of `[tokens, vocabulary]` at a time.
//!
//! With logits `l = h W^T / T` and `p = softmax(l)`:
//!
//! ```text
//! logprob = l_target - logsumexp(l)              d logprob / dl = onehot(target) - p
//! entropy = logsumexp(l) - sum_v p_v l_v         d entropy / dl = -p (l - logsumexp(l) + entropy)
//! ```
//!
//! Models with a soft limit c have `l = c tanh(h W^T / c) / T`, and `dl / d(h W^T) = (1 - (l T / c)^2) / T`.
//!
//! Of rows of `W` that stand for no token `l` is minus infinity, so that `p`, and with it every gradient, is 0.

use anyhow::Result;
use tch::{Kind, Tensor};

use super::attention::softcap;
use super::backend::Backend;
use super::gradient::GradientPart;
use crate::kernel::Owned;
use crate::types::TokenId;

/// Most logits held at a time: 128 MiB in bf16.
pub(crate) const MAX_LOGITS: i64 = 1 << 26;

/// What the policy says about each of N target tokens; f32, `[N]` each, no gradient.
pub(crate) struct TokenStats {
    /// Log-probability of the target.
    pub logprobs: Tensor,
    /// Entropy of the whole distribution, nats.
    pub entropies: Tensor,
}

/// The derivative of a loss with respect to [`TokenStats`], f32, `[N]` each.
pub(crate) struct StatsGrad {
    /// With respect to the log-probabilities.
    pub logprobs: Tensor,
    /// With respect to the entropies; `None` where the loss does not depend on them.
    pub entropies: Option<Tensor>,
}

/// [`TokenStats`], and what their gradient needs.
pub(crate) struct Scored {
    /// What was asked for.
    pub stats: TokenStats,
    normalisers: Tensor, // logsumexp of each row, (N)
    /// The logits, where they were few enough to be kept.
    kept: Option<Owned>,
}

/// Which tokens may be drawn: the `top_k` most likely ones, with all that tie with the last of them, and then of those the
/// fewest most likely ones whose probabilities reach the share `top_p` of their sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Truncation {
    /// 0 keeps all.
    pub top_k: usize,
    /// 1 keeps all.
    pub top_p: f64,
}

impl Truncation {
    /// All tokens.
    #[cfg(test)]
    pub(crate) const NONE: Self = Self { top_k: 0, top_p: 1.0 };

    /// Whether no token is left out.
    #[must_use]
    pub(crate) fn keeps_all(&self) -> bool {
        self.top_k == 0 && self.top_p >= 1.0
    }
}

/// Some rows that an engine scores at a time.
pub(super) struct Rows {
    pub(super) hidden: Tensor,  // (n, E)
    pub(super) targets: Tensor, // (n), int64
}

/// What an engine says of them; f32, `[n]` each.
pub(super) struct RowNumbers {
    pub(super) logprobs: Tensor,
    pub(super) entropies: Tensor,
    pub(super) normalisers: Tensor,
}

/// [`RowNumbers`], and the logits where the gradient can use them.
pub(super) struct ScoredRows {
    pub(super) numbers: RowNumbers,
    pub(super) logits: Option<Owned>, // (n, V)
}

/// One linear layer `W` `[V, E]` at temperature T over the vocabulary.
pub(crate) struct Head<'a> {
    /// Output projection.
    pub weight: &'a Tensor,
    /// Divides the logits.
    pub temperature: f64,
    pub(super) without: Option<&'a Tensor>, // rows of the weight without a token, int64
    pub(super) softcap: Option<f64>,        // c of `c tanh(l / c)`
    backend: Backend,
    max_logits: i64,
}

impl<'a> Head<'a> {
    /// The layer `weight` `[V, E]` at `temperature`, computed by `backend`.
    #[must_use]
    pub(crate) fn new(weight: &'a Tensor, temperature: f64, backend: Backend) -> Self {
        Self { weight, temperature, without: None, softcap: None, backend, max_logits: MAX_LOGITS }
    }

    /// The same layer, of which `rows`, int64, stand for no token: they take no probability.
    #[must_use]
    pub(crate) fn without(self, rows: Option<&'a Tensor>) -> Self {
        Self { without: rows, ..self }
    }

    /// The same layer, whose logits l become `c tanh(l / c)` before they are divided by the temperature.
    #[must_use]
    pub(crate) fn limited(self, c: Option<f64>) -> Self {
        Self { softcap: c, ..self }
    }

    /// The distribution over the next token, f32 `[N, V]`; for the N rows of a decoding step.
    pub(crate) fn probabilities(&self, hidden: &Tensor) -> Tensor {
        let mut logits = self.logits(hidden);
        fill(&mut logits, -1, self.without, f64::NEG_INFINITY);
        logits.softmax(-1, None)
    }

    /// Draws a token for each row of `hidden` `[B, E]` from what `truncation` leaves of its distribution: the one that
    /// `draws[b]` in [0, 1) stands for, tokens in order of their ids. Where it is `None` it is the most likely one of all, of
    /// equals the first. Gives tokens and their log-probabilities, NaN where the distribution is not finite.
    ///
    /// # Errors
    /// If the hidden states are not where the weight is.
    pub(crate) fn draw(
        &self,
        hidden: &Tensor,
        draws: &[Option<f64>],
        truncation: Truncation,
    ) -> Result<Vec<(TokenId, f32)>> {
        tch::no_grad(|| self.backend.engine().draw(self, hidden, draws, truncation))
    }

    /// Log-probabilities and entropies of `targets` `[N]` (int64) under `hidden` `[N, E]`.
    ///
    /// # Errors
    /// If one of them is not where the weight is.
    pub(crate) fn stats(&self, hidden: &Tensor, targets: &Tensor) -> Result<TokenStats> {
        Ok(self.score(hidden, targets)?.stats)
    }

    /// As [`Head::stats`], with what [`Head::backward`] needs.
    ///
    /// # Errors
    /// As [`Head::stats`].
    pub(crate) fn score(&self, hidden: &Tensor, targets: &Tensor) -> Result<Scored> {
        let _guard = tch::no_grad_guard();
        let (mut parts, mut kept) = (Vec::new(), None);
        for rows in self.chunks(hidden, targets) {
            let ScoredRows { numbers, logits } = self.backend.engine().score(self, &rows)?;
            parts.push(numbers);
            kept = logits.filter(|_| rows.targets.size() == targets.size());
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
    pub(crate) fn backward(
        &self,
        hidden: &Tensor,
        targets: &Tensor,
        scored: Scored,
        grad: &StatsGrad,
        weight_grad: &mut GradientPart<'_>,
    ) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        let Scored { stats, normalisers, mut kept } = scored;
        let (mut start, mut parts) = (0, Vec::new());
        for rows in self.chunks(hidden, targets) {
            let n = rows.targets.size()[0];
            let part = |x: &Tensor| x.narrow(0, start, n);
            let numbers = RowNumbers {
                logprobs: part(&stats.logprobs),
                entropies: part(&stats.entropies),
                normalisers: part(&normalisers),
            };
            let grad =
                StatsGrad { logprobs: part(&grad.logprobs), entropies: grad.entropies.as_ref().map(part) };
            let scored = ScoredRows { numbers, logits: kept.take() };
            parts.push(self.backend.engine().pull_back(self, &rows, scored, &grad, weight_grad)?);
            start += n;
        }
        Ok(Tensor::cat(&parts, 0))
    }

    /// The logits of `hidden` `[N, E]` by libtorch's operations, f32 `[N, V]`; of rows without a token too.
    pub(crate) fn logits(&self, hidden: &Tensor) -> Tensor {
        let logits = hidden.linear::<Tensor>(self.weight, None).to_kind(Kind::Float);
        softcap(logits, self.softcap) / self.temperature
    }

    /// `hidden` and `targets` in pieces of at most `max_logits` logits each, at least one row.
    fn chunks(&self, hidden: &Tensor, targets: &Tensor) -> impl Iterator<Item = Rows> + use<> {
        let rows = (self.max_logits / self.weight.size()[0]).max(1);
        let parts = hidden.split(rows, 0).into_iter().zip(targets.split(rows, 0));
        parts.map(|(hidden, targets)| Rows { hidden, targets })
    }
}

/// Sets what stands at `rows` of dimension `dim` of `x` to `value`.
pub(super) fn fill(x: &mut Tensor, dim: i64, rows: Option<&Tensor>, value: f64) {
    if let Some(rows) = rows {
        let _ = x.index_fill_(dim, rows, value);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tch::Device;

    use super::*;
    use crate::model::gradient::Gradient;
    use crate::model::layout::Slot;
    use crate::tests::Draws;

    const BACKENDS: [Backend; 2] = [Backend::Cpu, Backend::Ops];

    #[test]
    fn the_size_of_the_chunks_changes_nothing() {
        let draws = Draws::new(4);
        let (n, v, e) = (23, 40, 8);
        let normal = |shape: &[i64]| draws.normal(shape);
        let (weight, hidden) = (normal(&[v, e]), normal(&[n, e]));
        let targets = draws.below(v, n);
        let grad = StatsGrad { logprobs: normal(&[n]), entropies: Some(normal(&[n])) };
        let place = Slot { start: 0, shape: vec![v, e] };
        let all = |backend: Backend, max_logits: i64| {
            let head = Head { max_logits, ..Head::new(&weight, 0.7, backend) };
            assert_eq!(head.chunks(&hidden, &targets).count() as i64, (n * v + max_logits - 1) / max_logits);
            let scored = head.score(&hidden, &targets).unwrap();
            let TokenStats { logprobs, entropies } = &scored.stats;
            let [logprobs, entropies] = [logprobs, entropies].map(Tensor::shallow_clone);
            let mut gradient = Gradient::zeros(v * e, Device::Cpu);
            let mut d_weight = gradient.part(&place);
            d_weight.add(&weight.ones_like());
            let d_hidden = head.backward(&hidden, &targets, scored, &grad, &mut d_weight).unwrap();
            [logprobs, entropies, d_hidden, d_weight.to_tensor()]
        };
        let whole = all(Backend::Cpu, n * v);
        for (backend, rows) in BACKENDS.into_iter().flat_map(|backend| [1, 4, 22, 23].map(|n| (backend, n))) {
            for (part, whole) in all(backend, rows * v).iter().zip(&whole) {
                assert!(part.allclose(whole, 1e-5, 1e-5, false), "{backend}, {rows} rows at a time");
            }
        }
    }

    /// Whatever the rows say, and they say it loudest.
    #[test]
    fn rows_without_a_token_are_as_if_they_were_not_there() {
        let draws = Draws::new(6);
        let (n, v, e) = (11, 700, 8);
        let normal = |shape: &[i64]| draws.normal(shape);
        let ids: Vec<i64> = (0..v).collect();
        let (gone, kept): (Vec<i64>, Vec<i64>) = ids.iter().partition(|id| **id % 7 == 0 || **id > 650);
        let (gone, kept) = (Tensor::from_slice(&gone), Tensor::from_slice(&kept));
        let kinds = [(Kind::Float, 5e-5), (Kind::BFloat16, 2e-2)];
        for ((kind, tolerance), backend) in kinds.into_iter().flat_map(|kind| BACKENDS.map(|b| (kind, b))) {
            let mut weight = normal(&[v, e]);
            let _ = weight.index_fill_(0, &Tensor::from_slice(&[0i64, 651, 699]), 90.0);
            let (weight, hidden) = (weight.to_kind(kind), normal(&[n, e]).to_kind(kind));
            let small = weight.index_select(0, &kept);
            let targets = draws.below(kept.size()[0], n);
            let grad = StatsGrad { logprobs: normal(&[n]), entropies: Some(normal(&[n])) };
            let all = |head: Head<'_>, targets: &Tensor| {
                let scored = head.score(&hidden, targets).unwrap();
                let TokenStats { logprobs, entropies } = &scored.stats;
                let [logprobs, entropies] = [logprobs, entropies].map(Tensor::shallow_clone);
                let place = Slot { start: 0, shape: head.weight.size() };
                let mut gradient = Gradient::zeros(place.n_elements(), Device::Cpu);
                let mut d_weight = gradient.part(&place);
                let d_hidden = head.backward(&hidden, targets, scored, &grad, &mut d_weight).unwrap();
                let probs = head.probabilities(&hidden);
                let draws: Vec<Option<f64>> =
                    (0..n).map(|b| (b > 2).then_some(b as f64 / n as f64)).collect();
                let drawn = head.draw(&hidden, &draws, Truncation::NONE).unwrap();
                ([logprobs, entropies, d_hidden.to_kind(Kind::Float)], d_weight.to_tensor(), probs, drawn)
            };
            let head = |weight| Head::new(weight, 0.7, backend);
            let masked = all(head(&weight).without(Some(&gone)), &kept.index_select(0, &targets));
            let without = all(Head::new(&small, 0.7, backend), &targets);
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
