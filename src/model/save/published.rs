//! Weights for servers that generate: one file, in any precision, straight from where they compute.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use safetensors::Dtype;
use tch::Kind;

use super::vectors::write_numbers;
use super::{header, write_new};
use crate::files::model_folder::{CONFIG, WEIGHTS};
use crate::files::sync_folder;
use crate::model::config::SpecialIds;
use crate::model::layout::{Entry, Output};
use crate::model::lora::save_adapter;
use crate::model::network::Network;
use crate::model::trainable::Trainable;

/// Name of the output layer.
const OUTPUT: &str = "lm_head.weight";

/// Writes `config.json` and the weights that `network` computes with, as numbers of `kind`, into `dir`, which is made. The output layer
/// always has a tensor of its own, even where it is the embedding: servers that keep a copy of it renew that by name alone. Files
/// and folder are synced, and as long as they should be.
///
/// # Errors
/// If the folder is not new or cannot be written, or `kind` is neither bf16 nor f32.
pub(crate) fn publish_folder(dir: &Path, network: &Network, kind: Kind, special: &SpecialIds) -> Result<()> {
    std::fs::create_dir(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let json = network.config.to_json(special);
    write_new(&dir.join(CONFIG), |file| file.write_all(json.as_bytes()))?;
    let mut entries = network.layout.entries().to_vec();
    if network.layout.output == Output::Tied {
        let embed = &network.layout.embed;
        entries.push(Entry { name: OUTPUT.to_owned(), shape: embed.shape.clone(), start: embed.start });
    }
    let dtype = match kind {
        Kind::BFloat16 => Dtype::BF16,
        Kind::Float => Dtype::F32,
        _ => anyhow::bail!("weights for servers are bf16 or f32, not {kind:?}"),
    };
    let path = dir.join(WEIGHTS);
    let header = header(&entries, dtype).with_context(|| path.display().to_string())?;
    write_new(&path, |file| {
        file.write_all(&header)?;
        entries.iter().try_for_each(|entry| write_numbers(file, &network.computed(entry), kind))
    })?;
    let n_elements: i64 = entries.iter().map(Entry::n_elements).sum();
    let expected = header.len() as u64 + n_elements as u64 * (dtype.bitsize() / 8) as u64;
    let length = std::fs::metadata(&path).with_context(|| path.display().to_string())?.len();
    ensure!(length == expected, "{}: {length} bytes were written, expected {expected}", path.display());
    sync_folder(dir)
}

/// Writes the adapters of `network` into `dir`, which is made, as peft reads them. Files and folder are synced.
///
/// # Errors
/// If the folder is not new or cannot be written, or all weights of `network` learn.
pub(crate) fn publish_adapter(dir: &Path, network: &Network) -> Result<()> {
    let Trainable::Adapters(layout) = network.trainable() else {
        anyhow::bail!(
            "a policy of which all weights learn has no adapters to load; [engine] `adapters` = \"merged\""
        )
    };
    std::fs::create_dir(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    save_adapter(dir, layout, &Vec::<f32>::try_from(network.master())?)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::model::config::Family;
    use crate::model::config::tests::tiny;
    use crate::model::load::StoredWeights;
    use crate::model::{Layout, ModelConfig, Placement, Policy};
    use crate::types::RunRandom;

    /// What a server reads is what the policy computes with, and a tied output layer is there under its own name.
    #[test]
    fn servers_read_the_weights_that_compute() {
        for family in Family::ALL {
            for kind in [Kind::Float, Kind::BFloat16] {
                let dir = tempfile::tempdir().unwrap();
                let dir = dir.path().join("1");
                let policy = Policy::scratch(tiny(family), &RunRandom::new(3), Placement::cpu(kind)).unwrap();
                publish_folder(&dir, &policy.network, kind, &SpecialIds::default()).unwrap();
                assert_eq!(ModelConfig::from_folder(&dir).unwrap(), policy.network.config);
                let untied = ModelConfig { tie_word_embeddings: false, ..policy.network.config.clone() };
                let layout = Layout::new(&untied);
                let read = StoredWeights::open(&dir).unwrap().read(&layout).unwrap();
                let read = Vec::<f32>::try_from(read).unwrap();
                let own = Vec::<f32>::try_from(
                    policy
                        .network
                        .whole()
                        .unwrap()
                        .to_kind(policy.network.placement.kind)
                        .to_kind(Kind::Float),
                )
                .unwrap();
                let (embed, head) = (&layout.embed, layout.find(OUTPUT).unwrap());
                let part = |flat: &[f32], start: i64, n: i64| flat[start as usize..][..n as usize].to_vec();
                let n = embed.n_elements();
                let output = if policy.network.config.tie_word_embeddings { 0 } else { head.start };
                assert_eq!(part(&read, head.start, n), part(&own, output, n), "{family:?}, {kind:?}");
                assert_eq!(part(&read, 0, n), part(&own, 0, n), "{family:?}, {kind:?}");
                let norms = n as usize..;
                assert_eq!(read.last(), own.last());
                assert_eq!(read[norms.clone()].len() - own[norms].len(), (read.len() - own.len()));
                assert!(publish_folder(&dir, &policy.network, kind, &SpecialIds::default()).is_err());
            }
        }
    }
}
