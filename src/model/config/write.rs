//! A `config.json` that transformers 4 and 5 both read: each finds rope and dtype under the names it knows.

use serde_json::{Value, json};

use super::ModelConfig;
use crate::types::TokenId;

/// What single precision is called.
const F32: &str = "float32";

/// Token ids that `config.json` repeats from the tokenizer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpecialIds {
    /// Starts a text.
    pub bos: Option<TokenId>,
    /// Any of these ends a response.
    pub eos: Vec<TokenId>,
    /// Fills short rows.
    pub pad: Option<TokenId>,
}

impl ModelConfig {
    /// The text of `config.json` beside a policy's weights saved in f32.
    #[must_use]
    pub(crate) fn to_json(&self, special: &SpecialIds) -> String {
        self.to_json_in(special, F32)
    }

    /// The same beside weights saved in `dtype`, by its name there.
    #[must_use]
    pub(crate) fn to_json_in(&self, special: &SpecialIds, dtype: &str) -> String {
        format!("{:#}\n", self.to_value(special, dtype))
    }

    /// The text of `config.json` beside a critic's weights saved in f32: a model for token classification with one label.
    #[must_use]
    pub(crate) fn to_critic_json(&self, special: &SpecialIds) -> String {
        let mut config = self.to_value(special, F32);
        config["architectures"] =
            json!([self.family.architecture().replace("CausalLM", "TokenClassification")]);
        config["id2label"] = json!({ "0": "value" });
        config["label2id"] = json!({ "value": 0 });
        config["classifier_dropout"] = json!(0.0);
        format!("{config:#}\n")
    }

    fn to_value(&self, special: &SpecialIds, dtype: &str) -> Value {
        let rope_scaling = self.rope.scaling.map(|scaling| {
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
        let dialect = self.family.dialect();
        let (key, names) = dialect.activation_key;
        config[key] = json!(names[0]);
        for key in dialect.biases.iter().copied().chain(dialect.may_slide.then_some("use_sliding_window")) {
            config[key] = json!(false);
        }
        if let Some(beyond) = dialect.beyond {
            (beyond.write)(self, &mut config);
        }
        config
    }
}
