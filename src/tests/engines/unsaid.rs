//! Servers that say that all is well, and where it is not.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::faults::is_response;
use super::stub::{Asked, Fault, Kind, Stub};
use super::*;
use crate::rollout::{Expected, greet};

const KINDS: [Kind; 2] = [Kind::Vllm, Kind::Sglang];
const LOADS: [&str; 2] = ["/collective_rpc", "/update_weights_from_disk"];

/// One update changes log-probabilities by less than rounding does elsewhere.
#[test]
fn weights_that_are_hardly_others_must_come_all_the_same() {
    for kind in KINDS {
        for is_heeded in [true, false] {
            let mut policy = sharp("qwen2");
            let stub = Stub::new(kind, &policy, move |asked, n| {
                (!is_heeded && n > 0 && LOADS.contains(&asked.path.as_str())).then_some(Fault::Unheeded)
            });
            let (mut engine, _dir) = engine(kind, &[&stub], "");
            generate(&mut engine, &policy, PLAIN).unwrap();
            policy.network.update(|master| drop(master.g_mul_scalar_(1.0 + 1e-3))).unwrap();
            let generated = generate(&mut engine, &policy, PLAIN);
            if is_heeded {
                assert!(distance(&policy, &generated.unwrap(), 1.0) < 1e-4);
                continue;
            }
            let error = format!("{:#}", generated.unwrap_err());
            let expected =
                format!("{} says that it has loaded new weights, and all 31 log-probabilities", stub.url);
            assert!(error.starts_with(&expected), "{kind:?}: {error}");
        }
    }
}

/// Keys and values of older weights would stay behind a name that is new already.
#[test]
fn a_cache_that_was_not_emptied_is_emptied_before_anything_is_asked() {
    let policy = sharp("qwen2");
    let stub = Stub::new(Kind::Sglang, &other(&policy), |asked, n| {
        (asked.path == "/flush_cache" && n == 0).then_some(Fault::HangsUp)
    });
    let (mut engine, _dir) = engine(Kind::Sglang, &[&stub], "");
    let generated = generate(&mut engine, &policy, PLAIN).unwrap();
    assert!(distance(&policy, &generated, 1.0) < 1e-4);
    assert_eq!((stub.asked("/flush_cache").len(), stub.n_loads()), (2, 2));
}

#[test]
fn a_draw_without_a_number_tells_nothing() {
    let is_draw = |asked: &Asked| asked.path == "/inference/v1/generate" && !is_response(asked);
    let edits: [fn(&mut Value); 2] = [
        |body| body["choices"][0]["logprobs"]["content"][1]["logprob"] = json!(-9999.0),
        |body| body["choices"][0]["logprobs"]["content"] = json!([]),
    ];
    for edit in edits {
        let policy = sharp("qwen2");
        let stub =
            Stub::new(Kind::Vllm, &policy, move |asked, _| is_draw(asked).then_some(Fault::Edited(edit)));
        let (mut engine, _dir) = engine(Kind::Vllm, &[&stub], "");
        let warm = SamplingConfig { temperature: 0.7, ..PLAIN };
        let error = format!("{:#}", generate(&mut engine, &policy, warm).unwrap_err());
        assert!(error.contains("are not those of the distribution that it draws from: NaN"), "{error}");
    }
}

#[test]
fn every_token_has_its_weights() {
    let policy = sharp("qwen2");
    let is_first = AtomicBool::new(true);
    let stub = Stub::new(Kind::Vllm, &policy, move |asked, _| {
        let cut = is_response(asked) && is_first.swap(false, Ordering::Relaxed);
        cut.then_some(Fault::Edited(|body| body["choices"][0]["weight_versions"][0]["start"] = json!(1)))
    });
    let (mut engine, _dir) = engine(Kind::Vllm, &[&stub], "");
    let error = format!("{:#}", generate(&mut engine, &policy, PLAIN).unwrap_err());
    assert!(error.contains("does not say from which weights it drew each of"), "{error}");
    // One that names none is asked behind each answer.
    let stub = Stub::new(Kind::Vllm, &policy, |asked, _| {
        is_response(asked).then_some(Fault::Edited(|body| body["choices"][0]["weight_versions"] = json!([])))
    });
    let (mut engine, _dir) = self::engine(Kind::Vllm, &[&stub], "");
    generate(&mut engine, &policy, PLAIN).unwrap();
    assert!(stub.asked("/weight_info").len() >= 6);
}

#[test]
fn a_server_of_another_vocabulary_is_refused_before_it_is_given_weights() {
    for kind in KINDS {
        let policy = sharp("qwen2");
        let stub = Stub::new(kind, &policy, |_, _| None);
        let config = config(kind, &[&stub.url], "");
        let (servers, dialect) = config.remote().unwrap();
        let greeted = |vocabulary| {
            greet(servers, dialect, Expected { prompt: &[1, 2], sampling: &PLAIN, vocabulary, rank: None })
        };
        greeted(64).unwrap();
        let error = greeted(100).unwrap_err().to_string();
        assert!(
            error.starts_with(&stub.url) && error.contains("expected the 100 tokens of [model]"),
            "{error}"
        );
        assert_eq!(stub.n_loads(), 0);
    }
}
