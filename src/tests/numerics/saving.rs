//! What is saved is what was loaded: folders that transformers wrote, through our hands and back.
//!
//! With `SAVED_MODELS=DIR` the saved folders stay in `DIR`, where `scripts/fixtures/saved.py` has transformers load them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::checkpoint::save_model;
use crate::model::{ModelConfig, Placement, Policy, Preset};
use crate::text::{Tokenizer, countdown_tokenizer};
use crate::types::RunRandom;
use serde_json::Value;
use tch::{Kind, Tensor};

use super::common::{FAMILIES, golden};

/// What transformers' three classes compute with, and the ids that travel along.
const NEEDED: [&str; 20] = [
    "architectures",
    "attention_bias",
    "attention_dropout",
    "bos_token_id",
    "eos_token_id",
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "max_position_embeddings",
    "mlp_bias",
    "model_type",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "pad_token_id",
    "rms_norm_eps",
    "tie_word_embeddings",
    "use_sliding_window",
    "vocab_size",
    "head_dim",
];

/// Every tensor in the safetensors files of `dir`, by name, as f32.
fn tensors(dir: &Path) -> BTreeMap<String, Tensor> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    let stored = files.flat_map(|path| Tensor::read_safetensors(path).unwrap());
    stored.map(|(name, tensor)| (name, tensor.to_kind(Kind::Float))).collect()
}

fn json(path: PathBuf) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Loads the fixture of `family` and saves it into `dir`. It has no tokenizer, so that of the preset goes with it.
fn save_again(family: &str, dir: &Path) {
    let source = tempfile::tempdir().unwrap();
    countdown_tokenizer().unwrap().save(source.path()).unwrap();
    fs::remove_file(source.path().join("tokenizer_config.json")).unwrap();
    for name in ["config.json", "generation_config.json"] {
        fs::copy(golden(family).join(name), source.path().join(name)).unwrap();
    }
    let tokenizer = Tokenizer::from_folder(source.path()).unwrap();
    let config = ModelConfig::from_folder(&golden(family)).unwrap();
    let policy = Policy::load(&golden(family), config, Placement::cpu_f32()).unwrap();
    let network = &policy.network;
    save_model(dir, &network.config, network.trainable(), network.master(), &tokenizer).unwrap();
}

#[test]
fn a_folder_of_transformers_comes_back_with_every_tensor_and_key() {
    let temporary = tempfile::tempdir().unwrap();
    let root = std::env::var_os("SAVED_MODELS").map_or(temporary.path().to_owned(), PathBuf::from);
    for family in FAMILIES {
        let saved = root.join(family);
        save_again(family, &saved);

        let (before, after) = (tensors(&golden(family)), tensors(&saved));
        assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>(), "{family}");
        for (name, tensor) in &before {
            assert_eq!(tensor, &after[name], "{family}, {name}");
        }

        let (before, after) = (json(golden(family).join("config.json")), json(saved.join("config.json")));
        for key in NEEDED.into_iter().filter(|key| before.get(key).is_some()) {
            assert_eq!(before[key], after[key], "{family}, {key}");
        }
        // Under the names of both versions of transformers, whichever wrote the original.
        assert_eq!((&after["dtype"], &after["torch_dtype"]), (&"float32".into(), &"float32".into()));
        let rope = |config: &Value| match config.get("rope_parameters") {
            Some(rope) => rope.clone(),
            None => {
                let mut rope = config["rope_scaling"].clone();
                rope["rope_theta"] = config["rope_theta"].clone();
                rope
            }
        };
        assert_eq!(rope(&before), rope(&after), "{family}");
        let scaled = after["rope_scaling"].is_object();
        assert_eq!((scaled, &after["rope_theta"]), (family == "llama", &rope(&before)["rope_theta"]));

        let generation = |dir: &Path| json(dir.join("generation_config.json"));
        assert_eq!(generation(&golden(family)), generation(&saved), "{family}");
    }
}

#[test]
fn the_preset_names_its_own_special_ids() {
    let dir = tempfile::tempdir().unwrap();
    let tokenizer = countdown_tokenizer().unwrap();
    let config = Preset::Countdown2m.config(tokenizer.vocab_size() as i64);
    let policy = Policy::scratch(config, &RunRandom::new(0), Placement::cpu_f32()).unwrap();
    save_model(
        dir.path(),
        &policy.network.config,
        policy.network.trainable(),
        policy.network.master(),
        &tokenizer,
    )
    .unwrap();
    let saved = json(dir.path().join("config.json"));
    for (key, token) in [("eos_token_id", "<eos>"), ("pad_token_id", "<pad>")] {
        let id = saved[key].as_u64().unwrap() as u32;
        assert_eq!(tokenizer.token_text(id).unwrap(), token, "{key}");
    }
    assert!(saved["bos_token_id"].is_null());
}
