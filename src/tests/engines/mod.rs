//! Servers as engines: what is asked of them, what becomes of their faults, and training through them.

mod adapters;
mod ending;
mod faults;
mod pausing;
mod stub;
mod training;
mod unsaid;

use std::path::Path;

use tempfile::TempDir;

use self::stub::{Kind, Stub};
use super::numerics::common::{policy, prompt, tokens};
use crate::batch::Sequence;
use crate::measure::{Passes, logprobs};
use crate::model::Policy;
use crate::ranks::Ranks;
use crate::rollout::{EngineConfig, Generated, Generation, RemoteEngine, RolloutEngine, SamplingConfig};
use crate::types::{Finish, GenRequest, Purpose, RunRandom, TokenId};
use anyhow::Result;

/// A quarter of the vocabulary, so that responses end at different times.
const EOS: [TokenId; 16] = [2, 5, 9, 13, 17, 21, 25, 29, 33, 36, 40, 44, 48, 52, 56, 60];

const PLAIN: SamplingConfig = SamplingConfig {
    temperature: 1.0,
    top_p: 1.0,
    top_k: 0,
    max_new_tokens: 12,
    min_new_tokens: 0,
    stop: Vec::new(),
    max_num_seqs: 512,
};

/// Two prompts with three responses each, the last of which goes on from a prefix.
fn requests() -> Vec<GenRequest> {
    let of_prompt = |id: u64| {
        (0..3).map(move |sample| GenRequest {
            prompt: prompt(id, tokens(id, 7)),
            prefix: if sample == 2 { tokens(id + 50, 4) } else { Vec::new() },
            sample,
        })
    };
    (1..3).flat_map(of_prompt).collect()
}

/// An engine of these servers, and the folder that weights go through.
fn engine(kind: Kind, urls: &[&Stub], keys: &str) -> (RemoteEngine, TempDir) {
    let urls: Vec<&str> = urls.iter().map(|stub| stub.url.as_str()).collect();
    engine_at(kind, &urls, keys)
}

fn config(kind: Kind, urls: &[&str], keys: &str) -> EngineConfig {
    let name = match kind {
        Kind::Vllm => "vllm",
        Kind::Sglang => "sglang",
    };
    toml::from_str(&format!("type = {name:?}\nurls = {urls:?}\ndtype = \"f32\"\n{keys}")).unwrap()
}

fn engine_at(kind: Kind, urls: &[&str], keys: &str) -> (RemoteEngine, TempDir) {
    let config = config(kind, urls, keys);
    let (servers, dialect) = config.remote().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let weights = dir.path().join("weights");
    (RemoteEngine::new(servers, dialect, &weights, EOS.to_vec(), Ranks::default()).unwrap(), dir)
}

fn generate(engine: &mut RemoteEngine, policy: &Policy, sampling: SamplingConfig) -> Result<Generated> {
    engine.prepare(policy, &requests(), &sampling, &mut |_| Ok(()))?;
    answers(engine, policy, sampling)
}

/// What is answered with the weights that were prepared.
fn answers(engine: &mut RemoteEngine, policy: &Policy, sampling: SamplingConfig) -> Result<Generated> {
    let generation = Generation { random: RunRandom::new(5), purpose: Purpose::Rollout, step: 3, sampling };
    engine.generate(policy, &requests(), &generation, &mut |_| Ok(()))
}

/// How far the log-probabilities are from those of `policy` at most.
fn distance(policy: &Policy, generated: &Generated, temperature: f64) -> f32 {
    let requests = requests();
    let contexts: Vec<Vec<TokenId>> =
        requests.iter().map(|request| [&request.prompt.tokens[..], &request.prefix].concat()).collect();
    let texts: Vec<Sequence<'_>> = contexts
        .iter()
        .zip(&generated.completions)
        .map(|(context, done)| Sequence { prompt: context, response: &done.tokens })
        .collect();
    let own = logprobs(policy, &texts, temperature, Passes::new(1 << 12)).unwrap().logprobs;
    let pairs = own.iter().zip(&generated.completions).flat_map(|(own, done)| own.iter().zip(&done.logprobs));
    pairs.map(|(own, its)| (own - its).abs()).fold(0.0, f32::max)
}

/// Other weights than those of [`policy`] with the same shape.
fn other(policy: &Policy) -> Policy {
    let config = policy.network.config.clone();
    Policy::scratch(config, &RunRandom::new(8), policy.network.placement).unwrap()
}

/// A policy that is less sure of itself than a random one is of nothing, so that other weights say other things.
fn sharp(family: &str) -> Policy {
    let mut policy = policy(family);
    let norm = policy.network.layout.final_norm.clone();
    let _ =
        policy.network.update(|master| master.narrow(0, norm.start, norm.n_elements()).g_mul_scalar_(4.0));
    policy
}

fn folders(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir.join("weights"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn servers_draw_from_the_weights_that_they_are_given() {
    // Tied and untied.
    for family in ["qwen2", "llama"] {
        for kind in [Kind::Vllm, Kind::Sglang] {
            let policy = sharp(family);
            let stub = Stub::new(kind, &other(&policy), |_, _| None);
            let (mut engine, dir) = engine(kind, &[&stub], "");
            let generated = generate(&mut engine, &policy, PLAIN).unwrap();
            let far = distance(&policy, &generated, 1.0);
            assert!(far < 1e-4, "{family}, {kind:?}: {far}");
            let served = generated.served.unwrap();
            assert_eq!((served.n_failed, served.trouble), (0, None));
            assert!(served.gap.unwrap().max < 1e-4);
            for (request, done) in requests().iter().zip(&generated.completions) {
                let ended = done.tokens.iter().position(|token| EOS.contains(token));
                let n_new = PLAIN.max_new_tokens - request.prefix.len();
                let expected = ended.map_or((n_new, Finish::Length), |place| (place + 1, Finish::Eos));
                assert_eq!((done.tokens.len(), done.finish), expected);
            }
            // The same weights are not published again, others are, and two versions stay.
            let again = generate(&mut engine, &policy, PLAIN).unwrap();
            assert_eq!(again.completions, generated.completions, "seeds are the run's own");
            assert_eq!(folders(dir.path()), [stub.version()]);
            let versions: Vec<String> = (0..2)
                .map(|_| {
                    let next = other(&policy);
                    let generated = generate(&mut engine, &next, PLAIN).unwrap();
                    assert!(distance(&next, &generated, 1.0) < 1e-4);
                    stub.version()
                })
                .collect();
            assert_eq!(folders(dir.path()), versions);
        }
    }
}

#[test]
fn log_probabilities_are_those_of_the_distribution_that_is_drawn_from() {
    let policy = sharp("qwen2");
    let warm = SamplingConfig { temperature: 0.7, ..PLAIN };
    let cut = SamplingConfig { top_k: 5, top_p: 0.9, ..warm.clone() };
    for kind in [Kind::Vllm, Kind::Sglang] {
        let stub = Stub::new(kind, &policy, |_, _| None);
        let (mut engine, _dir) = engine(kind, &[&stub], "");
        let generated = generate(&mut engine, &policy, warm.clone()).unwrap();
        assert!(distance(&policy, &generated, 0.7) < 1e-4);
        // What is cut away has left its probability to the rest.
        let (mut engine, _dir) = self::engine(kind, &[&stub], "");
        let generated = generate(&mut engine, &policy, cut.clone()).unwrap();
        let higher = distance(&policy, &generated, 0.7);
        assert!(higher > 1e-2, "{kind:?}: {higher}");
    }
}

#[test]
fn a_server_whose_numbers_are_of_another_distribution_is_refused_where_that_matters() {
    let policy = sharp("qwen2");
    let warm = SamplingConfig { temperature: 0.7, ..PLAIN };
    for (kind, sampling, remedy) in [
        (Kind::Vllm, warm.clone(), "start vLLM with --logprobs-mode processed_logprobs"),
        (Kind::Vllm, SamplingConfig { top_k: 5, ..PLAIN }, "or train with [sampling] `temperature` = 1"),
        (Kind::Sglang, warm, "start SGLang without SGLANG_RETURN_ORIGINAL_LOGPROB"),
    ] {
        let stub = Stub::with(kind, &policy, true, |_, _| None);
        let (mut engine, _dir) = engine(kind, &[&stub], "");
        let error = format!("{:#}", generate(&mut engine, &policy, sampling).unwrap_err());
        let expected = format!("{} gives log-probabilities that are not those of the distribution", stub.url);
        assert!(error.contains(&expected) && error.contains(remedy), "{error}");
        // At temperature 1 and uncut both are the same.
        let (mut engine, _dir) = self::engine(kind, &[&stub], "");
        assert!(distance(&policy, &generate(&mut engine, &policy, PLAIN).unwrap(), 1.0) < 1e-4);
    }
}

#[test]
fn every_key_of_the_distribution_and_every_end_is_said() {
    let policy = sharp("qwen2");
    let stub = Stub::new(Kind::Vllm, &policy, |_, _| None);
    let (mut engine, _dir) = engine(Kind::Vllm, &[&stub], "model = \"policy\"");
    generate(&mut engine, &policy, SamplingConfig { temperature: 0.5, top_p: 0.8, top_k: 7, ..PLAIN })
        .unwrap();
    let asked = stub.asked("/inference/v1/generate");
    let prefixed =
        asked.iter().find(|asked| asked.body["token_ids"].as_array().unwrap().len() == 11).unwrap();
    let params = &prefixed.body["sampling_params"];
    assert_eq!(prefixed.body["model"], "policy");
    for (key, value) in [("temperature", 0.5), ("top_p", 0.8), ("min_p", 0.0), ("repetition_penalty", 1.0)] {
        assert_eq!(params[key], value, "{key}");
    }
    for (key, value) in [("top_k", 7), ("max_tokens", 8), ("n", 1), ("logprobs", 0), ("min_tokens", 0)] {
        assert_eq!(params[key], value, "{key}");
    }
    assert_eq!(params["stop_token_ids"], serde_json::json!(EOS));
    assert_eq!(params["ignore_eos"], true);
    let seeds: std::collections::BTreeSet<i64> =
        asked.iter().filter_map(|asked| asked.body["sampling_params"]["seed"].as_i64()).collect();
    assert_eq!(seeds.len(), 7, "one for each response, and 0 for the draw that tells");
}
