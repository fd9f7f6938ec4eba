//! What runs have in common, found in what they left behind: recipe, `inputs.json` and first evaluation.
//!
//! ```text
//! policy     that a run starts from    [model], [sft], the files of both, the problems that it imitates
//! prompts    that it trains on         [data], its file, [sampler], [batch] prompts
//! items      held out                  [data], its file
//! ```
//!
//! Policy and prompts are compared between the runs of a seed, items between all runs. Beyond recipes and files, which do
//! not know of weights that were replaced or of a changed program, runs that start from the same policy give the same
//! answers before the first step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::collect::RunRecord;
use super::course::differences;
use crate::data::file::FilesConfig;
use crate::data::{DataConfig, FileConfig};
use crate::recipe::{Recipe, shown};
use crate::run::origin;

#[cfg(test)]
mod tests;

/// What the runs of each seed share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Shared {
    /// The policy that they start from.
    pub policy: bool,
    /// The prompts that they train on, step by step.
    pub prompts: bool,
    /// The held-out items.
    pub items: bool,
}

/// A held-out problem and the answers that a run gave before its first step.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct FirstAnswers {
    /// The problem.
    pub prompt: String,
    /// The samples.
    pub responses: Vec<FirstAnswer>,
}

/// One of these answers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct FirstAnswer {
    /// What it says.
    pub text: String,
}

/// Keys, files and answers that runs differ in, by what they keep the runs from sharing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Apart {
    /// Whether a seed has two runs.
    paired: bool,
    policy: BTreeSet<String>,
    prompts: BTreeSet<String>,
    items: BTreeSet<String>,
}

impl Apart {
    /// What keeps the runs of `arms` apart; those that have not been evaluated yet are left out.
    pub(super) fn from_arms(arms: &[(String, Vec<RunRecord>)]) -> Result<Self> {
        let runs: Vec<&RunRecord> =
            arms.iter().flat_map(|(_, runs)| runs).filter(|run| !run.curve.is_empty()).collect();
        let mut apart = Self::default();
        let mut of_seed: BTreeMap<u64, &RunRecord> = BTreeMap::new();
        for run in &runs {
            apart.items.extend(Pair::new(runs[0], run)?.items());
            let first = of_seed.entry(run.recipe.run.seed).or_insert(run);
            if !std::ptr::eq(*first, *run) {
                let pair = Pair::new(first, run)?;
                apart.paired = true;
                apart.policy.extend(pair.policy());
                apart.prompts.extend(pair.prompts());
            }
        }
        Ok(apart)
    }

    /// What the runs of each seed share; `None` where no seed has two.
    pub(super) fn shared(&self) -> Option<Shared> {
        let Self { paired, policy, prompts, items } = self;
        let shared =
            Shared { policy: policy.is_empty(), prompts: prompts.is_empty(), items: items.is_empty() };
        paired.then_some(shared)
    }

    /// A sentence for each thing that is not shared.
    pub(super) fn notes(&self) -> Vec<String> {
        let said = [
            (&self.policy, "the runs of a seed do not start from the same policy", ""),
            (&self.prompts, "the runs of a seed do not train on the same prompts", ""),
            (
                &self.items,
                "the runs do not have the same held-out items",
                ": their accuracies are not of the same thing",
            ),
        ];
        let said = said.into_iter().filter(|(why, ..)| !why.is_empty());
        said.map(|(why, what, so)| {
            let why: Vec<&str> = why.iter().map(String::as_str).collect();
            format!("{what} (they differ in {}){so}", why.join(", "))
        })
        .collect()
    }
}

/// Two runs side by side.
struct Pair<'r> {
    one: &'r RunRecord,
    other: &'r RunRecord,
    /// Keys that their recipes set differently.
    keys: Vec<String>,
}

impl<'r> Pair<'r> {
    fn new(one: &'r RunRecord, other: &'r RunRecord) -> Result<Self> {
        let keys = differences(&one.recipe, &other.recipe)?.into_iter().map(|found| found.key).collect();
        Ok(Self { one, other, keys })
    }

    fn items(&self) -> Vec<String> {
        self.problems("data.eval", &[], |config| &config.eval)
    }

    fn trained_on(&self) -> Vec<String> {
        self.problems("data.train", &["data.max_prompt_tokens"], |config| &config.train)
    }

    fn prompts(&self) -> Vec<String> {
        let problems = self.trained_on();
        // How many an adaptive sampler draws follows the course of each run.
        let adapts = |run: &RunRecord| run.recipe.sampler.settings().most().is_some();
        let adaptive = (adapts(self.one) || adapts(self.other)).then(|| String::from("what [sampler] draws"));
        let keys = self.keys_in(&["sampler", "batch.prompts"]);
        problems.into_iter().chain(keys).chain(adaptive).collect()
    }

    fn policy(&self) -> Vec<String> {
        let mut why = self.keys_in(&["model", "sft"]);
        let recipe = &self.one.recipe;
        if why.is_empty() {
            why = self.changed(&|path| shapes_policy(recipe, path));
        }
        if recipe.sft.as_ref().is_some_and(|sft| sft.source.settings().is_of_problems()) {
            why.extend(self.trained_on());
        }
        if why.is_empty() && self.asked_alike() && self.one.first_answers != self.other.first_answers {
            why.push(String::from("their answers before the first step"));
        }
        why
    }

    /// Whether the same policy gives the same answers in both evaluations.
    fn asked_alike(&self) -> bool {
        let how = |recipe: &Recipe| {
            (recipe.eval.samples, recipe.eval.sampling(&recipe.sampling), recipe.batch.max_tokens)
        };
        let both = [self.one, self.other];
        both.iter().all(|run| !run.first_answers.is_empty())
            && how(&self.one.recipe) == how(&self.other.recipe)
            && self.items().is_empty()
    }

    /// Why the problems of one kind may not be the same: those of files by their content, `key` being the one that names
    /// them and `more` those that choose among them alone; generated ones by every key, since one stream of draws makes them
    /// all.
    fn problems(&self, key: &str, more: &[&str], files: fn(&FilesConfig) -> &[FileConfig]) -> Vec<String> {
        let (DataConfig::Files(one), DataConfig::Files(other)) =
            (&self.one.recipe.data, &self.other.recipe.data)
        else {
            return self.keys_in(&["data", "chat"]);
        };
        let mut why =
            self.keys_in(&[&["data.prompt", "data.few_shot", "data.broken", "chat"], more].concat());
        let (one, other) = (files(one), files(other));
        let read_alike = one.len() == other.len() && one.iter().zip(other).all(|(a, b)| a.reads_as(b));
        let moved =
            one.iter().zip(other).any(|(a, b)| a.path != b.path && !self.is_same_file(&a.path, &b.path));
        if !read_alike || moved {
            why.push(key.to_owned());
        }
        let both = |path: &Path| one.iter().zip(other).any(|(a, b)| a.path == path && b.path == path);
        why.into_iter().chain(self.changed(&both)).collect()
    }

    /// Whether what the one read from `one` is what the other read from `other`.
    fn is_same_file(&self, one: &Path, other: &Path) -> bool {
        let content = |run: &'r RunRecord, path: &Path| {
            run.inputs.as_ref().and_then(|inputs| inputs.files.get(&path.display().to_string()))
        };
        content(self.one, one).is_some_and(|found| content(self.other, other) == Some(found))
    }

    /// The differing keys that lie in one of `tables`.
    fn keys_in(&self, tables: &[&str]) -> Vec<String> {
        let within = |key: &str, table: &str| {
            key.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let keys = self.keys.iter().filter(|key| tables.iter().any(|table| within(key, table)));
        keys.cloned().collect()
    }

    /// The files that both read and that changed in between, of those `of_interest`.
    fn changed(&self, of_interest: &dyn Fn(&Path) -> bool) -> Vec<String> {
        let (Some(one), Some(other)) = (&self.one.inputs, &self.other.inputs) else { return Vec::new() };
        let paths: BTreeSet<&String> = one.files.keys().chain(other.files.keys()).collect();
        let changed = paths.into_iter().filter(|path| {
            of_interest(Path::new(path.as_str())) && one.files.get(*path) != other.files.get(*path)
        });
        changed.map(|path| format!("the content of {}", shown(Path::new(path)).display())).collect()
    }
}

/// Whether the policy that a run starts from depends on the file at `path`.
fn shapes_policy(recipe: &Recipe, path: &Path) -> bool {
    let of_model = origin(recipe).ok().flatten().is_some_and(|folder| path.starts_with(folder));
    let mut imitated = recipe.sft.iter().flat_map(|sft| sft.source.settings().files());
    of_model || imitated.any(|file| file == path)
}
