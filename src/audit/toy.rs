//! A policy small enough that the truth can be counted out: that what the audit estimates is without bias, and that its
//! intervals hold.
//!
//! ```text
//! 4 prompts, responses of 7 tokens with 3 ids each; logits by position and token before, and an offset of the prompt
//! right: two of the three key positions hold the id that the prompt asks for, which one of the four does otherwise
//! ```
use rand::RngExt;

use super::gram::{Products, Square};
use super::merit::{Folds, Merit, Uniform};
use crate::stats::{mean, std};
use crate::types::{Purpose, RunRandom};

const PROMPTS: usize = 4;
const TOKENS: usize = 7;
const IDS: usize = 3;
/// Logits of each id, by position and by the token before (the last: none).
const PARAMETERS: usize = TOKENS * (IDS + 1) * IDS;
const RESPONSES: usize = IDS.pow(TOKENS as u32);

type Vector = [f64; PARAMETERS];

/// One response and all that is known of it.
struct Known {
    chance: f64,
    reward: f64,
    /// Where in the parameters each token's logits begin, and their probabilities.
    states: [(usize, [f64; IDS]); TOKENS],
    ids: [usize; TOKENS],
}

/// Every response to every prompt.
struct Toy {
    prompts: Vec<Vec<Known>>,
}

/// A coefficient for each token.
type Strategy = fn(&Known) -> [f64; TOKENS];

const STRATEGIES: [(&str, Strategy); 5] = [
    ("uniform", |_| [1.0; TOKENS]),
    ("entropy", |known| boost(&known.states.map(|(_, p)| entropy(&p)), 3, 1.5, 1.0)),
    ("mask", |known| boost(&known.states.map(|(_, p)| entropy(&p)), 2, 1.0, 0.0)),
    ("probable", |known| std::array::from_fn(|t| 0.3 * known.states[t].1[known.ids[t]] + 0.7)),
    ("drawn", |known| {
        let number = known.ids.iter().fold(7u64, |number, id| number * 5 + *id as u64);
        boost(
            &std::array::from_fn(|t| RunRandom::new(number).uniform(Purpose::Credit, &[t as u64])),
            3,
            1.5,
            1.0,
        )
    }),
];

fn entropy(p: &[f64; IDS]) -> f64 {
    -p.iter().map(|p| p * p.ln()).sum::<f64>()
}

/// `gain` on the `n` largest of `scores`, `rest` elsewhere.
fn boost(scores: &[f64; TOKENS], n: usize, gain: f64, rest: f64) -> [f64; TOKENS] {
    let mut order: [usize; TOKENS] = std::array::from_fn(|t| t);
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let mut coefficients = [rest; TOKENS];
    order[..n].iter().for_each(|t| coefficients[*t] = gain);
    coefficients
}

impl Toy {
    fn new() -> Self {
        let random = RunRandom::new(11);
        let normal = |n: u64| {
            let u = |i| random.uniform(Purpose::Init, &[n, i]);
            (-2.0 * (1.0 - u(0)).ln()).sqrt() * (std::f64::consts::TAU * u(1)).cos()
        };
        let theta: Vector = std::array::from_fn(|i| 0.9 * normal(i as u64));
        let prompt = |prompt: usize| {
            let respond = |number: usize| {
                let ids: [usize; TOKENS] = std::array::from_fn(|t| number / IDS.pow(t as u32) % IDS);
                let states = std::array::from_fn(|t| {
                    let before = if t == 0 { IDS } else { ids[t - 1] };
                    let start = (t * (IDS + 1) + before) * IDS;
                    let logit =
                        |id: usize| theta[start + id] + 0.5 * normal(1000 + (prompt * 10 + id) as u64);
                    let weights: [f64; IDS] = std::array::from_fn(|id| f64::exp(logit(id)));
                    let sum: f64 = weights.iter().sum();
                    (start, weights.map(|weight| weight / sum))
                });
                let chance =
                    states.iter().zip(ids).map(|((_, p), id): (&(usize, [f64; IDS]), usize)| p[id]).product();
                let hits = [1, 3, 6].into_iter().filter(|t| ids[*t] == prompt / 3).count();
                Known { chance, reward: f64::from(u8::from(hits >= 2)), states, ids }
            };
            (0..RESPONSES).map(respond).collect()
        };
        Self { prompts: (0..PROMPTS).map(prompt).collect() }
    }

    /// `sum_t c_t psi_t` of every response, prompt by prompt.
    fn weighted(&self, strategy: Strategy) -> Vec<Vec<Vector>> {
        let of_response = |known: &Known| {
            let mut sum = [0.0; PARAMETERS];
            for (t, c) in strategy(known).into_iter().enumerate() {
                let (start, p) = known.states[t];
                for id in 0..IDS {
                    sum[start + id] += c * (f64::from(u8::from(id == known.ids[t])) - p[id]);
                }
            }
            sum
        };
        self.prompts.iter().map(|responses| responses.iter().map(of_response).collect()).collect()
    }
}

fn dot(x: &Vector, y: &Vector) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn add(sum: &mut Vector, x: &Vector, scale: f64) {
    sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += scale * x);
}

/// The mean and the mean squared norm of a prompt's gradient from `group` responses, each reward less the mean of the others.
fn truth(toy: &Toy, weighted: &[Vec<Vector>], group: f64) -> (Vector, f64) {
    let (mut mean, mut squared) = ([0.0; PARAMETERS], 0.0);
    for (responses, weighted) in toy.prompts.iter().zip(weighted) {
        // E h, E r h, E |h|^2, E r |h|^2, E r; rewards are 0 or 1.
        let (mut a, mut b) = ([0.0; PARAMETERS], [0.0; PARAMETERS]);
        let (mut h, mut rh, mut p) = (0.0, 0.0, 0.0);
        for (known, x) in responses.iter().zip(weighted) {
            let norm = dot(x, x);
            add(&mut a, x, known.chance);
            add(&mut b, x, known.chance * known.reward);
            h += known.chance * norm;
            rh += known.chance * known.reward * norm;
            p += known.chance * known.reward;
        }
        add(&mut mean, &b, 1.0 / PROMPTS as f64);
        add(&mut mean, &a, -p / PROMPTS as f64);
        let k = group - 1.0;
        let of_others = p * p + p * (1.0 - p) / k;
        let same = rh - 2.0 * p * rh + of_others * h;
        let (aa, ab, bb) = (dot(&a, &a), dot(&a, &b), dot(&b, &b));
        let rest = group - 2.0;
        let rest_squared = rest * p * (1.0 - p) + (rest * p).powi(2);
        let other = bb * (1.0 + 1.0 / (k * k)) - 2.0 * ab / k - 2.0 * rest * p * ab / k
            + 2.0 * rest * p * ab / (k * k)
            + rest_squared * aa / (k * k);
        squared += (same + k * other) / group / PROMPTS as f64;
    }
    (mean, squared)
}

const FOLDS: Folds = Folds { n: 20, prompts: 8, batch: 32.0 };
const GROUP: usize = 4;

/// The products of every strategy in audit `number`.
fn audit(toy: &Toy, weighted: &[Vec<Vec<Vector>>], sums: &[Vec<f64>], number: u64) -> Vec<Products> {
    let mut rng = RunRandom::new(3).stream(Purpose::Audit, &[number]);
    let mut gradients = vec![vec![[0.0; PARAMETERS]; FOLDS.n]; weighted.len()];
    for fold in 0..FOLDS.n {
        for _ in 0..FOLDS.prompts {
            let prompt = rng.random_range(0..PROMPTS);
            let drawn: [usize; GROUP] = std::array::from_fn(|_| {
                let u = rng.random::<f64>();
                sums[prompt].partition_point(|sum| *sum < u).min(RESPONSES - 1)
            });
            let total: f64 = drawn.iter().map(|i| toy.prompts[prompt][*i].reward).sum();
            for i in drawn {
                let reward = toy.prompts[prompt][i].reward;
                let advantage = reward - (total - reward) / (GROUP - 1) as f64;
                let scale = advantage / (GROUP * FOLDS.prompts) as f64;
                for (gradients, weighted) in gradients.iter_mut().zip(weighted) {
                    add(&mut gradients[fold], &weighted[prompt][i], scale);
                }
            }
        }
    }
    let of_arm = |arm: &Vec<Vector>| Products {
        cross: Square::from_fn(FOLDS.n, |a, b| dot(&arm[a], &gradients[0][b])),
        own: Square::from_fn(FOLDS.n, |a, b| dot(&arm[a], &arm[b])),
    };
    gradients.iter().map(of_arm).collect()
}

/// The errors of log R that intervals tell, on average, and the spread of log R.
fn errors(merits: &[Merit]) -> [f64; 2] {
    const STUDENT: f64 = 2.093; // 19 degrees of freedom
    let logs = |of: fn(&Merit) -> f64| merits.iter().map(|merit| of(merit).ln()).collect::<Vec<_>>();
    let wide = mean(&logs(|merit| merit.ratio.ci95[1])) - mean(&logs(|merit| merit.ratio.ci95[0]));
    [wide / (2.0 * STUDENT), std(&logs(|merit| merit.ratio.value))]
}

/// Over many audits, against what is counted out.
#[test]
fn estimates_are_without_bias_and_intervals_hold() {
    const AUDITS: u64 = 400;
    let toy = Toy::new();
    let weighted: Vec<Vec<Vec<Vector>>> =
        STRATEGIES.iter().map(|(_, strategy)| toy.weighted(*strategy)).collect();
    let sums: Vec<Vec<f64>> = toy
        .prompts
        .iter()
        .map(|responses| {
            responses
                .iter()
                .scan(0.0, |sum, known| {
                    *sum += known.chance;
                    Some(*sum)
                })
                .collect()
        })
        .collect();
    let truths: Vec<(Vector, f64)> =
        weighted.iter().map(|weighted| truth(&toy, weighted, GROUP as f64)).collect();
    let slope = truths[0].0;
    let merit = |(mean, squared): &(Vector, f64)| {
        let length = dot(mean, mean);
        dot(mean, &slope) / (length + (squared - length) / FOLDS.batch).sqrt()
    };
    let audits: Vec<Vec<Products>> =
        (0..AUDITS).map(|number| audit(&toy, &weighted, &sums, number)).collect();
    for (arm, (name, _)) in STRATEGIES.iter().enumerate() {
        let all = vec![1.0; FOLDS.n];
        let moments: Vec<_> = audits.iter().map(|products| products[arm].moments(&all)).collect();
        let (mu, squared) = &truths[arm];
        let expected =
            [dot(mu, &slope), dot(mu, mu), dot(mu, mu) + (squared - dot(mu, mu)) / FOLDS.prompts as f64];
        let found = [
            moments.iter().map(|m| m.aligned).collect::<Vec<_>>(),
            moments.iter().map(|m| m.mean_squared).collect(),
            moments.iter().map(|m| m.squared).collect(),
        ];
        for (what, (found, expected)) in ["N", "M", "Q"].iter().zip(found.iter().zip(expected)) {
            let error = std(found) / (AUDITS as f64).sqrt();
            let z = (mean(found) - expected) / error;
            println!("{name} {what}: {:.5} expected {expected:.5}, {z:.2} standard errors", mean(found));
            assert!(z.abs() < 1.5, "{name} {what}: {z:.2} standard errors of bias");
        }
        let expected = merit(&truths[arm]) / merit(&truths[0]);
        if arm == 0 {
            continue;
        }
        let merits: Vec<Merit> = audits.iter().map(|p| Merit::new(&p[arm], &p[0], FOLDS)).collect();
        let covered =
            merits.iter().filter(|m| (m.ratio.ci95[0]..=m.ratio.ci95[1]).contains(&expected)).count();
        let share = covered as f64 / AUDITS as f64;
        let values: Vec<f64> = merits.iter().map(|m| m.ratio.value).collect();
        println!(
            "{name}: R {expected:.3}, mean {:.3}, sd {:.3}, covered {share:.3}, half {:.3}",
            mean(&values),
            std(&values),
            mean(&merits.iter().map(|m| m.ratio.half_width()).collect::<Vec<_>>())
        );
        assert!((0.93..=0.99).contains(&share), "{name}: intervals cover {share}");
        // Masks too: there a bootstrap over folds gives nearly twice the error.
        let [told, spread] = errors(&merits);
        println!("{name}: errors told {told:.4}, spread {spread:.4}");
        assert!((0.9..=1.25).contains(&(told / spread)), "{name}: {told} told, {spread}");
    }
    let clear = audits.iter().filter(|products| Uniform::new(&products[0], FOLDS).is_clear()).count();
    println!("clear {clear}; noise {:.1}", (truths[0].1 - dot(&slope, &slope)) / dot(&slope, &slope));
}
