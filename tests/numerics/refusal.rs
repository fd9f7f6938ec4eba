//! Numbers that are not finite are refused before they reach the weights.

use rlcredit::batch::BatchConfig;
use rlcredit::learner::{LearnerConfig, PolicyLearner};
use rlcredit::loss::ClipConfig;
use rlcredit::rollout::{DecodeEngine, Generation, NotFinite, RolloutEngine, SamplingConfig};
use rlcredit::types::{GenRequest, Purpose, RunRandom};
use tch::Tensor;

use super::common::{policy, prompt, samples, tokens};
use super::gradient::config;

#[test]
fn an_advantage_that_is_not_finite_changes_nothing() {
    for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut policy = policy("qwen2");
        let mut learner = PolicyLearner::new(config(ClipConfig::default(), 40), &policy);
        // One good update, so that there is a state to spoil.
        assert_eq!(learner.update(&mut policy, &samples(), 1e-2, &mut |_| ()).unwrap().not_finite, None);
        let state = |policy: &rlcredit::model::Policy, learner: &PolicyLearner| {
            let optimizer = learner.optimizer.state();
            let tensors: [Tensor; 3] =
                [policy.master(), &optimizer.first, &optimizer.second].map(Tensor::copy);
            (tensors, optimizer.updates)
        };
        let before = state(&policy, &learner);
        let mut samples = samples();
        samples[4].advantages[2] = poison;
        let report = learner.update(&mut policy, &samples, 1e-2, &mut |_| ()).unwrap();
        let what = report.not_finite.unwrap();
        assert!(what.starts_with("the gradient's norm is "), "{poison}: {what}");
        assert_eq!(state(&policy, &learner), before, "{poison}");
    }
}

/// Minibatches before the bad one count, those after it are not looked at.
#[test]
fn a_refused_update_ends_the_step() {
    let run = |minibatches: usize, poison: bool| {
        let mut policy = policy("qwen3");
        let batch = BatchConfig { prompts: 3, minibatches, epochs: 1, max_tokens: 40 };
        let mut learner =
            PolicyLearner::new(LearnerConfig { batch, ..config(ClipConfig::default(), 40) }, &policy);
        let mut samples = samples();
        if poison {
            samples[3].advantages[0] = f32::NAN;
        } else {
            samples.truncate(3);
        }
        let report = learner.update(&mut policy, &samples, 1e-2, &mut |_| ()).unwrap();
        (policy.master().copy(), learner.optimizer.state().updates, report.not_finite.is_some())
    };
    assert_eq!(run(3, true), (run(1, false).0, 1, true));
}

#[test]
fn a_distribution_that_is_not_finite_is_an_error_that_says_so() {
    let mut policy = policy("llama");
    // Finite weights, infinite logits.
    let norm = policy.layout.final_norm.clone();
    let _ =
        policy.update(|master| master.narrow(0, norm.start, norm.n_elements()).fill_(f64::from(f32::MAX)));
    let request = GenRequest { prompt: prompt(12, tokens(0, 4)), prefix: Vec::new(), sample: 3 };
    for temperature in [0.0, 1.0] {
        let sampling = SamplingConfig { temperature, top_p: 1.0, top_k: 0, max_new_tokens: 4, max_rows: 512 };
        let generation =
            Generation { random: RunRandom::new(0), purpose: Purpose::Rollout, step: 1, sampling };
        let mut engine = DecodeEngine::new(vec![2], 8, 64);
        let error =
            engine.generate(&policy, std::slice::from_ref(&request), &generation, &mut |_| ()).unwrap_err();
        assert!(error.is::<NotFinite>(), "{error:#}");
        let expected = "prompt 12, sample 3: the distribution of token 0 is not finite";
        assert_eq!(error.to_string(), expected, "temperature {temperature}");
    }
}
