//! What lies between the products of queries and keys and their softmax, layer by layer.
//!
//! ```text
//! s = scale q k      s = c tanh(s / c)  where there is a soft limit c      s = -inf  for columns out of sight
//! ```

use tch::{Device, Kind, Tensor};

use super::config::ModelConfig;

/// How the scores of a layer's queries and keys become weights: they are multiplied by `scale`, softly limited, and those of
/// columns out of sight left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Attention {
    /// Multiplies products of queries and keys.
    pub scale: f64,
    /// c, where scores s become `c tanh(s / c)`.
    pub softcap: Option<f64>,
    /// Tokens that a token sees, itself among them; all before it where there is no number.
    pub window: Option<i64>,
}

impl Attention {
    /// Scores divided by the root of the head size `d`, and nothing else.
    #[must_use]
    pub(crate) fn plain(d: i64) -> Self {
        Self { scale: (d as f64).powf(-0.5), softcap: None, window: None }
    }

    /// `scores` within their soft limit.
    pub(crate) fn limited(&self, scores: Tensor) -> Tensor {
        softcap(scores, self.softcap)
    }

    /// What is to be added to the scores of tokens in columns `first..first + n` over the columns `0..first + n`,
    /// `[n, first + n]` like `scores`: minus infinity where a token does not see, else 0.
    pub(crate) fn mask(&self, first: i64, n: i64, options: (Kind, Device)) -> Tensor {
        let out_of_sight = || Tensor::full([n, first + n], f64::NEG_INFINITY, options);
        let later = out_of_sight().triu(first + 1);
        match self.window {
            Some(window) if window < first + n => later + out_of_sight().tril(first - window),
            _ => later,
        }
    }
}

/// `c tanh(x / c)`, or `x` without a `c`.
pub(super) fn softcap(x: Tensor, c: Option<f64>) -> Tensor {
    match c {
        Some(c) => (x / c).tanh() * c,
        None => x,
    }
}

impl ModelConfig {
    /// How layer `l`, below L, attends.
    #[must_use]
    pub(crate) fn attention(&self, l: usize) -> Attention {
        let (plain, window) = (Attention::plain(self.head_dim), self.sliding_window.as_ref());
        Attention {
            scale: self.query_scalar.map_or(plain.scale, |scalar| scalar.powf(-0.5)),
            softcap: self.attention_softcap,
            window: window.filter(|window| window.layers[l]).map(|window| window.tokens),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Queries 2 to 4 of five tokens, of which each sees two.
    #[test]
    fn a_mask_hides_what_comes_later_and_what_lies_behind_the_window() {
        let seen = |window: Option<i64>| {
            let by = Attention { window, ..Attention::plain(4) };
            let mask = by.mask(2, 3, (Kind::Float, Device::Cpu));
            let seen = mask.eq(0.0).to_kind(Kind::Int64).reshape([-1]);
            assert!(mask.ne(0.0).logical_and(&mask.isfinite()).any().int64_value(&[]) == 0);
            Vec::<i64>::try_from(seen).unwrap()
        };
        assert_eq!(seen(None), [1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1]);
        assert_eq!(seen(Some(5)), seen(None));
        assert_eq!(seen(Some(2)), [0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1]);
    }
}
