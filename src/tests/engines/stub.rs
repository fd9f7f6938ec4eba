//! Servers on the loopback interface that speak as vLLM and SGLang do, and draw by our own sampler. They have what makes real ones hard to
//! please: weights that are gone after a restart, an output layer that is renewed by its own name alone, and all kinds of faults.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::batch::Sequence;
use crate::measure::{Passes, logprobs};
use crate::model::{ModelConfig, Placement, Policy, StoredAdapter};
use crate::rollout::{DecodeEngine, Generation, RolloutEngine, SamplingConfig};
use crate::text::byte_tokenizer;
use crate::types::{Finish, GenRequest, Prompt, Purpose, RunRandom, TokenId};
use rewards::{Countdown, Task};
use tch::Tensor;

/// Whose protocol is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Vllm,
    Sglang,
}

/// A question.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub path: String,
    pub body: Value,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// The connection ends without an answer.
    HangsUp,
    /// The answer comes this late.
    Late(Duration),
    /// Another answer.
    Says(u16, &'static str),
    /// Half of the answer.
    CutOff,
    /// The answer with something changed.
    Edited(fn(&mut Value)),
    /// The process was started anew: its first weights, no name for them; the connection ends.
    Restarted,
    /// The same, but this question is answered.
    RestartedUnnoticed,
    /// Weights are said to be loaded and are not.
    Unheeded,
    /// All weights are loaded but the output layer.
    StaleHead,
}

type Rule = dyn Fn(&Asked, usize) -> Option<Fault> + Send + Sync;

/// A server; it ends with the test's process.
pub(super) struct Stub {
    pub url: String,
    inner: Arc<Inner>,
}

struct Inner {
    kind: Kind,
    placement: Placement,
    first: (ModelConfig, Mutex<Tensor>),
    state: Mutex<State>,
    rule: Box<Rule>,
    /// Whether log-probabilities are those of the whole distribution at temperature 1.
    pub is_raw: bool,
}

struct State {
    policy: Policy,
    version: String,
    /// Whether questions about the model wait.
    is_paused: bool,
    /// How often weights were loaded.
    n_loads: usize,
    /// Adapters by their names, within the weights that they belong to.
    adapters: BTreeMap<String, Policy>,
    asked: Vec<Asked>,
}

/// What asks the model, and waits while the server is paused.
const MODEL: [&str; 3] = ["/inference/v1/generate", "/v1/completions", "/generate"];

/// What the weights that a server starts with are called.
const FIRST: &str = "default";

impl Stub {
    /// A server that starts with the weights of `policy`, with an output layer of its own.
    pub(super) fn new(
        kind: Kind,
        policy: &Policy,
        rule: impl Fn(&Asked, usize) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        Self::with(kind, policy, false, rule)
    }

    /// The same, whose log-probabilities are of the whole distribution where `is_raw` says so.
    pub(super) fn with(
        kind: Kind,
        policy: &Policy,
        is_raw: bool,
        rule: impl Fn(&Asked, usize) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let network = &policy.network;
        let config = ModelConfig { tie_word_embeddings: false, ..network.config.clone() };
        let flat = match network.config.tie_word_embeddings {
            true => untied(&config, policy),
            false => network.master().copy(),
        };
        let placement = network.placement;
        let own = Policy::new(config.clone(), flat.copy(), placement).unwrap();
        let state = State {
            policy: own,
            version: FIRST.to_owned(),
            is_paused: false,
            n_loads: 0,
            adapters: BTreeMap::new(),
            asked: Vec::new(),
        };
        let inner = Arc::new(Inner {
            kind,
            placement,
            first: (config, Mutex::new(flat)),
            state: Mutex::new(state),
            rule: Box::new(rule),
            is_raw,
        });
        let shared = Arc::clone(&inner);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, inner) = (stream.unwrap(), Arc::clone(&shared));
                thread::spawn(move || inner.serve(&stream));
            }
        });
        Self { url, inner }
    }

    /// What was asked so far at `path`.
    pub(super) fn asked(&self, path: &str) -> Vec<Asked> {
        let state = self.inner.state.lock().unwrap();
        state.asked.iter().filter(|asked| asked.path.split('?').next() == Some(path)).cloned().collect()
    }

    pub(super) fn version(&self) -> String {
        self.inner.state.lock().unwrap().version.clone()
    }

    /// Has it stop answering, as somebody does who then goes away.
    pub(super) fn pause(&self) {
        self.inner.state.lock().unwrap().is_paused = true;
    }

    /// Whether it has stopped answering.
    pub(super) fn is_paused(&self) -> bool {
        self.inner.state.lock().unwrap().is_paused
    }

    /// The names of the adapters that it has.
    pub(super) fn adapters(&self) -> Vec<String> {
        self.inner.state.lock().unwrap().adapters.keys().cloned().collect()
    }

    /// How often it has loaded weights.
    pub(super) fn n_loads(&self) -> usize {
        self.inner.state.lock().unwrap().n_loads
    }
}

/// The weights of a tied `policy` in the layout of `config`, which has an output layer: the embedding.
fn untied(config: &ModelConfig, policy: &Policy) -> Tensor {
    let layout = crate::model::Layout::new(config);
    let (own, flat) =
        (&policy.network.layout, Tensor::zeros([layout.n_params()], (tch::Kind::Float, tch::Device::Cpu)));
    for entry in layout.entries() {
        let name = if own.find(&entry.name).is_some() { &entry.name } else { "model.embed_tokens.weight" };
        let from = own.find(name).unwrap();
        let source = policy.network.master().narrow(0, from.start, from.n_elements());
        flat.narrow(0, entry.start, entry.n_elements()).copy_(&source);
    }
    flat
}

impl Inner {
    fn serve(&self, stream: &TcpStream) {
        let Some(asked) = read(stream) else { return };
        let before = {
            let mut state = self.state.lock().unwrap();
            state.asked.push(asked.clone());
            state.asked.iter().filter(|other| other.path == asked.path).count() - 1
        };
        let fault = (self.rule)(&asked, before);
        match &fault {
            Some(Fault::HangsUp) => return,
            Some(Fault::Late(late)) => thread::sleep(*late),
            Some(Fault::Says(status, body)) => return reply(stream, *status, body, body.len()),
            Some(Fault::Restarted | Fault::RestartedUnnoticed) => {
                let mut state = self.state.lock().unwrap();
                let flat = self.first.1.lock().unwrap().copy();
                state.policy = Policy::new(self.first.0.clone(), flat, self.placement).unwrap();
                state.version = FIRST.to_owned();
                state.is_paused = false;
                state.adapters.clear();
                if let Some(Fault::Restarted) = fault {
                    return;
                }
            }
            _ => {}
        }
        let (status, mut body) = self.answer(&asked, fault.as_ref());
        if let Some(Fault::Edited(edit)) = fault {
            edit(&mut body);
        }
        let body = body.to_string();
        let sent = if let Some(Fault::CutOff) = fault { body.len() / 2 } else { body.len() };
        reply(stream, status, &body[..sent], body.len());
    }

    /// The state, behind any pause where `asked` is about the model.
    fn unpaused(&self, asked: &Asked) -> std::sync::MutexGuard<'_, State> {
        loop {
            let state = self.state.lock().unwrap();
            if !state.is_paused || !MODEL.contains(&asked.path.as_str()) {
                return state;
            }
            drop(state);
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn answer(&self, asked: &Asked, fault: Option<&Fault>) -> (u16, Value) {
        let mut state = self.unpaused(asked);
        let body = &asked.body;
        let Some(policy) = self.addressee(&state, asked) else {
            return match self.kind {
                Kind::Vllm => (
                    404,
                    json!({ "error": { "message": format!("The model {} does not exist.", body["model"]) } }),
                ),
                Kind::Sglang => (
                    400,
                    json!({ "error": { "message": format!("Got LoRA adapter that has never been loaded: {}", body["lora_path"]) } }),
                ),
            };
        };
        match (self.kind, asked.path.split('?').next().unwrap()) {
            (Kind::Vllm, "/pause") | (Kind::Sglang, "/pause_generation") => {
                state.is_paused = true;
                (200, json!({ "status": "paused" }))
            }
            (Kind::Vllm, "/resume") | (Kind::Sglang, "/continue_generation") => {
                state.is_paused = false;
                (200, json!({ "status": "resumed" }))
            }
            (_, "/v1/models") => {
                let mut data = vec![json!({ "id": "policy", "max_model_len": 1024 })];
                data.extend(state.adapters.keys().map(|name| json!({ "id": name })));
                (200, json!({ "data": data }))
            }
            (Kind::Vllm, "/v1/load_lora_adapter") | (Kind::Sglang, "/load_lora_adapter") => {
                self.load_adapter(&mut state, body, fault)
            }
            (Kind::Vllm, "/v1/unload_lora_adapter") | (Kind::Sglang, "/unload_lora_adapter") => {
                match state.adapters.remove(body["lora_name"].as_str().unwrap()) {
                    Some(_) => (200, json!({ "success": true })),
                    None => (404, json!({ "error": "cannot be found" })),
                }
            }
            (Kind::Vllm, "/server_info") => {
                let config = json!({ "lora_config": { "max_lora_rank": 64 } });
                (
                    200,
                    json!({ "vllm_config": config, "vllm_env": { "VLLM_ALLOW_RUNTIME_LORA_UPDATING": true } }),
                )
            }
            (Kind::Sglang, "/server_info") => (200, json!({ "enable_lora": true, "max_lora_rank": 64 })),
            (Kind::Vllm, "/weight_info") => (200, json!({ "weight_version": state.version })),
            (Kind::Vllm, "/collective_rpc") => {
                self.load(&mut state, &body["kwargs"]["weights_path"], fault);
                (200, json!({ "results": [null] }))
            }
            (Kind::Vllm, "/reset_prefix_cache") => (200, json!({ "success": true })),
            (Kind::Vllm, "/update_weight_version") => {
                state.version = body["new_version"].as_str().unwrap().to_owned();
                (200, json!({ "success": true }))
            }
            (Kind::Vllm, "/inference/v1/generate") => (200, self.of_vllm(policy, &state.version, body)),
            (Kind::Vllm, "/v1/completions") if body["prompt_logprobs"] == 0 => {
                let tokens = ids(&body["prompt"]);
                if tokens.iter().any(|token| i64::from(*token) >= policy.network.config.vocab_size) {
                    return (400, json!({ "error": { "message": "Token id is out of vocabulary" } }));
                }
                let own = |(token, number): (&TokenId, f32)| json!({ token.to_string(): { "logprob": number, "rank": 1 } });
                let mut scored = vec![Value::Null];
                scored.extend(tokens[1..].iter().zip(recite(policy, &tokens)).map(own));
                (200, json!({ "choices": [{ "prompt_logprobs": scored, "token_ids": [0] }] }))
            }
            (Kind::Vllm, "/v1/completions") => (200, self.of_completions(policy, body)),
            (Kind::Sglang, "/model_info") => (200, json!({ "weight_version": state.version })),
            (Kind::Sglang, "/update_weights_from_disk") => {
                self.load(&mut state, &body["model_path"], fault);
                state.version = body["weight_version"].as_str().unwrap().to_owned();
                (200, json!({ "success": true, "message": "Succeeded to update model weights." }))
            }
            (Kind::Sglang, "/flush_cache") => (200, json!("Cache flushed.")),
            (Kind::Sglang, "/generate") => (200, self.of_sglang(policy, &state.version, body)),
            _ => (404, json!({ "detail": "Not Found" })),
        }
    }

    /// Whom `asked` is for: the model, or adapters; `None` of some that are not there.
    fn addressee<'a>(&self, state: &'a State, asked: &Asked) -> Option<&'a Policy> {
        let name = match self.kind {
            Kind::Vllm => asked.body["model"].as_str().filter(|name| *name != "policy"),
            Kind::Sglang => asked.body["lora_path"].as_str().filter(|_| asked.path == "/generate"),
        };
        name.map_or(Some(&state.policy), |name| state.adapters.get(name))
    }

    fn load_adapter(&self, state: &mut State, body: &Value, fault: Option<&Fault>) -> (u16, Value) {
        let name = body["lora_name"].as_str().unwrap();
        if state.adapters.contains_key(name) {
            return match self.kind {
                Kind::Vllm => (
                    400,
                    json!({ "error": { "message": format!("The lora adapter '{name}' has already been loaded.") } }),
                ),
                Kind::Sglang => {
                    (400, json!({ "success": false, "error_message": format!("{name} is already loaded.") }))
                }
            };
        }
        state.n_loads += 1;
        let stored = StoredAdapter::open(Path::new(body["lora_path"].as_str().unwrap())).unwrap();
        let network = &state.policy.network;
        let layout = stored.layout(&network.config, &network.layout).unwrap();
        let flat = stored.read(&layout).unwrap();
        let heeded = if let Some(Fault::Unheeded) = fault { flat.zeros_like() } else { flat };
        let adapted = state.policy.adapted(layout, &heeded).unwrap();
        state.adapters.insert(name.to_owned(), adapted);
        (200, json!({ "success": true }))
    }

    fn load(&self, state: &mut State, folder: &Value, fault: Option<&Fault>) {
        assert!(state.is_paused, "weights come while requests are answered");
        state.n_loads += 1;
        if let Some(Fault::Unheeded) = fault {
            return;
        }
        let folder = Path::new(folder.as_str().unwrap());
        // As real ones: by the names of the tensors, the output layer's among them.
        let policy = Policy::load(folder, self.first.0.clone(), self.placement).unwrap();
        if let Some(Fault::StaleHead) = fault {
            let head = policy.network.layout.find("lm_head.weight").unwrap();
            let part = |policy: &Policy| policy.network.master().narrow(0, head.start, head.n_elements());
            part(&policy).copy_(&part(&state.policy));
        }
        state.policy = policy;
    }

    fn of_vllm(&self, policy: &Policy, version: &str, body: &Value) -> Value {
        let params = &body["sampling_params"];
        let drawn = self.draw(policy, ids(&body["token_ids"]), params, "max_tokens");
        let (tokens, scored, finish) = drawn;
        let content: Vec<Value> = tokens
            .iter()
            .zip(&scored)
            .map(|(token, number)| json!({ "token_id": token, "logprob": finite(*number), "rank": 1 }))
            .collect();
        let versions = json!([{ "version": version, "start": 0, "end": tokens.len() }]);
        json!({ "choices": [{ "index": 0, "finish_reason": reason(finish), "token_ids": tokens,
            "logprobs": { "content": content }, "weight_versions": versions }], "usage": { "prompt_tokens_details": null } })
    }

    fn of_completions(&self, policy: &Policy, body: &Value) -> Value {
        let drawn = self.draw(policy, ids(&body["prompt"]), body, "max_tokens");
        let (tokens, scored, finish) = drawn;
        let numbers: Vec<f32> = scored.iter().map(|number| finite(*number)).collect();
        json!({ "choices": [{ "index": 0, "finish_reason": reason(finish), "token_ids": tokens,
            "logprobs": { "token_logprobs": numbers } }], "usage": null })
    }

    fn of_sglang(&self, policy: &Policy, version: &str, body: &Value) -> Value {
        let tokens = ids(&body["input_ids"]);
        if body["logprob_start_len"] == 0 {
            let own = |(token, number): (&TokenId, f32)| json!([number, token, null]);
            let mut scored = vec![json!([null, tokens[0], null])];
            scored.extend(tokens[1..].iter().zip(recite(policy, &tokens)).map(own));
            return json!({ "output_ids": [0], "meta_info": { "input_token_logprobs": scored } });
        }
        let (tokens, scored, finish) = self.draw(policy, tokens, &body["sampling_params"], "max_new_tokens");
        let scored: Vec<Option<f32>> = scored.into_iter().map(|n| n.is_finite().then_some(n)).collect();
        let pairs: Vec<Value> = tokens.iter().zip(&scored).map(|(t, n)| json!([n, t, null])).collect();
        let mut meta = json!({
            "finish_reason": { "type": reason(finish) }, "output_token_logprobs": pairs, "weight_version": version,
            "weight_versions": [{ "version": version, "start": 0, "end": tokens.len() }], "cached_tokens": 2,
        });
        if body["return_sampling_mask"] == true {
            meta["output_token_sampling_logprobs"] = json!(scored);
        }
        json!({ "text": "", "output_ids": tokens, "meta_info": meta })
    }

    fn draw(
        &self,
        policy: &Policy,
        tokens: Vec<TokenId>,
        params: &Value,
        most: &str,
    ) -> (Vec<TokenId>, Vec<f32>, Finish) {
        let task = Task::Countdown(Countdown { numbers: vec![1, 2], target: 3 });
        let prompt = Arc::new(Prompt { id: 0, text: String::new(), tokens: tokens.clone(), task });
        let seed = params["seed"].as_i64().or(params["sampling_seed"].as_i64()).unwrap();
        let sampling = SamplingConfig {
            temperature: params["temperature"].as_f64().unwrap(),
            top_p: params["top_p"].as_f64().unwrap(),
            top_k: params["top_k"].as_i64().unwrap().max(0) as usize,
            max_new_tokens: params[most].as_u64().unwrap() as usize,
            min_new_tokens: params["min_tokens"].as_u64().or(params["min_new_tokens"].as_u64()).unwrap()
                as usize,
            stop: serde_json::from_value(params["stop"].clone()).unwrap_or_default(),
            max_num_seqs: 8,
        };
        let random = RunRandom::new(seed as u64);
        let generation = Generation { random, purpose: Purpose::Sample, step: 0, sampling };
        let tokenizer = Arc::new(byte_tokenizer());
        let mut engine = DecodeEngine::new(ids(&params["stop_token_ids"]), 8, 1 << 12).telling(&tokenizer);
        let request = GenRequest { prompt, prefix: Vec::new(), sample: 0 };
        let done = engine.generate(policy, &[request], &generation, &mut |_| Ok(())).unwrap();
        let done = done.completions.into_iter().next().unwrap();
        let scored = if self.is_raw { behind(policy, &tokens, &done.tokens) } else { done.logprobs };
        (done.tokens, scored, done.finish)
    }
}

/// What `policy` says of `response` behind `context` at temperature 1.
fn behind(policy: &Policy, context: &[TokenId], response: &[TokenId]) -> Vec<f32> {
    let text = Sequence { prompt: context, response };
    logprobs(policy, &[text], 1.0, Passes::new(1 << 12)).unwrap().logprobs.pop().unwrap()
}

fn recite(policy: &Policy, tokens: &[TokenId]) -> Vec<f32> {
    behind(policy, &tokens[..1], &tokens[1..])
}

fn reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Eos | Finish::Stop => "stop",
        Finish::Length => "length",
    }
}

fn finite(number: f32) -> f32 {
    if number.is_finite() { number } else { -9999.0 }
}

fn ids(list: &Value) -> Vec<TokenId> {
    serde_json::from_value(list.clone()).unwrap()
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { path, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
}

fn reply(mut stream: &TcpStream, status: u16, body: &str, length: usize) {
    let head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}
