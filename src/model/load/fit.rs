//! Whether weights are those that a `config.json` describes; what is said where they are not.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};

use super::decode;
use super::file::Stored;
use crate::model::config::ModelConfig;
use crate::model::layout::Entry;

/// What to do about files that are of different models.
const OF_ONE_MODEL: &str = "take config.json and the weights from the same model";
/// Problems and names that are listed; the others are counted.
const MOST: usize = 10;

const EMBEDDING: &str = "model.embed_tokens.weight";
const OUTPUT: &str = "lm_head.weight";

/// Compares the sizes in `config` with the shapes of `tensors`, so that a layout of it has as many parts as they have.
pub(super) fn check_sizes(config: &ModelConfig, tensors: &BTreeMap<&str, Stored<'_>>) -> Result<()> {
    let of_layer = |name: &str| format!("model.layers.0.{name}.weight");
    let (gate, q, k) = ("mlp.gate_proj", "self_attn.q_proj", "self_attn.k_proj");
    let sizes = [
        ("vocab_size", config.vocab_size, EMBEDDING.to_owned(), 0),
        ("hidden_size", config.hidden_size, EMBEDDING.to_owned(), 1),
        ("intermediate_size", config.intermediate_size, of_layer(gate), 0),
        ("num_attention_heads * head_dim", config.q_width(), of_layer(q), 0),
        ("num_key_value_heads * head_dim", config.kv_width(), of_layer(k), 0),
    ];
    let mut problems = Vec::new();
    for (key, got, name, side) in sizes {
        let Some(tensor) = tensors.get(name.as_str()).filter(|tensor| tensor.shape.len() == 2) else {
            continue;
        };
        if i64::try_from(tensor.shape[side]) != Ok(got) {
            let (expected, file) = (tensor.shape[side], tensor.file.name());
            let shape = tensor.shape;
            problems
                .push(format!("{key}: got {got}, expected {expected}, since {name} in {file} is {shape:?}"));
        }
    }
    let layer = |name: &&str| name.strip_prefix("model.layers.")?.split('.').next()?.parse::<u64>().ok();
    let n_layers = tensors.keys().filter_map(layer).collect::<BTreeSet<_>>().len();
    let got = config.n_layers;
    // Weights without any are of another kind of model, which their names tell best, unless there were too many to go through.
    let of_layers = n_layers > 0 || i64::try_from(tensors.len()).is_ok_and(|n| n < got);
    if of_layers && i64::try_from(n_layers) != Ok(got) {
        problems.push(format!(
            "num_hidden_layers: got {got}, expected {n_layers}, the layers that the weights have"
        ));
    }
    refuse(problems)
}

/// The stored tensor of each entry, in their order.
pub(super) fn sources<'a>(
    entries: &[Entry],
    mut stored: BTreeMap<&str, Stored<'a>>,
) -> Result<Vec<Stored<'a>>> {
    let (mut problems, mut sources, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        let Some(tensor) = stored.remove(entry.name.as_str()) else {
            missing.push(entry.name.as_str());
            continue;
        };
        problems.extend(misfit(entry, &tensor));
        sources.push(tensor);
    }
    // An output projection left over here belongs to a model whose projection is its embedding.
    let skipped = |name: &str| name.ends_with("rotary_emb.inv_freq") || name == OUTPUT;
    let unexpected: Vec<&str> = stored.into_keys().filter(|name| !skipped(name)).collect();
    if missing == [OUTPUT] {
        problems.push(format!(
            "missing: {OUTPUT}; where the embedding is the output projection, config.json says so by \
             tie_word_embeddings: true"
        ));
        missing.clear();
    }
    for (kind, names) in [("missing", missing), ("unexpected", unexpected)] {
        if !names.is_empty() {
            problems.push(format!("{kind} ({}): {}", names.len(), listed(names)));
        }
    }
    refuse(problems)?;
    Ok(sources)
}

/// Checks that an output projection beside the embedding that it is said to be has the same numbers.
pub(super) fn check_tied(tensors: &BTreeMap<&str, Stored<'_>>) -> Result<()> {
    let Some((output, embedding)) = tensors.get(OUTPUT).zip(tensors.get(EMBEDDING)) else { return Ok(()) };
    ensure!(
        decode::SUPPORTED.contains(&output.dtype),
        "{OUTPUT} in {}: got dtype {}, expected F32, BF16 or F16",
        output.file.name(),
        output.dtype
    );
    ensure!(
        output.equals(embedding).context(OUTPUT)?,
        "tie_word_embeddings: got true beside {OUTPUT} in {}, which differs from {EMBEDDING}; set it to false in config.json \
         to keep both, or remove {OUTPUT} from the weights",
        output.file.name()
    );
    Ok(())
}

/// What is wrong with a tensor that should fill `entry`.
fn misfit(entry: &Entry, tensor: &Stored<'_>) -> Option<String> {
    let here = || format!("{} in {}", entry.name, tensor.file.name());
    let same_shape = entry.shape.iter().copied().eq(tensor.shape.iter().map(|&n| n as i64));
    if !same_shape {
        let shape = match tensor.shape {
            sides if sides.len() > MOST => format!("{} dimensions", sides.len()),
            sides => format!("shape {sides:?}"),
        };
        return Some(format!("{}: got {shape}, expected {:?}", here(), entry.shape));
    }
    if !decode::SUPPORTED.contains(&tensor.dtype) {
        return Some(format!("{}: got dtype {}, expected F32, BF16 or F16", here(), tensor.dtype));
    }
    None
}

fn refuse(mut problems: Vec<String>) -> Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    if let Some(others) = problems.len().checked_sub(MOST).filter(|n| *n > 0) {
        problems.truncate(MOST);
        problems.push(format!("and {others} more of this kind"));
    }
    bail!("{}\n  {OF_ONE_MODEL}", problems.join("\n  "))
}

/// Names that stand in a file, for a message: the first of them, made harmless and cut.
pub(super) fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    /// Characters of a name.
    const LENGTH: usize = 100;
    let mut names = names.into_iter();
    let harmless = |name: &str| name.escape_debug().take(LENGTH).collect::<String>();
    let mut list = names.by_ref().take(MOST).map(harmless).collect::<Vec<_>>().join(", ");
    let others = names.count();
    if others > 0 {
        list.push_str(&format!(" and {others} more"));
    }
    list
}
