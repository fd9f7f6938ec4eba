//! Weights on their way to the servers: a folder per version, whole or not there, and a text by which they are known again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rand::TryRng;
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};
use tch::Kind;

use super::config::ServersConfig;
use super::models::Addressee;
use crate::batch::{Reads, Sequence, TokenBatch};
use crate::files::{is_temporary, list, remove, sync_folder, temporary_beside};
use crate::model::config::SpecialIds;
use crate::model::save::{publish_adapter, publish_folder};
use crate::model::{Dtype, Policy, Stamp};
use crate::types::TokenId;

/// What the names of versions begin with.
pub(super) const PREFIX: &str = "rlcredit-";

/// Versions that stay: the newest, and the one before, which a server may be reading.
const KEPT: usize = 2;

/// Least change of a log-probability, in nats, that rounding to bf16 on a server's side does not hide in all tokens of a text.
const SEEN: f32 = 1e-3;

/// Least and most tokens of a known text.
const KNOWN: std::ops::Range<usize> = 32..513;

/// Weights that lie where servers can read them; the same for all processes that train together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Version {
    /// What the servers call them; no other run ever used that name.
    pub name: String,
    /// Where they lie.
    pub folder: PathBuf,
    /// Whether they are adapters, which servers load beside the weights that they have.
    pub is_adapter: bool,
}

impl Version {
    /// Who answers with these weights, of servers that call the model `model`.
    pub(super) fn addressee<'a>(&'a self, model: &'a str) -> Addressee<'a> {
        Addressee { model, adapter: self.is_adapter.then_some(&self.name) }
    }
}

/// A version, and what this process knows of it.
#[derive(Clone, Debug)]
pub(super) struct Publication {
    /// Which weights these are, in this process.
    pub stamp: Stamp,
    /// What the servers are given.
    pub version: Version,
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
    /// What the learner says under these weights.
    pub known: Known,
}

impl Publication {
    /// What `policy`, whose weights `version` are, says of the text that was known `before`, or else of one that begins as `prompt`.
    ///
    /// # Errors
    /// If it cannot be asked.
    pub(super) fn new(
        policy: &Policy,
        version: Version,
        before: Option<Known>,
        prompt: &[TokenId],
    ) -> Result<Self> {
        let vocabulary = usize::try_from(policy.network.config.vocab_size)?;
        let known = match before {
            Some(before) => before.anew(policy)?,
            None => Known::new(policy, prompt)?,
        };
        Ok(Self { stamp: policy.network.stamp(), version, vocabulary, known })
    }
}

/// A text, and what the learner says of it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Its tokens.
    pub tokens: Vec<TokenId>,
    /// Log-probability of each but the first, at temperature 1.
    pub logprobs: Vec<f32>,
    /// Whether any of them is so much another than with the weights before that a server's must be, too.
    pub moved: bool,
}

impl Known {
    /// What `policy` says about a text made of `prompt`, over and over where it is short.
    pub(super) fn new(policy: &Policy, prompt: &[TokenId]) -> Result<Self> {
        let positions = usize::try_from(policy.network.config.max_position_embeddings)?;
        let n = prompt.len().clamp(KNOWN.start, KNOWN.end - 1).min(positions - 1);
        let tokens: Vec<TokenId> = prompt.iter().copied().cycle().take(n).collect();
        let known = Self { tokens, logprobs: Vec::new(), moved: false };
        Ok(Self { moved: false, ..known.anew(policy)? })
    }

    /// What `policy` says about the same text.
    fn anew(self, policy: &Policy) -> Result<Self> {
        let tokens = self.tokens;
        let text = Sequence { prompt: &tokens[..1], response: &tokens[1..] };
        let batch = TokenBatch::new(&[text], Reads::Predictors, policy.network.placement.device);
        let hidden = policy.network.hidden(&batch.inputs, None)?;
        let stats = policy.head(1.0).stats(&batch.pick(&hidden), &batch.targets)?;
        let logprobs = batch.by_sequence(&stats.logprobs)?.pop().unwrap_or_default();
        let moved = logprobs.iter().zip(&self.logprobs).any(|(new, old)| (new - old).abs() > SEEN);
        Ok(Self { tokens, logprobs, moved })
    }
}

/// Writes weights for servers.
pub(super) struct Publisher {
    root: PathBuf,
    dtype: Dtype,
    /// Whether adapters are written without the weights that they belong to.
    apart: bool,
    special: SpecialIds,
    /// Of this process alone.
    nonce: u32,
    n_published: u64,
}

impl Publisher {
    /// One that writes into `root`, which holds nothing else, and from which it removes what earlier ones left.
    ///
    /// # Errors
    /// If the folder cannot be made or cleared.
    pub(super) fn new(root: &Path, config: &ServersConfig, eos: &[TokenId]) -> Result<Self> {
        fs::create_dir_all(root)
            .with_context(|| format!("[engine] `weights`: cannot create {}", root.display()))?;
        // Servers have no idea of where this process runs.
        let root = fs::canonicalize(root).with_context(|| root.display().to_string())?;
        clear(&root)?;
        let special = SpecialIds { eos: eos.to_vec(), ..SpecialIds::default() };
        let nonce = SysRng.try_next_u32().context("the system has no random numbers")?;
        let (dtype, apart) = (config.dtype, config.loads_adapters());
        Ok(Self { root, dtype, apart, special, nonce, n_published: 0 })
    }

    /// Writes the weights that `policy` computes with.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(super) fn write(&mut self, policy: &Policy) -> Result<Version> {
        self.n_published += 1;
        let name = self.name(self.n_published);
        let (folder, kind) = (self.root.join(&name), self.kind(policy));
        let temporary = temporary_beside(&folder)?;
        match self.apart {
            true => publish_adapter(&temporary, &policy.network)?,
            false => publish_folder(&temporary, &policy.network, kind, &self.special)?,
        }
        fs::rename(&temporary, &folder)
            .with_context(|| format!("cannot rename {} to {}", temporary.display(), folder.display()))?;
        sync_folder(&self.root)?;
        if let Some(old) = self.n_published.checked_sub(KEPT as u64).filter(|old| *old > 0) {
            remove(&self.root.join(self.name(old)))?;
        }
        Ok(Version { name, folder, is_adapter: self.apart })
    }

    /// What the version of that number is called.
    fn name(&self, number: u64) -> String {
        format!("{PREFIX}{:08x}-{number}", self.nonce)
    }

    fn kind(&self, policy: &Policy) -> Kind {
        match self.dtype {
            Dtype::Auto => policy.network.placement.kind,
            Dtype::F32 => Kind::Float,
            Dtype::Bf16 => Kind::BFloat16,
        }
    }
}

impl Drop for Publisher {
    /// Servers have read what they were given, and nobody else comes for it. What cannot be removed now is by the next run.
    fn drop(&mut self) {
        if clear(&self.root).is_ok() {
            _ = fs::remove_dir(&self.root);
        }
    }
}

/// Removes all versions from `root`, whole ones and others.
fn clear(root: &Path) -> Result<()> {
    for entry in list(root)? {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) || is_temporary(&name) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}
