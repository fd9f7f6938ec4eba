//! Models by name: presets that come with the program, and those of a hub, fetched once into the cache that Hugging Face's own
//! tools use, then read as a folder.
//!
//! ```text
//! org/name @ revision  --asked of the hub, or of the cache-->  commit  -->  CACHE/models--org--name/snapshots/COMMIT/
//! ```
//!
//! A branch or tag is resolved to the commit it stands for, and files are fetched by that commit, so that they fit each
//! other. Of a model only what is read here is fetched: configuration, tokenizer, chat template, and safetensors where the
//! weights are asked for. Where all that is in the cache, and the revision is a commit, the hub is not asked.
//!
//! What a hub answers is believed as far as it can be checked: commits and hashes are hexadecimal digits of the right
//! number, names are those of files, contents have the hash and the size that was promised, and nothing is longer or slower
//! than it may be. The token is shown to the hub alone.

mod bar;
mod cache;
mod client;
mod endpoint;
mod environment;
mod hash;
mod listing;
mod preset;
mod reach;
mod refusal;
mod source;
#[cfg(test)]
mod tests;
mod transfer;
mod trouble;

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail, ensure};

pub(crate) use self::preset::preset;
pub(crate) use self::reach::Reach;
pub(crate) use self::source::source;

use self::cache::Shelf;
use self::client::Client;
use self::endpoint::{Endpoint, Secret};
use self::listing::{Listing, is_plain};
use self::transfer::{TEXT_BYTES, Transfer};
use self::trouble::{Patience, Watch};
use crate::files::list;
use crate::files::model_folder::{FURTHER_TEMPLATES, MODEL_FILES, WEIGHTS, WEIGHTS_INDEX, needed};
use crate::interrupt::Interrupt;
use crate::model::json::{OF_VALUE, short};
use crate::model::load::{MAX_INDEX_BYTES, shards};
use crate::model::{HubModel, is_commit};
use crate::observe::Console;

/// Which files of a model are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Files {
    /// Configuration, tokenizer and chat template.
    Texts,
    /// The weights too.
    All,
}

/// A model in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// A Hugging Face folder.
    pub folder: PathBuf,
    /// The commit that its files are of, 40 hexadecimal digits.
    pub commit: String,
}

/// A hub and the cache of what came from it.
#[derive(Clone, Debug)]
pub(crate) struct Hub {
    cache: PathBuf,
    endpoint: Endpoint,
    token: Option<Secret>,
    /// File in which a token is looked for.
    token_file: PathBuf,
    patience: Patience,
    offline: bool,
    /// What ends a fetching early.
    interrupt: Interrupt,
}

impl Hub {
    /// Where its models are kept.
    #[must_use]
    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }

    /// The same hub, whose fetching ends when `interrupt` asks for that; what has arrived stays for the next time.
    #[must_use]
    pub(crate) fn stopped_by(self, interrupt: &Interrupt) -> Self {
        Self { interrupt: interrupt.clone(), ..self }
    }

    /// The `files` of `model`, fetched where the cache does not have them; with a `console`, what takes long is shown there.
    ///
    /// # Errors
    /// If the hub does not have the model, does not give it to who asks, cannot be reached or answers what no hub does; if
    /// files are missing in the cache and it may not be asked; if a model has no safetensors; or if the disk is full.
    pub(crate) fn fetch(
        &self,
        model: &HubModel,
        files: Files,
        console: Option<&Console>,
    ) -> Result<Snapshot> {
        let mut shelf = Shelf::new(&self.cache, model);
        if self.offline {
            return self.cached(&shelf, model, files);
        }
        if is_commit(&model.revision)
            && knows_texts(&shelf, &model.revision)?
            && let Ok(snapshot) = self.cached(&shelf, model, files)
        {
            return Ok(snapshot);
        }
        shelf.make_root()?;
        let client = Client::new(self.endpoint.clone(), self.token.clone(), self.patience);
        let watch = Watch { console, interrupt: &self.interrupt, patience: self.patience };
        let listing =
            Listing::ask(&client, model, watch).map_err(|trouble| self.refused(model, None, trouble))?;
        let transfer =
            Transfer { model, commit: listing.commit.clone(), client: &client, shelf: &shelf, watch };

        for name in listing.templates().chain(texts().into_iter().filter(|name| listing.has(name))) {
            self.fetch_one(&transfer, name, TEXT_BYTES)?;
        }
        // Where it cannot be noted, the hub is asked again.
        _ = shelf.note_absent(&listing.commit, texts().into_iter().filter(|name| !listing.has(name)));
        if files == Files::All {
            self.fetch_weights(&transfer, &listing)?;
        }
        require_own(&shelf, &listing.commit)?;
        if listing.commit != model.revision
            && let Err(error) = shelf.note_commit(&model.revision, &listing.commit)
        {
            // What the revision stands for, for those who may not ask. Everything is there all the same, maybe in a cache that
            // somebody else has filled.
            watch.note(&format!(
                "{model}: what it stands for could not be noted in the cache, so without a connection it may not be found: \
                 {error:#}"
            ));
        }
        Ok(Snapshot { folder: shelf.snapshot(&listing.commit), commit: listing.commit })
    }

    fn fetch_weights(&self, transfer: &Transfer<'_>, listing: &Listing) -> Result<()> {
        let Transfer { model, .. } = transfer;
        if listing.has(WEIGHTS) {
            return self.fetch_one(transfer, WEIGHTS, u64::MAX);
        }
        ensure!(
            listing.has(WEIGHTS_INDEX),
            "{model}: the hub has no safetensors of it, neither {WEIGHTS} nor {WEIGHTS_INDEX}; convert its weights with transformers' \
             save_pretrained, and name the folder"
        );
        self.fetch_one(transfer, WEIGHTS_INDEX, MAX_INDEX_BYTES)?;
        let index = transfer.shelf.snapshot(&listing.commit).join(WEIGHTS_INDEX);
        let shards = shards(&index)?;
        // Asked for as parts of addresses.
        if let Some(odd) = shards.iter().find(|shard| !is_plain(shard) || !listing.has(shard)) {
            let what = if is_plain(odd) {
                "which the hub does not have"
            } else {
                "expected letters, digits, `-`, `_` and `.`"
            };
            bail!("{}, weight_map: names {:?}, {what}", index.display(), short(odd, OF_VALUE));
        }
        shards.iter().try_for_each(|shard| self.fetch_one(transfer, shard, u64::MAX))
    }

    fn fetch_one(&self, transfer: &Transfer<'_>, name: &str, most: u64) -> Result<()> {
        transfer.fetch(name, most).map_err(|trouble| self.refused(transfer.model, Some(name), trouble))
    }

    /// The `files` of `model` as the cache has them.
    fn cached(&self, shelf: &Shelf, model: &HubModel, files: Files) -> Result<Snapshot> {
        let missing = |what: &str| {
            anyhow!(
                "{model}: {what} is not in the cache {}, and HF_HUB_OFFLINE keeps the hub from being asked; unset it, or \
                 fetch the model where there is a connection and name that cache with HF_HUB_CACHE",
                self.cache.display()
            )
        };
        let commit = if is_commit(&model.revision) {
            model.revision.clone()
        } else {
            shelf.commit_of(&model.revision).ok_or_else(|| missing("the model"))?
        };
        let require = |name: &str| {
            ensure!(shelf.has(&commit, name)?, missing(name));
            Ok(())
        };
        require_own(shelf, &commit)?;
        needed().try_for_each(require)?;
        let folder = shelf.snapshot(&commit);
        if files == Files::All && !shelf.has(&commit, WEIGHTS)? {
            if shelf.has(&commit, WEIGHTS_INDEX)? {
                shards(&folder.join(WEIGHTS_INDEX))?.iter().try_for_each(|shard| require(shard))?;
            } else {
                require(WEIGHTS)?;
            }
        }
        Ok(Snapshot { folder, commit })
    }
}

/// Names of the files of a model beside its weights.
fn texts() -> [&'static str; MODEL_FILES.len()] {
    MODEL_FILES.map(|file| file.name)
}

/// That what is read of `commit` beside the weights, because it is there, are files of the cache.
fn require_own(shelf: &Shelf, commit: &str) -> Result<()> {
    for name in texts() {
        shelf.has(commit, name)?;
    }
    let further = shelf.snapshot(commit).join(FURTHER_TEMPLATES);
    for file in if further.is_dir() { list(&further)? } else { Vec::new() } {
        shelf.has(commit, &format!("{FURTHER_TEMPLATES}/{}", file.file_name().display()))?;
    }
    Ok(())
}

/// Whether the cache has each text of `commit`, or that there is none.
fn knows_texts(shelf: &Shelf, commit: &str) -> Result<bool> {
    for name in texts() {
        if !shelf.has(commit, name)? && !shelf.lacks(commit, name) {
            return Ok(false);
        }
    }
    Ok(true)
}
