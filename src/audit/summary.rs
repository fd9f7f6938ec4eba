//! What the findings come to: a row for each arm, and a plain verdict.

use serde::Serialize;

use super::capture::Captures;
use super::gram::Products;
use super::merit::{Estimate, Folds, Merit, SETTLED, Uniform, holm, wider};
use super::metric::MetricKind;
use super::tokens::Tokens;
use super::{Findings, InMetric};
use crate::credit::strategy::CreditEntry;

/// Prompts that the slope must rest on at least.
const FEWEST_PROMPTS: f64 = 20.0;
/// Folds that the noise must rest on at least.
const FEWEST_EFFECTIVE_FOLDS: f64 = 3.0;

/// All that there is to say.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    /// Responses that progress was measured on.
    pub n_responses: usize,
    /// Mean reward of these.
    pub reward: f64,
    /// Prompts whose responses differ in reward, and all prompts.
    pub mixed: [usize; 2],
    /// The folds.
    pub folds: Folds,
    /// Progress in each metric.
    pub progress: Vec<Progress>,
    /// Token by token.
    pub tokens: Tokens,
    /// What the ceilings say, each at the batch of training.
    pub ceiling_verdicts: Vec<String>,
    /// Prompts whose responses were continued.
    pub n_continued: usize,
    /// Where the reward is decided, unless no reward of these differs; one entry per arm, in the order of `arms`.
    pub captures: Option<Captures>,
    /// The same, token by token, where the task tells it.
    pub known: Option<Captures>,
    /// Names of the arms, uniform first.
    pub arms: Vec<String>,
}

/// Progress in one metric.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Progress {
    /// The metric.
    pub metric: MetricKind,
    /// Uniform.
    pub uniform: Uniform,
    /// The other arms.
    pub rows: Vec<Row>,
}

/// An arm in one metric.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// The arm.
    pub arm: String,
    /// What was found of it.
    pub merit: Merit,
    /// R relative to its shuffled self, where that is audited too.
    pub to_shuffled: Option<Estimate>,
    /// Tokens that are generated for a response of it, relative to uniform; its worth by token is `equivalent` over this.
    pub tokens: f64,
    /// p-value of R = 1, by Holm for all arms of the metric.
    pub p_holm: f64,
    /// R over the prompts of a step.
    pub curve: Vec<Point>,
    /// In words.
    pub verdict: String,
}

/// R at steps of some size.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Point {
    /// Prompts of a step.
    pub batch: f64,
    /// R.
    pub ratio: Estimate,
}

impl Summary {
    /// Of `findings`.
    pub(crate) fn new(findings: Findings) -> Self {
        let Findings {
            arms,
            folds,
            n_responses,
            reward,
            n_mixed,
            tokens_each,
            metrics,
            mut tokens,
            n_continued,
            captures,
            known,
        } = findings;
        let size = Responses {
            n: n_responses,
            prompts: folds.n * folds.prompts,
            folds: folds.n,
            effective: tokens.effective_prompts,
        };
        let of = |found: &InMetric| Progress::new(found, &arms, &tokens_each, folds, size);
        let progress: Vec<Progress> = metrics.iter().map(of).collect();
        let mut ceiling_verdicts = Vec::new();
        for ceiling in &mut tokens.ceilings {
            let own = progress.iter().find(|own| own.metric == ceiling.metric);
            let is_clear = own.is_some_and(|own| own.uniform.is_clear());
            let noise = own.map_or(f64::INFINITY, |own| own.uniform.noise_prompts / folds.batch);
            let ratio = ceiling.ratio.filter(|_| is_clear).map(|ratio| ratio.map(|r| at_most(r, noise)));
            ceiling.ratio = ratio;
            ceiling_verdicts.push(ceiling_verdict(ceiling.metric, ratio));
            if ratio.is_none_or(|ratio| ratio.ci95[0] <= 1.0) {
                // What was fitted is noise.
                ceiling.falls.clear();
            }
        }
        Self {
            n_responses,
            reward,
            mixed: [n_mixed, folds.n * folds.prompts],
            folds,
            progress,
            ceiling_verdicts,
            tokens,
            n_continued,
            captures,
            known,
            arms,
        }
    }

    /// R of every arm in the first metric.
    pub(crate) fn in_a_line(&self) -> String {
        let Some(progress) = self.progress.first() else { return String::new() };
        let told = |row: &Row| {
            let Estimate { value, ci95: [low, high] } = row.merit.ratio;
            format!("{} {value:.2} ({low:.2} to {high:.2})", row.arm)
        };
        let rows: Vec<String> = progress.rows.iter().map(told).collect();
        match progress.uniform.is_clear() {
            true => format!("R under {}: {}", progress.metric.words(), rows.join(", ")),
            false => progress.rows.first().map_or_else(String::new, |row| row.verdict.clone()),
        }
    }
}

/// What an audit rests on.
#[derive(Clone, Copy)]
struct Responses {
    n: usize,
    prompts: usize,
    folds: usize,
    effective: f64,
}

impl Progress {
    fn new(found: &InMetric, arms: &[String], tokens: &[f64], folds: Folds, size: Responses) -> Self {
        let base = &found.products[0];
        let uniform = Uniform::new(base, folds);
        let merits: Vec<Merit> = found.products[1..].iter().map(|own| Merit::new(own, base, folds)).collect();
        let to_shuffled = |arm: &str, own: &Products| {
            let control = CreditEntry::control_of(arm)?;
            let control = arms.iter().position(|other| *other == control)?;
            Some(Merit::ratio_at(own, &found.products[control], folds, folds.batch).0)
        };
        let p_holm = holm(&merits.iter().map(|merit| merit.p).collect::<Vec<_>>());
        let rows = arms[1..].iter().zip(&tokens[1..]).zip(&found.products[1..]).zip(merits).zip(p_holm).map(
            |((((arm, tokens), products), merit), p_holm)| Row {
                arm: arm.clone(),
                to_shuffled: to_shuffled(arm, products),
                tokens: *tokens,
                merit,
                p_holm,
                curve: curve(products, base, folds, uniform.noise_prompts),
                verdict: verdict(&merit, *tokens, p_holm, &uniform, size),
            },
        );
        Self { metric: found.metric, rows: rows.collect(), uniform }
    }
}

/// R from a quarter of the noise scale, or of the training step where that is smaller, to eight times the larger of both.
fn curve(arm: &Products, uniform: &Products, folds: Folds, noise: f64) -> Vec<Point> {
    let noise = if noise.is_finite() && noise > 0.0 { noise } else { folds.batch };
    let (low, high) = (noise.min(folds.batch) / 4.0, noise.max(folds.batch) * 8.0);
    const STEPS: i32 = 12;
    let at = |i: i32| low * (high / low).powf(f64::from(i) / f64::from(STEPS));
    let point = |batch: f64| Point { batch, ratio: Merit::ratio_at(arm, uniform, folds, batch).0 };
    (0..=STEPS).map(at).map(point).collect()
}

/// What is to be said of an arm.
fn verdict(merit: &Merit, tokens: f64, p_holm: f64, uniform: &Uniform, size: Responses) -> String {
    if !uniform.is_clear() {
        let x = size.prompts as f64 / uniform.noise_prompts;
        let wanted = about(size.n as f64 * needed(uniform.narrower(), x, SLOPE));
        return format!("not measurable with {} responses; {wanted} would do", size.n);
    }
    if size.effective < FEWEST_PROMPTS {
        return format!(
            "not measurable: {:.0} of {} prompts carry nearly all of what was measured; take more prompts",
            size.effective, size.prompts
        );
    }
    if uniform.effective_folds < FEWEST_EFFECTIVE_FOLDS {
        return format!(
            "not measurable: {:.1} of {} folds carry nearly all of what was measured; take more prompts",
            uniform.effective_folds, size.folds
        );
    }
    let [low, high] = merit.ratio.ci95;
    if !(merit.ratio.value.is_finite() && low.is_finite() && high.is_finite()) {
        return "not measurable: its noise was not found; take more responses, or more --probes".to_owned();
    }
    let worth = |equivalent: Estimate| {
        let [low, high] = equivalent.ci95;
        format!(
            "a response is worth {} of uniform's ({} to {})",
            times(equivalent.value),
            times(low),
            times(high)
        )
    };
    if p_holm < 0.05 {
        let how = if merit.ratio.value > 1.0 { "helps" } else { "hurts" };
        let by_token = match tokens > 1.0 {
            true => format!(
                ", and takes {tokens:.1} times the tokens: {} by token",
                times(merit.equivalent.value / tokens)
            ),
            false => String::new(),
        };
        return format!("{how}: {}{by_token}", worth(merit.equivalent));
    }
    if low > 1.0 - SETTLED && high < 1.0 + SETTLED {
        return "the same as uniform, to 5 %".to_owned();
    }
    // Until the interval lies on one side of 1, or within 5 % of it.
    let (apart, half) = ((merit.ratio.value - 1.0).abs(), merit.ratio.half_width());
    let on_one_side = half * wider(p_holm / merit.p, size.folds) / apart;
    let narrower = if apart < SETTLED { on_one_side.min(half / (SETTLED - apart)) } else { on_one_side };
    let wanted = about(size.n as f64 * needed(narrower, size.prompts as f64 / uniform.noise_prompts, MILD));
    format!("undecided; {wanted} responses would tell 5 %")
}

/// The most that R can be at a step when it is `r` where noise is all there is and the noise scale is `noise` such steps: what it is
/// if it leads where uniform does.
fn at_most(r: f64, noise: f64) -> f64 {
    r.signum() * ((1.0 + noise) / (1.0 + noise / (r * r))).sqrt()
}

/// How the square of an error falls with the prompts over the noise scale, x, as `a / x + b / x^2`: that of R where credit changes
/// little, and that of the slope.
const MILD: [f64; 2] = [1.0, 1.0];
const SLOPE: [f64; 2] = [4.0, 2.0];

/// How many times as many prompts make an error smaller by `narrower`, where there are `x` times the noise scale of them.
fn needed(narrower: f64, x: f64, [a, b]: [f64; 2]) -> f64 {
    if x <= 0.0 {
        // Noise alone.
        return narrower.max(1.0);
    }
    let wanted = (a / x + b / (x * x)) / (narrower * narrower);
    // a / y + b / y^2 = wanted.
    let y = (a + (a * a + 4.0 * b * wanted).sqrt()) / (2.0 * wanted);
    (y / x).max(1.0)
}

/// "about N", by two digits; "many more" where nothing is known of it.
fn about(n: f64) -> String {
    if !n.is_finite() {
        return "many more".to_owned();
    }
    let scale = 10f64.powf(n.max(10.0).log10().floor() - 1.0);
    format!("about {}", ((n / scale - 1e-9).ceil() * scale) as u64)
}

fn times(x: f64) -> String {
    if x.is_finite() { format!("{x:.2}") } else { "any number".to_owned() }
}

/// What is left to gain; nothing can be said where the slope was not found.
fn ceiling_verdict(metric: MetricKind, ceiling: Option<Estimate>) -> String {
    let Some(ceiling) = ceiling else {
        return format!(
            "what is left to gain under {} is not measurable with so few responses",
            metric.words()
        );
    };
    let [low, high] = ceiling.ci95;
    let numbers = format!(
        "R of the best credit by position, step, entropy, WAAD and FAI, under {}: {:.2} at most ({low:.2} to {high:.2})",
        metric.words(),
        ceiling.value
    );
    if low > 1.0 {
        format!("{numbers}; there is something to gain by where credit falls")
    } else {
        format!("{numbers}; nothing says that any reweighting by these beats uniform here")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merit(ratio: f64, half: f64, p: f64) -> Merit {
        let estimate = |value: f64| Estimate { value, ci95: [value - half, value + half] };
        Merit {
            ratio: estimate(ratio),
            equivalent: estimate(ratio * ratio),
            cosine: 1.0,
            noise: 1.0,
            dose: 1.0,
            p,
        }
    }

    #[test]
    fn continued_responses_whose_rewards_do_not_differ_are_said() {
        let tokens =
            Tokens { difference_error: 0.0, ceilings: Vec::new(), effective_prompts: 3.0, shown: Vec::new() };
        let findings = |n_continued| Findings {
            arms: vec!["uniform".to_owned()],
            folds: Folds { n: 6, prompts: 2, batch: 2.0 },
            n_responses: 48,
            reward: 0.1,
            n_mixed: 3,
            tokens_each: vec![1.0],
            metrics: Vec::new(),
            tokens: tokens.clone(),
            n_continued,
            captures: None,
            known: None,
        };
        let facts = Summary::new(findings(8)).facts();
        assert!(facts.iter().any(|fact| fact.contains("each of the 8 prompts that were continued")));
        assert_eq!(Summary::new(findings(0)).facts().len() + 1, facts.len());
    }

    #[test]
    fn verdicts_say_what_is_known_and_what_is_not() {
        let clear = Uniform { signal: 1.0, error: 0.1, noise_prompts: 100.0, effective_folds: 20.0 };
        let size = Responses { n: 4000, prompts: 500, folds: 25, effective: 200.0 };
        let of = |ratio, half, p| verdict(&merit(ratio, half, p), 1.0, p, &clear, size);
        assert_eq!(of(1.2, 0.04, 0.001), "helps: a response is worth 1.44 of uniform's (1.40 to 1.48)");
        assert!(of(0.9, 0.04, 0.001).starts_with("hurts: a response is worth 0.81"));
        assert_eq!(of(1.01, 0.02, 0.4), "the same as uniform, to 5 %");
        assert!(of(1.05, 0.1, 0.3).starts_with("undecided; about 1"), "{}", of(1.05, 0.1, 0.3));
        // Clear of 1 on its own and not among nine: 4000 do not do.
        let among = verdict(&merit(0.94, 0.055, 0.02), 1.0, 0.18, &clear, size);
        assert_eq!(among, "undecided; about 6900 responses would tell 5 %");
        let one_fold = Uniform { effective_folds: 1.2, ..clear };
        assert!(
            verdict(&merit(1.2, 0.04, 0.001), 1.0, 0.001, &one_fold, size)
                .starts_with("not measurable: 1.2 of 25 folds")
        );
        let costly = verdict(&merit(1.2, 0.04, 0.001), 6.0, 0.001, &clear, size);
        assert!(costly.ends_with("and takes 6.0 times the tokens: 0.24 by token"), "{costly}");
        let nothing = Uniform { signal: 0.0, error: 0.0, noise_prompts: f64::INFINITY, ..clear };
        assert_eq!(
            verdict(&merit(1.2, 0.04, 0.001), 1.0, 0.001, &nothing, size),
            "not measurable with 4000 responses; many more would do"
        );
        let noisy = Uniform { signal: 0.1, error: 0.1, ..clear };
        assert_eq!(
            verdict(&merit(1.2, 0.04, 0.001), 1.0, 0.001, &noisy, size),
            "not measurable with 4000 responses; about 34000 would do"
        );
        assert!(of(f64::NAN, 0.04, 1.0).starts_with("not measurable: its noise"));
        let few = Responses { effective: 7.2, ..size };
        assert!(
            verdict(&merit(1.2, 0.04, 0.001), 1.0, 0.001, &clear, few)
                .starts_with("not measurable: 7 of 500 prompts")
        );
    }

    /// Half of the noise at a quarter of the noise scale: (1 + 4) / (1 + 4 / 4). Where noise is all there is, R itself.
    #[test]
    fn what_is_left_to_gain_ends_where_noise_does() {
        assert!((at_most(2.0, 4.0) - 2.5f64.sqrt()).abs() < 1e-12);
        assert!((at_most(2.0, 1e9) - 2.0).abs() < 1e-6 && (at_most(1.0, 3.0) - 1.0).abs() < 1e-12);
        assert!((wider(1.0, 24) - 1.0).abs() < 1e-12 && (wider(9.0, 24) - 3.036 / 2.069).abs() < 0.02);
    }

    #[test]
    fn intervals_need_what_their_square_falls_by() {
        assert!((needed(1.0, 5.0, MILD) - 1.0).abs() < 1e-9 && (needed(3.0, 0.0, SLOPE) - 3.0).abs() < 1e-9);
        // Deep in the noise twice as narrow takes twice as many, far out of it four times.
        assert!((needed(2.0, 1e-4, MILD) - 2.0).abs() < 1e-3 && (needed(2.0, 1e4, MILD) - 4.0).abs() < 1e-3);
        assert_eq!(
            [about(12_345.0), about(990.1), about(3.0), about(f64::INFINITY)],
            ["about 13000", "about 1000", "about 3", "many more"]
        );
    }
}
