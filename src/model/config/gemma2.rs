//! What a `config.json` of Gemma 2 says beyond that of Llama, in and out; what is absent takes transformers' default.

use serde_json::{Value, json};

use super::fields::{FETCH_AGAIN, Fields, shown};
use super::read::CHOOSE_WITHOUT;
use super::{ModelConfig, SlidingWindow};

/// `config` with all that makes it a Gemma 2; `None` only where a problem was recorded.
pub(super) fn read(fields: &mut Fields<'_>, config: ModelConfig) -> Option<ModelConfig> {
    if fields.flag("use_bidirectional_attention") == Some(true) {
        fields.problem("use_bidirectional_attention", true, false, CHOOSE_WITHOUT);
    }
    let positive = 1e-6..=1e6;
    let query_scalar = fields.number("query_pre_attn_scalar", positive.clone(), Some(256.0));
    let mut softcap = |key: &str, default: f64| match fields.find(key) {
        Some(Value::Null) => Some(None),
        _ => fields.number(key, positive.clone(), Some(default)).map(Some),
    };
    let attention_softcap = softcap("attn_logit_softcapping", 50.0);
    let logit_softcap = softcap("final_logit_softcapping", 30.0);
    let sliding_window = sliding_window(fields, config.n_layers);
    Some(ModelConfig {
        norm_offset: true,
        output_norms: true,
        scaled_embeddings: true,
        query_scalar: Some(query_scalar?),
        attention_softcap: attention_softcap?,
        logit_softcap: logit_softcap?,
        sliding_window: Some(sliding_window?),
        ..config
    })
}

/// Which layers look through the window stands in `layer_types`; where that is absent, the first and every other one.
fn sliding_window(fields: &mut Fields<'_>, n_layers: i64) -> Option<SlidingWindow> {
    let tokens = fields.count("sliding_window", Some(4096));
    let layers = match fields.get("layer_types") {
        None => Some((0..n_layers).map(|l| l % 2 == 0).collect()),
        Some(Value::Array(kinds)) if kinds.len() as i64 == n_layers => {
            let slides = |kind: &Value| match kind.as_str() {
                Some("sliding_attention") => Some(true),
                Some("full_attention") => Some(false),
                _ => None,
            };
            kinds.iter().map(slides).collect()
        }
        Some(_) => None,
    };
    if layers.is_none() {
        let got = shown(fields.get("layer_types"));
        let expected = format!("\"sliding_attention\" or \"full_attention\" for each of {n_layers} layers");
        fields.problem("layer_types", got, expected, FETCH_AGAIN);
    }
    Some(SlidingWindow { tokens: tokens?, layers: layers? })
}

/// Adds to `file` what [`read`] reads.
pub(super) fn write(config: &ModelConfig, file: &mut Value) {
    file["query_pre_attn_scalar"] = json!(config.query_scalar);
    file["attn_logit_softcapping"] = json!(config.attention_softcap);
    file["final_logit_softcapping"] = json!(config.logit_softcap);
    if let Some(window) = &config.sliding_window {
        let kind = |slides: &bool| if *slides { "sliding_attention" } else { "full_attention" };
        file["sliding_window"] = json!(window.tokens);
        file["layer_types"] = window.layers.iter().map(kind).collect();
    }
}
