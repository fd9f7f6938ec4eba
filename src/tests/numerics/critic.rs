//! The critic: values of transformers, gradients of plain autograd, a start that expects nothing, a folder that reads back.

use crate::batch::{BatchConfig, TrainSample};
use crate::learner::{CriticConfig, CriticLearner};
use crate::model::{Critic, Inputs, Output, Policy};
use crate::types::{SharedPrefix, TokenId};
use tch::{Device, Kind, Tensor};

use super::common::{
    FAMILIES, alone, distance, everywhere, golden_json, numbers, policy, policy_by, policy_in, samples,
};

/// A critic on the body of a golden policy, with the golden value head.
fn critic(family: &str, kind: Kind) -> Critic {
    critic_of(&policy_in(family, kind), family)
}

fn critic_of(policy: &Policy, family: &str) -> Critic {
    let mut critic = Critic::of_policy(policy).unwrap();
    let expected = golden_json(&format!("{family}/expected.json"));
    let weight: Vec<f32> = serde_json::from_value(expected["critic"]["weight"].clone()).unwrap();
    let bias = expected["critic"]["bias"].as_f64().unwrap();
    let Output::Value { weight: place, bias: bias_place } = critic.network.layout.output.clone() else {
        panic!()
    };
    critic
        .network
        .update(|master| {
            place.of(master).copy_(&Tensor::from_slice(&weight).unsqueeze(0));
            let _ = bias_place.of(master).fill_(bias);
        })
        .unwrap();
    critic
}

#[test]
fn values_equal_those_of_transformers() {
    for (family, backend) in everywhere() {
        let expected = golden_json(&format!("{family}/expected.json"));
        let tokens: Vec<Vec<TokenId>> = serde_json::from_value(expected["tokens"].clone()).unwrap();
        let values: Vec<Vec<f32>> = serde_json::from_value(expected["critic"]["values"].clone()).unwrap();
        let inputs = Inputs::rows(&tokens.concat(), tokens.len(), Device::Cpu);
        for (kind, tolerance) in [(Kind::Float, 1e-4), (Kind::BFloat16, 0.6)] {
            let critic = critic_of(&policy_by(family, kind, backend), family);
            let got = critic.head().values(&critic.network.hidden(&inputs, None).unwrap());
            assert_eq!(got.kind(), Kind::Float);
            let gap = distance(&got, &Tensor::from_slice(&values.concat()));
            assert!(gap < tolerance, "{family}, {backend:?}, {kind:?}: values are off by {gap}");
        }
    }
}

#[test]
fn a_new_critic_has_the_policy_s_body_and_expects_nothing() {
    for family in FAMILIES {
        let policy = policy(family);
        let critic = Critic::of_policy(&policy).unwrap();
        let inputs = alone(&[5, 9, 4, 17]);
        let hidden = critic.network.hidden(&inputs, None).unwrap();
        assert_eq!(hidden, policy.network.hidden(&inputs, None).unwrap(), "{family}");
        let values = critic.head().values(&hidden);
        assert_eq!(values, values.zeros_like());
    }
}

/// Samples with made-up values and returns.
fn valued() -> Vec<TrainSample> {
    let mut samples = samples();
    for (i, sample) in (0..).zip(&mut samples) {
        sample.values = Some(numbers(3000 + i, sample.tokens.len()));
        sample.returns = Some(numbers(4000 + i, sample.tokens.len()));
    }
    samples
}

/// The slow, obvious way: each sample alone, all values, autograd to every parameter.
fn reference_gradient(critic: &Critic, samples: &[TrainSample], clip: f64) -> Tensor {
    let decoder = critic.network.decoder();
    let weights = decoder.weights;
    let mut leaves = weights.inner(&critic.network.layout);
    leaves.push((critic.network.layout.embed.clone(), weights.embed.shallow_clone()));
    let (Output::Value { weight: w_slot, bias: b_slot }, Output::Value { weight, bias }) =
        (&critic.network.layout.output, &weights.output)
    else {
        panic!()
    };
    leaves.push((w_slot.clone(), weight.shallow_clone()));
    leaves.push((b_slot.clone(), bias.shallow_clone()));
    let n_tokens: usize = samples.iter().map(|s| s.tokens.len()).sum();
    let losses = samples.iter().map(|sample| {
        let all = alone(&[sample.prompt.tokens.as_slice(), &sample.tokens].concat());
        let hidden = decoder.hidden(&all, decoder.embed(&all.tokens), None); // (T, E)
        let n = sample.tokens.len() as i64;
        let values =
            hidden.linear(weight, Some(bias)).squeeze_dim(1).narrow(0, all.n_tokens() as i64 - n - 1, n);
        let numbers = |values: &Option<Vec<f32>>| Tensor::from_slice(values.as_ref().unwrap());
        let (old, returns) = (numbers(&sample.values), numbers(&sample.returns));
        let limited = &old + (&values - &old).clamp(-clip, clip);
        let squares = (values - &returns).square().maximum(&(limited - &returns).square());
        squares.sum(None) * 0.5 / n_tokens as f64
    });
    let loss = Tensor::stack(&losses.collect::<Vec<_>>(), 0).sum(None);
    let inputs: Vec<&Tensor> = leaves.iter().map(|(_, leaf)| leaf).collect();
    let grads = Tensor::run_backward(&[loss], &inputs, false, false);
    let mut gradient = critic.network.zero_gradient();
    for ((slot, _), grad) in leaves.iter().zip(&grads) {
        gradient.part(slot).add(grad);
    }
    gradient.to_tensor()
}

fn learner_gradient(critic: &mut Critic, samples: &[TrainSample], max_tokens: usize) -> (Tensor, f64) {
    // No momentum and no clipping, so that after an update the first moment is the gradient.
    let config: CriticConfig = serde_json::from_str(
        r#"{"clip": 0.2, "optim": {"lr": 0.0, "betas": [0.0, 0.9], "max_grad_norm": 0.0}}"#,
    )
    .unwrap();
    let batch = BatchConfig {
        prompts: 3,
        minibatches: 1,
        epochs: 1,
        max_tokens,
        gradient_checkpointing: false,
        shared_prefix: SharedPrefix::EveryPath,
    };
    let mut learner = CriticLearner::new(config, batch, critic);
    let report = learner.update(critic, samples, 0.0).unwrap();
    assert_eq!(report.not_finite, None);
    (learner.state().first.shallow_clone(), report.metrics.get("loss/value").unwrap())
}

#[test]
fn the_gradient_is_that_of_autograd_for_every_cut_into_micro_batches() {
    for (family, backend) in everywhere() {
        let mut critic = critic_of(&policy_by(family, Kind::Float, backend), family);
        let expected = reference_gradient(&critic, &valued(), 0.2);
        let mut losses = Vec::new();
        for max_tokens in [1 << 14, 60, 20] {
            let (gradient, loss) = learner_gradient(&mut critic, &valued(), max_tokens);
            losses.push(loss);
            for entry in critic.network.layout.entries() {
                let part = |flat: &Tensor| flat.narrow(0, entry.start, entry.n_elements());
                let scale = part(&expected).abs().max().double_value(&[]);
                assert!(scale > 1e-6, "{family}, {}: no gradient", entry.name);
                let gap = distance(&part(&gradient), &part(&expected)) / scale;
                assert!(gap < 1e-4, "{family}, {backend:?}, {}: off by {gap} of {scale}", entry.name);
            }
        }
        assert!(losses.iter().all(|loss| (loss - losses[0]).abs() < 1e-5 * losses[0]), "{losses:?}");
    }
}

#[test]
fn a_loss_that_is_not_finite_changes_nothing() {
    let mut critic = critic("llama", Kind::Float);
    let before = critic.network.master().copy();
    let config: CriticConfig = serde_json::from_str(r#"{"optim": {"lr": 0.01}}"#).unwrap();
    let batch = BatchConfig {
        prompts: 3,
        minibatches: 1,
        epochs: 2,
        max_tokens: 60,
        gradient_checkpointing: false,
        shared_prefix: SharedPrefix::EveryPath,
    };
    let mut learner = CriticLearner::new(config, batch, &critic);
    let mut samples = valued();
    samples[2].returns.as_mut().unwrap()[1] = f32::NAN;
    let report = learner.update(&mut critic, &samples, 0.01).unwrap();
    assert_eq!(report.not_finite.as_deref(), Some("loss/value is NaN"));
    assert_eq!((critic.network.master(), learner.state().updates), (&before, 0));
    // And one that is finite does.
    assert_eq!(learner.update(&mut critic, &valued(), 0.01).unwrap().not_finite, None);
    assert!(distance(critic.network.master(), &before) > 1e-3 && learner.state().updates == 2);
}

#[test]
fn a_critic_learns_returns_by_heart() {
    let mut critic = Critic::of_policy(&policy("qwen3")).unwrap();
    let config: CriticConfig = serde_json::from_str(r#"{"clip": 0.0, "optim": {"lr": 0.01}}"#).unwrap();
    let mut loss = |epochs| {
        let batch = BatchConfig {
            prompts: 3,
            minibatches: 1,
            epochs,
            max_tokens: 200,
            gradient_checkpointing: false,
            shared_prefix: SharedPrefix::EveryPath,
        };
        let mut learner = CriticLearner::new(config, batch, &critic);
        learner.update(&mut critic, &valued(), 0.01).unwrap().metrics.get("loss/value").unwrap()
    };
    let first = loss(1);
    loss(100);
    let last = loss(1);
    // Responses to one prompt have one first value and different returns, so that something must remain.
    assert!(last < 0.3 * first, "{first} {last}");
}

#[test]
fn a_policy_is_no_critic() {
    let policy: Policy = policy("llama");
    assert!(matches!(policy.network.layout.output, Output::Vocabulary(_)));
    assert!(
        Critic::new(policy.network.config.clone(), policy.network.master().copy(), policy.network.placement)
            .is_err()
    );
}
