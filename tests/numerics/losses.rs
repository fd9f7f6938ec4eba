//! Losses, optimiser and output layer against values and gradients that PyTorch computed in double precision.

use rlcredit::batch::{TrainSample, minibatches};
use rlcredit::loss::{Aggregation, ClipConfig, KlEstimator, LossInput, PolicyLoss, kl_tokens, token_weights};
use rlcredit::model::{Gradient, Head, StatsGrad};
use rlcredit::optim::{AdamW, OptimConfig, Schedule};
use serde_json::Value;
use tch::{Kind, Tensor};

use super::common::{distance, golden_json, policy, samples};

/// The rows of `value` with the tokens whose mask is 0 left out: nothing but trained tokens reaches a loss.
fn trained(value: &Value, mask: &Value) -> Vec<Vec<f32>> {
    let rows = |v: &Value| serde_json::from_value::<Vec<Vec<f64>>>(v.clone()).unwrap();
    let pick = |(row, mask): (Vec<f64>, Vec<f64>)| {
        row.iter().zip(mask).filter(|(_, m)| *m == 1.0).map(|(x, _)| *x as f32).collect::<Vec<f32>>()
    };
    rows(value).into_iter().zip(rows(mask)).map(pick).collect()
}

fn flat(rows: &[Vec<f32>]) -> Tensor {
    Tensor::from_slice(&rows.concat())
}

fn list(value: &Value) -> Tensor {
    Tensor::from_slice(&serde_json::from_value::<Vec<f64>>(value.clone()).unwrap()).to_kind(Kind::Float)
}

/// `sum(weights * loss)` and its gradient.
fn total(loss: &Tensor, weights: &Tensor, leaf: &Tensor) -> (f64, Tensor) {
    let total = (loss * weights).sum(None);
    (total.double_value(&[]), Tensor::run_backward(&[&total], &[leaf], false, false).swap_remove(0))
}

fn weights(aggregation: Aggregation, rows: &[Vec<f32>], longest: usize) -> Tensor {
    let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
    let per_row = token_weights(aggregation, &lengths, longest);
    let per_token: Vec<Vec<f32>> =
        per_row.iter().zip(&lengths).map(|(weight, n)| vec![*weight as f32; *n]).collect();
    flat(&per_token)
}

#[test]
fn the_clipped_loss_agrees_under_every_aggregation() {
    let golden = &golden_json("losses.json")["policy"];
    let mask = &golden["mask"];
    let [old, new, advantages] = ["old", "new", "advantages"].map(|key| trained(&golden[key], mask));
    let longest = golden["constant"].as_f64().unwrap() as usize;
    let cases = golden["cases"].as_array().unwrap().iter().filter(|case| case["dual_clip"].is_null());
    let mut n_cases = 0;
    for case in cases {
        let clip = |key: &str| case[key].as_f64().unwrap();
        let aggregation: Aggregation = serde_json::from_value(case["aggregation"].clone()).unwrap();
        let config =
            ClipConfig { clip_low: clip("clip_low"), clip_high: clip("clip_high"), aggregation, kl: None };
        let new = flat(&new).set_requires_grad(true);
        let token = config.token_loss(&LossInput {
            new_logprobs: &new,
            old_logprobs: &flat(&old),
            advantages: &flat(&advantages),
        });
        let (loss, gradient) = total(&token.loss, &weights(aggregation, &old, longest), &new);
        assert!((loss - clip("loss")).abs() < 1e-6, "{loss}, {case}");
        assert!(distance(&gradient, &flat(&trained(&case["grad_new"], mask))) < 1e-6, "{case}");
        let share = |t: &Tensor| t.to_kind(Kind::Double).mean(None).double_value(&[]);
        assert!((share(&token.clipped_low) - clip("clip_frac_low")).abs() < 1e-9, "{case}");
        assert!((share(&token.clipped_high) - clip("clip_frac_high")).abs() < 1e-9, "{case}");
        n_cases += 1;
    }
    assert_eq!(n_cases, 8);
}

#[test]
fn the_estimators_of_the_divergence_agree() {
    let golden = &golden_json("losses.json")["kl"];
    let mask = &golden["mask"];
    let [new, reference] = ["new", "reference"].map(|key| trained(&golden[key], mask));
    for (name, estimator) in [("k1", KlEstimator::K1), ("k2", KlEstimator::K2), ("k3", KlEstimator::K3)] {
        let expected = &golden[name];
        let leaf = flat(&new).set_requires_grad(true);
        let tokens = kl_tokens(estimator, &leaf, &flat(&reference));
        assert!(distance(&tokens, &flat(&trained(&expected["tokens"], mask))) < 1e-6, "{name}");
        let (loss, gradient) = total(&tokens, &weights(Aggregation::TokenMean, &new, 1), &leaf);
        assert!((loss - expected["loss"].as_f64().unwrap()).abs() < 1e-6, "{name}: {loss}");
        assert!(distance(&gradient, &flat(&trained(&expected["grad_new"], mask))) < 1e-6, "{name}");
    }
}

/// The golden parameters stand at the front of a policy whose other weights are 0 and get no gradient; being matrices they
/// are decayed.
#[test]
fn adamw_with_clipping_agrees() {
    let golden = &golden_json("losses.json")["adamw"];
    let number = |key: &str| golden[key].as_f64().unwrap();
    let config = OptimConfig {
        lr: 1.0,
        betas: [number("beta1"), number("beta2")],
        eps: number("eps"),
        weight_decay: number("weight_decay"),
        max_grad_norm: number("max_norm"),
        warmup_steps: 0,
        schedule: Schedule::Constant,
        final_lr_ratio: None,
    };
    let mut policy = policy("llama");
    let n = policy.layout.n_params() - 6;
    let spread =
        |values: &Value| Tensor::cat(&[list(values), Tensor::zeros([n], (Kind::Float, tch::Device::Cpu))], 0);
    policy.set_master(&spread(&golden["start"])).unwrap();
    let mut optimizer = AdamW::new(config, &policy);
    for step in golden["steps"].as_array().unwrap() {
        let before = policy.master().copy();
        let gradient = Gradient { flat: spread(&step["grad"]) };
        let applied = optimizer.apply(&mut policy, &gradient, step["lr"].as_f64().unwrap());
        assert!((applied.grad_norm - step["grad_norm"].as_f64().unwrap()).abs() < 1e-5);
        let delta = (policy.master() - before).norm().double_value(&[]);
        assert!((applied.param_delta.unwrap() - delta).abs() < 1e-6);
        for (name, tensor) in [
            ("param", policy.master()),
            ("exp_avg", &optimizer.state().first),
            ("exp_avg_sq", &optimizer.state().second),
        ] {
            assert!(distance(tensor, &spread(&step[name])) < 1e-6, "{name}: {step}");
        }
    }
    assert_eq!(optimizer.state().updates, 3);
}

/// Norms and biases are not decayed: without a gradient only matrices shrink.
#[test]
fn only_matrices_are_decayed() {
    let mut policy = policy("qwen2");
    let before = policy.master().copy();
    let config: OptimConfig = serde_json::from_str(r#"{"lr": 1.0, "weight_decay": 0.5}"#).unwrap();
    let gradient = policy.zero_gradient();
    let _ = AdamW::new(config, &policy).apply(&mut policy, &gradient, 0.1);
    for entry in policy.layout.entries() {
        let part = |flat: &Tensor| flat.narrow(0, entry.start, entry.n_elements());
        let share = if entry.shape.len() == 2 { 0.95 } else { 1.0 };
        assert!(distance(&part(policy.master()), &(part(&before) * share)) < 1e-6, "{}", entry.name);
    }
}

/// With the identity as output projection, hidden states are logits.
#[test]
fn the_output_layer_agrees_and_so_do_its_gradients() {
    let golden = &golden_json("losses.json")["logprob"];
    let rows: Vec<Vec<f32>> = serde_json::from_value(golden["logits"].clone()).unwrap();
    let hidden = flat(&rows).view([4, 50]);
    let targets = Tensor::from_slice(&serde_json::from_value::<Vec<i64>>(golden["tokens"].clone()).unwrap());
    let weight = Tensor::eye(50, (Kind::Float, tch::Device::Cpu));
    let head = Head::new(&weight, golden["temperature"].as_f64().unwrap());
    let stats = head.stats(&hidden, &targets);
    assert!(distance(&stats.logprobs, &list(&golden["logprob"])) < 1e-5);
    assert!(distance(&stats.entropies, &list(&golden["entropy"])) < 1e-5);

    let grad = StatsGrad { logprobs: list(&golden["c"]), entropies: Some(list(&golden["e"])) };
    let mut weight_grad = weight.zeros_like();
    let d_hidden = head.backward(&hidden, &targets, &grad, &mut weight_grad);
    let rows: Vec<Vec<f32>> = serde_json::from_value(golden["grad_logits"].clone()).unwrap();
    let expected = flat(&rows).view([4, 50]);
    assert!(distance(&d_hidden, &expected) < 1e-5);
    assert!(distance(&weight_grad, &expected.transpose(0, 1).matmul(&hidden)) < 1e-4);
}

#[test]
fn minibatches_are_whole_trees_in_order() {
    let samples = samples();
    let places = |parts: Vec<&[TrainSample]>| -> Vec<Vec<usize>> {
        parts.into_iter().map(|part| part.iter().map(|s| s.place.0).collect()).collect()
    };
    assert_eq!(places(minibatches(&samples, 2)), [vec![0; 3], vec![1, 1, 1, 2, 2, 2]]);
    assert_eq!(places(minibatches(&samples, 5)).len(), 3);
    assert_eq!(places(minibatches(&samples, 1))[0].len(), 9);
}
