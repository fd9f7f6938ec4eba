//! Loading what transformers wrote, and the text of each refusal.

use std::fs::{read, write};

use safetensors::Dtype;
use serde_json::json;
use tch::Tensor;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::model::config::tests::{golden, tiny};
use crate::model::config::{Family, ModelConfig, SpecialIds};
use crate::model::save::save_folder;

fn load(dir: &Path, layout: &Layout) -> Result<Vec<f32>> {
    let mut flat = vec![f32::NAN; layout.n_params() as usize];
    load_into(dir, layout, &mut flat).map(|()| flat)
}

/// A saved tiny model: its folder, layout and weights.
fn saved(family: Family) -> (TempDir, Layout, Vec<f32>) {
    let dir = tempdir().unwrap();
    let layout = Layout::new(&tiny(family));
    let flat: Vec<f32> = (0..layout.n_params()).map(|i| (i as f32).sin()).collect();
    save_folder(dir.path(), &tiny(family), &layout, &flat, &SpecialIds::default()).unwrap();
    (dir, layout, flat)
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

fn check_error(dir: &Path, layout: &Layout, expected: &str) {
    let got = format!("{:#}", load(dir, layout).unwrap_err());
    assert_eq!(got.replace(&format!("{}", dir.display()), "DIR"), expected);
}

/// One file and shards, f32 and bf16, against libtorch's own reader.
#[test]
fn folders_of_transformers_load_bit_for_bit() {
    for name in ["llama", "qwen2", "qwen3"] {
        let dir = golden(name);
        let layout = Layout::new(&ModelConfig::from_folder(&dir).unwrap());
        let flat = load(&dir, &layout).unwrap();
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
    assert!(load(dir.path(), &layout).unwrap() == flat);
}

#[test]
fn old_frequencies_and_a_tied_head_are_skipped() {
    let (dir, layout, flat) = saved(Family::Qwen3);
    let extra = [
        ("lm_head.weight", Dtype::F32, &[11, 8][..]),
        ("model.layers.0.self_attn.rotary_emb.inv_freq", Dtype::I64, &[2][..]),
    ];
    write_zeros(&dir.path().join("extra.safetensors"), &extra);
    std::fs::rename(dir.path().join(SINGLE), dir.path().join("a.safetensors")).unwrap();
    let index =
        json!({ "weight_map": { "x": "a.safetensors", "y": "extra.safetensors", "z": "a.safetensors" } });
    write(dir.path().join(INDEX), index.to_string()).unwrap();
    assert_eq!(load(dir.path(), &layout).unwrap(), flat);
}

#[test]
fn every_misfit_is_named_at_once() {
    let dir = tempdir().unwrap();
    let config = ModelConfig { n_layers: 1, ..tiny(Family::Llama) };
    let at = |name: &str| format!("model.layers.0.{name}.weight");
    let names =
        ["self_attn.q_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj", "input_layernorm"].map(at);
    let tensors = [
        ("model.embed_tokens.weight", Dtype::F32, &[12, 8][..]),
        (&names[0], Dtype::I64, &[16, 8]),
        (&names[1], Dtype::F16, &[8, 16]),
        (&names[2], Dtype::BF16, &[6, 8]),
        (&names[3], Dtype::F32, &[8, 6]),
        (&names[4], Dtype::F32, &[8]),
        ("model.norm.weight", Dtype::F32, &[8]),
        ("score.weight", Dtype::F32, &[2, 8]),
        ("visual.patch.weight", Dtype::F32, &[2]),
    ];
    write_zeros(&dir.path().join(SINGLE), &tensors);
    check_error(
        dir.path(),
        &Layout::new(&config),
        "DIR: the weights do not fit config.json: \
         model.embed_tokens.weight in model.safetensors: got shape [12, 8], expected [11, 8]\n  \
         model.layers.0.self_attn.q_proj.weight in model.safetensors: got dtype I64, expected F32, BF16 or F16\n  \
         missing (5): model.layers.0.self_attn.k_proj.weight, model.layers.0.self_attn.v_proj.weight, \
         model.layers.0.mlp.up_proj.weight, lm_head.weight, model.layers.0.post_attention_layernorm.weight\n  \
         unexpected (2): score.weight, visual.patch.weight\n  \
         take config.json and the weights from the same model",
    );
}

#[test]
fn shards_that_are_absent_or_overlap() {
    let (dir, layout, _) = saved(Family::Qwen2);
    check_error(
        tempdir().unwrap().path(),
        &layout,
        "DIR: no weights: got neither model.safetensors nor model.safetensors.index.json; fetch them, or convert other \
         formats with transformers' save_pretrained",
    );
    std::fs::rename(dir.path().join(SINGLE), dir.path().join("a")).unwrap();
    let index = |text: &str| write(dir.path().join(INDEX), text).unwrap();
    index(r#"{ "weight_map": { "x": "a", "y": "c", "z": "b" } }"#);
    let absent = "2 of 3 shards missing: b, c; fetch them into the same folder";
    check_error(dir.path(), &layout, &format!("DIR/model.safetensors.index.json: {absent}"));

    index(r#"{ "weight_map": { "x": "a", "y": "b" } }"#);
    write_zeros(&dir.path().join("b"), &[("model.norm.weight", Dtype::F32, &[8])]);
    check_error(
        dir.path(),
        &layout,
        "DIR: the weights do not fit config.json: model.norm.weight: in a and again in b\n  \
         take config.json and the weights from the same model",
    );

    let expected = "expected { \"weight_map\": { tensor: file } }; fetch the file again";
    index("{}");
    check_error(dir.path(), &layout, &format!("DIR/model.safetensors.index.json: {expected}"));
    index(r#"{ "weight_map": { "x": 3 } }"#);
    check_error(dir.path(), &layout, &format!("DIR/model.safetensors.index.json: got file 3, {expected}"));
    index("{");
    let got = format!("{:#}", load(dir.path(), &layout).unwrap_err());
    assert!(got.contains("index.json: not JSON; fetch the file again: EOF while parsing"), "{got}");
}

#[test]
fn damaged_files() {
    let (dir, layout, _) = saved(Family::Llama);
    let path = dir.path().join(SINGLE);
    let whole = read(&path).unwrap();
    let n = whole.len();
    let check = |bytes: &[u8], expected: &str| {
        write(&path, bytes).unwrap();
        let got = format!("{:#}", load(dir.path(), &layout).unwrap_err());
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

#[test]
fn a_buffer_of_another_length_is_refused() {
    let (dir, layout, flat) = saved(Family::Llama);
    let error = load_into(dir.path(), &layout, &mut vec![0.0; flat.len() - 1]).unwrap_err();
    let n = flat.len();
    assert_eq!(error.to_string(), format!("the parameter buffer holds {} numbers, expected {n}", n - 1));
}
