//! SGLang.
//!
//! | question | path |
//! |---|---|
//! | a response | `/generate`; with `return_sampling_mask` where the distribution is cut |
//! | log-probabilities of a text | `/generate` with `logprob_start_len` |
//! | new weights | `/update_weights_from_disk`, `/flush_cache` |
//! | nothing in between | `/pause_generation`, `/continue_generation` |
//! | adapters | `/load_lora_adapter`, `/unload_lora_adapter` (`--enable-lora`); asked for by `lora_path`, which is their name |
//! | whether it takes them | `/server_info` |
//! | their name | `/model_info` |
//!
//! `output_token_logprobs` belong to the logits divided by the temperature; where `top_k` or `top_p` cut the distribution,
//! `output_token_sampling_logprobs` are those of what is left. Seeds count where the server runs with
//! `--enable-deterministic-inference`. A token beyond the vocabulary ends the server, so none is sent.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Addressee, Answer, Ask, Call, Dialect, End, Fault, Loading, Said, Span, Telling, logprob, miscounted,
    of_one,
};
use crate::rollout::SamplingConfig;
use crate::types::TokenId;

/// Servers of SGLang.
pub(crate) struct Sglang;

const GENERATE: &str = "/generate";
const UPDATE: &str = "/update_weights_from_disk";
const FLUSH: &str = "/flush_cache";

/// What it says where weights are new and what was computed with the old is still there.
const NOT_FLUSHED: &str = "cache was not flushed";

/// A temperature at which every token is as probable as any other.
const HOT: f64 = 1e4;
/// How far from that the log-probability of a token may be.
const EVEN: f32 = 0.1;

/// Log-probability, token, and nothing.
type Scored = (Option<f32>, TokenId, Option<String>);

#[derive(Deserialize)]
struct Response {
    output_ids: Vec<TokenId>,
    meta_info: Meta,
}

#[derive(Deserialize)]
struct Meta {
    finish_reason: Option<Reason>,
    output_token_logprobs: Option<Vec<Scored>>,
    output_token_sampling_logprobs: Option<Vec<Option<f32>>>,
    input_token_logprobs: Option<Vec<Scored>>,
    weight_version: Option<String>,
    weight_versions: Option<Vec<Span>>,
    cached_tokens: Option<usize>,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct ModelInfo {
    weight_version: String,
}

#[derive(Deserialize)]
struct Updated {
    success: bool,
    message: String,
}

#[derive(Deserialize)]
struct ServerInfo {
    enable_lora: Option<bool>,
    max_lora_rank: Option<u32>,
}

/// Addresses a question.
fn send_to(model: Addressee<'_>, mut body: Value) -> Call {
    if let Some(adapter) = model.adapter {
        body["lora_path"] = json!(adapter);
    }
    Call::post(GENERATE, body)
}

impl Dialect for Sglang {
    fn generate(&self, ask: &Ask<'_>, _door: usize) -> Call {
        let SamplingConfig { temperature, top_p, top_k, ref stop, .. } = ask.sampling;
        let top_k = if top_k == 0 { -1 } else { top_k as i64 };
        let mut body = json!({
            "input_ids": ask.tokens,
            "sampling_params": {
                "n": 1, "max_new_tokens": ask.n_new, "min_new_tokens": ask.least(), "sampling_seed": ask.seed,
                "temperature": temperature, "top_p": top_p, "top_k": top_k, "min_p": 0.0,
                "presence_penalty": 0.0, "frequency_penalty": 0.0, "repetition_penalty": 1.0,
                "stop_token_ids": ask.eos, "skip_special_tokens": false,
            },
            "return_logprob": true,
        });
        // Found in the text as graders see it; where the server finds none, the answer is cut all the same. The server heeds no least
        // number of tokens for them.
        if !stop.is_empty() && ask.least() == 0 {
            body["sampling_params"]["stop"] = json!(stop);
        }
        if !ask.sampling.truncation().keeps_all() {
            body["return_sampling_mask"] = json!(true);
        }
        send_to(ask.model, body)
    }

    fn answer(&self, said: &Said, ask: &Ask<'_>) -> Result<Answer, Fault> {
        let Response { output_ids: tokens, meta_info: meta } = said.json()?;
        let logprobs = if ask.sampling.truncation().keeps_all() {
            let scored = meta.output_token_logprobs;
            scored.map(|scored| scored.into_iter().map(|(number, ..)| logprob(number)).collect())
        } else {
            let scored = meta.output_token_sampling_logprobs;
            scored.map(|scored| scored.into_iter().map(logprob).collect())
        };
        let Some(logprobs) = logprobs else {
            return Err(said.lasting(
                "expected the log-probabilities of what top_k and top_p leave (`return_sampling_mask`); take a newer SGLang, or train \
                 with [sampling] `top_p` = 1 and `top_k` = 0",
            ));
        };
        let end = match meta.finish_reason.as_ref().map(|reason| reason.kind.as_str()) {
            Some("stop") => End::Stop,
            Some("length") => End::Length,
            _ => End::Abort,
        };
        let whole = |version: String| vec![Span { version, start: 0, end: tokens.len() }];
        let versions = meta.weight_versions.or_else(|| meta.weight_version.map(whole));
        Ok(Answer { tokens, logprobs, end, versions, cached: meta.cached_tokens.unwrap_or(0) })
    }

    fn recite(&self, model: Addressee<'_>, tokens: &[TokenId]) -> Call {
        let body = json!({
            "input_ids": tokens, "sampling_params": { "max_new_tokens": 1, "temperature": 1.0 }, "return_logprob": true,
            "logprob_start_len": 0,
        });
        send_to(model, body)
    }

    fn recited(&self, said: &Said) -> Result<Vec<f32>, Fault> {
        let Response { meta_info: meta, .. } = said.json()?;
        let Some(scored) = meta.input_token_logprobs else {
            return Err(said.lasting("expected `input_token_logprobs`"));
        };
        Ok(scored.into_iter().skip(1).map(|(number, ..)| logprob(number)).collect())
    }

    /// No token that it may not know is sent: that would end it.
    fn count(&self, model: Addressee<'_>, context: &[TokenId], _vocabulary: usize) -> Call {
        let sampling = SamplingConfig {
            temperature: HOT,
            top_p: 1.0,
            top_k: 0,
            max_new_tokens: 1,
            min_new_tokens: 0,
            stop: Vec::new(),
            max_num_seqs: 1,
        };
        let tokens = context.to_vec();
        self.generate(
            &Ask { model, tokens, n_new: 1, seed: 0, sampling, eos: &[], begun: &[], stops: None },
            0,
        )
    }

    fn counted(&self, said: &Said, vocabulary: usize) -> Result<(), Fault> {
        let Response { meta_info: meta, .. } = said.json()?;
        let drawn = meta.output_token_logprobs.unwrap_or_default().into_iter().next();
        let even = -(vocabulary as f32).ln();
        let fits = drawn.is_some_and(|(number, ..)| (logprob(number) - even).abs() <= EVEN);
        if fits { Ok(()) } else { Err(miscounted(said, vocabulary)) }
    }

    fn which(&self) -> Call {
        Call::get("/model_info")
    }

    fn version(&self, said: &Said) -> Result<String, Fault> {
        Ok(said.json::<ModelInfo>()?.weight_version)
    }

    /// What was begun gives its keys and values back, which else would keep the server from forgetting those of older weights.
    fn pause(&self) -> Call {
        Call::post("/pause_generation", json!({ "mode": "retract" }))
    }

    fn resume(&self) -> Call {
        Call::post("/continue_generation", json!({}))
    }

    fn load(&self, folder: &Path, version: &str) -> Vec<Loading> {
        let body = json!({ "model_path": folder, "weight_version": version, "flush_cache": true });
        vec![
            Loading { call: Call::post(UPDATE, body), tries: 1 },
            Loading { call: Call::post(FLUSH, json!({})), tries: 50 },
        ]
    }

    fn loaded(&self, said: &Said) -> Result<(), Fault> {
        match said.path.as_str() {
            // The flush that follows does what is left to do.
            UPDATE if said.body.contains(NOT_FLUSHED) => Ok(()),
            UPDATE if said.status == 400 => {
                Err(said.lasting("can the server read the folder of [engine] `weights` by the same path?"))
            }
            UPDATE => match said.json::<Updated>()? {
                Updated { success: true, .. } => Ok(()),
                Updated { message, .. } => Err(said.lasting(&message)),
            },
            _ if said.status == 400 => {
                Err(said.passing("expected that it forgets what it computed with older weights"))
            }
            _ => said.good().map(drop),
        }
    }

    fn settings(&self) -> Call {
        Call::get("/server_info")
    }

    fn takes_adapters(&self, said: &Said, rank: u32) -> Result<(), Fault> {
        let ServerInfo { enable_lora, max_lora_rank } = said.json()?;
        let missing = match max_lora_rank {
            _ if enable_lora != Some(true) => "takes no adapters".to_owned(),
            Some(most) if most < rank => format!("takes adapters up to rank {most}"),
            _ => return Ok(()),
        };
        let needed = format_args!(
            "{missing}; [engine] `adapters` = \"loaded\" needs SGLang with --enable-lora --max-lora-rank {rank} --lora-target-modules all; \
             start it so, or let `adapters` be \"merged\""
        );
        Err(Fault::lasting(&said.url, needed))
    }

    fn load_adapter(&self, name: &str, folder: &Path) -> Call {
        Call::post("/load_lora_adapter", json!({ "lora_name": name, "lora_path": folder }))
    }

    fn adapter_loaded(&self, said: &Said) -> Result<(), Fault> {
        match said.status {
            400 if said.body.contains("already loaded") => Ok(()),
            400 => Err(said.lasting(
                "can the server read the folder of [engine] `weights` by the same path, and was it started with --max-lora-rank and \
                 --lora-target-modules that hold these adapters?",
            )),
            _ => said.good().map(drop),
        }
    }

    fn unload_adapter(&self, name: &str) -> Call {
        Call::post("/unload_lora_adapter", json!({ "lora_name": name }))
    }

    fn telling(&self, sampling: &SamplingConfig, vocabulary: usize) -> Option<Telling> {
        if !sampling.truncation().keeps_all() {
            return Some(of_one(sampling));
        }
        let hot = SamplingConfig { temperature: HOT, ..sampling.ending_anywhere() };
        let even = Telling { sampling: hot, logprob: -(vocabulary as f32).ln(), tolerance: EVEN };
        (sampling.temperature != 1.0 || sampling.is_cut()).then_some(even)
    }

    fn cure(&self) -> &'static str {
        "start SGLang without SGLANG_RETURN_ORIGINAL_LOGPROB in its environment"
    }
}
