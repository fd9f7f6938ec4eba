//! `config.json`, as transformers 4 and 5 write it.
//!
//! Version 4 keeps `rope_theta` and `rope_scaling` (its kind under `rope_type`, formerly `type`) and `torch_dtype`
//! at the top; version 5 keeps `rope_parameters` and `dtype`. What is absent takes transformers' default.
//! What the decoder does not compute is refused by name, all of it in one error.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::{Family, Llama3Scaling, ModelConfig, Rope};
use crate::types::TokenId;

/// Token ids that `config.json` repeats from the tokenizer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecialIds {
    /// Starts a text.
    pub bos: Option<TokenId>,
    /// Any of these ends a response.
    pub eos: Vec<TokenId>,
    /// Fills short rows.
    pub pad: Option<TokenId>,
}

impl ModelConfig {
    /// Reads `dir/config.json`.
    ///
    /// # Errors
    /// As [`Self::from_json`], with the file's name; or the file cannot be read.
    pub fn from_folder(dir: &Path) -> Result<Self> {
        let path = dir.join("config.json");
        let text = fs::read_to_string(&path).with_context(|| {
            let remedy = "a model folder holds config.json, *.safetensors and tokenizer.json";
            format!("cannot read {} ({remedy})", path.display())
        })?;
        Self::from_json(&text).with_context(|| path.display().to_string())
    }

    /// Reads the text of a `config.json`.
    ///
    /// # Errors
    /// Not JSON; an unsupported architecture or feature; a missing, ill-typed or impossible number.
    /// All that is wrong is listed, one line each.
    pub fn from_json(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).context("not JSON; fetch the file again")?;
        let Value::Object(object) = value else {
            bail!("got JSON that is no object, expected {{ \"model_type\": ..., ... }}");
        };
        let mut reader = Reader { object: &object, problems: Vec::new() };
        let config = reader.config();
        match (config, reader.problems.as_slice()) {
            (Some(config), []) => Ok(config),
            (_, [one]) => bail!("{one}"),
            (_, all) => bail!("{} problems:\n  {}", all.len(), all.join("\n  ")),
        }
    }

    /// The text of a `config.json` that transformers 4 and 5 both read; `dtype` is that of the saved weights, as torch names it.
    #[must_use]
    pub fn to_json(&self, dtype: &str, special: &SpecialIds) -> String {
        let rope_scaling = self.rope.scaling.as_ref().map(|scaling| {
            json!({
                "rope_type": "llama3",
                "factor": scaling.factor,
                "low_freq_factor": scaling.low_freq_factor,
                "high_freq_factor": scaling.high_freq_factor,
                "original_max_position_embeddings": scaling.original_max_position_embeddings,
            })
        });
        let mut rope_parameters = rope_scaling.clone().unwrap_or_else(|| json!({ "rope_type": "default" }));
        rope_parameters["rope_theta"] = json!(self.rope.theta);
        let eos = match special.eos.as_slice() {
            [] => Value::Null,
            [one] => json!(one),
            several => json!(several),
        };
        let mut config = json!({
            "architectures": [self.family.architecture()],
            "model_type": self.family.model_type(),
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.n_layers,
            "num_attention_heads": self.n_heads,
            "num_key_value_heads": self.n_kv_heads,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "max_position_embeddings": self.max_position_embeddings,
            "rms_norm_eps": self.rms_norm_eps,
            "rope_theta": self.rope.theta,
            "rope_scaling": rope_scaling,
            "rope_parameters": rope_parameters,
            "tie_word_embeddings": self.tie_word_embeddings,
            "attention_dropout": 0.0,
            "bos_token_id": special.bos,
            "eos_token_id": eos,
            "pad_token_id": special.pad,
            "dtype": dtype,
            "torch_dtype": dtype,
        });
        match self.family {
            Family::Llama => {
                config["attention_bias"] = json!(false);
                config["mlp_bias"] = json!(false);
            }
            Family::Qwen2 => config["use_sliding_window"] = json!(false),
            Family::Qwen3 => {
                config["attention_bias"] = json!(false);
                config["use_sliding_window"] = json!(false);
            }
        }
        format!("{config:#}\n")
    }
}

/// Reads keys one by one and collects what is wrong with them.
struct Reader<'a> {
    object: &'a Map<String, Value>,
    problems: Vec<String>,
}

const CHOOSE_ANOTHER: &str = "choose a model without it";
const FETCH_AGAIN: &str = "fetch the file again or correct it";

impl<'a> Reader<'a> {
    /// `None` only where a problem was recorded.
    fn config(&mut self) -> Option<ModelConfig> {
        let family = self.family()?;
        self.refuse_unsupported(family);

        let vocab_size = self.count("vocab_size", None);
        let hidden_size = self.count("hidden_size", None);
        let intermediate_size = self.count("intermediate_size", None);
        let n_layers = self.count("num_hidden_layers", None);
        let n_heads = self.count("num_attention_heads", None);
        // An absent key is 32 in the Qwen classes of transformers; null means H in all.
        let default_kv_heads = match family {
            Family::Qwen2 | Family::Qwen3 if !self.object.contains_key("num_key_value_heads") => Some(32),
            _ => n_heads,
        };
        let n_kv_heads = self.count("num_key_value_heads", default_kv_heads.or(Some(1)));
        let default_head_dim = match family {
            Family::Qwen3 => Some(128),
            Family::Llama | Family::Qwen2 => hidden_size.zip(n_heads).map(|(e, h)| e / h),
        };
        let head_dim = self.count("head_dim", default_head_dim.or(Some(2)));
        let max_position_embeddings =
            self.count("max_position_embeddings", Some(if family == Family::Llama { 2048 } else { 32768 }));
        let rms_norm_eps = self.positive(self.object, "", "rms_norm_eps", Some(1e-6));
        let rope = self.rope(max_position_embeddings);
        let tie_word_embeddings = self.flag("tie_word_embeddings");

        if let (Some(h), Some(k)) = (n_heads, n_kv_heads)
            && h % k != 0
        {
            self.problem(
                "num_key_value_heads",
                k,
                &format!("a divisor of num_attention_heads = {h}"),
                FETCH_AGAIN,
            );
        }
        if let Some(d) = head_dim
            && d % 2 != 0
        {
            self.problem("head_dim", d, "an even number (rotary embedding turns pairs)", FETCH_AGAIN);
        }
        Some(ModelConfig {
            family,
            vocab_size: vocab_size?,
            hidden_size: hidden_size?,
            intermediate_size: intermediate_size?,
            n_layers: n_layers?,
            n_heads: n_heads?,
            n_kv_heads: n_kv_heads?,
            head_dim: head_dim?,
            rms_norm_eps: rms_norm_eps?,
            rope: rope?,
            max_position_embeddings: max_position_embeddings?,
            tie_word_embeddings: tie_word_embeddings?,
            qkv_bias: family == Family::Qwen2,
            qk_norm: family == Family::Qwen3,
        })
    }

    fn family(&mut self) -> Option<Family> {
        let got = self.get("model_type");
        let family =
            Family::ALL.into_iter().find(|family| got.and_then(Value::as_str) == Some(family.model_type()));
        if family.is_none() {
            let supported = Family::ALL.map(Family::model_type).join(", ");
            let mixture =
                got.and_then(Value::as_str).is_some_and(|name| name.contains("moe") || name == "mixtral");
            let remedy = if mixture {
                "mixtures of experts are not supported; choose a dense model"
            } else {
                "choose a model of these families"
            };
            self.problem("model_type", shown(got), &format!("one of {supported}"), remedy);
        }
        family
    }

    fn refuse_unsupported(&mut self, family: Family) {
        for key in ["num_experts", "num_local_experts", "n_routed_experts"] {
            if let Some(got) = self.get(key) {
                self.problem(
                    key,
                    got,
                    "no experts",
                    "mixtures of experts are not supported; choose a dense model",
                );
            }
        }
        match self.get("hidden_act") {
            None => {}
            Some(Value::String(name)) if name == "silu" || name == "swish" => {}
            got => self.problem("hidden_act", shown(got), "\"silu\"", CHOOSE_ANOTHER),
        }
        if let Some(got) = self.get("quantization_config") {
            let method = got.get("quant_method").unwrap_or(got);
            let remedy = "take the unquantised weights (bf16, f16 or f32) of this model";
            self.problem("quantization_config", method, "unquantised weights", remedy);
        }
        // Qwen2 has its biases on q, k, v whatever this key says.
        for key in ["attention_bias", "mlp_bias"] {
            let ignored = family == Family::Qwen2 || (family == Family::Qwen3 && key == "mlp_bias");
            if !ignored && self.flag(key) == Some(true) {
                self.problem(key, true, "false", CHOOSE_ANOTHER);
            }
        }
        self.refuse_sliding_window(family);
    }

    /// Layers with a window are listed in `layer_types`; without that list they are those from `max_window_layers` on,
    /// where `use_sliding_window` is set.
    fn refuse_sliding_window(&mut self, family: Family) {
        let remedy =
            "attention through a sliding window is not supported; choose a model with full attention";
        if let Some(Value::Array(layers)) = self.get("layer_types") {
            let other = layers.iter().enumerate().find(|(_, kind)| kind.as_str() != Some("full_attention"));
            if let Some((l, kind)) = other {
                self.problem(&format!("layer_types[{l}]"), kind, "\"full_attention\"", remedy);
            }
            return;
        }
        if family == Family::Llama || self.flag("use_sliding_window") != Some(true) {
            return;
        }
        let window = self.object.get("sliding_window").unwrap_or(&Value::Null);
        let absent = !self.object.contains_key("sliding_window");
        let first = self.get("max_window_layers").and_then(Value::as_i64).unwrap_or(28);
        let n_layers = self.get("num_hidden_layers").and_then(Value::as_i64).unwrap_or(i64::MAX);
        if (absent || !window.is_null()) && first < n_layers {
            self.problem("use_sliding_window", true, "false", remedy);
        }
    }

    fn rope(&mut self, max_position_embeddings: Option<i64>) -> Option<Rope> {
        // As transformers 5 does: rope_scaling, if set, hides rope_parameters; a theta inside wins over one at the top.
        let place = ["rope_scaling", "rope_parameters"]
            .into_iter()
            .find_map(|key| Some((key, self.get(key)?)))
            .filter(|(_, value)| value.as_object().is_none_or(|object| !object.is_empty()));
        let empty = Map::new();
        let (place, table) = match place {
            None => ("", &empty),
            Some((key, Value::Object(table))) => (key, table),
            Some((key, got)) => {
                self.problem(key, got, "an object or null", FETCH_AGAIN);
                return None;
            }
        };
        for (at, object) in [(place, table), ("", self.object)] {
            match object.get("partial_rotary_factor").filter(|got| !got.is_null()) {
                Some(got) if got.as_f64() != Some(1.0) => {
                    self.problem(&dotted(at, "partial_rotary_factor"), got, "1.0", CHOOSE_ANOTHER);
                }
                _ => {}
            }
        }
        let theta = match table.get("rope_theta") {
            Some(_) => self.positive(table, place, "rope_theta", None),
            None => self.positive(self.object, "", "rope_theta", Some(10_000.0)),
        };
        let key = if table.contains_key("rope_type") { "rope_type" } else { "type" };
        let scaling = match table.get(key).map(Value::as_str) {
            None | Some(Some("default")) => None,
            Some(Some("llama3")) => {
                let context = "original_max_position_embeddings";
                let original = if table.contains_key(context) {
                    self.count_in(table, place, context, None)
                } else {
                    max_position_embeddings
                };
                let factor = self.positive(table, place, "factor", None);
                let low_freq_factor = self.positive(table, place, "low_freq_factor", None);
                let high_freq_factor = self.positive(table, place, "high_freq_factor", None);
                if let (Some(low), Some(high)) = (low_freq_factor, high_freq_factor)
                    && high <= low
                {
                    let expected = format!("more than low_freq_factor = {low}");
                    self.problem(&dotted(place, "high_freq_factor"), high, &expected, FETCH_AGAIN);
                }
                Some(Llama3Scaling {
                    factor: factor?,
                    low_freq_factor: low_freq_factor?,
                    high_freq_factor: high_freq_factor?,
                    original_max_position_embeddings: original?,
                })
            }
            Some(_) => {
                let remedy = "choose a model with one of these, or remove the scaling to use the original context length";
                self.problem(&dotted(place, key), shown(table.get(key)), "\"default\" or \"llama3\"", remedy);
                None
            }
        };
        Some(Rope { theta: theta?, scaling })
    }

    /// The value at the top of the file, null counting as absent.
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    fn count(&mut self, key: &str, default: Option<i64>) -> Option<i64> {
        self.count_in(self.object, "", key, default)
    }

    /// A whole number of at least 1 and at most 2^31 - 1, so that products of two fit i64.
    fn count_in(
        &mut self,
        object: &Map<String, Value>,
        place: &str,
        key: &str,
        default: Option<i64>,
    ) -> Option<i64> {
        let got = object.get(key).filter(|value| !value.is_null());
        let count = match got {
            None => default,
            Some(value) => value.as_i64(),
        };
        let count = count.filter(|count| (1..=i64::from(i32::MAX)).contains(count));
        if count.is_none() {
            self.problem(&dotted(place, key), shown(got), "a whole number of at least 1", FETCH_AGAIN);
        }
        count
    }

    fn positive(
        &mut self,
        object: &Map<String, Value>,
        place: &str,
        key: &str,
        default: Option<f64>,
    ) -> Option<f64> {
        let got = object.get(key).filter(|value| !value.is_null());
        let number = match got {
            None => default,
            Some(value) => value.as_f64().filter(|&number| number > 0.0),
        };
        if number.is_none() {
            self.problem(&dotted(place, key), shown(got), "a number above 0", FETCH_AGAIN);
        }
        number
    }

    /// A flag that is false when absent.
    fn flag(&mut self, key: &str) -> Option<bool> {
        match self.get(key) {
            None => Some(false),
            Some(&Value::Bool(flag)) => Some(flag),
            got => {
                self.problem(key, shown(got), "true or false", FETCH_AGAIN);
                None
            }
        }
    }

    fn problem(&mut self, key: &str, got: impl std::fmt::Display, expected: &str, remedy: &str) {
        let mut line = String::new();
        // Writing to a String cannot fail.
        let _ = write!(line, "{key}: got {got}, expected {expected}; {remedy}");
        self.problems.push(line);
    }
}

fn dotted(place: &str, key: &str) -> String {
    if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), Value::to_string)
}
