//! The card of an exported model, README.md: what it was made from and how, and what was measured of it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value};

use super::origin;
use crate::checkpoint::step_of;
use crate::files::read_regular;
use crate::model::{ModelSettings, StoredDtype};
use crate::recipe::Recipe;
use crate::run::history;
use crate::run_folder::RunFolder;
use crate::types::{Step, shell_word};

/// What a card says.
pub(super) struct Card {
    /// What the model is called.
    pub name: String,
    /// The run that has trained it, and the step.
    pub trained: Option<Trained>,
    /// Precision of the weights.
    pub dtype: StoredDtype,
    /// What was merged, as a part of a sentence.
    pub merged: String,
    /// What it was exported from, where no run has trained it.
    pub from: String,
}

/// How a model was trained.
pub(super) struct Trained {
    run: RunFolder,
    recipe: Recipe,
    step: Option<Step>,
}

impl Trained {
    /// What is known of the training of the policy in `folder`; `None` where no run has trained it.
    pub(super) fn find(folder: &Path) -> Option<Self> {
        let run = RunFolder::around(folder)?;
        let step = folder.canonicalize().ok()?.ancestors().find_map(step_of);
        // The recipe by which its last step was made.
        let recipe =
            history::recipe_behind(&run, step.map_or(Step::MAX, |step| step.saturating_sub(1))).ok()?;
        Some(Self { run, recipe, step })
    }

    /// Name of the run.
    pub(super) fn name(&self) -> &str {
        &self.recipe.run.name
    }
}

impl Card {
    /// The text of README.md.
    pub(super) fn text(&self) -> Result<String> {
        let base = self.trained.as_ref().map(|trained| base(&trained.recipe.model));
        let mut text = String::from("---\nlibrary_name: transformers\npipeline_tag: text-generation\n");
        if let Some(Base { hub: Some(hub), .. }) = &base {
            writeln!(text, "base_model: {hub}")?;
        }
        text.push_str("tags:\n- rlcredit\n");
        if self.trained.is_some() {
            text.push_str("- reinforcement-learning\n");
        }
        writeln!(text, "---\n\n# {}\n", self.name)?;
        let version = env!("CARGO_PKG_VERSION");
        match (&self.trained, base) {
            (Some(trained), Some(base)) => trained.write(&mut text, &base, version)?,
            _ => writeln!(text, "{} as a model folder, written by rlcredit {version}.\n", self.from)?,
        }
        writeln!(text, "Weights in {}{}. It loads as any model of its family:\n", self.dtype, self.merged)?;
        let name = &self.name;
        writeln!(
            text,
            "```python\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\n\
             tokenizer = AutoTokenizer.from_pretrained(\"{name}\")\n\
             model = AutoModelForCausalLM.from_pretrained(\"{name}\", dtype=\"auto\")\n```\n\n```sh\nvllm serve {}\n```",
            shell_word(name)
        )?;
        if let Some(trained) = &self.trained {
            origin::write(&mut text, &trained.run, trained.step, &trained.recipe)?;
        }
        Ok(text)
    }
}

/// What a policy was trained from.
struct Base {
    words: String,
    hub: Option<String>,
}

fn base(model: &ModelSettings) -> Base {
    let words = match (&model.hub, &model.path, model.scratch) {
        (Some(hub), ..) => {
            let revision = model.revision.as_deref().map_or_else(String::new, |at| format!(" at `{at}`"));
            format!("[{hub}](https://huggingface.co/{hub}){revision}")
        }
        (_, Some(path), _) => format!("`{}`", of_folder(path)),
        (_, _, Some(preset)) => {
            let name = serde_json::to_value(preset).unwrap_or_default();
            format!("random weights (`{}`)", name.as_str().unwrap_or_default())
        }
        _ => "another model".to_owned(),
    };
    Base { words, hub: model.hub.clone() }
}

/// What a model folder is called, without where it lies on this machine; one of a run by the run and the step.
pub(super) fn of_folder(path: &Path) -> String {
    let last = |path: &Path| path.file_name().map_or_else(String::new, |name| name.display().to_string());
    match (RunFolder::around(path), path.ancestors().find_map(step_of)) {
        (Some(run), Some(step)) => format!("{}@{step}", last(run.root())),
        _ => last(path),
    }
}

impl Trained {
    fn write(&self, text: &mut String, base: &Base, version: &str) -> Result<()> {
        let Recipe { run, sft, .. } = &self.recipe;
        let step = self.step.map_or_else(String::new, |step| format!(", step {step} of {}", run.steps));
        let sft =
            if sft.is_some() { "SFT and then reinforcement learning" } else { "reinforcement learning" };
        writeln!(
            text,
            "Trained from {} by {sft} with rlcredit {version}: run `{}`{step}.\n",
            base.words, run.name
        )?;
        let Some(step) = self.step else { return Ok(()) };
        let at = |moment: &str| sets(&self.run.eval(moment));
        let (before, after) = (at("step_000000"), at(&format!("step_{step:06}")));
        let Some(after) = after else { return Ok(()) };
        text.push_str("## Accuracy\n\nIn percent, with 95 % intervals over problems.\n\n");
        text.push_str("| set | problems | | before | after |\n|---|---|---|---|---|\n");
        for (set, numbers) in &after {
            for (name, mean, interval) in columns(numbers) {
                let percent = |numbers: &Value| {
                    let [low, high] = [0, 1].map(|end| numbers[&interval][end].as_f64());
                    let shown = |share: f64| format!("{:.1}", 100.0 * share);
                    Some(format!("{} ({} to {})", shown(numbers[&mean].as_f64()?), shown(low?), shown(high?)))
                };
                let Some(here) = percent(numbers) else { continue };
                let there = before.as_ref().and_then(|before| percent(before.get(set)?)).unwrap_or_default();
                writeln!(text, "| {set} | {} | {name} | {there} | {here} |", numbers["n"])?;
            }
        }
        text.push('\n');
        Ok(())
    }
}

/// Names of the shares of a set, with the keys of mean and interval.
fn columns(numbers: &Value) -> Vec<(String, String, String)> {
    let k = numbers["k"].as_u64().unwrap_or_default();
    let avg = (format!("avg@{k}"), format!("avg@{k}"), "ci95".to_owned());
    let other = |key: String| (key.clone(), key.clone(), format!("{key}_ci95"));
    let several = [other(format!("pass@{k}")), other(format!("maj@{k}"))];
    // Of one answer they are its accuracy.
    let several = several.into_iter().filter(|_| k > 1);
    std::iter::once(avg).chain(several).chain([other("greedy".to_owned())]).collect()
}

/// The sets of an evaluation of the run.
fn sets(path: &Path) -> Option<Map<String, Value>> {
    serde_json::from_slice(&read_regular(path, u64::MAX).ok()?).ok()
}
