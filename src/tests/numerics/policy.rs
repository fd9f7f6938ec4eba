//! A policy's weights: their start, their two precisions, and that both copies stay the same.

use crate::batch::TrainSample;
use crate::model::{Placement, Policy, Preset};
use crate::types::{RunRandom, Tree};
use tch::{Kind, Tensor};

use super::common::{FAMILIES, distance, leaf, measured, policy, policy_in, samples};

#[test]
fn scratch_weights_have_the_spread_of_their_place() {
    let config = Preset::Countdown2m.config(300);
    let scratch =
        |seed| Policy::scratch(config.clone(), &RunRandom::new(seed), Placement::cpu_f32()).unwrap();
    let policy = scratch(1);
    let into_residual = 0.02 / ((2 * config.n_layers) as f64).sqrt();
    for entry in policy.network.layout.entries() {
        let part = policy.network.master().narrow(0, entry.start, entry.n_elements()).to_kind(Kind::Double);
        let name = &entry.name;
        if name.ends_with("norm.weight") {
            assert_eq!(part, part.ones_like(), "{name}");
            continue;
        }
        let expected =
            if name.contains("o_proj") || name.contains("down_proj") { into_residual } else { 0.02 };
        let (mean, std) = (part.mean(None).double_value(&[]), part.std(true).double_value(&[]));
        // Of n normal numbers, the mean has deviation s / sqrt(n), the deviation about s / sqrt(2 n); n is at least 36864.
        assert!(mean.abs() < 0.03 * expected && (std / expected - 1.0).abs() < 0.03, "{name}: {mean}, {std}");
        let beyond = part.abs().gt(2.0 * expected).to_kind(Kind::Double).mean(None).double_value(&[]);
        assert!((beyond - 0.0455).abs() < 0.008, "{name}: {beyond} of the weights beyond two deviations");
    }
    assert_eq!(scratch(1).network.master(), policy.network.master());
    assert!(distance(scratch(2).network.master(), policy.network.master()) > 0.02);
}

fn trees(samples: &[TrainSample]) -> Vec<Tree> {
    let tree = |s: &TrainSample| Tree {
        prompt: s.prompt.clone(),
        leaves: vec![leaf(0, s.tokens.clone(), vec![-1.0; s.tokens.len()])],
    };
    samples.iter().map(tree).collect()
}

fn logprobs(policy: &Policy) -> Tensor {
    Tensor::from_slice(&measured(policy, &trees(&samples()), 1.0, 64).concat())
}

#[test]
fn bf16_logprobs_are_near_those_of_f32() {
    for family in FAMILIES {
        let (wide, narrow) = (policy(family), policy_in(family, Kind::BFloat16));
        assert_eq!(
            wide.network.master(),
            narrow.network.master(),
            "the masters are f32 whatever the compute precision"
        );
        let gap = (logprobs(&wide) - logprobs(&narrow)).abs();
        let (mean, max) = (gap.mean(None).double_value(&[]), gap.max().double_value(&[]));
        // Logits of up to 20 in steps of 1/16 to 1/8, after two or three layers of rounded sums.
        assert!(mean > 1e-4 && mean < 0.1 && max < 0.6, "{family}: {mean} on average, {max} at most");
    }
}

#[test]
fn a_change_of_the_weights_reaches_the_forward_pass() {
    for kind in [Kind::Float, Kind::BFloat16] {
        let mut policy = policy_in("qwen3", kind);
        let before = logprobs(&policy);
        policy
            .network
            .update(|master| {
                let _ = master.g_mul_scalar_(1.25);
            })
            .unwrap();
        let placement = Placement::cpu(kind);
        let anew =
            Policy::new(policy.network.config.clone(), policy.network.master().copy(), placement).unwrap();
        assert_eq!(logprobs(&policy), logprobs(&anew), "{kind:?}");
        assert!(distance(&logprobs(&policy), &before) > 0.1, "{kind:?}");

        policy.network.set_master(&anew.network.master().zeros_like()).unwrap();
        let uniform = -(policy.network.config.vocab_size as f64).ln();
        let gap = (logprobs(&policy) - uniform).abs().max().double_value(&[]);
        assert!(gap < 1e-5, "{kind:?}: {gap}");
    }
}
