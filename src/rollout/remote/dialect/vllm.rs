//! vLLM, from 0.28 on.
//!
//! | question | path |
//! |---|---|
//! | a response | `/inference/v1/generate` of servers with `--enable-scale-out`, else `/v1/completions` |
//! | log-probabilities of a text | `/v1/completions` with `prompt_logprobs` |
//! | new weights | `/collective_rpc` `reload_weights`, `/reset_prefix_cache`, `/update_weight_version` (`VLLM_SERVER_DEV_MODE=1`) |
//! | nothing in between | `/pause`, `/resume` |
//! | adapters | `/v1/load_lora_adapter`, `/v1/unload_lora_adapter` (`VLLM_ALLOW_RUNTIME_LORA_UPDATING=1`, `--enable-lora`); asked for as a model |
//! | whether it takes them | `/server_info` |
//! | their name | `/weight_info` |
//!
//! The distribution that log-probabilities belong to is a switch of the server, `--logprobs-mode processed_logprobs`. Its own end
//! tokens are ignored, ours are sent. It takes temperatures up to 2.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Addressee, Answer, Ask, Call, Dialect, End, Fault, Loading, Said, Span, Telling, logprob, miscounted,
    of_one,
};
use crate::rollout::SamplingConfig;
use crate::types::TokenId;

/// Servers of vLLM.
pub(crate) struct Vllm;

/// Highest temperature that it takes.
const HOTTEST: f64 = 2.0;

const GENERATE: &str = "/inference/v1/generate";
const COMPLETIONS: &str = "/v1/completions";
const RELOAD: &str = "/collective_rpc";
const LOAD: &str = "/v1/load_lora_adapter";
const RESET: &str = "/reset_prefix_cache?reset_running_requests=true";

#[derive(Deserialize)]
struct Responses {
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    token_ids: Option<Vec<TokenId>>,
    finish_reason: Option<String>,
    logprobs: Option<Logprobs>,
    prompt_logprobs: Option<Vec<Option<HashMap<TokenId, Scored>>>>,
    weight_versions: Option<Vec<Span>>,
}

/// As the two doors write them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Logprobs {
    OfTokens { content: Vec<Scored> },
    OfTexts { token_logprobs: Vec<Option<f32>> },
}

#[derive(Deserialize)]
struct Scored {
    logprob: Option<f32>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    cached_tokens: Option<usize>,
}

#[derive(Deserialize)]
struct Success {
    success: bool,
}

#[derive(Deserialize)]
struct WeightInfo {
    weight_version: String,
}

#[derive(Deserialize)]
struct ServerInfo {
    vllm_config: Config,
    vllm_env: Environment,
}

#[derive(Deserialize)]
struct Config {
    lora_config: Option<LoraConfig>,
}

#[derive(Deserialize)]
struct LoraConfig {
    max_lora_rank: u32,
}

#[derive(Deserialize)]
struct Environment {
    #[serde(default, rename = "VLLM_ALLOW_RUNTIME_LORA_UPDATING")]
    loads_adapters: bool,
}

impl Vllm {
    fn only(said: &Said) -> Result<(Choice, Option<Usage>), Fault> {
        let Responses { mut choices, usage } = said.json()?;
        match (choices.pop(), choices.is_empty()) {
            (Some(choice), true) => Ok((choice, usage)),
            _ => Err(said.lasting("expected one response")),
        }
    }
}

impl Dialect for Vllm {
    fn refuses(&self, sampling: &SamplingConfig) -> Option<String> {
        (sampling.temperature > HOTTEST).then(|| {
            format!(
                "[sampling] `temperature`: got {}, expected at most {HOTTEST} with [engine] `type` = \"vllm\", which takes no higher one",
                sampling.temperature
            )
        })
    }

    fn n_doors(&self) -> usize {
        2
    }

    fn generate(&self, ask: &Ask<'_>, door: usize) -> Call {
        let SamplingConfig { temperature, top_p, top_k, ref stop, .. } = ask.sampling;
        let mut sampling = json!({
            "n": 1, "max_tokens": ask.n_new, "min_tokens": ask.least(), "seed": ask.seed, "logprobs": 0,
            "temperature": temperature, "top_p": top_p, "top_k": top_k, "min_p": 0.0,
            "presence_penalty": 0.0, "frequency_penalty": 0.0, "repetition_penalty": 1.0,
            "stop_token_ids": ask.eos, "ignore_eos": true,
        });
        if !stop.is_empty() {
            // Found in the text as graders see it; where the server finds none, the answer is cut all the same.
            sampling["stop"] = json!(stop);
            sampling["skip_special_tokens"] = json!(false);
        }
        if door == 0 {
            sampling["detokenize"] = json!(!stop.is_empty());
            let body =
                json!({ "model": id(ask.model), "token_ids": ask.tokens, "sampling_params": sampling });
            return Call::post(GENERATE, body);
        }
        sampling["model"] = json!(id(ask.model));
        sampling["prompt"] = json!(ask.tokens);
        sampling["return_token_ids"] = json!(true);
        Call::post(COMPLETIONS, sampling)
    }

    fn answer(&self, said: &Said, _ask: &Ask<'_>) -> Result<Answer, Fault> {
        let (choice, usage) = Self::only(said)?;
        let (Some(tokens), Some(logprobs)) = (choice.token_ids, choice.logprobs) else {
            return Err(said.lasting("expected `token_ids` and `logprobs`; is this vLLM 0.28 or newer?"));
        };
        let logprobs = match logprobs {
            Logprobs::OfTokens { content } => content.iter().map(|scored| logprob(scored.logprob)).collect(),
            Logprobs::OfTexts { token_logprobs } => token_logprobs.into_iter().map(logprob).collect(),
        };
        let end = match choice.finish_reason.as_deref() {
            Some("stop") => End::Stop,
            Some("length") => End::Length,
            _ => End::Abort,
        };
        let cached = usage.and_then(|usage| usage.prompt_tokens_details?.cached_tokens).unwrap_or(0);
        Ok(Answer { tokens, logprobs, end, versions: choice.weight_versions, cached })
    }

    fn recite(&self, model: Addressee<'_>, tokens: &[TokenId]) -> Call {
        let body = json!({
            "model": id(model), "prompt": tokens, "max_tokens": 1, "temperature": 1.0, "prompt_logprobs": 0,
            "return_token_ids": true,
        });
        Call::post(COMPLETIONS, body)
    }

    fn recited(&self, said: &Said) -> Result<Vec<f32>, Fault> {
        let (choice, _) = Self::only(said)?;
        let Some(prompt) = choice.prompt_logprobs else {
            return Err(said.lasting("expected `prompt_logprobs`"));
        };
        // Beside the token itself stands no other, as 0 asks.
        let own = |scored: &Option<HashMap<TokenId, Scored>>| {
            logprob(scored.as_ref().and_then(|scored| scored.values().next()?.logprob))
        };
        Ok(prompt.iter().skip(1).map(own).collect())
    }

    fn count(&self, model: Addressee<'_>, context: &[TokenId], vocabulary: usize) -> Call {
        let last = TokenId::try_from(vocabulary.saturating_sub(1)).unwrap_or(TokenId::MAX);
        self.recite(model, &[context, &[last]].concat())
    }

    fn counted(&self, said: &Said, vocabulary: usize) -> Result<(), Fault> {
        if said.status == 400 { Err(miscounted(said, vocabulary)) } else { said.good().map(drop) }
    }

    fn which(&self) -> Call {
        Call::get("/weight_info")
    }

    fn version(&self, said: &Said) -> Result<String, Fault> {
        if said.status == 404 {
            return Err(said.lasting(
                "expected the name of the weights; start vLLM 0.28 or newer with VLLM_SERVER_DEV_MODE=1 in its environment",
            ));
        }
        Ok(said.json::<WeightInfo>()?.weight_version)
    }

    fn pause(&self) -> Call {
        Call::post("/pause?mode=keep", json!({}))
    }

    fn resume(&self) -> Call {
        Call::post("/resume", json!({}))
    }

    fn load(&self, folder: &Path, version: &str) -> Vec<Loading> {
        let reload = json!({ "method": "reload_weights", "kwargs": { "weights_path": folder } });
        let name = json!({ "new_version": version });
        vec![
            Loading { call: Call::post(RELOAD, reload), tries: 1 },
            Loading { call: Call::post(RESET, json!({})), tries: 20 },
            Loading { call: Call::post("/update_weight_version", name), tries: 1 },
        ]
    }

    fn loaded(&self, said: &Said) -> Result<(), Fault> {
        match said.path.as_str() {
            RELOAD if said.status == 404 => {
                Err(said.lasting("start vLLM with VLLM_SERVER_DEV_MODE=1 in its environment"))
            }
            RELOAD if said.status >= 500 => Err(said.passing(
                "so the weights were not loaded, and vLLM ends; can the server read the folder of [engine] `weights` by the same \
                 path? its log says more",
            )),
            RELOAD => said.json::<Value>().map(drop),
            _ => match said.json::<Success>()?.success {
                true => Ok(()),
                false => Err(said.passing("expected success")),
            },
        }
    }

    fn settings(&self) -> Call {
        Call::get("/server_info?config_format=json")
    }

    fn takes_adapters(&self, said: &Said, rank: u32) -> Result<(), Fault> {
        let ServerInfo { vllm_config, vllm_env } = said.json()?;
        let needed = format!(
            "[engine] `adapters` = \"loaded\" needs vLLM with --enable-lora --max-lora-rank {rank}, and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 in \
             its environment; start it so, or let `adapters` be \"merged\""
        );
        let missing = match vllm_config.lora_config {
            None => "takes no adapters".to_owned(),
            Some(LoraConfig { max_lora_rank }) if max_lora_rank < rank => {
                format!("takes adapters up to rank {max_lora_rank}")
            }
            Some(_) if !vllm_env.loads_adapters => "loads no adapters while it runs".to_owned(),
            Some(_) => return Ok(()),
        };
        Err(Fault::lasting(&said.url, format_args!("{missing}; {needed}")))
    }

    fn load_adapter(&self, name: &str, folder: &Path) -> Call {
        Call::post(LOAD, json!({ "lora_name": name, "lora_path": folder }))
    }

    fn adapter_loaded(&self, said: &Said) -> Result<(), Fault> {
        match said.status {
            400 if said.body.contains("already been loaded") => Ok(()),
            404 if said.body.contains("No adapter found") => {
                Err(said.lasting("can the server read the folder of [engine] `weights` by the same path?"))
            }
            404 => Err(said.lasting(
                "start vLLM with --enable-lora, and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 in its environment",
            )),
            _ => said.good().map(drop),
        }
    }

    fn unload_adapter(&self, name: &str) -> Call {
        Call::post("/v1/unload_lora_adapter", json!({ "lora_name": name }))
    }

    fn telling(&self, sampling: &SamplingConfig, _vocabulary: usize) -> Option<Telling> {
        let is_plain = sampling.temperature == 1.0 && !sampling.is_cut();
        (!is_plain).then(|| of_one(sampling))
    }

    fn cure(&self) -> &'static str {
        "start vLLM with --logprobs-mode processed_logprobs, or train with [sampling] `temperature` = 1, `top_p` = 1, `top_k` = 0 \
         and `min_new_tokens` = 0"
    }
}

/// By what it calls them, adapters are models.
fn id(model: Addressee<'_>) -> &str {
    model.adapter.unwrap_or(model.model)
}
