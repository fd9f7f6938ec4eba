//! Adapters: their gradient against plain autograd through `W0 + s B A`, what they begin as, and what passes read.

use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::common::{
    BACKENDS, FAMILIES, alone, distance, everywhere, golden, golden_json, leaf, logits, measured, numbers,
    policy_by, row, samples,
};
use super::gradient::{TEMPERATURE, config, rates};
use crate::learner::PolicyLearner;
use crate::loss::LossConfig;
use crate::model::StoredDtype;
use crate::model::config::SpecialIds;
use crate::model::{
    BackendChoice, Critic, HeadScales, Inputs, Layout, LoraBase, LoraLayout, LoraSettings, ModelConfig,
    ModelSource, Placement, Policy, Slot, Trainable, load, save,
};
use crate::types::{RunRandom, TokenId, Tree};

/// Those of `targets` in every layer of a golden policy.
fn layout(family: &str, targets: &[&str]) -> LoraLayout {
    let config = ModelConfig::from_folder(&golden(family)).unwrap();
    let targets = targets.iter().map(ToString::to_string).collect();
    let settings = LoraSettings { rank: 3, alpha: 4.5, targets, dropout: 0.0 };
    let base = LoraBase { name: golden(family).display().to_string(), ..LoraBase::default() };
    LoraLayout::new(&config, &Layout::new(&config), settings, base).unwrap()
}

const ALL: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

/// A golden policy with adapters that have learnt something.
fn adapted(family: &str, kind: Kind, backend: BackendChoice, targets: &[&str]) -> Policy {
    let layout = layout(family, targets);
    let flat: Vec<f32> =
        numbers(7, layout.n_params() as usize).into_iter().map(|number| 0.2 * number).collect();
    policy_by(family, kind, backend).adapted(layout, &Tensor::from_slice(&flat)).unwrap()
}

/// `s B A` of each adapter, with the place of its matrix among all parameters: from the names alone.
fn products(policy: &Policy, flat: &Tensor) -> Vec<(Slot, Tensor)> {
    let Trainable::Adapters(layout) = policy.network.trainable() else { panic!("no adapters") };
    let of = |entry: &crate::model::layout::Entry| {
        flat.narrow(0, entry.start, entry.n_elements()).view(entry.shape.as_slice())
    };
    let pairs = layout.entries().chunks(2);
    pairs
        .map(|pair| {
            let name = pair[0].name.strip_prefix("base_model.model.").unwrap();
            let name = name.replace(".lora_A", "");
            assert_eq!(pair[1].name, pair[0].name.replace("lora_A", "lora_B"));
            let matrix = policy.network.layout.find(&name).unwrap();
            let slot = Slot { start: matrix.start, shape: matrix.shape.clone() };
            (slot, of(&pair[1]).mm(&of(&pair[0])) * layout.settings.scale())
        })
        .collect()
}

/// The same weights as a plain policy, put together by hand.
fn explicit(family: &str, policy: &Policy) -> Policy {
    let plain = policy_by(family, Kind::Float, policy.network.placement.backend);
    let whole = plain.network.master().copy();
    for (slot, product) in products(policy, policy.network.master()) {
        let _ = slot.of(&whole).g_add_(&product);
    }
    Policy::new(plain.network.config.clone(), whole, plain.network.placement).unwrap()
}

fn logprobs(policy: &Policy) -> Vec<f32> {
    let trees: Vec<_> = samples()
        .into_iter()
        .map(|sample| Tree {
            prompt: sample.prompt.clone(),
            leaves: vec![leaf(0, sample.tokens.clone(), vec![-1.0; sample.tokens.len()])],
        })
        .collect();
    measured(policy, &trees, TEMPERATURE, 64).concat()
}

/// What the learner finds, by its first moment without momentum.
fn learnt_gradient(policy: &mut Policy, recompute: bool) -> Tensor {
    let mut config = config(LossConfig::default(), 40);
    config.batch.gradient_checkpointing = recompute;
    let mut learner = PolicyLearner::new(config, policy);
    let report = learner.update(policy, &samples(), rates(0.0), &mut |_| Ok(())).unwrap();
    assert_eq!(report.not_finite, None);
    learner.state().first.shallow_clone()
}

#[test]
fn adapters_are_what_is_added_to_the_weights() {
    for (family, backend) in everywhere() {
        let policy = adapted(family, Kind::Float, backend, &ALL);
        let explicit = explicit(family, &policy);
        assert!(distance(&policy.network.whole().unwrap(), explicit.network.master()) < 1e-6, "{family}");
        let (own, expected) = (logprobs(&policy), logprobs(&explicit));
        for (own, expected) in own.iter().zip(&expected) {
            assert!((own - expected).abs() < 2e-4, "{family} {backend:?}: {own} {expected}");
        }
        let plain = logprobs(&policy_by(family, Kind::Float, backend));
        assert!(own.iter().zip(&plain).any(|(a, b)| (a - b).abs() > 0.1), "{family}: adapters do nothing");
        // What is computed in single precision is the same policy, with weights of its own that all would learn.
        let single = policy.in_single_precision().unwrap();
        assert!(matches!(single.network.trainable(), Trainable::Whole(_)));
        assert!(distance(&single.network.whole().unwrap(), &policy.network.whole().unwrap()) == 0.0);
        let critic = Critic::of_policy(&policy).unwrap();
        let n = policy.network.layout.embed.n_elements();
        let qkv = policy.network.layout.layers[0].qkv.n_elements();
        let of = |flat: &Tensor| flat.narrow(0, 0, n + qkv);
        assert_eq!(of(critic.network.master()), of(&policy.network.whole().unwrap()), "{family}");
    }
}

/// By the chain rule through the explicit product, from the gradient of all weights, which `gradient.rs` holds against autograd; and
/// for every cut of targets, so that parts of fused matrices are among them.
#[test]
fn the_gradient_of_adapters_is_that_of_autograd() {
    let cuts: [&[&str]; 4] = [&ALL, &["k_proj", "up_proj"], &["q_proj", "v_proj"], &["o_proj", "down_proj"]];
    for (family, backend) in everywhere() {
        for (i, targets) in cuts.into_iter().enumerate() {
            let mut policy = adapted(family, Kind::Float, backend, targets);
            let whole = learnt_gradient(&mut explicit(family, &policy), false);
            let flat = policy.network.master().copy().set_requires_grad(true);
            let sum = products(&policy, &flat)
                .into_iter()
                .map(|(slot, product)| (product * slot.of(&whole)).sum(None))
                .reduce(|a, b| a + b)
                .unwrap();
            let expected = Tensor::run_backward(&[sum], &[&flat], false, false).pop().unwrap();
            let got = learnt_gradient(&mut policy, i % 2 == 1);
            let Trainable::Adapters(layout) = policy.network.trainable() else { panic!("no adapters") };
            for entry in layout.entries() {
                let part = |flat: &Tensor| flat.narrow(0, entry.start, entry.n_elements());
                let scale = part(&expected).abs().max().double_value(&[]);
                assert!(scale > 1e-6, "{family}, {}: no gradient", entry.name);
                let gap = distance(&part(&got), &part(&expected)) / scale;
                assert!(gap < 1e-4, "{family} {backend:?}, {}: off by {gap}", entry.name);
            }
        }
    }
}

/// The same straight from logits by autograd, with A and B as leaves of the graph.
#[test]
fn autograd_through_the_sum_says_the_same() {
    for backend in BACKENDS {
        let mut policy = adapted("qwen3", Kind::Float, backend, &["q_proj", "down_proj"]);
        let got = learnt_gradient(&mut policy, false);
        let flat = policy.network.master().copy().set_requires_grad(true);
        let plain = explicit("qwen3", &policy);
        let decoder = plain.network.decoder();
        let samples = samples();
        let n: usize = samples.iter().map(|sample| sample.tokens.len()).sum();
        let losses: Vec<Tensor> = samples
            .iter()
            .map(|sample| {
                let all = alone(&[sample.prompt.tokens.as_slice(), &sample.tokens].concat());
                let hidden = decoder.hidden(&all, decoder.embed(&all.tokens), None);
                let length = sample.tokens.len() as i64;
                let predicting =
                    logits(&plain, &hidden).narrow(0, all.n_tokens() as i64 - length - 1, length);
                let predicted = (predicting / TEMPERATURE).log_softmax(-1, None);
                let logprobs =
                    predicted.gather(1, &row(&sample.tokens).transpose(0, 1), false).squeeze_dim(1);
                -(logprobs * Tensor::from_slice(&sample.advantages)).sum(None) / n as f64
            })
            .collect();
        let loss = Tensor::stack(&losses, 0).sum(None);
        // Autograd to the weights, and on to A and B.
        let leaves = decoder.weights.inner(&plain.network.layout);
        let inputs: Vec<&Tensor> = leaves.iter().map(|(_, leaf)| leaf).collect();
        let grads = Tensor::run_backward(&[loss], &inputs, false, false);
        let whole = plain.network.master().zeros_like();
        for ((slot, _), grad) in leaves.iter().zip(&grads) {
            slot.of(&whole).copy_(grad);
        }
        let sum = products(&policy, &flat)
            .into_iter()
            .map(|(slot, product)| (product * slot.of(&whole)).sum(None))
            .reduce(|a, b| a + b)
            .unwrap();
        let expected = Tensor::run_backward(&[sum], &[&flat], false, false).pop().unwrap();
        let scale = expected.abs().max().double_value(&[]);
        assert!(distance(&got, &expected) < 1e-4 * scale, "{backend:?}");
    }
}

#[test]
fn half_precision_finds_nearly_the_same() {
    for backend in BACKENDS {
        let of = |kind| {
            let gradient = learnt_gradient(&mut adapted("qwen2", kind, backend, &ALL), false);
            (&gradient / gradient.norm()).to_kind(Kind::Double)
        };
        let cosine = of(Kind::Float).dot(&of(Kind::BFloat16)).double_value(&[]);
        assert!(cosine > 0.98, "{backend:?}: {cosine}");
    }
}

#[test]
fn fresh_adapters_change_nothing_and_share_the_weights() {
    for (family, kind) in FAMILIES.into_iter().zip([Kind::Float, Kind::BFloat16].into_iter().cycle()) {
        let plain = policy_by(family, kind, BackendChoice::Auto);
        let policy = plain.with_fresh_adapters(layout(family, &ALL), &RunRandom::new(5)).unwrap();
        let again = plain.with_fresh_adapters(layout(family, &ALL), &RunRandom::new(5)).unwrap();
        assert_eq!(policy.network.master(), again.network.master());
        assert!(policy.network.master().abs().max().double_value(&[]) > 0.1);
        let expected = logprobs(&plain);
        assert_eq!(logprobs(&policy), expected, "{family}");
        // So does the policy before training, whatever the other has learnt meanwhile.
        let begun = policy.network.master().copy();
        let mut policy = policy;
        policy
            .network
            .update(|master| {
                let _ = master.g_add_scalar_(0.05);
            })
            .unwrap();
        assert_ne!(logprobs(&policy), expected, "{family}");
        let reference = policy.beside(&begun).unwrap();
        assert_eq!(logprobs(&reference), expected, "{family}");
        assert_eq!(reference.network.trainable().n_params(), 0);
        let shared = |of: &Policy| of.network.decoder().weights.layers[0].qkv.data_ptr();
        assert_eq!(shared(&reference), shared(&plain));
        // A reference that has learnt something is kept as it is.
        let learnt = policy.network.master().copy();
        let reference = policy.beside(&learnt).unwrap();
        let before = logprobs(&policy);
        policy.network.set_master(&begun).unwrap();
        assert_eq!((logprobs(&reference), logprobs(&policy)), (before, expected), "{family}");
    }
}

#[test]
fn copies_learn_by_themselves() {
    let policy = adapted("qwen3", Kind::BFloat16, BackendChoice::Auto, &ALL);
    let before = logprobs(&policy);
    for mut other in [policy.copy().unwrap(), policy.apart().unwrap()] {
        assert_eq!(other.network.master(), policy.network.master());
        other
            .network
            .update(|master| {
                let _ = master.g_mul_scalar_(-1.0);
            })
            .unwrap();
        assert_eq!(logprobs(&policy), before);
    }
    assert_eq!(logprobs(&policy.copy().unwrap()), before);
    assert_eq!(policy.apart().unwrap().network.placement.kind, Kind::Float);
}

/// An update moves adapters alone, decays all of them, and what passes read follows.
#[test]
fn an_update_moves_adapters_alone() {
    let mut policy = adapted("llama", Kind::Float, BackendChoice::Auto, &["v_proj", "gate_proj"]);
    let whole = policy.network.whole().unwrap();
    let mut learner = PolicyLearner::new(config(LossConfig::default(), 40), &policy);
    learner.update(&mut policy, &samples(), rates(0.01), &mut |_| Ok(())).unwrap();
    assert_eq!(learner.state().first.size(), policy.network.master().size());
    let changed = policy.network.whole().unwrap() - whole;
    for entry in policy.network.layout.entries() {
        let moved = changed.narrow(0, entry.start, entry.n_elements()).abs().max().double_value(&[]);
        let has_one = ["v_proj", "gate_proj"].iter().any(|target| entry.name.contains(target));
        assert_eq!(moved > 1e-4, has_one, "{}: {moved}", entry.name);
    }
    let (own, expected) = (logprobs(&policy), logprobs(&explicit("llama", &policy)));
    assert!(own.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 2e-4));
    let trainable = policy.network.trainable();
    assert_eq!(trainable.n_decayed(), trainable.n_params());
}

/// Columns of A are scaled with those of the weights, and those of heads that are left out learn nothing.
#[test]
fn heads_are_scaled_beneath_their_adapters() {
    let scales = "0.1=0,1.2=0.5".parse().unwrap();
    for (backend, targets) in
        BACKENDS.into_iter().flat_map(|backend| [(backend, &ALL[..]), (backend, &ALL[..2])])
    {
        let mut policy = adapted("qwen3", Kind::Float, backend, targets);
        let mut explicit = explicit("qwen3", &policy);
        policy.network.scale_heads(&scales).unwrap();
        explicit.network.scale_heads(&scales).unwrap();
        let gap = distance(&policy.network.whole().unwrap(), explicit.network.master());
        assert!(gap < 1e-6, "{backend:?}: {gap}");
        let (own, expected) = (logprobs(&policy), logprobs(&explicit));
        assert!(own.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 2e-4), "{backend:?}");
        // No heads more: those that were left out stay so.
        policy.network.scale_heads(&HeadScales::default()).unwrap();
        let mut learner = PolicyLearner::new(config(LossConfig::default(), 40), &policy);
        learner.update(&mut policy, &samples(), rates(0.01), &mut |_| Ok(())).unwrap();
        let d = policy.network.config.head_dim;
        let o = policy.network.layout.layers[0].o.of(&policy.network.whole().unwrap());
        assert_eq!(o.narrow(1, d, d).abs().max().double_value(&[]), 0.0);
        assert!(o.narrow(1, 0, d).abs().max().double_value(&[]) > 0.0);
        // The others' weights are their own.
        let plain = policy_by("qwen3", Kind::Float, backend);
        assert!(
            plain.network.layout.layers[0]
                .o
                .of(plain.network.master())
                .narrow(1, d, d)
                .abs()
                .max()
                .double_value(&[])
                > 0.0
        );
    }
}

/// Adapters that peft saved, and the logits that it computed; saved again they are the same.
#[test]
fn peft_is_read_and_written() {
    let (folder, base) = (golden("lora"), golden("qwen3"));
    let config = ModelConfig::from_folder(&base).unwrap();
    let expected: Vec<Vec<Vec<f32>>> =
        serde_json::from_value(golden_json("lora/expected.json")["logits"].clone()).unwrap();
    let expected = Tensor::from_slice(&expected.into_iter().flatten().flatten().collect::<Vec<_>>());
    let tokens: Vec<Vec<TokenId>> =
        serde_json::from_value(golden_json("qwen3/expected.json")["tokens"].clone()).unwrap();
    let inputs = Inputs::rows(&tokens.concat(), tokens.len(), Device::Cpu);
    let source = ModelSource { folder: base, adapter: Some(folder.clone()) };
    for backend in BACKENDS {
        let placement = Placement { backend, ..Placement::cpu_f32() };
        let policy = Policy::of_source(&source, config.clone(), placement).unwrap();
        let got = logits(&policy, &policy.network.hidden(&inputs, None).unwrap());
        let gap = distance(&got, &expected.view_as(&got));
        assert!(gap < 1e-4, "{backend:?}: logits are off by {gap}");

        let again = tempfile::tempdir().unwrap();
        let dir = again.path().join("adapter");
        let flat = Vec::<f32>::try_from(policy.network.master()).unwrap();
        save::save(
            &dir,
            &config,
            policy.network.trainable(),
            &flat,
            &SpecialIds::default(),
            StoredDtype::F32,
        )
        .unwrap();
        let tensors = |dir: &Path| {
            let mut all = Tensor::read_safetensors(dir.join("adapter_model.safetensors")).unwrap();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            all
        };
        let (own, theirs) = (tensors(&dir), tensors(&folder));
        assert_eq!(own.len(), 2 * 2 * 7);
        assert_eq!(own, theirs);
        let json = |dir: &Path| -> serde_json::Value {
            serde_json::from_str(&std::fs::read_to_string(dir.join("adapter_config.json")).unwrap()).unwrap()
        };
        let (own, theirs) = (json(&dir), json(&folder));
        for (key, value) in own.as_object().unwrap() {
            assert_eq!(theirs.get(key), Some(value), "{key}");
        }
    }
}

/// Adapters of another model are refused by name.
#[test]
fn adapters_of_another_base_are_refused() {
    let of = |base: &str| {
        let source = ModelSource { folder: golden(base), adapter: Some(golden("lora")) };
        let config = ModelConfig::from_folder(&golden(base)).unwrap();
        load::check(&source, &config).map_err(|error| format!("{error:#}"))
    };
    assert_eq!(of("qwen3"), Ok(()));
    let said = of("llama").unwrap_err();
    for part in [
        "tests/golden/lora: the adapters do not fit their base, tests/golden/qwen3: ",
        "lora_B.weight in adapter_model.safetensors: got shape [",
        "take config.json and the weights from the same model",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_policy_by_operations_is_that_by_kernels() {
    let of = |backend| logprobs(&adapted("qwen2", Kind::Float, backend, &["q_proj", "up_proj"]));
    let (kernels, ops) = (of(BackendChoice::Auto), of(BackendChoice::Ops));
    assert!(kernels.iter().zip(&ops).all(|(a, b)| (a - b).abs() < 1e-4));
}
