//! What a recipe asks of the machine: the files and programs it names are there.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Draft, Recipe, explain};
use crate::checkpoint::{model_at, placed};
use crate::files::model_folder::needed;
use crate::model::is_adapter;

/// Where paths are looked for.
const BEGINS: &str =
    "a path in a recipe begins at the recipe's folder, one behind --set at the working directory";

impl Draft {
    /// Adds every file or folder that the recipe names and that does not exist, without reading them. A run or a checkpoint that stands
    /// for a model becomes the model folder there is in it now.
    pub(crate) fn check_files(&mut self) {
        let model = self.judge(&["model.path"], |recipe| model(recipe).context("[model] `path`"));
        self.change(|recipe| {
            if let Some(Some(folder)) = model {
                recipe.model.path = Some(folder);
            }
        });
        let mut missing = self.judge(&[], |recipe| Ok(missing(recipe))).unwrap_or_default();
        missing.retain(|(key, _)| self.is_sound(key));
        for (key, message) in missing {
            self.add(&[&key], message);
        }
    }
}

/// The folder of the model that the recipe names, if one is there.
fn model(recipe: &Recipe) -> Result<Option<PathBuf>> {
    let Some(path) = recipe.model.path.as_deref().and_then(Path::to_str) else { return Ok(None) };
    let folder = placed(path)?;
    let holds_more = ["checkpoints", "model"].iter().any(|inner| folder.join(inner).is_dir());
    // Of a folder without a model it is said below what is missing.
    if holds_more { model_at(&folder).map(Some) } else { Ok(Some(folder)) }
}

/// Keys that name something that is not there, and what they name.
fn missing(recipe: &Recipe) -> Vec<(String, String)> {
    let mut missing = Vec::new();
    let graders = recipe.reward.iter().map(|entry| entry.grader.settings().missing());
    let sinks = recipe.observe.sink.iter().map(|sink| sink.settings().missing());
    let graders = graders.enumerate().map(|(index, problem)| (format!("reward.{index}"), problem));
    let sinks = sinks.enumerate().map(|(index, problem)| (format!("observe.sink.{index}"), problem));
    for (section, problem) in graders.chain(sinks) {
        let Some((key, problem)) = problem.as_deref().and_then(|problem| problem.split_once(": ")) else {
            continue;
        };
        let key = format!("{section}.{key}");
        missing.push((key.clone(), format!("{}: {problem}", explain::name(&key))));
    }
    let mut require = |holds: bool, key: &str, path: &Path, expected: &str| {
        if !holds {
            let (key_name, path) = (explain::name(key), path.display());
            missing.push((key.to_owned(), format!("{key_name}: {path}: expected {expected}; {BEGINS}")));
        }
    };
    if let Some(folder) = &recipe.model.path {
        require(folder.is_dir(), "model.path", folder, "an existing folder");
        // What adapters need lies with their base.
        let needed = needed().filter(|_| !is_adapter(folder));
        for file in needed.map(|file| folder.join(file)) {
            let expected = "this file in the model's folder";
            require(file.is_file() || !folder.is_dir(), "model.path", &file, expected);
        }
    }
    for (key, files) in ["data.train", "data.eval"].into_iter().zip(recipe.data.settings().files()) {
        for file in files {
            require(file.path.is_file(), key, &file.path, "an existing file");
        }
    }
    for path in recipe.sft.iter().flat_map(|sft| sft.source.settings().files()) {
        require(path.is_file(), "sft.source.path", path, "an existing file");
    }
    for (key, path) in recipe.circuit_files() {
        require(path.is_file(), key, path, "an existing file");
    }
    missing
}
