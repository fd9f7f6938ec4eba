//! What is audited: a policy, and the recipe whose problems and graders count.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::super::policy::{model_folder, require_folder};
use crate::audit::Moments;
use crate::checkpoint::{Latest, TrainState, VerifiedCheckpoint};
use crate::files::STDIN;
use crate::interrupt::Interrupt;
use crate::model::{ModelSettings, Policy};
use crate::observe::Console;
use crate::ranks::Shard;
use crate::recipe::Draft;
use crate::run::{Failure, Setup, initial_policy, run_sft};
use crate::run_folder::RunFolder;
use crate::types::masked;

/// A policy under a recipe.
pub(super) struct Target {
    /// What it is called.
    pub name: String,
    /// The recipe.
    pub setup: Setup,
    /// The checkpoint that the policy is of; without one it is as reinforcement learning begins.
    checkpoint: Option<VerifiedCheckpoint>,
}

impl Target {
    /// The policy behind `path`, under `recipe` where that is given.
    ///
    /// # Errors
    /// If there is none, or no recipe for it; everything wrong with the recipe.
    pub(super) fn find(path: &Path, recipe: Option<&Path>, overrides: &[String]) -> Result<Self> {
        let model = recipe.map(|_| require_folder(path).and_then(|()| model_folder(path)));
        let model = model.transpose().map_err(Failure::bad_input)?;
        let (recipe, checkpoint) = match recipe {
            Some(recipe) => (recipe.to_owned(), None),
            None => found(path).map_err(Failure::bad_input)?,
        };
        let mut draft = Draft::load(&recipe, overrides)?;
        let is_of_no_run = model.is_some();
        if let Some(folder) = model {
            // In the place of the recipe's own, computed where and as the recipe says.
            draft.change(|recipe| {
                let own = recipe.model.clone();
                recipe.model =
                    ModelSettings { path: Some(folder), hub: None, revision: None, scratch: None, ..own };
                recipe.sft = None;
            });
        }
        let setup = Setup::of_draft(draft)?;
        let whose = match &checkpoint {
            Some(checkpoint) => format!("_step_{:06}", checkpoint.step()),
            None if is_of_no_run => {
                path.file_name().map_or_else(String::new, |name| format!("_{}", name.display()))
            }
            None => String::new(),
        };
        let name = setup.recipe.run.name.clone() + &whose;
        Ok(Self { name, setup, checkpoint })
    }

    /// The policy, and what its optimiser has seen.
    ///
    /// # Errors
    /// If its weights cannot be loaded or made; where SFT is stopped, that.
    pub(super) fn policy(
        &self,
        runs: &Path,
        console: &Console,
        interrupt: &Interrupt,
    ) -> Result<(Policy, Option<Moments>)> {
        let setup = &self.setup;
        setup.fetch_weights(console, interrupt)?;
        let mut policy = initial_policy(setup)?;
        let Some(checkpoint) = &self.checkpoint else {
            if let Some(sft) = &setup.recipe.sft
                && !run_sft(setup, sft, &mut policy, runs, console, interrupt)?
            {
                interrupt.check()?;
                bail!("SFT was not finished");
            }
            return Ok((policy, None));
        };
        let TrainState { weights, optimizer, .. } =
            TrainState::load(checkpoint, &policy.network, Shard::None)?;
        policy.network.set_master(&weights)?;
        let moments = Moments::new(&optimizer.second, optimizer.updates, setup.recipe.optim.betas[1]);
        Ok((policy, moments))
    }

    /// Which weights they are, for those who compare.
    ///
    /// # Errors
    /// If the model's folder cannot be read.
    pub(super) fn weights(&self) -> Result<Value> {
        let Setup { recipe, source, .. } = &self.setup;
        Ok(match (&self.checkpoint, source) {
            (Some(checkpoint), _) => {
                json!({ "run": checkpoint.run().map(ToString::to_string), "step": checkpoint.step() })
            }
            // A folder of the hub's is called by its commit, and may not have its weights yet.
            (None, Some(source)) if recipe.model.hub.is_some() => {
                json!(masked(&source.folder.display().to_string()))
            }
            (None, Some(source)) => json!({ "files": source.fingerprints()? }),
            (None, None) => Value::Null,
        })
    }
}

/// The recipe at `path`, or that of the run there with its checkpoint.
fn found(path: &Path) -> Result<(PathBuf, Option<VerifiedCheckpoint>)> {
    if path.is_file() || path == Path::new(STDIN) || path.extension().is_some_and(|ending| ending == "toml") {
        return Ok((path.to_owned(), None));
    }
    let expected = "expected a recipe, a run or one of its checkpoints; or with --recipe a model";
    if !path.is_dir() {
        bail!("{}: there is no such file or folder; {expected}", path.display());
    }
    let run =
        RunFolder::around(path).with_context(|| format!("{}: not of a run; {expected}", path.display()))?;
    let folder = if RunFolder::at(path).resolved().is_file() {
        let checkpoints = run.checkpoints();
        let latest = if checkpoints.is_dir() { Latest::find(&checkpoints)? } else { None };
        latest
            .with_context(|| {
                format!(
                    "{}: the run has no checkpoint, or has it no longer; audit its recipe, or let it train first",
                    path.display()
                )
            })?
            .folder
    } else {
        path.to_owned()
    };
    Ok((run.checked_resolved()?, Some(VerifiedCheckpoint::open(folder)?)))
}
