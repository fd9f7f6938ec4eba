//! Adapters that servers load beside the weights that they were started with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::stub::{Fault, Kind, Stub};
use super::*;
use crate::model::{Layout, LoraBase, LoraLayout, LoraSettings};
use crate::rollout::{Expected, greet};

pub(super) const LOADED: &str = "adapters = \"loaded\"";

/// A policy whose adapters have learnt something, and the weights that they belong to.
pub(super) fn adapted(family: &str) -> (Policy, Policy) {
    let base = sharp(family);
    let settings = LoraSettings { rank: 2, alpha: 64.0, ..LoraSettings::default() };
    let named = LoraBase { name: "base".into(), ..LoraBase::default() };
    let config = &base.network.config;
    let layout = LoraLayout::new(config, &Layout::new(config), settings, named).unwrap();
    let mut policy = base.with_fresh_adapters(layout, &RunRandom::new(5)).unwrap();
    learn(&mut policy);
    (policy, base)
}

fn learn(policy: &mut Policy) {
    let _ = policy.network.update(|master| {
        let n = master.numel() as i64;
        let change = tch::Tensor::arange(n, (tch::Kind::Float, tch::Device::Cpu)).sin() * 0.05;
        master.g_add_(&change)
    });
}

#[test]
fn servers_load_adapters_beside_their_own_weights() {
    for family in ["qwen2", "llama"] {
        for kind in [Kind::Vllm, Kind::Sglang] {
            let (mut policy, base) = adapted(family);
            let stub = Stub::new(kind, &base, |_, _| None);
            let (mut engine, dir) = engine(kind, &[&stub], LOADED);
            for n_versions in 1..4 {
                for _ in 0..2 {
                    let generated = generate(&mut engine, &policy, PLAIN).unwrap();
                    let far = distance(&policy, &generated, 1.0);
                    assert!(far < 1e-3, "{family}, {kind:?}: {far}");
                    assert!(distance(&base, &generated, 1.0) > 0.01, "the adapters matter");
                    assert_eq!(generated.served.unwrap().n_failed, 0);
                    let names = generated.completions.iter().flat_map(|done| &done.versions);
                    assert!(names.map(|span| &span.version).all(|name| stub.adapters() == [name.clone()]));
                }
                // Loaded once, asked for by its version's name; the one before is gone there, and its folder stays a while.
                assert_eq!((stub.n_loads(), stub.adapters().len()), (n_versions, 1));
                let folders = folders(dir.path());
                assert_eq!(folders.last(), stub.adapters().last());
                assert_eq!(folders.len(), n_versions.min(2));
                let files = std::fs::read_dir(dir.path().join("weights").join(&folders[0])).unwrap();
                let mut files: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
                files.sort();
                assert_eq!(files, ["adapter_config.json", "adapter_model.safetensors"]);
                learn(&mut policy);
            }
            assert_eq!(stub.version(), "default", "the weights beside them are the server's own");
        }
    }
}

/// Adapters are gone with the process that had them, whoever notices first.
#[test]
fn a_server_that_was_restarted_gets_its_adapters_again() {
    for kind in [Kind::Vllm, Kind::Sglang] {
        for fault in [Fault::Restarted, Fault::RestartedUnnoticed] {
            let (policy, base) = adapted("qwen2");
            let armed = Arc::new(AtomicBool::new(false));
            let trigger = Arc::clone(&armed);
            let stub = Stub::new(kind, &base, move |asked, _| {
                (faults::is_response(asked) && trigger.swap(false, Ordering::Relaxed)).then(|| fault.clone())
            });
            let (mut engine, _dir) = engine(kind, &[&stub], LOADED);
            generate(&mut engine, &policy, PLAIN).unwrap();
            let before = stub.adapters();
            armed.store(true, Ordering::Relaxed);
            let generated = generate(&mut engine, &policy, PLAIN).unwrap();
            assert!(distance(&policy, &generated, 1.0) < 1e-3);
            assert_eq!(stub.adapters(), before);
            let trouble = generated.served.unwrap().trouble.unwrap();
            let expected = ["the connection broke", "expected that it has these adapters: it was restarted"];
            assert!(expected.iter().any(|text| trouble.contains(text)), "{kind:?}: {trouble}");
        }
    }
}

/// The door of tokens says 404 of adapters that are gone as of itself where it is missing.
#[test]
fn adapters_that_are_gone_are_no_missing_door() {
    let (policy, base) = adapted("qwen2");
    let stub = Stub::new(Kind::Vllm, &base, |asked, n| {
        (asked.path == "/v1/completions" && n == 0).then_some(Fault::RestartedUnnoticed)
    });
    let (mut engine, _dir) = engine(Kind::Vllm, &[&stub], LOADED);
    let generated = generate(&mut engine, &policy, PLAIN).unwrap();
    assert!(distance(&policy, &generated, 1.0) < 1e-3);
    assert_eq!(stub.asked("/v1/completions").len(), 2, "each recited the known text, and nothing else");
}

#[test]
fn adapters_beside_other_weights_and_none_at_all_are_found_out() {
    const LOADS: [&str; 2] = ["/v1/load_lora_adapter", "/load_lora_adapter"];
    let (policy, base) = adapted("qwen2");
    for kind in [Kind::Vllm, Kind::Sglang] {
        let unheeded =
            |asked: &stub::Asked, _| LOADS.contains(&asked.path.as_str()).then_some(Fault::Unheeded);
        for stub in [Stub::new(kind, &base, unheeded), Stub::new(kind, &other(&base), |_, _| None)] {
            let (mut engine, _dir) = engine(kind, &[&stub], LOADED);
            let error = format!("{:#}", generate(&mut engine, &policy, PLAIN).unwrap_err());
            let expected = format!("{} does not compute with the weights that it was given", stub.url);
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}

#[test]
fn a_server_that_loads_no_adapters_is_named_with_its_remedy() {
    let vllm = "needs vLLM with --enable-lora --max-lora-rank 16, and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 in its environment";
    let sglang = "needs SGLang with --enable-lora --max-lora-rank 16 --lora-target-modules all";
    let cases = [
        (Kind::Vllm, r#"{"vllm_config": {"lora_config": null}, "vllm_env": {}}"#, "takes no adapters", vllm),
        (
            Kind::Vllm,
            r#"{"vllm_config": {"lora_config": {"max_lora_rank": 8}}, "vllm_env": {}}"#,
            "takes adapters up to rank 8",
            vllm,
        ),
        (
            Kind::Vllm,
            r#"{"vllm_config": {"lora_config": {"max_lora_rank": 16}}, "vllm_env": {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": false}}"#,
            "loads no adapters while it runs",
            vllm,
        ),
        (Kind::Sglang, r#"{"enable_lora": null, "max_lora_rank": null}"#, "takes no adapters", sglang),
        (Kind::Sglang, r#"{"enable_lora": true, "max_lora_rank": 8}"#, "takes adapters up to rank 8", sglang),
    ];
    let policy = sharp("qwen2");
    for (kind, says, what, remedy) in cases {
        let stub = Stub::new(kind, &policy, move |asked, _| {
            asked.path.starts_with("/server_info").then_some(Fault::Says(200, says))
        });
        let config = config(kind, &[&stub.url], LOADED);
        let (servers, dialect) = config.remote().unwrap();
        let expected = Expected { prompt: &[1, 2], sampling: &PLAIN, vocabulary: 64, rank: Some(16) };
        let error = greet(servers, dialect, expected).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{} {what}; ", stub.url)) && error.contains(remedy), "{error}");
        greet(servers, dialect, Expected { rank: None, ..expected }).unwrap();
        let able = Stub::new(kind, &policy, |_, _| None);
        let config = self::config(kind, &[&able.url], LOADED);
        let (servers, dialect) = config.remote().unwrap();
        greet(servers, dialect, expected).unwrap();
    }
}
