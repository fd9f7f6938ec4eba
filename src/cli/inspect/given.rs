//! What is looked at and how: settings, responses, weights, and groups of heads.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::{HeadsArgument, Inspect, require};
use crate::checkpoint::head_groups;
use crate::files::STDIN;
use crate::inspect::Grouped;
use crate::inspect::source::{self, Line};
use crate::recipe::Recipe;
use crate::run_folder::RunFolder;
use crate::signal::{HeadGroups, Heads, Regroup, SignalConfig};
use crate::types::Step;

/// The smallest recipe there is, for the defaults of everything that counts here. Responses may be long, so that horizons
/// may be far.
pub(crate) const BARE: &str = r#"
run = { name = "inspect", steps = 1 }
model = { scratch = "countdown2m" }
data = { type = "arithmetic", classes = ["d + d"], train_items = 1, eval_items = 1 }
explore = { type = "group", size = 2 }
sampling = { max_new_tokens = 1024 }
reward = [{ type = "numeric" }]
advantage = { type = "group" }
optim = { lr = 1e-6 }
batch = { prompts = 1, max_tokens = 4096 }
"#;

impl Inspect {
    /// The recipe whose settings count, and what it is called.
    pub(crate) fn settings(&self) -> Result<(Recipe, String)> {
        let run = match (&self.run, &self.model) {
            (Some(run), _) => Some(RunFolder::at(run)),
            (None, model) => model.as_deref().and_then(RunFolder::around),
        };
        // One that the person names needs no recipe of the run.
        let own = run.filter(|run| self.recipe.is_none() && run.resolved().is_file());
        let own = own.map(|run| run.checked_resolved()).transpose()?;
        Ok(match self.recipe.as_ref().or(own.as_ref()) {
            Some(path) => {
                let is_there = path.is_file() || path.as_path() == Path::new(STDIN);
                require(is_there, || format!("{}: no such file", path.display()))?;
                (Recipe::load(path, &self.overrides)?, path.display().to_string())
            }
            None => (Recipe::parse("the defaults", BARE, &self.overrides)?, "defaults".to_owned()),
        })
    }

    /// The responses to look at.
    pub(crate) fn lines(&self) -> Result<Vec<Line>> {
        match (&self.input, &self.run, self.step) {
            (Some(file), _, _) => source::lines(file),
            (None, Some(run), step) => {
                let folder = RunFolder::at(run);
                ensure!(
                    folder.resolved().is_file(),
                    "{}: not a run, resolved.toml is missing",
                    folder.root().display()
                );
                let Some(step) = step else {
                    let (root, kept) = (folder.root().display(), source::steps_kept(&folder)?);
                    bail!("{root}: --step is missing; the run has kept the responses of {kept}");
                };
                source::rollouts(&folder, step)
            }
            _ => bail!("nothing to look at; expected --input FILE, or --run RUN --step K"),
        }
    }

    /// Where the weights are looked for, and what there is to say about them.
    pub(crate) fn weights(&self) -> Result<(PathBuf, String)> {
        if let Some(model) = &self.model {
            return Ok((model.clone(), String::new()));
        }
        let run = self.run.as_ref().context("expected a model or --run")?;
        let step = self.step.unwrap_or_default();
        let sampled = step.checked_sub(1).map(|before| RunFolder::at(run).checkpoint(before));
        Ok(match sampled.filter(|folder| folder.join("model/config.json").is_file()) {
            Some(folder) => (folder, format!(", which sampled step {step}")),
            None => (run.clone(), format!(", the run's newest; those that sampled step {step} are not kept")),
        })
    }

    /// The files that are read, as far as they are known; `folder` is that of the model.
    pub(crate) fn inputs(&self, folder: &Path) -> Vec<PathBuf> {
        let run = self.run.as_ref().map(|run| RunFolder::at(run));
        let sampled = run.as_ref().zip(self.step).map(|(run, step)| run.rollouts(step));
        let mut inputs: Vec<PathBuf> =
            [self.input.clone(), self.recipe.clone(), sampled].into_iter().flatten().collect();
        inputs.extend(run.map(|run| run.resolved()));
        // A model on the hub has no folder before it is fetched.
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        inputs.extend(entries.map(|entry| entry.path()));
        inputs
    }

    /// The groups of heads to look with, for a policy in the model folder `folder`.
    pub(crate) fn grouped(&self, signals: &SignalConfig, folder: &Path) -> Result<Grouped> {
        if signals.heads == Heads::Circuit {
            return saved(signals, folder, self.step)?.map(Grouped::Given).with_context(|| {
                format!(
                    "[signals] `heads` = \"circuit\": {} is no checkpoint of a run that reads attention so; name one, or those of a file, \
                     --set 'signals.heads={{circuit=\"FILE.json\"}}'",
                    folder.display()
                )
            });
        }
        Ok(match self.heads {
            HeadsArgument::Together => Grouped::Together,
            HeadsArgument::PerSequence => Grouped::PerSequence,
            HeadsArgument::AsInRun => {
                saved(signals, folder, self.step)?.map_or(Grouped::Together, Grouped::Given)
            }
        })
    }
}

/// The groups kept in the checkpoint of the model folder `folder`, where those looked for now, for responses of `step`, are
/// the same: they live on, and were chosen in the same way among the same heads.
fn saved(signals: &SignalConfig, folder: &Path, step: Option<Step>) -> Result<Option<HeadGroups>> {
    let is_measured = signals.heads == Heads::Circuit;
    let is_kept = is_measured || signals.regroup_every != Regroup::Every(1);
    let lasting = is_kept && step.is_none_or(|step| !signals.regroups_at(step));
    let (Some(checkpoint), Some(run)) = (folder.parent().filter(|_| lasting), RunFolder::around(folder))
    else {
        return Ok(None);
    };
    let chosen_by = Recipe::load(&run.checked_resolved()?, &[])?.signals;
    let choice = |config: &SignalConfig| (config.layers.clone(), config.heads.clone(), config.head_fraction);
    if choice(signals) != choice(&chosen_by) {
        return Ok(None);
    }
    head_groups(checkpoint)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use crate::credit::strategy::{CreditConfig, CreditEntry};

    use super::*;

    #[test]
    fn without_a_recipe_the_defaults_count() {
        let recipe = Recipe::parse("", BARE, &[]).unwrap();
        assert_eq!((recipe.signals, recipe.credit), (SignalConfig::default(), Vec::new()));
        assert!((recipe.sampling.temperature - 1.0).abs() < 1e-12);
    }

    #[test]
    fn every_strategy_may_be_set_without_a_recipe() {
        for name in CreditConfig::NAMES {
            let recipe = Recipe::parse("", BARE, &[format!("credit=[{{type=\"{name}\"}}]")]);
            assert_eq!(recipe.unwrap().credit, [CreditEntry::named(name).unwrap()]);
        }
    }
}
