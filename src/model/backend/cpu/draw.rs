//! One draw from a distribution over tokens, by inversion of its cumulative sum. It is the reference of every other draw.
//!
//! Truncation as in transformers: the `top_k` most likely tokens (with all that tie with the last of them), then of those
//! the smallest set whose renormalised probabilities reach `top_p`. The log-probability returned is that of the truncated,
//! renormalised distribution.

use crate::model::head::Truncation;
use crate::types::TokenId;

/// Draws a token from `probs` (non-negative, not necessarily summing to 1) with the uniform number `u` in `[0, 1)`. Gives the
/// token and its log-probability.
#[must_use]
pub(crate) fn draw(probs: &[f32], truncation: Truncation, u: f64) -> (TokenId, f32) {
    if truncation.keeps_all() {
        return invert(probs.iter().copied().enumerate(), u);
    }
    let kept = truncate(probs, truncation);
    invert(kept.into_iter().map(|i| (i, probs[i])), u)
}

/// The most likely token and its log-probability; ties go to the lower id.
#[must_use]
pub(crate) fn most_likely(probs: &[f32]) -> (TokenId, f32) {
    let total: f64 = probs.iter().map(|p| f64::from(*p)).sum();
    let best = (0..probs.len()).fold(0, |best, i| if probs[i] > probs[best] { i } else { best });
    (best as TokenId, (f64::from(probs[best]) / total).ln() as f32)
}

/// Indices of the tokens that survive top-k and top-p, in order of index.
fn truncate(probs: &[f32], Truncation { top_k, top_p }: Truncation) -> Vec<usize> {
    let most_likely_first = |a: &usize, b: &usize| probs[*b].total_cmp(&probs[*a]).then(a.cmp(b));
    let mut kept: Vec<usize> = (0..probs.len()).collect();
    if top_k > 0 && top_k < kept.len() {
        let (_, last, _) = kept.select_nth_unstable_by(top_k - 1, most_likely_first);
        let last = probs[*last];
        kept.retain(|i| probs[*i].total_cmp(&last).is_ge());
    }
    // At 1 rounding could call the sum complete before its last, smallest terms.
    if top_p < 1.0 {
        let total: f64 = kept.iter().map(|i| f64::from(probs[*i])).sum();
        // All tokens below this are together no more than what may be left out: of a large vocabulary few are to be sorted.
        let least = (1.0 - top_p) * total / kept.len() as f64;
        kept.retain(|i| f64::from(probs[*i]) >= least);
        kept.sort_unstable_by(most_likely_first);
        let mut reached = 0.0;
        let enough = kept.iter().position(|i| {
            reached += f64::from(probs[*i]);
            reached >= top_p * total
        });
        kept.truncate(enough.map_or(kept.len(), |last| last + 1));
    }
    kept.sort_unstable();
    kept
}

/// The first token at which the cumulative sum exceeds `u` times the total.
fn invert(tokens: impl Iterator<Item = (usize, f32)> + Clone, u: f64) -> (TokenId, f32) {
    let total: f64 = tokens.clone().map(|(_, p)| f64::from(p)).sum();
    let mut left = u * total;
    let mut chosen = (0, 0.0);
    for (token, p) in tokens {
        if p > 0.0 {
            // Kept in case rounding leaves `left` just above zero after the last token.
            chosen = (token, p);
            left -= f64::from(p);
            if left < 0.0 {
                break;
            }
        }
    }
    (chosen.0 as TokenId, (f64::from(chosen.1) / total).ln() as f32)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Frequencies over an even grid of uniforms are the probabilities.
    #[test]
    fn inversion_gives_each_token_its_share() {
        let probs = [0.1f32, 0.0, 0.25, 0.4, 0.25];
        let mut counts = [0u32; 5];
        for i in 0..10_000 {
            let (token, logprob) = draw(&probs, Truncation::NONE, (f64::from(i) + 0.5) / 10_000.0);
            counts[token as usize] += 1;
            assert!((logprob - probs[token as usize].ln()).abs() < 1e-6);
        }
        for (count, p) in counts.iter().zip(probs) {
            assert!((f64::from(*count) - f64::from(p) * 1e4).abs() <= 1.0, "{counts:?}");
        }
    }

    #[test]
    fn the_last_token_takes_what_rounding_leaves() {
        let (token, _) = draw(&[0.1, 0.2, 0.7, 0.0], Truncation::NONE, 1.0 - f64::EPSILON / 2.0);
        assert_eq!(token, 2);
    }

    /// Against sorting all of them.
    #[test]
    fn truncation_keeps_the_smallest_set_that_reaches_top_p() {
        let probs: Vec<f32> = (0..1000u32).map(|i| (-f64::from(i * 37 % 1000) / 40.0).exp() as f32).collect();
        for top_p in [0.01, 0.5, 0.9, 0.95, 0.999_999] {
            let mut order: Vec<usize> = (0..probs.len()).collect();
            order.sort_by(|a, b| probs[*b].total_cmp(&probs[*a]));
            let sum = |n: usize| order[..n].iter().map(|i| f64::from(probs[*i])).sum::<f64>();
            let n = (1..=probs.len()).find(|n| sum(*n) >= top_p * sum(probs.len())).unwrap();
            let mut expected = order[..n].to_vec();
            expected.sort_unstable();
            assert_eq!(truncate(&probs, Truncation { top_k: 0, top_p }), expected, "{top_p}");
        }
    }

    #[test]
    fn truncation_agrees_with_transformers() {
        let golden: Value =
            serde_json::from_str(include_str!("../../../../tests/golden/sampling.json")).unwrap();
        for case in golden.as_array().unwrap() {
            let logits: Vec<f64> = serde_json::from_value(case["logits"].clone()).unwrap();
            let temperature = case["temperature"].as_f64().unwrap();
            let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let probs: Vec<f32> = logits.iter().map(|l| ((l - largest) / temperature).exp() as f32).collect();
            let top_k = case["top_k"].as_u64().unwrap() as usize;
            let truncation = Truncation { top_k, top_p: case["top_p"].as_f64().unwrap() };
            let kept: Vec<usize> = serde_json::from_value(case["kept"].clone()).unwrap();
            let logprobs: Vec<f64> = serde_json::from_value(case["logprobs"].clone()).unwrap();
            // Tokens whose probability f32 rounds to 0 are never drawn, kept or not.
            let drawable =
                |tokens: Vec<usize>| tokens.into_iter().filter(|i| probs[*i] > 0.0).collect::<Vec<_>>();
            assert_eq!(drawable(truncate(&probs, truncation)), drawable(kept.clone()), "{case}");
            for i in 0..1000 {
                let (token, logprob) = draw(&probs, truncation, f64::from(i) / 1000.0);
                let place = kept.iter().position(|kept| *kept == token as usize).unwrap();
                assert!((f64::from(logprob) - logprobs[place]).abs() < 1e-5, "{token}: {logprob}, {case}");
            }
        }
    }
}
