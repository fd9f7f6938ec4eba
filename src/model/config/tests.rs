//! Reading and writing `config.json`, and the text of each refusal.

use std::path::Path;

use serde_json::{Value, json};

use super::*;

/// V=11 E=8 F=6 L=2 H=4 K=2 D=4 with the flags of the family; all tied but Llama.
pub(crate) fn tiny(family: Family) -> ModelConfig {
    let is_gemma = family == Family::Gemma2;
    ModelConfig {
        family,
        vocab_size: 11,
        hidden_size: 8,
        intermediate_size: 6,
        n_layers: 2,
        n_heads: 4,
        n_kv_heads: 2,
        head_dim: 4,
        rms_norm_eps: 1e-6,
        rope: Rope { theta: 10_000.0, scaling: None },
        max_position_embeddings: 64,
        tie_word_embeddings: family != Family::Llama,
        qkv_bias: family == Family::Qwen2,
        qk_norm: family == Family::Qwen3,
        activation: if is_gemma { Activation::GeluTanh } else { Activation::Silu },
        norm_offset: is_gemma,
        output_norms: is_gemma,
        scaled_embeddings: is_gemma,
        query_scalar: is_gemma.then_some(5.0),
        attention_softcap: is_gemma.then_some(50.0),
        sliding_window: is_gemma.then(|| SlidingWindow { tokens: 3, layers: vec![true, false] }),
        logit_softcap: is_gemma.then_some(30.0),
        has_token: None,
    }
}

/// A folder that transformers wrote.
pub(crate) fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The least that a family needs, with `change` on top.
fn with(model_type: &str, change: &Value) -> anyhow::Result<ModelConfig> {
    let mut value = json!({
        "model_type": model_type,
        "vocab_size": 100,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 30,
        "num_attention_heads": 32,
    });
    for (key, new) in change.as_object().unwrap() {
        value[key] = new.clone();
    }
    ModelConfig::from_json(value.to_string())
}

fn refused(model_type: &str, change: Value, expected: &str) {
    let got = format!("{:#}", with(model_type, &change).unwrap_err());
    assert_eq!(got, expected, "{change}");
}

#[test]
fn folder_of_transformers_4() {
    let scaling = Llama3Scaling {
        factor: 4.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 32,
    };
    let expected = ModelConfig {
        vocab_size: 64,
        hidden_size: 32,
        intermediate_size: 64,
        head_dim: 16,
        rms_norm_eps: 1e-5,
        rope: Rope { theta: 100.0, scaling: Some(scaling) },
        max_position_embeddings: 128,
        ..tiny(Family::Llama)
    };
    assert_eq!(ModelConfig::from_folder(&golden("llama")).unwrap(), expected);
}

#[test]
fn folders_of_transformers_5() {
    let qwen2 = ModelConfig {
        vocab_size: 64,
        hidden_size: 32,
        intermediate_size: 48,
        n_layers: 3,
        head_dim: 8,
        rope: Rope { theta: 1000.0, scaling: None },
        max_position_embeddings: 128,
        ..tiny(Family::Qwen2)
    };
    assert_eq!(ModelConfig::from_folder(&golden("qwen2")).unwrap(), qwen2);
    let qwen3 = ModelConfig {
        n_layers: 2,
        head_dim: 16,
        rope: Rope { theta: 10_000.0, scaling: None },
        qkv_bias: false,
        qk_norm: true,
        family: Family::Qwen3,
        ..qwen2
    };
    assert_eq!(ModelConfig::from_folder(&golden("qwen3")).unwrap(), qwen3);
}

#[test]
fn a_folder_of_gemma2() {
    let expected = ModelConfig {
        vocab_size: 64,
        hidden_size: 32,
        intermediate_size: 48,
        head_dim: 16,
        max_position_embeddings: 128,
        query_scalar: Some(24.0),
        attention_softcap: Some(3.0),
        sliding_window: Some(SlidingWindow { tokens: 5, layers: vec![true, false] }),
        logit_softcap: Some(8.0),
        ..tiny(Family::Gemma2)
    };
    assert_eq!(ModelConfig::from_folder(&golden("gemma2")).unwrap(), expected);
}

#[test]
fn what_gemma2_leaves_out_is_transformers_default() {
    let config = with("gemma2", &json!({ "num_hidden_layers": 3, "final_logit_softcapping": null })).unwrap();
    let shape =
        (config.n_kv_heads, config.head_dim, config.max_position_embeddings, config.tie_word_embeddings);
    assert_eq!(shape, (4, 256, 8192, true));
    assert_eq!((config.attention_softcap, config.logit_softcap), (Some(50.0), None));
    let window = SlidingWindow { tokens: 4096, layers: vec![true, false, true] };
    assert_eq!((config.query_scalar, config.sliding_window), (Some(256.0), Some(window)));
    refused(
        "gemma2",
        json!({ "num_hidden_layers": 2, "layer_types": ["full_attention", "linear"], "hidden_activation": "relu" }),
        "2 problems:\n  hidden_activation: got \"relu\", expected \"gelu_pytorch_tanh\"; this is not supported; choose a model \
         without it\n  layer_types: got [\"full_attention\",\"linear\"], expected \"sliding_attention\" or \
         \"full_attention\" for each of 2 layers; fetch the file again or correct it",
    );
}

#[test]
fn what_is_written_reads_back() {
    let scaling = Llama3Scaling {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 8192,
    };
    for family in Family::ALL {
        for scaling in [None, Some(scaling)] {
            let config = ModelConfig { rope: Rope { theta: 5e5, scaling }, ..tiny(family) };
            let text = config.to_json(&SpecialIds::default());
            assert_eq!(ModelConfig::from_json(&text).unwrap(), config);
        }
    }
}

/// Each version finds rope and dtype where it looks.
#[test]
fn written_config_serves_both_versions() {
    let special = SpecialIds { bos: None, eos: vec![7, 9], pad: Some(0) };
    let value: Value = serde_json::from_str(&tiny(Family::Qwen3).to_json(&special)).unwrap();
    assert_eq!(value["architectures"], json!(["Qwen3ForCausalLM"]));
    assert_eq!((&value["rope_theta"], &value["rope_scaling"]), (&json!(10_000.0), &Value::Null));
    assert_eq!(value["rope_parameters"], json!({ "rope_type": "default", "rope_theta": 10_000.0 }));
    assert_eq!((&value["torch_dtype"], &value["dtype"]), (&json!("float32"), &json!("float32")));
    assert_eq!((&value["eos_token_id"], &value["pad_token_id"]), (&json!([7, 9]), &json!(0)));
    let one = SpecialIds { eos: vec![7], ..special };
    let value: Value = serde_json::from_str(&tiny(Family::Qwen3).to_json(&one)).unwrap();
    assert_eq!((&value["eos_token_id"], &value["dtype"]), (&json!(7), &json!("float32")));
}

#[test]
fn absent_keys_take_the_defaults_of_transformers() {
    let llama = with("llama", &json!({})).unwrap();
    assert_eq!((llama.n_kv_heads, llama.head_dim, llama.max_position_embeddings), (32, 2, 2048));
    assert_eq!((llama.rope, llama.rms_norm_eps), (Rope { theta: 10_000.0, scaling: None }, 1e-6));
    assert!(!llama.tie_word_embeddings);
    let qwen3 = with("qwen3", &json!({ "num_attention_heads": 64 })).unwrap();
    assert_eq!((qwen3.n_kv_heads, qwen3.head_dim, qwen3.max_position_embeddings), (32, 128, 32_768));
    let null =
        with("qwen2", &json!({ "num_attention_heads": 16, "num_key_value_heads": null, "head_dim": null }));
    assert_eq!(null.map(|config| (config.n_kv_heads, config.head_dim)).unwrap(), (16, 4));
}

#[test]
fn rope_is_found_under_old_and_new_names() {
    let llama3 =
        |kind: &str| json!({ kind: "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4 });
    let original = |change: Value| {
        let rope = with("llama", &change).unwrap().rope;
        (rope.theta, rope.scaling.map(|scaling| (scaling.factor, scaling.original_max_position_embeddings)))
    };
    let old = json!({ "rope_theta": 3.0, "rope_scaling": llama3("type") });
    assert_eq!(original(old), (3.0, Some((8.0, 2048))));
    let mut new = llama3("rope_type");
    new["rope_theta"] = json!(7.0);
    new["original_max_position_embeddings"] = json!(512);
    assert_eq!(original(json!({ "rope_theta": 3.0, "rope_parameters": new })), (7.0, Some((8.0, 512))));
    let both = json!({ "rope_scaling": { "rope_type": "default" }, "rope_parameters": new });
    assert_eq!(original(both), (10_000.0, None));
    assert_eq!(
        original(json!({ "rope_scaling": {}, "rope_parameters": { "rope_theta": 9.0 } })),
        (9.0, None)
    );
}

#[test]
fn a_window_that_no_layer_uses_is_no_obstacle() {
    for change in [
        json!({ "use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 0 }),
        json!({ "use_sliding_window": true, "max_window_layers": 30 }),
        json!({ "use_sliding_window": true, "sliding_window": null }),
        json!({ "use_sliding_window": true, "sliding_window": null, "max_window_layers": 0 }),
        json!({ "use_sliding_window": true, "sliding_window": null, "max_window_layers": -1 }),
        json!({ "use_sliding_window": true, "layer_types": vec!["full_attention"; 30] }),
    ] {
        assert!(with("qwen2", &change).is_ok(), "{change}");
    }
}

#[test]
fn layers_that_look_through_a_window_are_refused() {
    let window = "attention in a sliding window is not supported; choose a model with full attention";
    let again = "fetch the file again or correct it";
    let from_zero = json!({ "use_sliding_window": true, "sliding_window": 8, "max_window_layers": 0 });
    refused("qwen2", from_zero, &format!("use_sliding_window: got true, expected false; {window}"));
    refused(
        "qwen2",
        json!({ "use_sliding_window": true, "max_window_layers": -1 }),
        &format!("max_window_layers: got -1, expected a whole number from 0 to 2147483647; {again}"),
    );
    refused(
        "qwen3",
        json!({ "layer_types": vec!["full_attention"; 29] }),
        &format!("layer_types: got a list of 29, expected one for each of num_hidden_layers = 30; {again}"),
    );
    refused(
        "qwen3",
        json!({ "layer_types": "full_attention" }),
        &format!("layer_types: got \"full_attention\", expected a list or null; {again}"),
    );
}

#[test]
fn unsupported_architectures_are_refused_by_name() {
    let families = Family::ALL.map(Family::model_type).join(", ");
    let expected = |got: &str| format!("model_type: got {got}, expected one of {families}; ");
    refused("gemma3", json!({}), &(expected("\"gemma3\"") + "choose a model of one of these families"));
    refused(
        "qwen3_moe",
        json!({}),
        &(expected("\"qwen3_moe\"") + "mixtures of experts are not supported; choose a dense model"),
    );
    refused(
        "llama",
        json!({ "num_local_experts": 8 }),
        "num_local_experts: got 8, expected no experts; mixtures of experts are not supported; choose a dense model",
    );
    let nothing = expected("nothing") + "choose a model of one of these families";
    refused("qwen2", json!({ "model_type": null }), &nothing);
}

#[test]
fn unsupported_features_are_refused_by_name() {
    let window = "attention in a sliding window is not supported; choose a model with full attention";
    let without = "this is not supported; choose a model without it";
    let windowed = format!("use_sliding_window: got true, expected false; {window}");
    refused("qwen2", json!({ "use_sliding_window": true }), &windowed);
    refused(
        "qwen3",
        json!({ "layer_types": ["full_attention", "sliding_attention"] }),
        &format!("layer_types[1]: got \"sliding_attention\", expected \"full_attention\"; {window}"),
    );
    refused(
        "llama",
        json!({ "hidden_act": "gelu" }),
        &format!("hidden_act: got \"gelu\", expected \"silu\"; {without}"),
    );
    for (family, key) in [("llama", "mlp_bias"), ("llama", "attention_bias"), ("qwen3", "attention_bias")] {
        refused(family, json!({ key: true }), &format!("{key}: got true, expected false; {without}"));
    }
    assert!(with("qwen2", &json!({ "attention_bias": true })).unwrap().qkv_bias);
    refused(
        "llama",
        json!({ "quantization_config": { "quant_method": "gptq", "bits": 4 } }),
        "quantization_config: got \"gptq\", expected no quantisation; take this model's unquantised weights (f32, bf16 \
         or f16)",
    );
    refused(
        "llama",
        json!({ "partial_rotary_factor": 0.5 }),
        &format!("partial_rotary_factor: got 0.5, expected 1.0; {without}"),
    );
}

#[test]
fn unknown_rope_types_are_refused_by_name() {
    let remedy =
        "this is not supported; choose another model, or remove it and stay within the original context";
    for (place, key, kind) in [
        ("rope_scaling", "rope_type", "yarn"),
        ("rope_scaling", "type", "dynamic"),
        ("rope_parameters", "rope_type", "linear"),
    ] {
        refused(
            "qwen2",
            json!({ place: { key: kind, "factor": 4.0 } }),
            &format!("{place}.{key}: got \"{kind}\", expected \"default\" or \"llama3\"; {remedy}"),
        );
    }
}

#[test]
fn angles_by_layer_type_are_refused() {
    let default = json!({ "rope_type": "default", "rope_theta": 1e6 });
    let alike = "angles of their own for each kind of layer are not supported; choose a model whose layers all turn alike";
    for place in ["rope_parameters", "rope_scaling"] {
        refused(
            "qwen3",
            json!({ place: { "full_attention": default, "sliding_attention": default } }),
            &format!(
                "{place}.full_attention: got {default}, expected rope_type and rope_theta right in {place}; {alike}"
            ),
        );
    }
    assert_eq!(with("qwen3", &json!({ "rope_parameters": default })).unwrap().rope.theta, 1e6);
}

#[test]
fn a_scaling_that_contradicts_itself_is_refused() {
    let again = "fetch the file again or correct it";
    refused(
        "llama",
        json!({ "rope_scaling": { "factor": 4.0 } }),
        &format!(
            "rope_scaling.rope_type: got nothing, expected \"default\" or \"llama3\" beside a factor; {again}"
        ),
    );
    refused(
        "llama",
        json!({ "rope_scaling": { "rope_type": "default", "type": "yarn" } }),
        &format!("rope_scaling.type: got \"yarn\", expected the same as rope_type = \"default\"; {again}"),
    );
    refused(
        "llama",
        json!({ "rope_parameters": { "rope_type": "llama3", "factor": "8", "low_freq_factor": -1 } }),
        &format!(
            "3 problems:\n  rope_parameters.factor: got \"8\", expected a number from 1.0 to 1000000000.0; {again}\n  \
             rope_parameters.low_freq_factor: got -1, expected a number from 1e-9 to 1000000000.0; {again}\n  \
             rope_parameters.high_freq_factor: got nothing, expected a number from 1e-9 to 1000000000.0; {again}"
        ),
    );
    refused(
        "llama",
        json!({ "rope_scaling": [] }),
        &format!("rope_scaling: got [], expected an object or null; {again}"),
    );
}

#[test]
fn numbers_of_other_kinds_are_refused() {
    let again = "fetch the file again or correct it";
    let whole = "a whole number from 1 to 2147483647";
    for got in [
        json!(64.0),
        json!(-64),
        json!(true),
        json!("64"),
        json!(1e30),
        json!(u64::MAX),
        json!([64]),
        json!(0),
    ] {
        for key in ["vocab_size", "num_key_value_heads", "max_position_embeddings"] {
            refused("qwen2", json!({ key: got }), &format!("{key}: got {got}, expected {whole}; {again}"));
        }
    }
    refused(
        "llama",
        json!({ "rope_theta": 1e-300 }),
        &format!("rope_theta: got 1e-300, expected a number from 1.0 to 1e18; {again}"),
    );
    refused(
        "llama",
        json!({ "rms_norm_eps": 0 }),
        &format!("rms_norm_eps: got 0, expected a number from 1e-30 to 1.0; {again}"),
    );
    refused(
        "llama",
        json!({ "hidden_size": 65 }),
        &format!(
            "hidden_size: got 65, expected a multiple of num_attention_heads = 32, as there is no head_dim; {again}"
        ),
    );
    let cut = format!("vocab_size: got a text of 100000 bytes, expected {whole}; {again}");
    refused("llama", json!({ "vocab_size": "9".repeat(100_000) }), &cut);
    refused(
        "llama",
        json!({ "vocab_size": vec![1; 1000] }),
        &format!("vocab_size: got a list of 1000, expected {whole}; {again}"),
    );
}

#[test]
fn rows_that_no_token_has_are_known_by_the_tokenizer() {
    let config = tiny(Family::Llama);
    assert!(config.rows_without_token().is_empty());
    let mut has_token = vec![true; 9];
    has_token[4] = false;
    assert_eq!(config.clone().with_tokens(has_token).rows_without_token(), [4, 9, 10]);
    assert!(config.with_tokens(vec![true; 11]).rows_without_token().is_empty());
}

#[test]
fn impossible_numbers_are_refused() {
    let again = "fetch the file again or correct it";
    refused(
        "llama",
        json!({ "num_key_value_heads": 5 }),
        &format!("num_key_value_heads: got 5, expected a divisor of num_attention_heads = 32; {again}"),
    );
    refused(
        "llama",
        json!({ "head_dim": 3 }),
        &format!("head_dim: got 3, expected an even number (rotary embedding turns pairs); {again}"),
    );
    refused(
        "llama",
        json!({ "hidden_size": 1 << 30, "intermediate_size": 1 << 30 }),
        &format!(
            "hidden_size, num_hidden_layers, ...: got sizes that make 2e20 parameters, expected at most 1e14; {again}"
        ),
    );
    refused(
        "llama",
        json!({ "rope_scaling": {
            "rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4,
        } }),
        &format!("rope_scaling.high_freq_factor: got 4, expected more than low_freq_factor = 4; {again}"),
    );
}

#[test]
fn all_problems_come_in_one_message() {
    refused(
        "llama",
        json!({ "vocab_size": "many", "num_hidden_layers": 0, "hidden_act": "relu", "tie_word_embeddings": 1 }),
        "4 problems:\n  \
         hidden_act: got \"relu\", expected \"silu\"; this is not supported; choose a model without it\n  \
         vocab_size: got \"many\", expected a whole number from 1 to 2147483647; fetch the file again or correct it\n  \
         num_hidden_layers: got 0, expected a whole number from 1 to 2147483647; fetch the file again or correct it\n  \
         tie_word_embeddings: got 1, expected true or false; fetch the file again or correct it",
    );
}

#[test]
fn files_that_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    let error = || format!("{:#}", ModelConfig::from_folder(dir.path()).unwrap_err());
    let absent = format!(
        "{}: a model folder holds config.json, *.safetensors and tokenizer.json: No such file",
        path.display()
    );
    assert!(error().starts_with(&absent), "{}", error());
    std::fs::write(&path, "<html>").unwrap();
    let html = format!("{}: not JSON; fetch the file again: expected value at line 1", path.display());
    assert!(error().starts_with(&html), "{}", error());
    std::fs::write(&path, r#"{ "hidden_size": 8, "hidden_size": 16 }"#).unwrap();
    let twice =
        format!("{}: not JSON; fetch the file again: the key \"hidden_size\" stands twice", path.display());
    assert!(error().starts_with(&twice), "{}", error());
    std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    assert!(
        error().contains("it has 1099511627776 bytes, more than the 4194304 that are read of such a file"),
        "{}",
        error()
    );
    std::fs::write(&path, "[]").unwrap();
    let list = "got JSON that is no object, expected { \"model_type\": ... }; fetch the file again";
    assert_eq!(error(), format!("{}: {list}", path.display()));
}
