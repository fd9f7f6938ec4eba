//! Numbers that are not finite are refused before they reach the weights.

use crate::batch::BatchConfig;
use crate::learner::{LearnerConfig, PolicyLearner};
use crate::loss::LossConfig;
use crate::model::{Gradient, Policy, Slot};
use crate::optim::{AdamW, AdamWState, OptimConfig};
use crate::rollout::{DecodeEngine, Generation, RolloutEngine, SamplingConfig, require_finite};
use crate::types::{Finish, GenRequest, Purpose, RunRandom, SharedPrefix};
use tch::{Device, Kind, Tensor};

use super::common::{policy, prompt, samples, tokens};
use super::gradient::{config, rates};

/// Weights, moments and count of updates.
fn state(policy: &Policy, state: &AdamWState) -> ([Tensor; 3], u64) {
    ([policy.network.master(), &state.first, &state.second].map(Tensor::copy), state.updates)
}

/// Finite weights, infinite logits.
fn break_policy(policy: &mut Policy) {
    let norm = policy.network.layout.final_norm.clone();
    let _ = policy
        .network
        .update(|master| master.narrow(0, norm.start, norm.n_elements()).fill_(f64::from(f32::MAX)));
}

#[test]
fn a_loss_or_gradient_that_is_not_finite_changes_nothing() {
    for (poison, expected) in [
        (f32::NAN, "loss/policy is NaN"),
        (f32::INFINITY, "loss/policy is "),
        (f32::NEG_INFINITY, "loss/policy is "),
        (1e30, "the gradient's norm is "),
    ] {
        let mut policy = policy("qwen2");
        let mut learner = PolicyLearner::new(config(LossConfig::default(), 40), &policy);
        // One good update, so that there is a state to spoil.
        assert_eq!(
            learner.update(&mut policy, &samples(), rates(1e-2), &mut |_| Ok(())).unwrap().not_finite,
            None
        );
        let before = state(&policy, learner.state());
        let mut samples = samples();
        samples[4].advantages[2] = poison;
        let report = learner.update(&mut policy, &samples, rates(1e-2), &mut |_| Ok(())).unwrap();
        let what = report.not_finite.unwrap();
        assert!(what.starts_with(expected), "{poison}: {what}");
        assert_eq!(state(&policy, learner.state()), before, "{poison}");
    }
    let mut policy = policy("qwen2");
    break_policy(&mut policy);
    let mut learner = PolicyLearner::new(config(LossConfig::default(), 40), &policy);
    let before = state(&policy, learner.state());
    let report = learner.update(&mut policy, &samples(), rates(1e-2), &mut |_| Ok(())).unwrap();
    assert_eq!(report.not_finite.as_deref(), Some("loss/policy is NaN"));
    assert_eq!(state(&policy, learner.state()), before);
}

/// Gradients at the very limit, in both directions and with pauses, at the largest learning rate there is.
#[test]
fn an_update_that_is_made_is_finite() {
    for [b1, b2] in [[0.9, 0.999], [0.9, 0.9], [0.0, 0.0], [0.0, 0.999_999]] {
        let optim = serde_json::json!({
            "lr": 1.0, "betas": [b1, b2], "eps": 1e-16, "weight_decay": 1.0, "max_grad_norm": 0.0
        });
        let optim: OptimConfig = serde_json::from_value(optim).unwrap();
        let mut policy = policy("llama");
        let mut optimizer = AdamW::new(optim, &policy.network);
        let (n_params, place) = (policy.network.layout.n_params(), Slot { start: 5, shape: vec![1] });
        let of = |value: f64| {
            let mut gradient = Gradient::zeros(n_params, Device::Cpu);
            gradient.part(&place).add(&Tensor::from_slice(&[value]));
            gradient
        };
        for value in [1e-30, 0.99e19, 0.0, -0.99e19, -0.99e19, 1e-22, 0.0, 0.99e19] {
            let applied = optimizer.apply(&mut policy.network, &of(value), optim.lr).unwrap();
            assert!(applied.param_delta.is_some_and(f64::is_finite), "{value}: {applied:?}");
            let ([weights, first, second], _) = state(&policy, optimizer.state());
            for tensor in [&weights, &first, &second] {
                assert!(tensor.sum(Kind::Double).double_value(&[]).is_finite(), "{value}, betas {b1} {b2}");
            }
        }
        let before = state(&policy, optimizer.state());
        for value in [1.01e19, -1.01e19, 1e30, f64::INFINITY, f64::NAN] {
            assert_eq!(
                optimizer.apply(&mut policy.network, &of(value), optim.lr).unwrap().param_delta,
                None,
                "{value}"
            );
        }
        assert_eq!(state(&policy, optimizer.state()), before);
    }
}

/// Minibatches before the bad one count, those after it are not looked at.
#[test]
fn a_refused_update_ends_the_step() {
    let run = |minibatches: usize, poison: bool| {
        let mut policy = policy("qwen3");
        let batch = BatchConfig {
            prompts: 3,
            minibatches,
            epochs: 1,
            max_tokens: 40,
            gradient_checkpointing: false,
            shared_prefix: SharedPrefix::EveryPath,
        };
        let mut learner =
            PolicyLearner::new(LearnerConfig { batch, ..config(LossConfig::default(), 40) }, &policy);
        let mut samples = samples();
        if poison {
            samples[3].advantages[0] = f32::NAN;
        } else {
            samples.truncate(3);
        }
        let report = learner.update(&mut policy, &samples, rates(1e-2), &mut |_| Ok(())).unwrap();
        (policy.network.master().copy(), learner.state().updates, report.not_finite.is_some())
    };
    assert_eq!(run(3, true), (run(1, false).0, 1, true));
}

#[test]
fn a_response_ends_in_a_distribution_that_is_not_finite() {
    let mut policy = policy("llama");
    break_policy(&mut policy);
    let request = GenRequest { prompt: prompt(12, tokens(0, 4)), prefix: Vec::new(), sample: 3 };
    for temperature in [0.0, 1.0] {
        let sampling = SamplingConfig {
            temperature,
            top_p: 1.0,
            top_k: 0,
            max_new_tokens: 4,
            min_new_tokens: 0,
            stop: Vec::new(),
            max_num_seqs: 512,
        };
        let generation =
            Generation { random: RunRandom::new(0), purpose: Purpose::Rollout, step: 1, sampling };
        let mut engine = DecodeEngine::new(vec![2], 8, 64);
        let requests = std::slice::from_ref(&request);
        let mut n_finished = 0;
        let done = engine
            .generate(&policy, requests, &generation, &mut |n| {
                n_finished += n;
                Ok(())
            })
            .unwrap()
            .completions;
        assert_eq!((done.len(), n_finished, done[0].finish), (1, 1, Finish::Length));
        assert_eq!((done[0].tokens.len(), done[0].logprobs.len()), (1, 1));
        assert!(done[0].logprobs[0].is_nan(), "temperature {temperature}");
        let error = require_finite(requests, &done).unwrap_err().to_string();
        assert!(
            error.starts_with("prompt 12, sample 3: the distribution of token 0 is not finite"),
            "{error}"
        );
    }
}
