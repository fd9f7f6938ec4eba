//! `config.json`, as transformers 4 and 5 write it.
//!
//! What is absent takes transformers' default. What the decoder does not compute is refused by name, all of it in one error.
//! A file is somebody else's: whatever stands in it, it is read in memory of its own size, and no size in it is believed
//! before the weights' shapes say the same (see `load`).

mod rope;

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use self::rope::rope;
use super::family::Dialect;
use super::fields::{FETCH_AGAIN, Fields, shown};
use super::{Family, ModelConfig};
use crate::files::model_folder::CONFIG;
use crate::files::read_regular;
use crate::model::json;

/// Largest file that is read; those of published models have a few kB.
const MAX_BYTES: u64 = 4 << 20;

const CHOOSE_DENSE: &str = "mixtures of experts are not supported; choose a dense model";
pub(super) const CHOOSE_WITHOUT: &str = "this is not supported; choose a model without it";
const CHOOSE_FULL: &str =
    "attention in a sliding window is not supported; choose a model with full attention";

impl ModelConfig {
    /// Reads `dir/config.json`.
    ///
    /// # Errors
    /// As [`Self::from_json`], with the file's name; or the file cannot be read.
    pub(crate) fn from_folder(dir: &Path) -> Result<Self> {
        let path = dir.join(CONFIG);
        let text = read_regular(&path, MAX_BYTES).with_context(|| {
            format!("{}: a model folder holds config.json, *.safetensors and tokenizer.json", path.display())
        })?;
        Self::from_json(&text).with_context(|| path.display().to_string())
    }

    /// Reads the text of a `config.json`.
    ///
    /// # Errors
    /// Not JSON, or a key twice; an unsupported architecture or feature; a missing, ill-typed or impossible number. All that
    /// is wrong is listed.
    pub(crate) fn from_json(text: impl AsRef<[u8]>) -> Result<Self> {
        let root = json::parse(text.as_ref())?;
        ensure!(
            root.is_object(),
            "got JSON that is no object, expected {{ \"model_type\": ... }}; fetch the file again"
        );
        let mut fields = Fields::new(&root);
        let config = config(&mut fields);
        match (config, fields.problems.as_slice()) {
            (Some(config), []) => Ok(config),
            (_, [one]) => bail!("{one}"),
            (_, all) => bail!("{} problems:\n  {}", all.len(), all.join("\n  ")),
        }
    }
}

/// `None` only where a problem was recorded.
fn config(fields: &mut Fields<'_>) -> Option<ModelConfig> {
    let family = family(fields)?;
    let dialect = family.dialect();
    refuse_unsupported(fields, &dialect);
    if dialect.beyond.is_none() {
        refuse_sliding_window(fields, dialect.may_slide);
    }

    let vocab_size = fields.count("vocab_size", None);
    let hidden_size = fields.count("hidden_size", None);
    let intermediate_size = fields.count("intermediate_size", None);
    let n_layers = fields.count("num_hidden_layers", None);
    let n_heads = fields.count("num_attention_heads", None);
    // Where transformers has a number for an absent key, a null means H all the same.
    let absent = fields.find("num_key_value_heads").is_none();
    let default_kv_heads = dialect.n_kv_heads.filter(|_| absent).or(n_heads).unwrap_or(1);
    let n_kv_heads = fields.count("num_key_value_heads", Some(default_kv_heads));
    let shared_out = hidden_size.zip(n_heads).map_or(2, |(e, h)| e / h);
    if dialect.head_dim.is_none() {
        refuse_remainder(fields, hidden_size.zip(n_heads));
    }
    let head_dim = fields.count("head_dim", Some(dialect.head_dim.unwrap_or(shared_out)));
    let positions = Some(dialect.max_position_embeddings);
    let max_position_embeddings = fields.count("max_position_embeddings", positions);
    let rms_norm_eps = fields.number("rms_norm_eps", 1e-30..=1.0, Some(1e-6));
    let rope = rope(fields, max_position_embeddings);
    let tie_word_embeddings = match fields.get("tie_word_embeddings") {
        None => Some(dialect.is_tied),
        Some(_) => fields.flag("tie_word_embeddings"),
    };

    let config = ModelConfig {
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
        qkv_bias: dialect.qkv_bias,
        qk_norm: dialect.qk_norm,
        activation: dialect.activation,
        norm_offset: false,
        output_norms: false,
        scaled_embeddings: false,
        query_scalar: None,
        attention_softcap: None,
        sliding_window: None,
        logit_softcap: None,
        has_token: None,
    };
    refuse_impossible(fields, &config);
    match dialect.beyond {
        Some(beyond) => (beyond.read)(fields, config),
        None => Some(config),
    }
}

/// Without `head_dim` the width is shared out among the heads.
fn refuse_remainder(fields: &mut Fields<'_>, sizes: Option<(i64, i64)>) {
    let Some((e, h)) = sizes.filter(|(e, h)| e % h != 0) else { return };
    if fields.get("head_dim").is_none() {
        let expected = format!("a multiple of num_attention_heads = {h}, as there is no head_dim");
        fields.problem("hidden_size", e, expected, FETCH_AGAIN);
    }
}

fn family(fields: &mut Fields<'_>) -> Option<Family> {
    let got = fields.get("model_type");
    let name = got.and_then(Value::as_str).unwrap_or_default();
    let family = Family::ALL.into_iter().find(|family| family.model_type() == name);
    if family.is_none() {
        let supported = Family::ALL.map(Family::model_type).join(", ");
        let mixture = name.contains("moe") || name == "mixtral";
        let remedy = if mixture { CHOOSE_DENSE } else { "choose a model of one of these families" };
        fields.problem("model_type", shown(got), format!("one of {supported}"), remedy);
    }
    family
}

fn refuse_unsupported(fields: &mut Fields<'_>, dialect: &Dialect) {
    for key in ["num_experts", "num_local_experts", "n_routed_experts"] {
        if let Some(got) = fields.get(key) {
            fields.problem(key, shown(Some(got)), "no experts", CHOOSE_DENSE);
        }
    }
    let (key, known) = dialect.activation_key;
    if let Some(got) = fields.get(key).filter(|got| !got.as_str().is_some_and(|got| known.contains(&got))) {
        fields.problem(key, shown(Some(got)), format!("{:?}", known[0]), CHOOSE_WITHOUT);
    }
    for key in ["quantization_config", "compression_config"] {
        if let Some(got) = fields.get(key) {
            let method = shown(got.get("quant_method").or(Some(got)));
            let remedy = "take this model's unquantised weights (f32, bf16 or f16)";
            fields.problem(key, method, "no quantisation", remedy);
        }
    }
    for key in ["text_config", "vision_config", "audio_config"] {
        if let Some(got) = fields.get(key) {
            let remedy = "models of several parts are not supported; choose a language model";
            fields.problem(key, shown(Some(got)), "nothing", remedy);
        }
    }
    for key in dialect.biases {
        if fields.flag(key) == Some(true) {
            fields.problem(key, true, false, CHOOSE_WITHOUT);
        }
    }
}

/// Which layers look through a window stands in `layer_types`; where that is absent, `use_sliding_window` gives one to
/// the layers from `max_window_layers` on, unless `sliding_window` is null.
fn refuse_sliding_window(fields: &mut Fields<'_>, may_slide: bool) {
    let n_layers = fields.get("num_hidden_layers").and_then(Value::as_i64);
    match fields.get("layer_types") {
        Some(Value::Array(layers)) => {
            let other = layers.iter().enumerate().find(|(_, kind)| kind.as_str() != Some("full_attention"));
            if let Some((l, kind)) = other {
                let kind = shown(Some(kind));
                fields.problem(&format!("layer_types[{l}]"), kind, "\"full_attention\"", CHOOSE_FULL);
            } else if n_layers.is_some_and(|n| n != layers.len() as i64) {
                let expected = format!("one for each of num_hidden_layers = {}", n_layers.unwrap_or(0));
                fields.problem("layer_types", format!("a list of {}", layers.len()), expected, FETCH_AGAIN);
            }
        }
        Some(got) => fields.problem("layer_types", shown(Some(got)), "a list or null", FETCH_AGAIN),
        None if !may_slide || fields.flag("use_sliding_window") != Some(true) => {}
        None if fields.find("sliding_window").is_some_and(Value::is_null) => {}
        None => {
            let first = fields.whole("max_window_layers", 0, Some(28));
            if first.zip(n_layers).is_some_and(|(first, n)| first < n) {
                fields.problem("use_sliding_window", true, false, CHOOSE_FULL);
            }
        }
    }
}

/// What each number allows and their combination does not.
fn refuse_impossible(fields: &mut Fields<'_>, config: &ModelConfig) {
    let &ModelConfig { n_heads: h, n_kv_heads: k, head_dim: d, .. } = config;
    if h % k != 0 {
        let expected = format!("a divisor of num_attention_heads = {h}");
        fields.problem("num_key_value_heads", k, expected, FETCH_AGAIN);
    }
    if d % 2 != 0 {
        fields.problem("head_dim", d, "an even number (rotary embedding turns pairs)", FETCH_AGAIN);
    }
    // Keeps every product of sizes far within i64.
    let (e, f) = (config.hidden_size as f64, config.intermediate_size as f64);
    let heads = 2.0 * (h as f64 + k as f64) * d as f64;
    let n_params = e * (2.0 * config.vocab_size as f64 + config.n_layers as f64 * (heads + 3.0 * f));
    if n_params > 1e14 {
        let got = format!("sizes that make {n_params:.0e} parameters");
        fields.problem("hidden_size, num_hidden_layers, ...", got, "at most 1e14", FETCH_AGAIN);
    }
}
