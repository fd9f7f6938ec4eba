//! From hidden states to log-probabilities, and back, without ever holding `[tokens, vocabulary]`.
//!
//! With logits `l = h W^T / T` and `p = softmax(l)`:
//!
//! ```text
//! logprob = l_target - logsumexp(l)              d logprob / dl = onehot(target) - p
//! entropy = logsumexp(l) - sum_v p_v l_v         d entropy / dl = -p (l - logsumexp(l) + entropy)
//! ```

use anyhow::Result;
use tch::{Kind, Tensor};

use crate::kernel::{self, Bf16};
use crate::types::TokenId;

/// Most logits held at a time: 64 MiB in f32.
const MAX_LOGITS: i64 = 1 << 24;

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
        let logits = self.weight.mm(&hidden.transpose(0, 1)); // (V, B)
        let drawn = match logits.kind() {
            Kind::BFloat16 => kernel::draw(kernel::view::<Bf16>(&logits)?, draws, self.temperature),
            _ => kernel::draw(kernel::view::<f32>(&logits)?, draws, self.temperature),
        };
        Ok(drawn.into_iter().map(|drawn| (drawn.token, drawn.logprob)).collect())
    }

    /// Log-probabilities and entropies of `targets` `[N]` (int64) under `hidden` `[N, E]`.
    #[must_use]
    pub fn stats(&self, hidden: &Tensor, targets: &Tensor) -> TokenStats {
        let _guard = tch::no_grad_guard();
        let parts = self.chunks(hidden, targets).map(|(h, t)| {
            let logits = self.logits(&h);
            let lse = logits.logsumexp([-1i64].as_slice(), true); // (n, 1)
            let logprobs = logits.gather(-1, &t.unsqueeze(1), false) - &lse;
            let entropies =
                &lse - (logits.softmax(-1, None) * logits).sum_dim_intlist([-1i64].as_slice(), true, None);
            (logprobs.squeeze_dim(1), entropies.squeeze_dim(1))
        });
        let (logprobs, entropies): (Vec<_>, Vec<_>) = parts.unzip();
        TokenStats { logprobs: Tensor::cat(&logprobs, 0), entropies: Tensor::cat(&entropies, 0) }
    }

    /// Pulls `grad` back: gives the gradient of `hidden`, `[N, E]`, and adds that of the weight to `weight_grad`
    /// (`[V, E]`, f32).
    pub fn backward(
        &self,
        hidden: &Tensor,
        targets: &Tensor,
        grad: &StatsGrad,
        weight_grad: &mut Tensor,
    ) -> Tensor {
        let _guard = tch::no_grad_guard();
        let mut start = 0;
        let parts = self.chunks(hidden, targets).map(|(h, t)| {
            let n = t.size()[0];
            let logits = self.logits(&h);
            let part = |g: &Tensor| g.narrow(0, start, n).unsqueeze(1); // (n, 1)
            let d_logprob = part(&grad.logprobs);
            let mut d_logits = match &grad.entropies {
                None => logits.softmax(-1, None) * -&d_logprob,
                Some(entropies) => {
                    let logs = logits.log_softmax(-1, None);
                    let p = logs.exp();
                    let entropy = -(&p * &logs).sum_dim_intlist([-1i64].as_slice(), true, None);
                    -p * (d_logprob.shallow_clone() + part(entropies) * (logs + entropy))
                }
            };
            let _ = d_logits.scatter_add_(-1, &t.unsqueeze(1), &d_logprob);
            let d_logits = (d_logits / self.temperature).to_kind(h.kind()); // (n, V)
            let _ = weight_grad.g_add_(&d_logits.transpose(0, 1).mm(&h));
            start += n;
            d_logits.mm(self.weight)
        });
        Tensor::cat(&parts.collect::<Vec<_>>(), 0)
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
mod tests {
    use tch::Device;

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
            let TokenStats { logprobs, entropies } = head.stats(&hidden, &targets);
            let mut d_weight = weight.ones_like();
            let d_hidden = head.backward(&hidden, &targets, &grad, &mut d_weight);
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
