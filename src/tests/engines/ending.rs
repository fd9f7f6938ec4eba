//! Strings and a least number of tokens: said to servers in their words, and held by whatever these answer.

use std::sync::Arc;

use super::*;
use crate::text::byte_tokenizer;

/// The answers of a server of `kind` under `sampling`, and what it was asked.
fn ended(kind: Kind, policy: &Policy, sampling: SamplingConfig) -> (Generated, Vec<serde_json::Value>) {
    let stub = Stub::new(kind, policy, |_, _| None);
    let (engine, _dir) = engine(kind, &[&stub], "");
    let mut engine = engine.telling(&Arc::new(byte_tokenizer()));
    let generated = generate(&mut engine, policy, sampling).unwrap();
    let asked = match kind {
        Kind::Vllm => stub.asked("/inference/v1/generate"),
        Kind::Sglang => stub.asked("/generate"),
    };
    (generated, asked.into_iter().map(|asked| asked.body["sampling_params"].clone()).collect())
}

#[test]
fn servers_are_told_what_ends_a_response_and_their_answers_are_cut_there() {
    let policy = sharp("qwen2");
    let tokenizer = byte_tokenizer();
    for kind in [Kind::Vllm, Kind::Sglang] {
        let (plain, _) = ended(kind, &policy, PLAIN);
        let long = plain.completions.iter().find(|done| done.tokens.len() > 4).unwrap();
        let stop = tokenizer.decode(&long.tokens[1..3], true).unwrap();
        let sampling = SamplingConfig { stop: vec![stop.clone()], ..PLAIN };
        let (stopped, asked) = ended(kind, &policy, sampling);
        let told = asked.iter().filter(|params| params["stop"] == serde_json::json!([stop])).count();
        assert!(told >= requests().len(), "{kind:?}: {asked:?}");
        // Draws for a server's health have no ends of their own.
        assert!(asked.iter().all(|params| params["stop"].is_null() || params["stop"][0] == stop.as_str()));
        let mut n_stopped = 0;
        for ((request, whole), done) in requests().iter().zip(&plain.completions).zip(&stopped.completions) {
            let text =
                |n: usize| tokenizer.decode(&[&request.prefix, &whole.tokens[..n]].concat(), true).unwrap();
            match (1..=whole.tokens.len()).find(|n| text(*n).contains(&stop)) {
                Some(n) => {
                    assert_eq!((done.finish, &done.tokens[..]), (Finish::Stop, &whole.tokens[..n]));
                    assert_eq!(done.logprobs.len(), n);
                    n_stopped += 1;
                }
                None => assert_eq!((done.finish, &done.tokens), (whole.finish, &whole.tokens)),
            }
        }
        assert!(n_stopped > 0);
    }
}

/// SGLang ends a response at a string however short it is, and would end those that are to go on.
#[test]
fn a_string_that_comes_too_early_ends_nothing() {
    let policy = sharp("qwen2");
    let tokenizer = byte_tokenizer();
    for kind in [Kind::Vllm, Kind::Sglang] {
        let least = SamplingConfig { min_new_tokens: 6, ..PLAIN };
        let (plain, _) = ended(kind, &policy, least.clone());
        let stop = tokenizer.decode(&plain.completions[0].tokens[1..3], true).unwrap();
        let (stopped, asked) = ended(kind, &policy, SamplingConfig { stop: vec![stop], ..least });
        assert!(stopped.completions[0].tokens.len() > 3, "{kind:?}");
        let told = |params: &&serde_json::Value| {
            params["min_new_tokens"].as_u64() > Some(0) && !params["stop"].is_null()
        };
        assert_eq!(asked.iter().find(told), None);
    }
}

#[test]
fn servers_are_told_how_many_tokens_a_response_has_at_least() {
    let policy = sharp("qwen2");
    for (kind, key) in [(Kind::Vllm, "min_tokens"), (Kind::Sglang, "min_new_tokens")] {
        let (generated, asked) = ended(kind, &policy, SamplingConfig { min_new_tokens: 6, ..PLAIN });
        let count = |least: u64| asked.iter().filter(|params| params[key] == least).count();
        // Of those that go on from a prefix of four tokens two more.
        assert!(count(6) == 4 && count(2) == 2, "{asked:?}");
        for (request, done) in requests().iter().zip(&generated.completions) {
            let first = 6 - request.prefix.len();
            assert!(done.tokens[..first].iter().all(|token| !EOS.contains(token)), "{:?}", done.tokens);
        }
    }
}
