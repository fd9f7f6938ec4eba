//! Models by name, from a hub: fetched once into the cache that Hugging Face's own tools use, then read as a folder.
//!
//! ```text
//! org/name @ revision  --asked of the hub, or of the cache-->  commit  -->  CACHE/models--org--name/snapshots/COMMIT/
//! ```
//!
//! A branch or tag is resolved to the commit it stands for, and files are fetched by that commit, so that they fit each
//! other. Of a model only what is read here is fetched: configuration, tokenizer, chat template, and safetensors where the
//! weights are asked for. Where all that is in the cache, and the revision is a commit, the hub is not asked.

mod place;
#[cfg(test)]
mod tests;
mod transfer;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use hf_hub::api::sync::ApiBuilder;
use hf_hub::{Cache, Repo, RepoType};
use serde_json::Value;

pub use self::place::HubModel;
use self::transfer::{Transfer, refused};
use crate::model::load::{INDEX, SINGLE};
use crate::observe::Console;

/// Where models come from without `HF_ENDPOINT`.
const ENDPOINT: &str = "https://huggingface.co";

/// Files of a model beside its weights. Those that a model cannot do without come last, so that where they are, all are.
const TEXTS: [&str; 11] = [
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "tokenizer.json",
    "config.json",
];

/// Folder of further chat templates.
const FURTHER_TEMPLATES: &str = "additional_chat_templates/";

/// Which files of a model are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// Configuration, tokenizer and chat template.
    Texts,
    /// The weights too.
    All,
}

/// A model in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// A Hugging Face folder.
    pub folder: PathBuf,
    /// The commit that its files are of, 40 hexadecimal digits.
    pub commit: String,
}

/// A hub and the cache of what came from it.
#[derive(Clone, Debug)]
pub struct Hub {
    cache: PathBuf,
    endpoint: String,
    token: Option<String>,
    /// File in which a token is looked for.
    token_file: PathBuf,
    offline: bool,
}

impl Hub {
    /// The hub and cache that the environment names, as for Hugging Face's own tools: `HF_HUB_CACHE`, `HF_HOME` and
    /// `XDG_CACHE_HOME` say where the cache lies, `HF_ENDPOINT` which hub is asked, `HF_TOKEN`, `HF_TOKEN_PATH` or the file
    /// `token` in `HF_HOME` who asks, and with `HF_HUB_OFFLINE=1` nobody is asked.
    ///
    /// # Errors
    /// If there is no place for a cache, or `HF_ENDPOINT` is no address.
    pub fn from_environment() -> Result<Self> {
        Self::from_variables(&|name| std::env::var(name).ok(), std::env::home_dir())
    }

    fn from_variables(variable: &dyn Fn(&str) -> Option<String>, user: Option<PathBuf>) -> Result<Self> {
        let given = |name| variable(name).filter(|value| !value.trim().is_empty());
        let path = |name| given(name).map(PathBuf::from);
        let home = || {
            let caches = path("XDG_CACHE_HOME").or_else(|| Some(user.clone()?.join(".cache")));
            path("HF_HOME").or_else(|| Some(caches?.join("huggingface")))
        };
        let home =
            home().context("no place for the cache of models: there is no home folder; set HF_HOME")?;
        let cache = path("HF_HUB_CACHE").unwrap_or_else(|| home.join("hub"));
        let token_file = path("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
        let in_file = || fs::read_to_string(&token_file).ok();
        let token = given("HF_TOKEN").or_else(in_file).map(|token| token.trim().to_owned());
        let endpoint = given("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
        let endpoint = endpoint.trim().trim_end_matches('/').to_owned();
        let host = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
        ensure!(
            host.is_some_and(|host| !host.is_empty() && !host.contains(char::is_whitespace)),
            "HF_ENDPOINT: got {endpoint:?}, expected an address such as {ENDPOINT}"
        );
        let offline = given("HF_HUB_OFFLINE").map(|value| value.trim().to_ascii_lowercase());
        Ok(Self {
            cache: std::path::absolute(&cache).with_context(|| cache.display().to_string())?,
            endpoint,
            token: token.filter(|token| !token.is_empty()),
            token_file,
            offline: offline.is_some_and(|value| ["1", "on", "yes", "true"].contains(&value.as_str())),
        })
    }

    /// The `files` of `model`, fetched where the cache does not have them; with a `console`, what takes long is shown there.
    ///
    /// # Errors
    /// If the hub does not have the model, does not give it to who asks, or cannot be reached; if files are missing in the
    /// cache and it may not be asked; if a model has no safetensors; or if the disk is full.
    pub fn fetch(&self, model: &HubModel, files: Files, console: Option<&Console>) -> Result<Snapshot> {
        if self.offline {
            return self.cached(model, files);
        }
        if place::is_commit(&model.revision)
            && self.knows_texts(model, &model.revision)
            && let Ok(snapshot) = self.cached(model, files)
        {
            return Ok(snapshot);
        }
        let api = ApiBuilder::from_cache(Cache::new(self.cache.clone()))
            .with_endpoint(self.endpoint.clone())
            .with_token(self.token.clone())
            .with_progress(false)
            .with_user_agent("rlcredit", env!("CARGO_PKG_VERSION"))
            .build()
            .map_err(|error| refused(self, model, error.into()))?;
        let asked = repo(model, &model.revision);
        let info = api.repo(asked.clone()).info().map_err(|error| refused(self, model, error.into()))?;
        ensure!(place::is_commit(&info.sha), "{model}: {}: got the commit {:?}", self.endpoint, info.sha);
        let there: BTreeSet<&str> = info.siblings.iter().map(|file| file.rfilename.as_str()).collect();
        let transfer = Transfer { hub: self, model, api, repo: repo(model, &info.sha), console };
        let folder = self.folder(model, &info.sha);

        let further = there.iter().filter(|name| name.starts_with(FURTHER_TEMPLATES) && !name.contains(".."));
        for name in further.chain(TEXTS.iter().filter(|name| there.contains(**name))) {
            transfer.fetch(&folder, name)?;
        }
        // Where it cannot be noted, the hub is asked again.
        _ = self.note_absent(model, &info.sha, &there);
        if files == Files::All {
            self.fetch_weights(&transfer, &there, &folder)?;
        }
        if info.sha != model.revision {
            // What the revision stands for, for those who may not ask.
            let kept = Cache::new(self.cache.clone()).repo(asked).create_ref(&info.sha);
            kept.map_err(|error| refused(self, model, error.into()))?;
        }
        Ok(Snapshot { folder, commit: info.sha })
    }

    fn fetch_weights(&self, transfer: &Transfer<'_>, there: &BTreeSet<&str>, folder: &Path) -> Result<()> {
        if there.contains(SINGLE) {
            return transfer.fetch(folder, SINGLE);
        }
        ensure!(
            there.contains(INDEX),
            "{}: the hub has no safetensors of it, neither {SINGLE} nor {INDEX}; convert its weights with transformers' \
             save_pretrained, and name the folder",
            transfer.model
        );
        transfer.fetch(folder, INDEX)?;
        for shard in shards(&folder.join(INDEX))? {
            transfer.fetch(folder, &shard)?;
        }
        Ok(())
    }

    /// Writes into the cache which of [`TEXTS`] `commit` does not have, as Hugging Face's own tools do.
    fn note_absent(&self, model: &HubModel, commit: &str, there: &BTreeSet<&str>) -> std::io::Result<()> {
        let absent = self.absent(model, commit);
        fs::create_dir_all(&absent)?;
        let mut missing = TEXTS.iter().filter(|name| !there.contains(**name));
        missing.try_for_each(|name| fs::write(absent.join(name), ""))
    }

    /// Whether the cache has each of [`TEXTS`] of `commit`, or that there is none.
    fn knows_texts(&self, model: &HubModel, commit: &str) -> bool {
        let (folder, absent) = (self.folder(model, commit), self.absent(model, commit));
        TEXTS.iter().all(|name| folder.join(name).is_file() || absent.join(name).is_file())
    }

    /// The `files` of `model` as the cache has them.
    fn cached(&self, model: &HubModel, files: Files) -> Result<Snapshot> {
        let missing = |what: &str| {
            anyhow!(
                "{model}: {what} is not in the cache {}, and HF_HUB_OFFLINE keeps the hub from being asked; unset it, or \
                 fetch the model where there is a connection and name that cache with HF_HUB_CACHE",
                self.cache.display()
            )
        };
        let commit = if place::is_commit(&model.revision) {
            model.revision.clone()
        } else {
            let refs = self.cache.join(repo(model, &model.revision).folder_name()).join("refs");
            let commit = fs::read_to_string(refs.join(&model.revision)).unwrap_or_default().trim().to_owned();
            ensure!(place::is_commit(&commit), missing("the model"));
            commit
        };
        let folder = self.folder(model, &commit);
        let require = |name: &str| {
            ensure!(folder.join(name).is_file(), missing(name));
            Ok(())
        };
        require("config.json")?;
        require("tokenizer.json")?;
        if files == Files::All && !folder.join(SINGLE).is_file() {
            if folder.join(INDEX).is_file() {
                shards(&folder.join(INDEX))?.iter().try_for_each(|shard| require(shard))?;
            } else {
                require(SINGLE)?;
            }
        }
        Ok(Snapshot { folder, commit })
    }

    /// Folder of empty files that are called like those which `commit` does not have.
    fn absent(&self, model: &HubModel, commit: &str) -> PathBuf {
        self.cache.join(repo(model, commit).folder_name()).join(".no_exist").join(commit)
    }

    fn folder(&self, model: &HubModel, commit: &str) -> PathBuf {
        Cache::new(self.cache.clone()).repo(repo(model, commit)).pointer_path(commit)
    }
}

fn repo(model: &HubModel, revision: &str) -> Repo {
    Repo::with_revision(model.name.clone(), RepoType::Model, revision.to_owned())
}

/// The files that an index of shards names.
fn shards(index: &Path) -> Result<BTreeSet<String>> {
    let text = fs::read(index).with_context(|| format!("{}: cannot be read", index.display()))?;
    let value: Value =
        serde_json::from_slice(&text).with_context(|| format!("{}: not valid JSON", index.display()))?;
    let names = value["weight_map"].as_object().map(|map| map.values().filter_map(Value::as_str));
    let names: BTreeSet<String> = names.into_iter().flatten().map(str::to_owned).collect();
    let plain = |name: &String| Path::new(name).file_name() == Some(name.as_ref());
    ensure!(
        !names.is_empty() && names.iter().all(plain),
        "{}, weight_map: got {}, expected the names of shards in the same folder",
        index.display(),
        value["weight_map"]
    );
    Ok(names)
}
