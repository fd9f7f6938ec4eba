//! Losses, optimiser and output layer against values and gradients that PyTorch computed in double precision.

use crate::batch::{TrainSample, minibatches};
use crate::loss::{
    Aggregation, CispoConfig, ClipConfig, GspoConfig, LossInput, PolicyLoss, PolicyLossConfig, ValueInput,
    kl_tokens, token_weights, value_loss,
};
use crate::model::{Backend, Gradient, Head, Slot, StatsGrad};
use crate::optim::{AdamW, OptimConfig, Schedule};
use crate::types::KlEstimator;
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
    let lengths: Vec<i64> = old.iter().map(|row| row.len() as i64).collect();
    let mut n_cases = 0;
    for case in golden["cases"].as_array().unwrap() {
        let clip = |key: &str| case[key].as_f64().unwrap();
        let aggregation: Aggregation = serde_json::from_value(case["aggregation"].clone()).unwrap();
        let config = ClipConfig {
            clip_low: clip("clip_low"),
            clip_high: clip("clip_high"),
            dual_clip: case["dual_clip"].as_f64(),
        };
        let new = flat(&new).set_requires_grad(true);
        let token = config.token_loss(&LossInput {
            new_logprobs: &new,
            old_logprobs: &flat(&old),
            advantages: &flat(&advantages),
            lengths: &lengths,
        });
        let (loss, gradient) = total(&token.loss, &weights(aggregation, &old, longest), &new);
        assert!((loss - clip("loss")).abs() < 1e-6, "{loss}, {case}");
        assert!(distance(&gradient, &flat(&trained(&case["grad_new"], mask))) < 1e-6, "{case}");
        let share = |t: &Tensor| t.to_kind(Kind::Double).mean(None).double_value(&[]);
        assert!((share(&token.clipped_low) - clip("clip_frac_low")).abs() < 1e-9, "{case}");
        assert!((share(&token.clipped_high) - clip("clip_frac_high")).abs() < 1e-9, "{case}");
        n_cases += 1;
    }
    assert_eq!(n_cases, 12);
}

/// Asserts loss, gradient and clipped shares of `config` on the golden sequences.
fn assert_sequences(config: &dyn PolicyLoss, case: &Value, advantages: &str) {
    let golden = &golden_json("losses.json")["sequences"];
    let lengths: Vec<i64> = serde_json::from_value(golden["lengths"].clone()).unwrap();
    let rows: Vec<Vec<f32>> = lengths.iter().map(|n| vec![0.0; *n as usize]).collect();
    let new = list(&golden["new"]).set_requires_grad(true);
    let token = config.token_loss(&LossInput {
        new_logprobs: &new,
        old_logprobs: &list(&golden["old"]),
        advantages: &list(&golden[advantages]),
        lengths: &lengths,
    });
    let (loss, gradient) = total(&token.loss, &weights(config.aggregation(), &rows, 1), &new);
    assert!((loss - case["loss"].as_f64().unwrap()).abs() < 1e-6, "{loss}, {case}");
    assert!(distance(&gradient, &list(&case["grad_new"])) < 1e-6, "{gradient}, {case}");
    let share = |t: &Tensor| t.to_kind(Kind::Double).mean(None).double_value(&[]);
    assert!((share(&token.clipped_low) - case["clip_frac_low"].as_f64().unwrap()).abs() < 1e-9, "{case}");
    assert!((share(&token.clipped_high) - case["clip_frac_high"].as_f64().unwrap()).abs() < 1e-9, "{case}");
}

#[test]
fn sequence_ratios_agree_with_the_loss_per_sequence() {
    let cases = &golden_json("losses.json")["sequences"]["gspo"];
    for case in cases.as_array().unwrap() {
        let limits = serde_json::json!({"clip_low": case["clip_low"], "clip_high": case["clip_high"]});
        let config: GspoConfig = serde_json::from_value(limits).unwrap();
        assert_sequences(&config, case, case["advantages"].as_str().unwrap());
    }
    assert_eq!(cases.as_array().unwrap().len(), 4);
}

#[test]
fn clipped_importance_weights_agree() {
    let cases = &golden_json("losses.json")["sequences"]["cispo"];
    for case in cases.as_array().unwrap() {
        let limits = serde_json::json!({"clip_low": case["clip_low"], "clip_high": case["clip_high"]});
        let config: CispoConfig = serde_json::from_value(limits).unwrap();
        assert_sequences(&config, case, "each");
    }
    assert_eq!(cases.as_array().unwrap().len(), 2);
}

/// Why importance sampling may weigh advantages in place of losses.
#[test]
fn every_loss_is_linear_in_factors_of_0_or_more() {
    let golden = &golden_json("losses.json")["sequences"];
    let lengths: Vec<i64> = serde_json::from_value(golden["lengths"].clone()).unwrap();
    let [old, new, advantages] = ["old", "new", "each"].map(|key| list(&golden[key]));
    let factors = (Tensor::arange(15, (Kind::Float, tch::Device::Cpu)) - 2.0).clamp_min(0.0) * 0.3; // 0, 0, 0, 0.3, ...
    let losses = [
        r#"{"type": "clip", "clip_low": 0.05, "clip_high": 0.05}"#,
        r#"{"type": "clip", "clip_low": 0.05, "clip_high": 0.05, "dual_clip": 1.02}"#,
        r#"{"type": "gspo", "clip_low": 0.02, "clip_high": 0.02}"#,
        r#"{"type": "cispo", "clip_high": 0.05}"#,
    ];
    for config in losses {
        let loss = serde_json::from_str::<PolicyLossConfig>(config).unwrap();
        let token = |advantages: &Tensor| {
            let input = LossInput { new_logprobs: &new, old_logprobs: &old, advantages, lengths: &lengths };
            loss.settings().token_loss(&input).loss
        };
        let (plain, weighted) = (token(&advantages), token(&(&advantages * &factors)));
        assert!(distance(&weighted, &(plain * &factors)) < 1e-6, "{config}");
    }
}

#[test]
fn the_clipped_value_loss_agrees() {
    let golden = &golden_json("losses.json")["value"];
    let [old, returns] = ["old", "returns"].map(|key| list(&golden[key]));
    for case in golden["cases"].as_array().unwrap() {
        let new = list(&golden["new"]).set_requires_grad(true);
        let input = ValueInput { new_values: &new, old_values: &old, returns: &returns };
        let (loss, clipped) = value_loss(case["clip"].as_f64().unwrap(), &input);
        let mean = Tensor::full([12], 1.0 / 12.0, (Kind::Float, tch::Device::Cpu));
        let (loss, gradient) = total(&loss, &mean, &new);
        assert!((loss - case["loss"].as_f64().unwrap()).abs() < 1e-6, "{loss}, {case}");
        assert!(distance(&gradient, &list(&case["grad_new"])) < 1e-6, "{gradient}, {case}");
        let share = clipped.to_kind(Kind::Double).mean(None).double_value(&[]);
        assert!((share - case["clip_frac"].as_f64().unwrap()).abs() < 1e-9, "{share}, {case}");
    }
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
    let n = policy.network.layout.n_params() - 6;
    let spread =
        |values: &Value| Tensor::cat(&[list(values), Tensor::zeros([n], (Kind::Float, tch::Device::Cpu))], 0);
    policy.network.set_master(&spread(&golden["start"])).unwrap();
    let mut optimizer = AdamW::new(config, &policy.network);
    for step in golden["steps"].as_array().unwrap() {
        let before = policy.network.master().copy();
        let mut gradient = policy.network.zero_gradient();
        gradient.part(&Slot { start: 0, shape: policy.network.master().size() }).add(&spread(&step["grad"]));
        let applied = optimizer.apply(&mut policy.network, &gradient, step["lr"].as_f64().unwrap()).unwrap();
        assert!((applied.grad_norm - step["grad_norm"].as_f64().unwrap()).abs() < 1e-5);
        let delta = (policy.network.master() - before).norm().double_value(&[]);
        assert!((applied.param_delta.unwrap() - delta).abs() < 1e-6);
        for (name, tensor) in [
            ("param", policy.network.master()),
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
    let before = policy.network.master().copy();
    let config: OptimConfig = serde_json::from_str(r#"{"lr": 1.0, "weight_decay": 0.5}"#).unwrap();
    let gradient = policy.network.zero_gradient();
    let _ = AdamW::new(config, &policy.network).apply(&mut policy.network, &gradient, 0.1);
    for entry in policy.network.layout.entries() {
        let part = |flat: &Tensor| flat.narrow(0, entry.start, entry.n_elements());
        let share = if entry.shape.len() == 2 { 0.95 } else { 1.0 };
        assert!(distance(&part(policy.network.master()), &(part(&before) * share)) < 1e-6, "{}", entry.name);
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
    for backend in [Backend::Cpu, Backend::Ops] {
        let head = Head::new(&weight, golden["temperature"].as_f64().unwrap(), backend);
        let scored = head.score(&hidden, &targets).unwrap();
        let stats = &scored.stats;
        assert!(distance(&stats.logprobs, &list(&golden["logprob"])) < 1e-5);
        assert!(distance(&stats.entropies, &list(&golden["entropy"])) < 1e-5);

        let grad = StatsGrad { logprobs: list(&golden["c"]), entropies: Some(list(&golden["e"])) };
        let mut gradient = Gradient::zeros(50 * 50, tch::Device::Cpu);
        let mut d_weight = gradient.part(&Slot { start: 0, shape: vec![50, 50] });
        let d_hidden = head.backward(&hidden, &targets, scored, &grad, &mut d_weight).unwrap();
        let rows: Vec<Vec<f32>> = serde_json::from_value(golden["grad_logits"].clone()).unwrap();
        let expected = flat(&rows).view([4, 50]);
        assert!(distance(&d_hidden, &expected) < 1e-5);
        assert!(distance(&d_weight.to_tensor(), &expected.transpose(0, 1).matmul(&hidden)) < 1e-4);
    }
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
