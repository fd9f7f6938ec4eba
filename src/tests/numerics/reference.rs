//! A real pretrained model against transformers, on files too large to keep here.
//!
//! `RLCREDIT_MODEL` names a Hugging Face folder (`scripts/get_smollm2` makes one), `RLCREDIT_REFERENCE` a JSON file with
//! what transformers said in f32: `generations` of `prompt_ids`, `greedy_ids`, `greedy_logprobs`, `mean_prompt_logprob`
//! and `tokenizer` cases of `text` and `ids`.
//!
//!     RLCREDIT_MODEL=... RLCREDIT_REFERENCE=... cargo test --release --lib tests::numerics -- --ignored

use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{ModelConfig, Placement, Policy};
use crate::rollout::{DecodeEngine, Generation, RolloutEngine, SamplingConfig};
use crate::text::Tokenizer;
use crate::types::{GenRequest, Prompt, Purpose, RunRandom};
use rewards::{Countdown, Task};
use serde_json::Value;
use tch::Tensor;

fn from_environment(name: &str) -> PathBuf {
    std::env::var_os(name).unwrap_or_else(|| panic!("set {name}, see the top of this file")).into()
}

#[test]
#[ignore = "needs a pretrained model and its reference"]
fn greedy_responses_logprobs_and_tokens_equal_those_of_transformers() {
    let dir = from_environment("RLCREDIT_MODEL");
    let text = std::fs::read_to_string(from_environment("RLCREDIT_REFERENCE")).unwrap();
    let reference: Value = serde_json::from_str(&text).unwrap();
    let tokenizer = Tokenizer::from_folder(&dir).unwrap();
    let policy = Policy::load(&dir, ModelConfig::from_folder(&dir).unwrap(), Placement::cpu_f32()).unwrap();

    for case in reference["tokenizer"].as_array().unwrap() {
        let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        assert_eq!(tokenizer.encode(case["text"].as_str().unwrap()).unwrap(), ids);
    }

    let mut engine = DecodeEngine::new(tokenizer.eos_ids().to_vec(), 64, 4096);
    let mut worst = 0f64;
    for (i, case) in reference["generations"].as_array().unwrap().iter().enumerate() {
        let ids = |key: &str| serde_json::from_value::<Vec<u32>>(case[key].clone()).unwrap();
        let numbers = |key: &str| serde_json::from_value::<Vec<f64>>(case[key].clone()).unwrap();
        let (prompt_ids, greedy_ids) = (ids("prompt_ids"), ids("greedy_ids"));
        assert_eq!(tokenizer.encode(case["prompt_text"].as_str().unwrap()).unwrap(), prompt_ids);

        let task = Task::Countdown(Countdown { numbers: vec![], target: 0 });
        let prompt = Prompt { id: i as u64, text: String::new(), tokens: prompt_ids.clone(), task };
        let request = GenRequest { prompt: Arc::new(prompt), prefix: vec![], sample: 0 };
        let sampling = SamplingConfig {
            temperature: 0.0,
            top_p: 1.0,
            top_k: 0,
            max_new_tokens: greedy_ids.len(),
            min_new_tokens: 0,
            stop: Vec::new(),
            max_num_seqs: 512,
        };
        let generation = Generation { random: RunRandom::new(0), purpose: Purpose::Eval, step: 0, sampling };
        let done =
            engine.generate(&policy, &[request], &generation, &mut |_| Ok(())).unwrap().completions.remove(0);
        assert_eq!(done.tokens, greedy_ids, "case {i}");
        for (got, expected) in done.logprobs.iter().zip(numbers("greedy_logprobs")) {
            worst = worst.max((f64::from(*got) - expected).abs());
        }

        let tokens: Vec<i64> = prompt_ids.iter().map(|t| i64::from(*t)).collect();
        let hidden =
            policy.network.hidden(&super::common::alone(&prompt_ids[..tokens.len() - 1]), None).unwrap();
        let stats = policy.head(1.0).stats(&hidden, &Tensor::from_slice(&tokens[1..])).unwrap();
        let mean = stats.logprobs.mean(tch::Kind::Double).double_value(&[]);
        worst = worst.max((mean - case["mean_prompt_logprob"].as_f64().unwrap()).abs());
    }
    println!("largest distance of a log-probability: {worst:.1e}");
    assert!(worst < 1e-3, "largest distance {worst}");
}
