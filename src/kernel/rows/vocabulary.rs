//! What rows of logits say about one token each, and the gradient of that, in place. With `l` the logits times `1 / T`:
//!
//! ```text
//! z = ln sum_v exp(l_v)      p_v = exp(l_v - z)      logprob = l_target - z      H = z - sum_v p_v l_v
//!
//! dl_v = d_logprob ([v = target] - p_v) - d_entropy p_v (l_v - z + H)
//! ```

use multiversion::multiversion;

use super::super::Number;
use super::super::exp::exp;
use super::super::parallel::{DisjointSlices, for_each};
use super::super::softmax::fold;

/// The targets of N rows of logits, and the reciprocal of the temperature.
#[derive(Clone, Copy)]
pub(crate) struct Targets<'a> {
    /// Token ids, `[N]`.
    pub ids: &'a [i64],
    /// Multiplies the logits.
    pub by: f32,
}

/// What the rows say; `[N]` each.
pub(crate) struct RowStats<'a> {
    /// Log-probability of the target.
    pub logprobs: &'a mut [f32],
    /// Entropy, nats.
    pub entropies: &'a mut [f32],
    /// z.
    pub normalisers: &'a mut [f32],
}

/// Gradients of what the rows say, and what the pass before found; `[N]` each.
#[derive(Clone, Copy)]
pub(crate) struct RowGradient<'a> {
    /// Of the log-probabilities.
    pub d_logprobs: &'a [f32],
    /// Of the entropies; empty for none.
    pub d_entropies: &'a [f32],
    /// H.
    pub entropies: &'a [f32],
    /// z.
    pub normalisers: &'a [f32],
}

/// Numbers of a row that are summed together.
const STRETCH: usize = 1024;

/// Reads `logits` `[N, V]`.
pub(crate) fn token_stats<T: Number>(logits: &[T], targets: Targets<'_>, stats: RowStats<'_>) {
    let n = targets.ids.len();
    let width = logits.len() / n.max(1);
    let RowStats { logprobs, entropies, normalisers } = stats;
    let parts =
        [DisjointSlices::new(logprobs), DisjointSlices::new(entropies), DisjointSlices::new(normalisers)];
    for_each(n, |row| {
        let logits = &logits[row * width..(row + 1) * width];
        let target = logits[targets.ids[row] as usize].to_f32() * targets.by;
        let (normaliser, entropy) = forward(logits, targets.by);
        for (part, value) in parts.iter().zip([target - normaliser, entropy, normaliser]) {
            // SAFETY: every row is worked on once.
            unsafe { part.set(row, value) };
        }
    });
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn forward<T: Number>(logits: &[T], by: f32) -> (f32, f32) {
    let mut wide = [0f32; STRETCH];
    let mut weighted = [0f32; STRETCH];
    let mut most = f32::NEG_INFINITY;
    for stretch in logits.chunks(STRETCH) {
        let wide = &mut wide[..stretch.len()];
        for (wide, l) in wide.iter_mut().zip(stretch) {
            *wide = l.to_f32() * by;
        }
        most = fold(wide, most, |a, b| if b > a { b } else { a });
    }
    // Sums over 50,000 numbers in f32 would lose digits; those over a stretch do not.
    let (mut sum, mut sum_weighted) = (0f64, 0f64);
    for stretch in logits.chunks(STRETCH) {
        let (wide, weighted) = (&mut wide[..stretch.len()], &mut weighted[..stretch.len()]);
        for ((wide, weighted), l) in wide.iter_mut().zip(weighted.iter_mut()).zip(stretch) {
            let l = l.to_f32() * by - most;
            *wide = exp(l);
            // Next to nothing times minus infinity is nothing.
            *weighted = *wide * if l < -87.0 { -87.0 } else { l };
        }
        sum += f64::from(fold(wide, 0.0, |a, b| a + b));
        sum_weighted += f64::from(fold(weighted, 0.0, |a, b| a + b));
    }
    let log = sum.ln();
    ((f64::from(most) + log) as f32, (log - sum_weighted / sum) as f32)
}

/// Turns `logits` `[N, V]` into their gradient, times `1 / T` once more: that of the product that made them.
pub(crate) fn token_stats_back<T: Number>(logits: &mut [T], targets: Targets<'_>, gradient: RowGradient<'_>) {
    let n = targets.ids.len();
    let width = logits.len() / n.max(1);
    let logits = DisjointSlices::new(logits);
    for_each(n, |row| {
        // SAFETY: every row is worked on once.
        let logits = unsafe { logits.rows(&(row..row + 1), width) };
        let target = targets.ids[row] as usize;
        let d_entropy = gradient.d_entropies.get(row).copied().unwrap_or(0.0);
        let d_logprob = gradient.d_logprobs[row];
        let at_target = {
            let log = logits[target].to_f32() * targets.by - gradient.normalisers[row];
            let p = log.exp();
            d_logprob * (1.0 - p) - d_entropy * p * (log + gradient.entropies[row])
        };
        backward(
            logits,
            targets.by,
            gradient.normalisers[row],
            // -p (d_logprob + d_entropy (l - z + H)) = p (a + b l)
            -d_logprob - d_entropy * (gradient.entropies[row] - gradient.normalisers[row]),
            -d_entropy,
        );
        logits[target] = T::from_f32(at_target * targets.by);
    });
}

/// `l <- exp(l by - z) (a + b l by) by`
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn backward<T: Number>(logits: &mut [T], by: f32, normaliser: f32, a: f32, b: f32) {
    for l in logits {
        let x = l.to_f32() * by;
        let bounded = if x < normaliser - 87.0 { normaliser - 87.0 } else { x };
        *l = T::from_f32(exp(bounded - normaliser) * (a + b * bounded) * by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_tokens_add_nothing() {
        let logits = [0.0, f32::NEG_INFINITY, 2.0f32.ln()];
        let (mut logprobs, mut entropies, mut normalisers) = ([0.0], [0.0], [0.0]);
        let stats =
            RowStats { logprobs: &mut logprobs, entropies: &mut entropies, normalisers: &mut normalisers };
        let targets = Targets { ids: &[2], by: 1.0 };
        token_stats(&logits, targets, stats);
        let third = 1f32 / 3.0;
        let entropy = -(third * third.ln() + 2.0 * third * (2.0 * third).ln());
        assert!((logprobs[0] - (2.0 * third).ln()).abs() < 1e-6 && (entropies[0] - entropy).abs() < 1e-6);
        let mut d = logits;
        let gradient = RowGradient {
            d_logprobs: &[1.0],
            d_entropies: &[0.5],
            entropies: &entropies,
            normalisers: &normalisers,
        };
        token_stats_back(&mut d, targets, gradient);
        assert!(d.iter().all(|d| d.is_finite()) && d[1].abs() < 1e-30);
        // The gradient of a softmax sums to 0.
        assert!(d.iter().sum::<f32>().abs() < 1e-6);
    }
}
