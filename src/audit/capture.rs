//! Where the reward is decided, and how well each arm's coefficients find that.
//!
//! ```text
//! segment     what lies between two places of a response whose values are known;   w unbiased for (V_end - V_start)^2
//! capture(q)  sum of w over the share q of a response's segments (or tokens) with the largest coefficients / sum of w
//! area        of that curve: 1/2 is chance; the oracle ranks by half of the continuations and weighs by the other half
//! closure     sum of w over the responses / sum of the variances of their rewards: 1, for values are a martingale
//! ```
//!
//! Segments with equal coefficients are taken as if in random order. Intervals draw prompts again.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::merit::Estimate;
use crate::stats::mean;
use crate::types::{Purpose, RunRandom};

/// Points of a curve, from nothing to all.
pub(crate) const POINTS: usize = 21;
/// Share of all that is decided below which a draw of prompts tells nothing.
const LEAST: f64 = 0.05;
/// How often prompts are drawn again.
const DRAWS: u64 = 1000;

/// A stretch of a response between two places of known value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Segment {
    /// Number of its tokens.
    pub n_tokens: usize,
    /// Unbiased for the squared change of the value.
    pub squared: f64,
    /// The change by two independent halves of the continuations, and the same squared without bias.
    pub halves: [(f64, f64); 2],
    /// Mean coefficient of each arm over its tokens.
    pub mean: Vec<f64>,
    /// Largest coefficient of each arm among its tokens.
    pub most: Vec<f64>,
}

/// The responses to one prompt, each as its segments in order, and the variance of their rewards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Decided {
    /// Segments of each response.
    pub responses: Vec<Vec<Segment>>,
    /// Variance of the reward of a response.
    pub variance: f64,
}

/// What was found of one arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Capture {
    /// Share of the squared changes in the best segments, at [`POINTS`] even shares of the segments.
    pub curve: Vec<f64>,
    /// Area under it.
    pub area: Estimate,
    /// The same where a segment counts as much as it has tokens.
    pub area_by_token: Estimate,
    /// The area where the largest coefficient of a segment counts instead of the mean.
    pub area_of_most: f64,
    /// Spearman's correlation of coefficients with the sizes of changes, as measured.
    pub spearman: Estimate,
}

/// What was found of all arms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Captures {
    /// Of each arm.
    pub arms: Vec<Capture>,
    /// Of the ranking by half of the continuations, weighed by the other half.
    pub oracle: Capture,
    /// Largest correlation that the noise of the changes leaves to anything.
    pub ceiling: f64,
    /// Sum of squared changes over that of variances.
    pub closure: Estimate,
    /// Prompts, responses and segments.
    pub counts: [usize; 3],
}

/// What `n_arms` arms capture of `decided`.
pub(crate) fn captures(decided: &[Decided], n_arms: usize, random: RunRandom) -> Captures {
    let draws = draws(decided.len(), random);
    let of =
        |by: &dyn Fn(&Segment) -> f64, most: &dyn Fn(&Segment) -> f64, squared: &dyn Fn(&Segment) -> f64| {
            Capture::new(decided, by, most, squared, &draws)
        };
    let arms = (0..n_arms).map(|arm| of(&|s| s.mean[arm], &|s| s.most[arm], &|s| s.squared)).collect();
    // Both ways round, so that no half is preferred.
    let [one, other] = [(0, 1), (1, 0)].map(|(rank, weigh)| {
        of(&|s| s.halves[rank].0.abs(), &|s| s.halves[rank].0.abs(), &|s| s.halves[weigh].1)
    });
    let segments: Vec<&Segment> = decided.iter().flat_map(|own| own.responses.iter().flatten()).collect();
    let half = |i: usize| segments.iter().map(|s| s.halves[i].0.abs()).collect::<Vec<_>>();
    let between = spearman(&half(0), &half(1)).max(0.0);
    let sums = |own: &Decided| {
        let squared: f64 = own.responses.iter().flatten().map(|segment| segment.squared).sum();
        [squared, own.variance * own.responses.len() as f64]
    };
    let sums: Vec<[f64; 2]> = decided.iter().map(sums).collect();
    Captures {
        arms,
        oracle: one.between(&other),
        ceiling: (2.0 * between / (1.0 + between)).sqrt(),
        closure: drawn(&draws, |chosen| {
            let total = |i: usize| chosen.iter().map(|prompt| sums[*prompt][i]).sum::<f64>();
            total(0) / total(1)
        }),
        counts: [decided.len(), decided.iter().map(|own| own.responses.len()).sum(), segments.len()],
    }
}

impl Capture {
    fn new(
        decided: &[Decided],
        by: &dyn Fn(&Segment) -> f64,
        most: &dyn Fn(&Segment) -> f64,
        squared: &dyn Fn(&Segment) -> f64,
        draws: &[Vec<usize>],
    ) -> Self {
        let curves = |by: &dyn Fn(&Segment) -> f64, length: &dyn Fn(&Segment) -> f64| -> Vec<Vec<f64>> {
            let of_prompt = |own: &Decided| {
                // The curve, and the area under it.
                let mut sum = vec![0.0; POINTS + 1];
                for response in &own.responses {
                    add_curve(&mut sum, response, by, length, squared);
                }
                sum
            };
            decided.iter().map(of_prompt).collect()
        };
        let whole = |curves: &[Vec<f64>], chosen: &[usize]| -> Vec<f64> {
            let sum = |point: usize| chosen.iter().map(|prompt| curves[*prompt][point]).sum::<f64>();
            let all = curves.iter().map(|own| own[POINTS - 1]).sum::<f64>();
            // A draw of prompts in which next to nothing is decided, or less than nothing by chance, has no shares.
            let total =
                Some(sum(POINTS - 1)).filter(|total| *total > LEAST * all.max(0.0)).unwrap_or(f64::NAN);
            (0..=POINTS).map(|point| sum(point) / total).collect()
        };
        let by_segment = curves(by, &|_| 1.0);
        let by_token = curves(by, &|segment| segment.n_tokens as f64);
        let of_most = curves(most, &|_| 1.0);
        let all: Vec<usize> = (0..decided.len()).collect();
        let ranked = |chosen: &[usize]| {
            let segments = || chosen.iter().flat_map(|prompt| decided[*prompt].responses.iter().flatten());
            let sizes: Vec<f64> = segments().map(|s| ((s.halves[0].0 + s.halves[1].0) / 2.0).abs()).collect();
            spearman(&segments().map(by).collect::<Vec<_>>(), &sizes)
        };
        Self {
            curve: whole(&by_segment, &all)[..POINTS].to_vec(),
            area: drawn(draws, |chosen| whole(&by_segment, chosen)[POINTS]),
            area_by_token: drawn(draws, |chosen| whole(&by_token, chosen)[POINTS]),
            area_of_most: whole(&of_most, &all)[POINTS],
            spearman: drawn(&draws[..draws.len().min(201)], ranked),
        }
    }

    /// The mean of two.
    fn between(&self, other: &Self) -> Self {
        let mid = |a: f64, b: f64| (a + b) / 2.0;
        let estimate = |a: Estimate, b: Estimate| Estimate {
            value: mid(a.value, b.value),
            ci95: [mid(a.ci95[0], b.ci95[0]), mid(a.ci95[1], b.ci95[1])],
        };
        Self {
            curve: self.curve.iter().zip(&other.curve).map(|(a, b)| mid(*a, *b)).collect(),
            area: estimate(self.area, other.area),
            area_by_token: estimate(self.area_by_token, other.area_by_token),
            area_of_most: mid(self.area_of_most, other.area_of_most),
            spearman: estimate(self.spearman, other.spearman),
        }
    }
}

/// Adds what the segments of `response` with the largest `by` hold of `squared`, for each share of their `length`, and behind
/// these the area under that curve.
fn add_curve(
    sum: &mut [f64],
    response: &[Segment],
    by: &dyn Fn(&Segment) -> f64,
    length: &dyn Fn(&Segment) -> f64,
    squared: &dyn Fn(&Segment) -> f64,
) {
    let mut order: Vec<&Segment> = response.iter().collect();
    order.sort_by(|a, b| by(b).total_cmp(&by(a)));
    let total: f64 = response.iter().map(length).sum();
    let (mut x, mut y, mut point) = (0.0, 0.0, 0);
    // Those with equal coefficients together: a straight piece of the curve.
    for equal in order.chunk_by(|a, b| by(a) == by(b)) {
        let own: f64 = equal.iter().map(|segment| length(segment)).sum::<f64>() / total;
        let weight: f64 = equal.iter().map(|segment| squared(segment)).sum();
        while point < POINTS {
            let share = point as f64 / (POINTS - 1) as f64;
            if share > x + own + 1e-12 {
                break;
            }
            sum[point] += y + weight * ((share - x) / own).clamp(0.0, 1.0);
            point += 1;
        }
        sum[POINTS] += own * (y + weight / 2.0);
        (x, y) = (x + own, y + weight);
    }
    sum[point..POINTS].iter_mut().for_each(|rest| *rest += y);
}

/// All of `n` once, and then as many drawn with repeats, again and again.
fn draws(n: usize, random: RunRandom) -> Vec<Vec<usize>> {
    let again = |draw: u64| {
        let mut rng = random.stream(Purpose::Audit, &[u64::MAX, draw]);
        (0..n).map(|_| rng.random_range(0..n.max(1))).collect()
    };
    std::iter::once((0..n).collect()).chain((0..DRAWS).map(again)).collect()
}

/// `of` all, and the middle 95 % of `of` what was drawn.
fn drawn(draws: &[Vec<usize>], of: impl Fn(&[usize]) -> f64) -> Estimate {
    let mut values: Vec<f64> =
        draws[1..].iter().map(|chosen| of(chosen)).filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get(((values.len().max(1) - 1) as f64 * share).round() as usize).copied();
    let ends = [0.025, 0.975].map(|share| at(share).unwrap_or(f64::NAN));
    Estimate { value: of(&draws[0]), ci95: ends }
}

/// Spearman's rank correlation; 0 where one of the two does not vary.
fn spearman(x: &[f64], y: &[f64]) -> f64 {
    let (x, y) = (ranks(x), ranks(y));
    let (mx, my) = (mean(&x), mean(&y));
    let product = |a: &[f64], ma: f64, b: &[f64], mb: f64| {
        a.iter().zip(b).map(|(a, b)| (a - ma) * (b - mb)).sum::<f64>()
    };
    let scale = (product(&x, mx, &x, mx) * product(&y, my, &y, my)).sqrt();
    if scale > 0.0 { product(&x, mx, &y, my) / scale } else { 0.0 }
}

/// Ranks from 1, equal numbers with the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let (mut ranks, mut before) = (vec![0.0; values.len()], 0);
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = before as f64 + (equal.len() + 1) as f64 / 2.0;
        equal.iter().for_each(|i| ranks[*i] = rank);
        before += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(squared: f64, coefficient: f64, n_tokens: usize) -> Segment {
        let halves = [(squared.sqrt(), squared); 2];
        Segment { n_tokens, squared, halves, mean: vec![coefficient], most: vec![coefficient] }
    }

    fn of(responses: Vec<Vec<Segment>>) -> Captures {
        let decided = |response| Decided { responses: vec![response], variance: 0.25 };
        captures(&responses.into_iter().map(decided).collect::<Vec<_>>(), 1, RunRandom::new(0))
    }

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-9, "{got}, expected {expected}");
    }

    #[test]
    fn a_curve_takes_the_largest_coefficients_first() {
        // The first of four holds all there is.
        let right = of(vec![vec![
            segment(0.25, 2.0, 1),
            segment(0.0, 1.0, 1),
            segment(0.0, 1.0, 2),
            segment(0.0, 1.0, 4),
        ]]);
        close(right.arms[0].area.value, 1.0 - 0.25 / 2.0);
        close(right.arms[0].area_by_token.value, 1.0 - 0.125 / 2.0);
        close(right.oracle.area.value, 1.0 - 0.25 / 2.0);
        close(right.closure.value, 1.0);
        close(right.arms[0].curve[5], 1.0);
        assert!(right.arms[0].spearman.value > 0.99);
        let wrong = of(vec![vec![
            segment(0.25, 0.0, 1),
            segment(0.0, 1.0, 1),
            segment(0.0, 1.0, 1),
            segment(0.0, 1.0, 1),
        ]]);
        close(wrong.arms[0].area.value, 0.25 / 2.0);
        assert_eq!(wrong.counts, [1, 1, 4]);
    }

    #[test]
    fn equal_coefficients_are_chance() {
        let all = of(vec![vec![segment(0.2, 1.0, 1), segment(0.05, 1.0, 3)], vec![segment(0.25, 1.0, 5)]]);
        close(all.arms[0].area.value, 0.5);
        close(all.arms[0].area_by_token.value, 0.5);
        close(all.arms[0].spearman.value, 0.0);
        // Two of three equal: the straight piece goes from 1/3 on.
        let some = of(vec![vec![segment(0.1, 2.0, 1), segment(0.15, 1.0, 1), segment(0.0, 1.0, 1)]]);
        close(some.arms[0].area.value, (1.0 / 3.0) * 0.2 + (2.0 / 3.0) * 0.7);
    }

    /// Prompts count by how much is decided in them.
    #[test]
    fn prompts_where_nothing_is_decided_count_nothing() {
        let decided = vec![segment(0.25, 2.0, 1), segment(0.0, 1.0, 1)];
        let not = vec![segment(0.0, 1.0, 1), segment(0.0, 2.0, 1)];
        close(of(vec![decided.clone(), not]).arms[0].area.value, of(vec![decided]).arms[0].area.value);
    }

    /// Estimates without bias may be below 0, and prompts that cancel each other are no denominator.
    #[test]
    fn draws_in_which_nothing_is_decided_tell_nothing() {
        let one = vec![segment(0.25, 2.0, 1), segment(0.0, 1.0, 1)];
        // Drawn twice with one of the others it leaves 0.00002.
        let less = vec![segment(-0.12499, 1.0, 1), segment(0.0, 2.0, 1)];
        let found = of(vec![one.clone(), one, less]);
        assert!(found.arms[0].area.ci95.iter().all(|end| end.abs() < 5.0), "{:?}", found.arms[0].area);
    }

    /// scipy 1.17: `stats.spearmanr([1, 2, 2, 4, 5], [2, 1, 3, 3, 9]).statistic`.
    #[test]
    fn ranks_are_those_of_scipy() {
        close(spearman(&[1.0, 2.0, 2.0, 4.0, 5.0], &[2.0, 1.0, 3.0, 3.0, 9.0]), 0.763_157_894_736_842);
    }
}
