//! Drawing the next token of every row from the logits of a step, `[V, B]`, in one pass over them.
//!
//! ```text
//! pass     per block of the vocabulary and row:  m_c = max l / T,   s_c = sum exp(l / T - m_c)
//! search   S = sum_c s_c exp(m_c - m);  the first block whose running sum exceeds u S, and within it the first token
//! logprob  l / T - m - ln S
//! ```
//!
//! With `u` uniform this is inversion of the distribution function over tokens in order of their ids.

use multiversion::multiversion;

use super::Number;
use super::exp::exp;
use super::parallel::{DisjointSlices, for_each};

/// Tokens whose sums are formed together.
const BLOCK: usize = 512;

/// A token and its log-probability under the whole distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Drawn {
    /// Id of the token.
    pub token: u32,
    /// Its log-probability, nats; NaN where the distribution is not finite.
    pub logprob: f32,
}

/// Draws for each row b with `logits` `[V, B]` the token that `draws[b]` in [0, 1) stands for at `temperature`; `None` takes
/// the most likely one, of equals the first.
pub(crate) fn draw<T: Number>(logits: &[T], draws: &[Option<f64>], temperature: f64) -> Vec<Drawn> {
    let n_rows = draws.len();
    let n_vocab = logits.len() / n_rows.max(1);
    let n_blocks = n_vocab.div_ceil(BLOCK);
    let by = (1.0 / temperature) as f32;
    let (mut most, mut sums) = (vec![0f32; n_blocks * n_rows], vec![0f32; n_blocks * n_rows]);
    {
        let (most, sums) = (DisjointSlices::new(&mut most), DisjointSlices::new(&mut sums));
        for_each(n_blocks, |c| {
            let own = c * n_rows..(c + 1) * n_rows;
            // SAFETY: every block has its own row of both tables.
            let (most, sums) = unsafe { (most.get(own.clone()), sums.get(own)) };
            let tokens = c * BLOCK * n_rows..((c + 1) * BLOCK).min(n_vocab) * n_rows;
            reduce(&logits[tokens], by, most, sums);
        });
    }
    let blocks = Blocks { logits, most, sums, n_rows, n_vocab, by };
    draws.iter().enumerate().map(|(b, draw)| blocks.row(b, *draw)).collect()
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn reduce<T: Number>(logits: &[T], by: f32, most: &mut [f32], sums: &mut [f32]) {
    most.fill(f32::NEG_INFINITY);
    sums.fill(0.0);
    for token in logits.chunks_exact(most.len()) {
        for (most, l) in most.iter_mut().zip(token) {
            let l = l.to_f32() * by;
            *most = if l > *most { l } else { *most };
        }
    }
    // Where nothing is possible, infinity less infinity would be no number.
    let base: Vec<f32> =
        most.iter().map(|most| if *most == f32::NEG_INFINITY { 0.0 } else { *most }).collect();
    for token in logits.chunks_exact(most.len()) {
        for ((sum, base), l) in sums.iter_mut().zip(&base).zip(token) {
            *sum += exp(l.to_f32() * by - base);
        }
    }
}

struct Blocks<'l, T> {
    logits: &'l [T],
    most: Vec<f32>, // (blocks, B)
    sums: Vec<f32>, // (blocks, B)
    n_rows: usize,
    n_vocab: usize,
    by: f32,
}

impl<T: Number> Blocks<'_, T> {
    fn row(&self, b: usize, draw: Option<f64>) -> Drawn {
        let of = |table: &[f32], c: usize| f64::from(table[c * self.n_rows + b]);
        let blocks = 0..self.n_vocab.div_ceil(BLOCK);
        let most = blocks.clone().map(|c| of(&self.most, c)).fold(f64::NEG_INFINITY, f64::max);
        let share = |c: usize| of(&self.sums, c) * (of(&self.most, c) - most).exp();
        let whole: f64 = blocks.clone().map(share).sum();
        let logit = |token: usize| f64::from(self.logits[token * self.n_rows + b].to_f32() * self.by);
        let drawn =
            |token: usize| Drawn { token: token as u32, logprob: (logit(token) - most - whole.ln()) as f32 };
        if !whole.is_finite() || !most.is_finite() {
            return Drawn { token: 0, logprob: f32::NAN };
        }
        let tokens = |c: usize| c * BLOCK..((c + 1) * BLOCK).min(self.n_vocab);
        let Some(u) = draw else {
            let first = blocks.clone().find(|c| of(&self.most, *c) >= most).unwrap_or(0);
            return drawn(tokens(first).find(|token| logit(*token) >= most).unwrap_or(0));
        };
        let (mut left, mut last) = (u * whole, 0);
        for c in blocks {
            let share = share(c);
            if share > left {
                for token in tokens(c) {
                    let p = (logit(token) - most).exp();
                    if p > 0.0 {
                        last = token;
                        if p > left {
                            return drawn(token);
                        }
                    }
                    left -= p;
                }
                // The block's sum was formed in another order and was a little larger: its last token that can be drawn.
                return drawn(last);
            }
            if share > 0.0 {
                last = tokens(c).rev().find(|token| (logit(*token) - most).exp() > 0.0).unwrap_or(last);
            }
            left -= share;
        }
        drawn(last)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::{Bf16, view};
    use super::*;
    use crate::tests::Draws;

    /// The definition, from all probabilities of a row one after the other: the log-probability of `token`, and
    /// whether it is what `u` stands for. Sums in single precision may move its bounds by 1e-6.
    fn slow(logits: &[f64], u: Option<f64>, token: usize) -> (f64, bool) {
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let whole: f64 = logits.iter().map(|l| (l - most).exp()).sum();
        let below = |token: usize| logits[..token].iter().map(|l| (l - most).exp()).sum::<f64>() / whole;
        let meant = match u {
            None => logits.iter().position(|l| *l >= most) == Some(token),
            Some(u) => below(token) - 1e-6 < u && u < below(token + 1) + 1e-6,
        };
        (logits[token] - most - whole.ln(), meant)
    }

    fn check<T: Number>() {
        let (v, b) = (3 * BLOCK as i64 + 101, 6);
        let draws = Draws::new(8);
        let logits = (draws.normal(&[v, b]) * 3.0).to_kind(T::KIND);
        let numbers = view::<T>(&logits).unwrap();
        for round in 0..50 {
            let u = |b: usize| (b != 2).then(|| f64::from((round * 7 + b as u32 * 13) % 97) / 97.0);
            let draws: Vec<Option<f64>> = (0..b as usize).map(u).collect();
            for temperature in [1.0, 0.6] {
                for (row, got) in draw(numbers, &draws, temperature).into_iter().enumerate() {
                    let own: Vec<f64> = (0..v as usize)
                        .map(|token| f64::from(numbers[token * b as usize + row].to_f32()) / temperature)
                        .collect();
                    let (logprob, meant) = slow(&own, draws[row], got.token as usize);
                    assert!(meant, "{round}, row {row}: {got:?}");
                    assert!((f64::from(got.logprob) - logprob).abs() < 1e-5, "{got:?} {logprob}");
                }
            }
        }
    }

    #[test]
    fn the_search_finds_what_going_through_all_tokens_finds() {
        check::<f32>();
        check::<Bf16>();
    }

    #[test]
    fn certain_tokens_are_drawn_whatever_the_draw() {
        let mut logits = vec![f32::NEG_INFINITY; 700 * 2];
        (logits[3 * 2], logits[650 * 2 + 1]) = (5.0, -5.0);
        for u in [0.0, 0.5, 1.0 - 1e-16] {
            let drawn = draw(&logits, &[Some(u), Some(u)], 1.0);
            assert_eq!([drawn[0].token, drawn[1].token], [3, 650]);
            assert!(drawn.iter().all(|d| d.logprob == 0.0), "{drawn:?}");
        }
    }

    #[test]
    fn a_distribution_that_is_not_finite_says_so() {
        for poison in [f32::NAN, f32::INFINITY] {
            let mut logits = vec![0f32; 600 * 2];
            logits[599 * 2 + 1] = poison;
            let drawn = draw(&logits, &[Some(0.3), Some(0.3)], 1.0);
            assert!(drawn[0].logprob.is_finite() && drawn[1].logprob.is_nan(), "{poison}: {drawn:?}");
        }
        assert!(draw(&[f32::NEG_INFINITY; 3], &[None], 1.0)[0].logprob.is_nan());
    }
}
