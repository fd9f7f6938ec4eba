//! How responses end: at strings, however tokens cut them, and not before a least number of tokens.

use std::sync::Arc;

use super::common::{policy_by, prompt, tokens};
use crate::batch::Sequence;
use crate::measure::{Passes, logprobs};
use crate::model::{BackendChoice, Policy};
use crate::rollout::{DecodeEngine, Generation, RolloutEngine, SamplingConfig};
use crate::text::{Tokenizer, byte_tokenizer};
use crate::types::{Completion, Finish, GenRequest, Purpose, RunRandom, TokenId};
use tch::Kind;

const EOS: [TokenId; 4] = [2, 17, 33, 56];

const PLAIN: SamplingConfig = SamplingConfig {
    temperature: 1.0,
    top_p: 1.0,
    top_k: 0,
    max_new_tokens: 40,
    min_new_tokens: 0,
    stop: Vec::new(),
    max_num_seqs: 512,
};

/// Responses to two prompts, of which the last goes on from a prefix.
fn requests() -> Vec<GenRequest> {
    let of_prompt = |id: u64| {
        let prompt = prompt(id, tokens(id, 5));
        (0..6).map(move |sample| GenRequest {
            prompt: prompt.clone(),
            prefix: if sample == 5 { vec![20, 21, 22] } else { Vec::new() },
            sample,
        })
    };
    (0..2).flat_map(of_prompt).collect()
}

fn generate(policy: &Policy, tokenizer: &Arc<Tokenizer>, sampling: SamplingConfig) -> Vec<Completion> {
    let generation = Generation { random: RunRandom::new(5), purpose: Purpose::Rollout, step: 3, sampling };
    let mut engine = DecodeEngine::new(EOS.to_vec(), 512, 1 << 14).telling(tokenizer);
    engine.generate(policy, &requests(), &generation, &mut |_| Ok(())).unwrap().completions
}

/// Tokens of a response behind which one of `stops` is first in the text of it all.
fn stopped(
    tokenizer: &Tokenizer,
    request: &GenRequest,
    done: &Completion,
    stops: &[String],
) -> Option<usize> {
    let text = |n: usize| tokenizer.decode(&[&request.prefix, &done.tokens[..n]].concat(), true).unwrap();
    (1..=done.tokens.len()).find(|n| stops.iter().any(|stop| text(*n).contains(stop)))
}

/// A string stops each response at the token that completes it, and draws nothing else.
#[test]
fn a_string_ends_a_response_where_it_is_complete() {
    let tokenizer = Arc::new(byte_tokenizer());
    for backend in [BackendChoice::Auto, BackendChoice::Ops] {
        let policy = policy_by("qwen3", Kind::Float, backend);
        let plain = generate(&policy, &tokenizer, PLAIN);
        let text = |done: &Completion, range: std::ops::Range<usize>| {
            tokenizer.decode(&done.tokens[range], true).unwrap()
        };
        // Of tokens within one response, across the end of the prefix of another, and of a single token.
        let long = plain.iter().find(|done| done.tokens.len() > 8).unwrap();
        let prefixed =
            plain.iter().zip(requests()).find(|(_, request)| !request.prefix.is_empty()).unwrap().0;
        let across = tokenizer.decode(&[&[21, 22], &prefixed.tokens[..2]].concat(), true).unwrap();
        let stops = vec![text(long, 3..6), across, text(&plain[0], 1..2)];
        let ended = generate(&policy, &tokenizer, SamplingConfig { stop: stops.clone(), ..PLAIN });
        let mut n_stopped = 0;
        for ((request, whole), done) in requests().iter().zip(&plain).zip(&ended) {
            match stopped(&tokenizer, request, whole, &stops) {
                Some(n) if n < whole.tokens.len() || whole.finish != Finish::Eos => {
                    assert_eq!((done.finish, &done.tokens[..]), (Finish::Stop, &whole.tokens[..n]));
                    n_stopped += 1;
                }
                _ => assert_eq!((done.finish, &done.tokens), (whole.finish, &whole.tokens)),
            }
            let far = done.logprobs.iter().zip(&whole.logprobs).map(|(a, b)| (a - b).abs());
            assert!(far.fold(0.0, f32::max) < 1e-4);
        }
        assert!(n_stopped > 3, "{n_stopped}");
    }
}

#[test]
fn strings_need_a_tokenizer() {
    let policy = policy_by("qwen3", Kind::Float, BackendChoice::Auto);
    let sampling = SamplingConfig { stop: vec!["x".to_owned()], ..PLAIN };
    let generation = Generation { random: RunRandom::new(5), purpose: Purpose::Rollout, step: 3, sampling };
    let mut engine = DecodeEngine::new(EOS.to_vec(), 512, 1 << 14);
    let error = engine.generate(&policy, &requests(), &generation, &mut |_| Ok(())).unwrap_err();
    assert!(error.to_string().contains("there is no tokenizer"), "{error}");
}

/// Log-probabilities are those of the distribution without end tokens, against the whole one summed up by hand.
#[test]
fn no_response_ends_before_its_least_number_of_tokens() {
    const LEAST: usize = 6;
    let tokenizer = Arc::new(byte_tokenizer());
    for backend in [BackendChoice::Auto, BackendChoice::Ops] {
        let policy = policy_by("qwen3", Kind::Float, backend);
        for temperature in [1.0, 0.0] {
            let sampling = SamplingConfig { temperature, min_new_tokens: LEAST, max_new_tokens: 12, ..PLAIN };
            let mut early = 0;
            for (request, done) in requests().iter().zip(generate(&policy, &tokenizer, sampling)) {
                let context = [&request.prompt.tokens[..], &request.prefix].concat();
                let of = |response: &[TokenId]| {
                    let text = Sequence { prompt: &context, response };
                    logprobs(&policy, &[text], 1.0, Passes::new(1 << 12)).unwrap().logprobs.pop().unwrap()
                };
                for (i, logprob) in of(&done.tokens).into_iter().enumerate() {
                    let is_early = request.prefix.len() + i < LEAST;
                    let with = |end: &TokenId| of(&[&done.tokens[..i], &[*end]].concat())[i].exp();
                    let ends: f32 = if is_early { EOS.iter().map(with).sum() } else { 0.0 };
                    let expected = logprob - (1.0 - ends).ln();
                    assert!((done.logprobs[i] - expected).abs() < 1e-4, "{i}: {expected}");
                    assert!(!is_early || !EOS.contains(&done.tokens[i]));
                    early += usize::from(is_early);
                }
            }
            assert!(early > 50, "{early}");
        }
    }
}

#[test]
fn a_string_does_not_end_a_response_before_its_least_number_of_tokens() {
    let tokenizer = Arc::new(byte_tokenizer());
    let policy = policy_by("qwen3", Kind::Float, BackendChoice::Auto);
    let sampling = SamplingConfig { min_new_tokens: 4, ..PLAIN };
    let plain = generate(&policy, &tokenizer, sampling.clone());
    let letters: Vec<String> =
        plain[0].tokens.iter().take(6).map(|token| tokenizer.decode(&[*token], true).unwrap()).collect();
    let ended = generate(&policy, &tokenizer, SamplingConfig { stop: letters, ..sampling });
    // The fifth letter ends it, not one of the first four.
    assert_eq!((ended[0].finish, &ended[0].tokens[..]), (Finish::Stop, &plain[0].tokens[..5]));
}
