//! What an audit asks of a policy, against gradients that are summed up one by one.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::differences::{Step, along, probed, products as by_differences};
use super::fold::{Fold, Shaped};
use super::gradients::{gradients, products, squares};
use super::metric::Metric;
use super::policy::{Audited, probe};
use crate::batch::Sequence;
use crate::credit::advantage::testing::group;
use crate::measure::{Passes, logprobs};
use crate::model::{ModelConfig, Placement, Policy};
use crate::tests::Draws;
use crate::types::{MeasuredTree, PathField, RunRandom, TokenId};

const TEMPERATURE: f64 = 0.8;

fn policy(family: &str) -> Policy {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(family);
    Policy::load(&folder, ModelConfig::from_folder(&folder).unwrap(), Placement::cpu(Kind::Float)).unwrap()
}

fn audited(policy: &mut Policy) -> Audited<'_> {
    Audited::new(policy, TEMPERATURE, Passes::new(64))
}

/// Folds of two prompts with three responses of made-up tokens, and made-up weights for three arms.
fn folds(n: u64) -> Vec<Fold> {
    let random = RunRandom::new(5);
    let number = |place: &[u64]| (2.0 * random.uniform(crate::types::Purpose::Items, place) - 1.0) as f32;
    let token = |place: &[u64]| 3 + (random.bits(crate::types::Purpose::Items, place) % 61) as TokenId;
    let tree = |fold: u64, prompt: u64| -> MeasuredTree {
        let mut tree = group(&[1.0, 0.0, 0.0]);
        let own = crate::types::Prompt {
            tokens: (0..4).map(|t| token(&[fold, prompt, 99, t])).collect(),
            ..(*tree.tree.prompt).clone()
        };
        tree.tree.prompt = std::sync::Arc::new(own);
        for (l, leaf) in tree.tree.leaves.iter_mut().enumerate() {
            leaf.tokens = (0..5 + l as u64).map(|t| token(&[fold, prompt, l as u64, t])).collect();
            leaf.logprobs = vec![0.0; leaf.tokens.len()];
        }
        tree
    };
    let fold = |fold: u64| {
        let trees: Vec<MeasuredTree> = (0..2).map(|prompt| tree(fold, prompt)).collect();
        let arm = |arm: u64| {
            let field = |(prompt, tree): (usize, &MeasuredTree)| {
                // What the arms have in common, so that their gradients are no more unlike than those of strategies.
                PathField::from_fn(&tree.tree, |leaf, t| {
                    let place = [fold, prompt as u64, leaf as u64, t as u64, 7];
                    number(&place) + 0.3 * arm as f32 * number(&[&place[..], &[arm]].concat())
                })
            };
            let weights: Vec<_> = trees.iter().enumerate().map(field).collect();
            Shaped { gains: weights.clone(), weights }
        };
        Fold { arms: (0..3).map(arm).collect(), trees, n_tokens: [0, 0] }
    };
    (0..n).map(fold).collect()
}

/// The gradient of weighted log-probabilities is the change of their sum with the weights.
#[test]
fn gradients_are_those_of_weighted_log_probabilities() {
    let mut policy = policy("qwen3");
    let folds = folds(1);
    let found = gradients(&mut audited(&mut policy), &folds, 1).unwrap().get(0);
    let direction = Draws::new(3).normal(&[policy.network.layout.n_params()]);
    let sum = |policy: &Policy| -> f64 {
        let all = logprobs(policy, &folds[0].sequences(), TEMPERATURE, Passes::new(64)).unwrap().logprobs;
        folds[0].dot(1, &all)
    };
    let weights = policy.network.master().copy();
    let mut at = |length: f64| {
        policy.network.set_master(&(&weights + &direction * length)).unwrap();
        sum(&policy)
    };
    let length = 1e-4;
    let slope = (at(length) - at(-length)) / (2.0 * length);
    let expected = found.dot(&direction).double_value(&[]);
    assert!((slope - expected).abs() < 0.01 * expected.abs(), "{slope} {expected}");
}

/// Along any direction, in every family, to 1 %; and the weights are untouched.
#[test]
fn slopes_by_differences_are_products_with_the_gradient() {
    for family in ["llama", "qwen2", "qwen3", "gemma2"] {
        let mut policy = policy(family);
        let before = policy.network.master().copy();
        let folds = folds(2);
        let uniform = gradients(&mut audited(&mut policy), &folds, 0).unwrap();
        let n_params = policy.network.layout.n_params();
        for direction in [uniform.get(1), probe(n_params, RunRandom::new(1), 0, None, Device::Cpu).unwrap()] {
            let slopes = along(&mut audited(&mut policy), &folds[..1], &mut Step::default(), |_| {
                direction.shallow_clone()
            })
            .unwrap();
            let (found, expected) =
                (folds[0].dot(0, &slopes[0]), uniform.get(0).dot(&direction).double_value(&[]));
            let size = (uniform.get(0).norm() * direction.norm()).double_value(&[]);
            // Where two gradients are nearly orthogonal, relative to their sizes.
            assert!(
                (found - expected).abs() < 0.01 * expected.abs().max(0.05 * size),
                "{family}: {found} {expected}"
            );
        }
        assert_eq!(*policy.network.master(), before, "{family}");
    }
}

/// All arms at once, in every metric: alignment to 1 %, norms as far as random directions tell them.
#[test]
fn products_by_differences_are_those_of_gradients() {
    let (mut policy, folds, m) = (policy("qwen3"), folds(4), 4);
    let uniform = gradients(&mut audited(&mut policy), &folds, 0).unwrap();
    let arms: Vec<Tensor> =
        (0..3).map(|arm| gradients(&mut audited(&mut policy), &folds, arm).unwrap()).collect();
    let squared = uniform.square().mean_dim(0, false, Kind::Float) + 1e-6;
    let layout = &policy.network.layout;
    let (n_params, places) = (layout.n_params(), layout.vocabulary());
    for metric in [Metric::raw(), Metric::adam(&squared, 1e-8), Metric::body(n_params, &places, Device::Cpu)]
    {
        let probes = probed(&mut audited(&mut policy), &folds, &metric, 64, RunRandom::new(2)).unwrap();
        let found = by_differences(&mut audited(&mut policy), &folds, &metric, &uniform, &probes).unwrap();
        let mut ratios = Vec::new();
        for (arm, own) in arms.iter().enumerate() {
            let expected = products(&metric, own, &uniform).unwrap();
            let size = |a: usize, b: usize| (expected.own.at(a, a) * expected.own.at(b, b)).sqrt();
            for (a, b) in (0..m).flat_map(|a| (0..m).map(move |b| (a, b))).filter(|(a, b)| a != b) {
                let (found, expected) = (found[arm].cross.at(a, b), expected.cross.at(a, b));
                let tolerance = 0.01 * expected.abs().max(0.1 * size(a, b));
                assert!(
                    (found - expected).abs() < tolerance,
                    "{:?} {arm} {a} {b}: {found} {expected}",
                    metric.kind
                );
            }
            let squared = |own: &super::gram::Square| (0..m).map(|a| own.at(a, a)).sum::<f64>();
            ratios.push(squared(&found[arm].own) / squared(&expected.own));
        }
        // Four norms by 64 directions each: sqrt(2 / 256), and nearly the same for arms that are alike.
        assert!(ratios.iter().all(|ratio| (ratio - 1.0).abs() < 0.3), "{:?}: {ratios:?}", metric.kind);
        assert!((ratios[1] / ratios[0] - 1.0).abs() < 0.15, "{:?}: {ratios:?}", metric.kind);
    }
}

/// Responses go through the policy as they are laid out, whatever the passes.
#[test]
fn passes_do_not_matter() {
    let mut policy = policy("llama");
    let folds = folds(1);
    let sequences: Vec<Sequence<'_>> = folds[0].sequences();
    let direction = probe(policy.network.layout.n_params(), RunRandom::new(1), 0, None, Device::Cpu).unwrap();
    let mut of = |max_tokens: usize| {
        let mut audited = Audited::new(&mut policy, TEMPERATURE, Passes::new(max_tokens));
        audited.slopes(&sequences, &direction, 1e-3).unwrap()
    };
    let (few, many) = (of(12), of(1000));
    let differ =
        few.iter().flatten().zip(many.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    assert!(differ < 0.01, "{differ}");
}

/// Where no arm gives a weight, nothing is asked of the policy; elsewhere that changes nothing.
#[test]
fn responses_that_count_nowhere_are_left_out() {
    let mut policy = policy("llama");
    let whole = folds(1);
    let mut some = folds(1);
    let nothing = PathField::from_fn(&some[0].trees[0].tree, |_, _| 0.0);
    some[0].arms.iter_mut().for_each(|arm| arm.weights[0] = nothing.clone());
    assert_eq!(some[0].weighed(), [3, 4, 5]);
    let direction = probe(policy.network.layout.n_params(), RunRandom::new(1), 0, None, Device::Cpu).unwrap();
    let mut of = |folds: &[Fold]| {
        let along =
            along(&mut audited(&mut policy), folds, &mut Step::default(), |_| direction.shallow_clone());
        along.unwrap().remove(0)
    };
    let (whole, some) = (of(&whole), of(&some));
    for (response, (whole, some)) in whole.iter().zip(&some).enumerate() {
        for (whole, some) in whole.iter().zip(some) {
            let expected = if response < 3 { 0.0 } else { *whole };
            // The step is as long as the steepest token of those that are asked for lets it be.
            assert!(
                (some - expected).abs() < 0.01 * expected.abs().max(1.0),
                "{response}: {some} {expected}"
            );
        }
    }
}

#[test]
fn squares_are_those_of_the_gradients() {
    let (mut policy, folds) = (policy("llama"), folds(3));
    let found = squares(&mut audited(&mut policy), &folds).unwrap();
    let rows = gradients(&mut audited(&mut policy), &folds, 0).unwrap();
    let mean = rows.square().mean_dim(0, false, Kind::Float);
    for entry in policy.network.layout.entries() {
        let of = |x: &Tensor| x.narrow(0, entry.start, entry.n_elements());
        let expected = (of(&mean) * 3.0 + of(&mean).mean(Kind::Float)) / 4.0;
        let distance = (of(&found) - &expected).abs().max().double_value(&[]);
        assert!(distance <= 1e-5 * expected.max().double_value(&[]), "{distance}");
    }
}
