//! Shapes of the models that the shipped recipes name, so that they can be planned where the hub cannot be asked.

use anyhow::Result;

use crate::model::ModelConfig;

/// `model_type`, V, E, F, L, H, K, D, positions, whether output and embedding are one.
type Sizes = (&'static str, [i64; 8], bool);

/// Models by their names on the hub, as their `config.json` has them.
const MODELS: &[(&str, Sizes)] = &[
    ("Qwen/Qwen3-0.6B", ("qwen3", [151_936, 1024, 3072, 28, 16, 8, 128, 40_960], true)),
    ("Qwen/Qwen3-4B-Base", ("qwen3", [151_936, 2560, 9728, 36, 32, 8, 128, 32_768], true)),
    ("Qwen/Qwen3-8B-Base", ("qwen3", [151_936, 4096, 12_288, 36, 32, 8, 128, 32_768], false)),
    (
        "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B",
        ("qwen2", [151_936, 1536, 8960, 28, 12, 2, 128, 131_072], false),
    ),
    (
        "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
        ("qwen2", [152_064, 3584, 18_944, 28, 28, 4, 128, 131_072], false),
    ),
    ("HuggingFaceTB/SmolLM2-135M-Instruct", ("llama", [49_152, 576, 1536, 30, 9, 3, 64, 8192], true)),
];

/// The shape of the model that the hub calls `name`, if it is one of those known here.
///
/// # Errors
/// If what is known does not read; it does.
pub(crate) fn known(name: &str) -> Result<Option<ModelConfig>> {
    let found = MODELS.iter().find(|(own, _)| *own == name);
    found.map(|(_, sizes)| config(*sizes)).transpose()
}

/// The model that recipes name by the folder `path`, which is not there, if it is one of those known here.
///
/// # Errors
/// As [`known`].
pub(crate) fn known_by_folder(path: &std::path::Path) -> Result<Option<ModelConfig>> {
    let named = |name: &str| path.file_name().is_some_and(|own| name.rsplit('/').next() == own.to_str());
    MODELS.iter().find(|(name, _)| named(name)).map(|(_, sizes)| config(*sizes)).transpose()
}

fn config((family, [v, e, f, l, h, k, d, positions], tied): Sizes) -> Result<ModelConfig> {
    ModelConfig::from_json(
        serde_json::json!({
            "model_type": family,
            "vocab_size": v,
            "hidden_size": e,
            "intermediate_size": f,
            "num_hidden_layers": l,
            "num_attention_heads": h,
            "num_key_value_heads": k,
            "head_dim": d,
            "max_position_embeddings": positions,
            "tie_word_embeddings": tied,
        })
        .to_string(),
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Numbers of parameters as the pages of the models have them.
    #[test]
    fn models_have_as_many_parameters_as_they_say() {
        let n_params = |name: &str| known(name).unwrap().unwrap().n_params();
        for (name, billions) in [
            ("Qwen/Qwen3-0.6B", 0.596),
            ("Qwen/Qwen3-4B-Base", 4.022),
            ("Qwen/Qwen3-8B-Base", 8.191),
            ("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", 1.777),
            ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", 7.616),
            ("HuggingFaceTB/SmolLM2-135M-Instruct", 0.1345),
        ] {
            let got = n_params(name) as f64 / 1e9;
            assert!((got / billions - 1.0).abs() < 1e-3, "{name}: {got}");
        }
        assert!(known("nobody/nothing").unwrap().is_none());
        let path = std::path::Path::new("models/SmolLM2-135M-Instruct");
        assert_eq!(known_by_folder(path).unwrap(), known("HuggingFaceTB/SmolLM2-135M-Instruct").unwrap());
    }
}
