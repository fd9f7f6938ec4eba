//! The pretrained SmolLM2 gives what transformers computed on the same weights.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{ModelConfig, Placement, Policy};
use crate::rollout::{DecodeEngine, Generation, RolloutEngine, SamplingConfig};
use crate::text::{ChatOptions, Message, Tokenizer};
use crate::types::{GenRequest, Prompt, Purpose, RunRandom, TokenId};
use serde::Deserialize;
use tch::Kind;

use super::common::{alone, logits, prompt};

#[derive(Deserialize)]
struct Reference {
    generations: Vec<Greedy>,
    tokenizer: Vec<Tokenized>,
}

#[derive(Deserialize)]
struct Greedy {
    user: String,
    prompt_text: String,
    prompt_ids: Vec<TokenId>,
    greedy_ids: Vec<TokenId>,
    greedy_text: String,
    greedy_logprobs: Vec<f32>,
    last_prompt_top5: Vec<(i64, f64)>,
    mean_prompt_logprob: f64,
}

#[derive(Deserialize)]
struct Tokenized {
    text: String,
    ids: Vec<TokenId>,
}

/// `RLCREDIT_SMOLLM2=FOLDER` names the model, as scripts/get_smollm2 makes it, and `RLCREDIT_SMOLLM2_REFERENCE=FILE` what
/// transformers gives on it in f32: greedy continuations, log-probabilities, the largest logits behind each prompt.
#[test]
#[ignore = "needs the model and the reference"]
fn greedy_continuations_and_numbers_equal_those_of_transformers() {
    let path = |name| PathBuf::from(std::env::var_os(name).unwrap());
    let folder = path("RLCREDIT_SMOLLM2");
    let text = fs::read(path("RLCREDIT_SMOLLM2_REFERENCE")).unwrap();
    let reference: Reference = serde_json::from_slice(&text).unwrap();
    let tokenizer = Tokenizer::from_folder(&folder).unwrap();
    let config = ModelConfig::from_folder(&folder).unwrap();
    let policy = Policy::load(&folder, config, Placement::cpu_f32()).unwrap();

    for case in &reference.tokenizer {
        assert_eq!(tokenizer.encode(&case.text).unwrap(), case.ids, "{:?}", case.text);
        assert_eq!(tokenizer.decode(&case.ids, false).unwrap(), case.text);
    }
    let options = ChatOptions { add_generation_prompt: true, ..ChatOptions::default() };
    let (mut logprob_gap, mut logit_gap, mut mean_gap) = (0f64, 0f64, 0f64);
    for case in &reference.generations {
        let rendered =
            tokenizer.chat_template().unwrap().render(&[Message::new("user", &case.user)], &options);
        assert_eq!(rendered.unwrap(), case.prompt_text);
        assert_eq!(tokenizer.encode(&case.prompt_text).unwrap(), case.prompt_ids);

        let request = GenRequest {
            prompt: Arc::new(Prompt { tokens: case.prompt_ids.clone(), ..(*prompt(0, vec![0])).clone() }),
            prefix: Vec::new(),
            sample: 0,
        };
        let sampling = SamplingConfig {
            temperature: 0.0,
            top_p: 1.0,
            top_k: 0,
            max_new_tokens: case.greedy_ids.len(),
            min_new_tokens: 0,
            stop: Vec::new(),
            max_num_seqs: 1,
        };
        let generation =
            Generation { random: RunRandom::new(0), purpose: Purpose::Sample, step: 0, sampling };
        let mut engine = DecodeEngine::new(tokenizer.eos_ids().to_vec(), 1, 4096);
        let done =
            engine.generate(&policy, &[request], &generation, &mut |_| Ok(())).unwrap().completions.remove(0);
        assert_eq!(done.tokens, case.greedy_ids, "{}", case.user);
        assert_eq!(tokenizer.decode(&done.tokens, false).unwrap(), case.greedy_text);

        let n = case.prompt_ids.len() as i64;
        let all = [case.prompt_ids.as_slice(), &case.greedy_ids].concat();
        let values =
            logits(&policy, &policy.network.hidden(&alone(&all), None).unwrap()).to_kind(Kind::Double);
        let logprobs = values.log_softmax(-1, None);
        let of = |i: usize| logprobs.double_value(&[i as i64 - 1, i64::from(all[i])]);
        for (i, expected) in (case.prompt_ids.len()..).zip(&case.greedy_logprobs) {
            logprob_gap = logprob_gap.max((of(i) - f64::from(*expected)).abs());
        }
        let mean = (1..case.prompt_ids.len()).map(of).sum::<f64>() / (n - 1) as f64;
        mean_gap = mean_gap.max((mean - case.mean_prompt_logprob).abs());
        for (id, expected) in &case.last_prompt_top5 {
            logit_gap = logit_gap.max((values.double_value(&[n - 1, *id]) - expected).abs());
        }
        let top = values.get(n - 1).topk(5, -1, true, true).1;
        let expected: Vec<i64> = case.last_prompt_top5.iter().map(|(id, _)| *id).collect();
        assert_eq!(Vec::<i64>::try_from(top).unwrap(), expected);
    }
    println!(
        "{} continuations equal; off by at most {logprob_gap:.1e} in a log-prob, {logit_gap:.1e} in a logit, \
         {mean_gap:.1e} in a prompt's mean log-prob",
        reference.generations.len()
    );
    // The reference has four to five decimals.
    assert!(logprob_gap < 5e-4 && logit_gap < 5e-4 && mean_gap < 1e-4);
}
