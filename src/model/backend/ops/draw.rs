//! Drawing on the device where the probabilities are: a token and a number a row go to the host, whatever the vocabulary.
//!
//! ```text
//! F_t = sum_{s <= t} p_s        token = the first t with F_t > u F_V        logprob = ln p_token - ln F_V
//! ```
//!
//! With sums in double precision, in order of the ids, over what top-k and top-p leave: as `cpu::draw`, the reference, says it.

use anyhow::Result;
use tch::{Kind, Tensor};

use crate::model::head::{Head, Truncation};
use crate::types::TokenId;

/// Most probabilities worked on at a time: 256 MiB in double precision.
const MAX_PROBABILITIES: i64 = 1 << 25;

/// As [`Head::draw`].
pub(super) fn draw(
    head: &Head<'_>,
    hidden: &Tensor,
    draws: &[Option<f64>],
    truncation: Truncation,
) -> Result<Vec<(TokenId, f32)>> {
    let n_rows = (MAX_PROBABILITIES / head.weight.size()[0]).max(1);
    let parts = hidden.split(n_rows, 0).into_iter().zip(draws.chunks(n_rows as usize));
    let drawn =
        parts.map(|(hidden, draws)| of_probabilities(&head.probabilities(&hidden), draws, truncation));
    let (tokens, logprobs): (Vec<Tensor>, Vec<Tensor>) = drawn.unzip();
    let tokens = Vec::<i64>::try_from(Tensor::cat(&tokens, 0))?;
    let logprobs = Vec::<f32>::try_from(Tensor::cat(&logprobs, 0))?;
    Ok(tokens.into_iter().map(|token| token as TokenId).zip(logprobs).collect())
}

/// Tokens `[B]`, int64, and their log-probabilities, f32, for the rows of `probs` `[B, V]`.
fn of_probabilities(probs: &Tensor, draws: &[Option<f64>], truncation: Truncation) -> (Tensor, Tensor) {
    let device = probs.device();
    let is_drawn = Tensor::from_slice(&draws.iter().map(Option::is_some).collect::<Vec<_>>());
    let is_drawn = is_drawn.to_device(device).unsqueeze(1); // (B, 1)
    // What the most likely token is told of is the whole distribution.
    let kept = truncate(probs, truncation).where_self(&is_drawn, probs);
    let sums = kept.cumsum(-1, Kind::Double); // (B, V)
    let total = sums.narrow(1, -1, 1).contiguous(); // (B, 1)
    let u: Vec<f64> = draws.iter().map(|draw| draw.unwrap_or(0.0)).collect();
    let target = Tensor::from_slice(&u).to_device(device).unsqueeze(1) * &total;
    let first =
        |side: &str, reached: &Tensor| reached.searchsorted::<Tensor>(&sums, false, false, side, None);
    // Rounding may leave no sum above the target: then it is the last token that adds something. And where there is no number,
    // it is any token of the vocabulary.
    let drawn = first("right", &target).minimum(&first("left", &total)).clamp_max(sums.size()[1] - 1);
    let tokens = drawn.where_self(&is_drawn, &probs.argmax(-1, true));
    let logprobs = (kept.gather(1, &tokens, false).to_kind(Kind::Double) / total).log();
    (tokens.squeeze_dim(1), logprobs.to_kind(Kind::Float).squeeze_dim(1))
}

/// `probs` `[B, V]` with zeros for what `truncation` leaves out.
fn truncate(probs: &Tensor, Truncation { top_k, top_p }: Truncation) -> Tensor {
    let mut kept = probs.shallow_clone();
    if top_k > 0 && (top_k as i64) < probs.size()[1] {
        let (most, _) = probs.topk(top_k as i64, -1, true, true);
        let least = most.narrow(1, -1, 1); // (B, 1)
        kept = probs.where_scalarother(&probs.ge_tensor(&least), 0.0);
    }
    if top_p < 1.0 {
        let (sorted, order) = kept.sort_stable(true, -1, true);
        let sums = sorted.cumsum(-1, Kind::Double);
        let enough = sums.narrow(1, -1, 1) * top_p;
        // A token stays as long as those before it are not enough.
        let is_needed = sums.constant_pad_nd([1, -1]).lt_tensor(&enough);
        let sorted = sorted.where_scalarother(&is_needed, 0.0);
        kept = kept.zeros_like().scatter(-1, &order, &sorted);
    }
    kept
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::super::cpu::{most_likely, reference_draw};
    use super::*;
    use crate::tests::Draws;
    use crate::types::{Purpose, RunRandom};

    const TRUNCATIONS: [Truncation; 6] = [
        Truncation::NONE,
        Truncation { top_k: 3, top_p: 1.0 },
        Truncation { top_k: 1000, top_p: 1.0 },
        Truncation { top_k: 0, top_p: 0.5 },
        Truncation { top_k: 0, top_p: 0.9375 },
        Truncation { top_k: 5, top_p: 0.75 },
    ];

    fn drawn(probs: &[Vec<f32>], draws: &[Option<f64>], truncation: Truncation) -> Vec<(TokenId, f32)> {
        let probs = Tensor::from_slice(&probs.concat()).view([probs.len() as i64, -1]);
        let (tokens, logprobs) = of_probabilities(&probs, draws, truncation);
        let tokens = Vec::<i64>::try_from(tokens).unwrap();
        tokens
            .into_iter()
            .map(|token| token as TokenId)
            .zip(Vec::<f32>::try_from(logprobs).unwrap())
            .collect()
    }

    fn reference(probs: &[f32], draw: Option<f64>, truncation: Truncation) -> (TokenId, f32) {
        draw.map_or_else(|| most_likely(probs), |u| reference_draw(probs, truncation, u))
    }

    /// Weights that are small whole numbers, many of them equal and many 0, and draws that are sixty-fourths: no sum is
    /// rounded, and draws hit the bounds between tokens.
    #[test]
    fn where_nothing_is_rounded_the_host_draws_the_same_to_the_bit() {
        let random = RunRandom::new(3);
        let weight = |row: u64, token: u64| (random.bits(Purpose::Items, &[row, token]) % 5) as f32;
        for (truncation, n) in
            TRUNCATIONS.into_iter().flat_map(|truncation| [1, 7, 100].map(|n| (truncation, n)))
        {
            for round in 0..20u64 {
                let of_row = |row: u64| {
                    let mut weights: Vec<f32> =
                        (0..n).map(|token| weight(100 * round + row, token)).collect();
                    weights[(row % n) as usize] += 1.0;
                    weights
                };
                let probs: Vec<Vec<f32>> = (0..65).map(of_row).collect();
                let draws: Vec<Option<f64>> =
                    (0..65u32).map(|i| (i < 64).then_some(f64::from(i) / 64.0)).collect();
                let got = drawn(&probs, &draws, truncation);
                for ((got, probs), draw) in got.into_iter().zip(&probs).zip(&draws) {
                    let expected = reference(probs, *draw, truncation);
                    assert_eq!(got.0, expected.0, "{truncation:?}, {draw:?} of {probs:?}");
                    assert!((got.1 - expected.1).abs() < 1e-6, "{got:?} {expected:?}");
                }
            }
        }
    }

    /// Where sums are rounded the bounds between tokens move by 1e-12 at most: of draws that are farther from one than that, none
    /// may differ.
    #[test]
    fn draws_away_from_the_bounds_are_the_host_s() {
        let draws = Draws::new(11);
        let (b, v) = (64, 3000);
        let random = RunRandom::new(4);
        let mut n_compared = 0;
        for (round, truncation) in (0..).zip(TRUNCATIONS) {
            let logits = draws.normal(&[b, v]) * 4.0;
            let flat = Vec::<f32>::try_from(logits.softmax(-1, None).reshape([-1])).unwrap();
            let probs: Vec<Vec<f32>> = flat.chunks(v as usize).map(<[f32]>::to_vec).collect();
            let uniform = |row: i64| random.uniform(Purpose::Items, &[round, row as u64]);
            let draws: Vec<Option<f64>> = (0..b).map(|row| (row % 9 > 0).then(|| uniform(row))).collect();
            for ((got, probs), draw) in drawn(&probs, &draws, truncation).into_iter().zip(&probs).zip(draws) {
                let around =
                    draw.map(|u| [u - 1e-12, u + 1e-12].map(|u| reference(probs, Some(u), truncation)));
                if around.is_none_or(|[low, high]| low == high) {
                    let expected = reference(probs, draw, truncation);
                    assert_eq!(got.0, expected.0, "{truncation:?}, {draw:?}");
                    assert!((got.1 - expected.1).abs() < 1e-5, "{got:?} {expected:?}");
                    n_compared += 1;
                }
            }
        }
        assert!(n_compared > 370, "{n_compared}");
    }

    #[test]
    fn the_last_token_takes_what_rounding_leaves() {
        let probs = [vec![0.1, 0.2, 0.7, 0.0], vec![0.0, 1.0, 0.0, 0.0], vec![0.0, 0.0, 0.0, 1e-30]];
        for (u, expected) in [(0.0, [0, 1, 3]), (1.0 - f64::EPSILON / 2.0, [2, 1, 3])] {
            let got = drawn(&probs, &[Some(u); 3], Truncation::NONE);
            assert_eq!(got.into_iter().map(|(token, _)| token).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_distribution_that_is_not_finite_says_so() {
        let probs = [vec![f32::NAN; 5], vec![0.25; 5]];
        for (draw, truncation) in [Some(0.3), None].into_iter().flat_map(|u| TRUNCATIONS.map(|t| (u, t))) {
            let got = drawn(&probs, &[draw, draw], truncation);
            assert!(got[0].0 < 5 && got[0].1.is_nan() && got[1].1.is_finite(), "{got:?}");
        }
    }
}
