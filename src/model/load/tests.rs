//! Loading what transformers wrote, and the text of each refusal.

use std::fs::{read, write};

use safetensors::Dtype;
use serde_json::json;
use tch::Tensor;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::model::config::tests::{golden, tiny};
use crate::model::config::{Family, ModelConfig, SpecialIds};
use crate::model::json::{OF_REASON, OF_VALUE, short};
use crate::model::save::save_folder;

fn load(dir: &Path, config: &ModelConfig) -> Result<Vec<f32>> {
    let stored = StoredWeights::open(dir)?;
    Ok(stored.read(&stored.layout(config)?)?.try_into()?)
}

/// A saved tiny model: its folder, shape and weights.
fn saved(family: Family) -> (TempDir, ModelConfig, Vec<f32>) {
    let dir = tempdir().unwrap();
    let config = tiny(family);
    let layout = Layout::new(&config);
    let flat: Vec<f32> = (0..layout.n_params()).map(|i| (i as f32).sin()).collect();
    save_folder(dir.path(), &config, &layout, &flat, &SpecialIds::default()).unwrap();
    (dir, config, flat)
}

/// Puts the weights of `dir` into a shard, beside others with the tensors `more`.
fn shard(dir: &Path, more: &[(&str, Dtype, &[usize])]) {
    write_zeros(&dir.join("extra.safetensors"), more);
    std::fs::rename(dir.join(WEIGHTS), dir.join("a.safetensors")).unwrap();
    let index =
        json!({ "weight_map": { "x": "a.safetensors", "y": "extra.safetensors", "z": "a.safetensors" } });
    write(dir.join(WEIGHTS_INDEX), index.to_string()).unwrap();
}

/// Writes a safetensors file of zeros with these tensors.
fn write_zeros(path: &Path, tensors: &[(&str, Dtype, &[usize])]) {
    let views: Vec<_> = tensors
        .iter()
        .map(|(name, dtype, shape)| {
            let n_bytes = shape.iter().product::<usize>() * dtype.bitsize() / 8;
            (*name, *dtype, shape.to_vec(), vec![0u8; n_bytes])
        })
        .collect();
    let views = views.iter().map(|(name, dtype, shape, bytes)| {
        (*name, safetensors::tensor::TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn check_error(dir: &Path, config: &ModelConfig, expected: &str) {
    let got = format!("{:#}", load(dir, config).unwrap_err());
    assert_eq!(got.replace(&format!("{}", dir.display()), "DIR"), expected);
}

/// One file and shards, f32 and bf16, against libtorch's own reader.
#[test]
fn folders_of_transformers_load_bit_for_bit() {
    for name in ["llama", "qwen2", "qwen3"] {
        let dir = golden(name);
        let config = ModelConfig::from_folder(&dir).unwrap();
        let (layout, flat) = (Layout::new(&config), load(&dir, &config).unwrap());
        let mut seen = 0;
        for file in weight_files(&dir).unwrap() {
            for (name, tensor) in Tensor::read_safetensors(file).unwrap() {
                let entry = layout.find(&name).unwrap();
                let tensor = tensor.to_kind(tch::Kind::Float).flatten(0, -1);
                let start = entry.start as usize;
                assert_eq!(
                    flat[start..start + entry.n_elements() as usize],
                    Vec::<f32>::try_from(tensor).unwrap(),
                    "{name}"
                );
                seen += 1;
            }
        }
        assert_eq!(seen, layout.entries().len(), "{name}");
    }
}

/// Longer than a piece, so that pieces and threads meet.
#[test]
fn a_tensor_of_several_pieces() {
    let config = ModelConfig { vocab_size: 3 * PIECE as i64 / 8 + 5, ..tiny(Family::Qwen2) };
    let layout = Layout::new(&config);
    let flat: Vec<f32> = (0..layout.n_params()).map(|i| i as f32).collect();
    let dir = tempdir().unwrap();
    save_folder(dir.path(), &config, &layout, &flat, &SpecialIds::default()).unwrap();
    assert!(load(dir.path(), &config).unwrap() == flat);
}

#[test]
fn old_frequencies_are_skipped() {
    let (dir, config, flat) = saved(Family::Qwen3);
    shard(dir.path(), &[("model.layers.0.self_attn.rotary_emb.inv_freq", Dtype::I64, &[2][..])]);
    assert_eq!(load(dir.path(), &config).unwrap(), flat);
}

/// Beside the embedding that it is said to be, in one file or in shards.
#[test]
fn an_output_projection_that_is_said_to_be_the_embedding_must_be_it() {
    let (dir, config, flat) = saved(Family::Llama);
    let tied = ModelConfig { tie_word_embeddings: true, ..config.clone() };
    let differs = "DIR: the weights do not fit config.json: tie_word_embeddings: got true beside lm_head.weight in \
                   model.safetensors, which differs from model.embed_tokens.weight; set it to false in config.json to keep \
                   both, or remove lm_head.weight from the weights";
    check_error(dir.path(), &tied, differs);
    assert_eq!(load(dir.path(), &config).unwrap(), flat);

    let dir = tempdir().unwrap();
    let (layout, mut same) = (Layout::new(&config), flat);
    let (embedding, output) =
        (layout.find("model.embed_tokens.weight").unwrap(), layout.find("lm_head.weight").unwrap());
    let n = embedding.n_elements() as usize;
    same.copy_within(embedding.start as usize..embedding.start as usize + n, output.start as usize);
    save_folder(dir.path(), &config, &layout, &same, &SpecialIds::default()).unwrap();
    assert_eq!(load(dir.path(), &tied).unwrap().len(), same.len() - n);

    let (dir, config, _) = saved(Family::Qwen3);
    shard(dir.path(), &[("lm_head.weight", Dtype::BF16, &[11, 8][..])]);
    check_error(dir.path(), &config, &differs.replace("model.safetensors", "extra.safetensors"));
}

#[test]
fn sizes_of_config_are_compared_with_the_shapes_before_memory_is_taken() {
    let (dir, config, _) = saved(Family::Llama);
    let huge = ModelConfig {
        vocab_size: 2_000_000_000,
        hidden_size: 1 << 30,
        intermediate_size: 7,
        n_layers: 1_000_000_000,
        n_heads: 1 << 20,
        n_kv_heads: 1,
        ..config.clone()
    };
    let of = |name: &str, shape: &str| format!("since {name}.weight in model.safetensors is {shape}");
    let lines = [
        "DIR: the weights do not fit config.json: vocab_size: got 2000000000, expected 11, ".to_owned()
            + &of("model.embed_tokens", "[11, 8]"),
        "hidden_size: got 1073741824, expected 8, ".to_owned() + &of("model.embed_tokens", "[11, 8]"),
        "intermediate_size: got 7, expected 6, ".to_owned() + &of("model.layers.0.mlp.gate_proj", "[6, 8]"),
        "num_attention_heads * head_dim: got 4194304, expected 16, ".to_owned()
            + &of("model.layers.0.self_attn.q_proj", "[16, 8]"),
        "num_key_value_heads * head_dim: got 4, expected 8, ".to_owned()
            + &of("model.layers.0.self_attn.k_proj", "[8, 8]"),
        "num_hidden_layers: got 1000000000, expected 2, the layers that the weights have".to_owned(),
        "take config.json and the weights from the same model".to_owned(),
    ];
    check_error(dir.path(), &huge, &lines.join("\n  "));
    assert_eq!(check(&ModelSource::of_whole(dir.path()), &config).map_err(|error| error.to_string()), Ok(()));
}

#[test]
fn every_misfit_is_named_at_once() {
    let dir = tempdir().unwrap();
    let config = ModelConfig { n_layers: 1, ..tiny(Family::Llama) };
    let at = |name: &str| format!("model.layers.0.{name}.weight");
    let names =
        ["self_attn.q_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj", "input_layernorm"].map(at);
    let tensors = [
        ("model.embed_tokens.weight", Dtype::F32, &[11, 8][..]),
        (&names[0], Dtype::I64, &[16, 8]),
        (&names[1], Dtype::F16, &[8, 16]),
        (&names[2], Dtype::BF16, &[6, 8]),
        (&names[3], Dtype::F32, &[8, 6]),
        (&names[4], Dtype::F32, &[8]),
        ("model.norm.weight", Dtype::F32, &[8, 1]),
        ("score.weight", Dtype::F32, &[2, 8]),
        ("visual.patch.weight", Dtype::F32, &[2]),
    ];
    write_zeros(&dir.path().join(WEIGHTS), &tensors);
    check_error(
        dir.path(),
        &config,
        "DIR: the weights do not fit config.json: \
         model.layers.0.self_attn.q_proj.weight in model.safetensors: got dtype I64, expected F32, BF16 or F16\n  \
         model.norm.weight in model.safetensors: got shape [8, 1], expected [8]\n  \
         missing (5): model.layers.0.self_attn.k_proj.weight, model.layers.0.self_attn.v_proj.weight, \
         model.layers.0.mlp.up_proj.weight, lm_head.weight, model.layers.0.post_attention_layernorm.weight\n  \
         unexpected (2): score.weight, visual.patch.weight\n  \
         take config.json and the weights from the same model",
    );
}

/// As the cache of Hugging Face's tools has them: names that are links to files elsewhere.
#[test]
fn weights_may_be_links_but_not_names_outside_of_the_folder() {
    let (dir, config, flat) = saved(Family::Qwen2);
    let snapshot = dir.path().join("snapshots/abc");
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::create_dir(dir.path().join("blobs")).unwrap();
    std::fs::rename(dir.path().join(WEIGHTS), dir.path().join("blobs/1f")).unwrap();
    for name in ["model-1.safetensors", "model-2.safetensors"] {
        std::os::unix::fs::symlink("../../blobs/1f", snapshot.join(name)).unwrap();
    }
    let index = |name: &str| {
        write(snapshot.join(WEIGHTS_INDEX), json!({ "weight_map": { "x": name } }).to_string()).unwrap();
    };
    index("model-1.safetensors");
    assert_eq!(load(&snapshot, &config).unwrap(), flat);
    let absolute = dir.path().join("blobs/1f").display().to_string();
    for name in ["../../blobs/1f", "../abc/model-1.safetensors", &absolute, "./model-1.safetensors", "..", ""]
    {
        index(name);
        let got = format!("{:#}", load(&snapshot, &config).unwrap_err());
        let expected = format!(
            "{}: got file {name}, expected the name of a file in the same folder; fetch the file again",
            snapshot.join(WEIGHTS_INDEX).display()
        );
        assert_eq!(got, expected);
    }
    std::os::unix::fs::symlink("/dev/zero", snapshot.join("endless")).unwrap();
    index("endless");
    let got = format!("{:#}", load(&snapshot, &config).unwrap_err());
    assert!(got.ends_with("endless: cannot open: it is a device, expected a file"), "{got}");
}

#[test]
fn a_single_file_beside_its_shards_is_refused() {
    let (dir, config, flat) = saved(Family::Qwen2);
    std::fs::copy(dir.path().join(WEIGHTS), dir.path().join("a.safetensors")).unwrap();
    let index = |name: &str| {
        write(dir.path().join(WEIGHTS_INDEX), json!({ "weight_map": { "x": name } }).to_string()).unwrap();
    };
    index("a.safetensors");
    check_error(
        dir.path(),
        &config,
        "DIR: got both model.safetensors and model.safetensors.index.json with its shards, whose weights may differ; remove \
         one or the other",
    );
    // An index of the file itself, and one of shards that are not there.
    for name in [WEIGHTS, "b.safetensors"] {
        index(name);
        assert_eq!(load(dir.path(), &config).unwrap(), flat);
    }
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    let (dir, config, mut flat) = saved(Family::Qwen2);
    flat[9] = f32::INFINITY;
    std::fs::remove_dir_all(dir.path()).unwrap();
    save_folder(dir.path(), &config, &Layout::new(&config), &flat, &SpecialIds::default()).unwrap();
    check_error(
        dir.path(),
        &config,
        "DIR/model.safetensors: model.embed_tokens.weight: element 9 of [11, 8] is inf, expected finite numbers; fetch the \
         file again, or take weights from before they broke",
    );
}

#[test]
fn shards_that_are_absent_or_overlap() {
    let (dir, config, _) = saved(Family::Qwen2);
    check_error(
        tempdir().unwrap().path(),
        &config,
        "DIR: no weights: got neither model.safetensors nor model.safetensors.index.json; fetch them, or convert other \
         formats with transformers' save_pretrained",
    );
    std::fs::rename(dir.path().join(WEIGHTS), dir.path().join("a")).unwrap();
    let index = |text: &str| write(dir.path().join(WEIGHTS_INDEX), text).unwrap();
    index(r#"{ "weight_map": { "x": "a", "y": "c", "z": "b" } }"#);
    let absent = "2 of 3 shards missing: b, c; fetch them into the same folder";
    check_error(dir.path(), &config, &format!("DIR/model.safetensors.index.json: {absent}"));

    index(r#"{ "weight_map": { "x": "a", "y": "b" } }"#);
    write_zeros(&dir.path().join("b"), &[("model.norm.weight", Dtype::F32, &[8])]);
    check_error(
        dir.path(),
        &config,
        "DIR: the weights do not fit config.json: model.norm.weight: in a and again in b; take config.json and the weights \
         from the same model",
    );

    let long = "x".repeat(1_000_000);
    for name in ["a", "b"] {
        write_zeros(&dir.path().join(name), &[(&long, Dtype::F32, &[8])]);
    }
    let got = format!("{:#}", load(dir.path(), &config).unwrap_err());
    assert!(got.contains("xxx: in a and again in b") && got.len() < 2000, "{} bytes", got.len());

    let expected = "expected { \"weight_map\": { tensor: file } }; fetch the file again";
    index("{}");
    check_error(dir.path(), &config, &format!("DIR/model.safetensors.index.json: {expected}"));
    index(r#"{ "weight_map": {} }"#);
    let none = format!("DIR/model.safetensors.index.json: got no files, {expected}");
    check_error(dir.path(), &config, &none);
    index(r#"{ "weight_map": { "x": 3 } }"#);
    check_error(dir.path(), &config, &format!("DIR/model.safetensors.index.json: got file 3, {expected}"));
    index("{");
    let got = format!("{:#}", load(dir.path(), &config).unwrap_err());
    assert!(got.contains("index.json: not JSON; fetch the file again: EOF while parsing"), "{got}");
}

#[test]
fn damaged_files() {
    let (dir, config, _) = saved(Family::Llama);
    let path = dir.path().join(WEIGHTS);
    let whole = read(&path).unwrap();
    let n = whole.len();
    let check = |bytes: &[u8], expected: &str| {
        write(&path, bytes).unwrap();
        let got = format!("{:#}", load(dir.path(), &config).unwrap_err());
        let expected = format!("{}: {expected}", path.display());
        assert!(got.starts_with(&expected), "got {got}\nexpected {expected}");
    };
    check(&whole[..3], "truncated: got 3 bytes, expected at least 8; fetch the file again");
    let n_header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap());
    let alone =
        format!("truncated: got 60 bytes, expected {n_header} for the header alone; fetch the file again");
    check(&whole[..60], &alone);
    check(&whole[..n - 1], &format!("truncated: got {} bytes, expected {n}; fetch the file again", n - 1));
    check(
        &[&whole[..], b"x"].concat(),
        &format!("damaged: got {} bytes, expected {n}; fetch the file again", n + 1),
    );
    check(b"version https://git-lfs.github.com/spec/v1\n", "no safetensors file: its header would have");
    let mut broken = whole.clone();
    broken[8] = b'[';
    check(&broken, "damaged: the header is no safetensors header; fetch the file again: ");
    // A header whose shape calls for other bytes than its offsets give.
    let at = whole.windows(6).position(|window| window == b"[11,8]").unwrap();
    broken = whole;
    broken[at..at + 6].copy_from_slice(b"[12,8]");
    check(&broken, "damaged: the header is no safetensors header; fetch the file again: invalid shape");
}

/// A header of which everything but one thing is right.
#[test]
fn headers_that_lie() {
    let dir = tempdir().unwrap();
    let config = tiny(Family::Llama);
    let check = |header: &str, n_data: usize, expected: &str| {
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; n_data]].concat();
        write(dir.path().join(WEIGHTS), bytes).unwrap();
        let got = format!("{:#}", load(dir.path(), &config).unwrap_err());
        assert!(
            got.contains(expected) && got.len() < 2000,
            "{}: {} bytes: {}",
            short(header, OF_VALUE),
            got.len(),
            short(&got, OF_REASON)
        );
    };
    let damaged = "model.safetensors: damaged: the header is no safetensors header; fetch the file again";
    let tensor = |name: &str, dtype: &str, shape: &str, from: u64, to: u64| {
        format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{from},{to}]}}"#)
    };
    let one = |dtype, shape, from, to| format!("{{{}}}", tensor("a", dtype, shape, from, to));
    check(&one("F32", "[2]", 0, 8), 4, "truncated: got ");
    check(&one("F32", "[2]", 4, 12), 12, damaged);
    check(&one("F32", "[2]", 8, 0), 8, damaged);
    check(&one("F32", "[4294967296,4294967296]", 0, 8), 8, damaged);
    check(&one("F32", "[18446744073709551615]", 0, u64::MAX), 8, damaged);
    check(&one("F32", "[-2]", 0, 8), 8, damaged);
    check(&one("F33", "[2]", 0, 8), 8, damaged);
    let two = |first: String, second: String| format!("{{{first},{second}}}");
    check(&two(tensor("a", "F32", "[2]", 0, 8), tensor("b", "F32", "[2]", 4, 12)), 12, damaged);
    let twice = two(tensor("a", "F32", "[2]", 0, 8), tensor("a", "F32", "[2]", 0, 8));
    check(&twice, 8, &format!("{damaged}: \"a\" stands twice"));
    // What is said of it holds no megabytes.
    let long = "F".repeat(1_000_000);
    check(&one(&long, "[2]", 0, 8), 8, &format!("{damaged}: unknown variant `FFF"));
    check(&format!("{{{}}}", tensor(&long, "F32", "[2]", 4, 12)), 12, &format!("{damaged}: "));
    let twice = two(tensor(&long, "F32", "[2]", 0, 8), tensor(&long, "F32", "[2]", 0, 8));
    check(&twice, 8, "FFF...\" stands twice");
    check(&"[".repeat(100_000), 0, damaged);
    // A gigabyte of header in a file of a few bytes, and one that is there.
    let huge = [&(1u64 << 30).to_le_bytes()[..], b"{}"].concat();
    write(dir.path().join(WEIGHTS), huge).unwrap();
    let file = std::fs::File::options().write(true).open(dir.path().join(WEIGHTS)).unwrap();
    file.set_len(2 << 30).unwrap();
    let got = format!("{:#}", load(dir.path(), &config).unwrap_err());
    assert!(
        got.contains("its header would have 1073741824 bytes, expected at most 16777216 in all files"),
        "{got}"
    );
}

#[test]
fn weights_that_no_memory_holds_are_refused() {
    let meminfo = "MemTotal:       16000000 kB\nMemFree:  5 kB\nSwapTotal:       4000000 kB\n";
    let error = |n| check_room(n, meminfo).map_err(|error| error.to_string());
    assert_eq!(error(5_000_000_000), Ok(()));
    let expected = "5100000000 parameters take 20.4 GB in single precision, this machine has 20.0 GB of memory; choose a \
                    smaller model";
    assert_eq!(error(5_100_000_000), Err(expected.to_owned()));
    assert!(check_room(i64::MAX, "").is_ok(), "where nothing is known");
}

#[test]
fn messages_stay_short() {
    let dir = tempdir().unwrap();
    let names: Vec<String> = (0..500).map(|i| format!("x\u{1b}[2J{i}")).collect();
    let tensors: Vec<(&str, Dtype, &[usize])> =
        names.iter().map(|name| (&**name, Dtype::F32, &[1][..])).collect();
    write_zeros(&dir.path().join(WEIGHTS), &tensors);
    let config = ModelConfig { n_layers: 1, ..tiny(Family::Llama) };
    let stored = StoredWeights::open(dir.path()).unwrap();
    let got = format!("{:#}", stored.read(&Layout::new(&config)).unwrap_err());
    assert!(
        got.len() < 1500 && got.contains("unexpected (500): x\\u{1b}[2J0, ") && got.contains(" and 490 more"),
        "{got}"
    );
}
