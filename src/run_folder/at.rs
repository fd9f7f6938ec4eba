//! A checkpoint of a run by name: `RUN@40`, `RUN@latest`, `RUN@best`; `RUN` alone is its latest. The paths that lie in a run,
//! `RUN/checkpoints/step_000040`, `RUN/checkpoints/latest` or `RUN/models/step_000040`, say the same.
//!
//! The latest is the one that `checkpoints/latest` names, else the newest complete one. The best is the one that `checkpoints/best`
//! names, else of those that are kept the one whose policy had the highest accuracy, the mean over the sets of `eval/`; of equals the
//! earliest.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::RunFolder;
use crate::files::{list, read_regular, read_regular_text};
use crate::types::Step;

/// Which checkpoint of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtStep {
    /// The newest.
    Latest,
    /// The one with the highest accuracy.
    Best,
    /// That after so many steps.
    Step(Step),
}

/// A checkpoint of a run by name, whether it is there or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunAt {
    /// The run.
    pub folder: RunFolder,
    /// Which of its checkpoints.
    pub step: AtStep,
}

impl RunAt {
    /// What `text` names: `RUN`, `RUN@STEP` or a path in the run. Nothing but the place of the run is looked for, and that only to
    /// know a folder whose own name has an `@`.
    ///
    /// # Errors
    /// If what stands behind the `@` names no checkpoint.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let path = Path::new(text.trim_end_matches('/'));
        if let Some(within) = Self::within(path) {
            return Ok(within);
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let named = name.rsplit_once('@').filter(|_| !path.exists());
        let Some((run, step)) = named else {
            return Ok(Self { folder: folder_at(path), step: AtStep::Latest });
        };
        let step = AtStep::parse(step).with_context(|| text.to_owned())?;
        Ok(Self { folder: folder_at(&path.with_file_name(run)), step })
    }

    /// The run and the step that the path of a checkpoint, of `latest` or of a kept model says.
    fn within(path: &Path) -> Option<Self> {
        let (store, name) = (path.parent()?, path.file_name()?.to_str()?);
        let step = match (store.file_name()?.to_str()?, name) {
            ("checkpoints", "latest") => AtStep::Latest,
            ("checkpoints", "best") => AtStep::Best,
            ("checkpoints" | "models", name) => AtStep::Step(step_of(name)?),
            _ => return None,
        };
        Some(Self { folder: folder_at(store.parent()?), step })
    }

    /// The folder of the checkpoint, complete as far as its manifest being there says.
    ///
    /// # Errors
    /// If the run has no such checkpoint; says which it has.
    pub(crate) fn checkpoint(&self) -> Result<PathBuf> {
        self.find(&self.folder.complete(&self.folder.checkpoints())?)
    }

    /// As [`RunAt::checkpoint`], but a model that is kept for good will do: the folder in which `model` lies.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn model(&self) -> Result<PathBuf> {
        let mut kept = self.folder.complete(&self.folder.models())?;
        if self.step != AtStep::Latest {
            kept.extend(self.folder.complete(&self.folder.checkpoints())?);
            return self.find(&kept);
        }
        // A model that is kept of a later step is none to go on from, and nobody means it by the name of the run.
        self.checkpoint()
    }

    fn find(&self, kept: &BTreeMap<Step, PathBuf>) -> Result<PathBuf> {
        let root = self.folder.root().display();
        ensure!(self.folder.root().is_dir(), "{root}: there is no such folder; expected a run");
        let named = |file: &str| {
            let text = read_regular_text(&self.folder.checkpoints().join(file), 1000).ok()?;
            step_of(text.trim()).filter(|step| kept.contains_key(step))
        };
        let step = match self.step {
            AtStep::Step(step) => Some(step),
            AtStep::Latest => named("latest").or_else(|| kept.keys().next_back().copied()),
            AtStep::Best if kept.is_empty() => None,
            AtStep::Best => Some(match named("best") {
                Some(step) => step,
                None => self.folder.best(kept.keys().copied())?,
            }),
        };
        match step.and_then(|step| kept.get(&step)) {
            Some(folder) => Ok(folder.clone()),
            None if kept.is_empty() => bail!("{root}: the run has no checkpoint yet"),
            None => {
                let steps: Vec<String> = kept.keys().map(Step::to_string).collect();
                let which = if steps.len() == 1 { "that of step" } else { "those of the steps" };
                bail!(
                    "{self}: no such checkpoint of this run, which has {which} {}; [checkpoint] `every` says behind which steps one is \
                     written, and `keep` how many stay",
                    steps.join(", ")
                )
            }
        }
    }
}

impl Display for RunAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = self.folder.root().display();
        match self.step {
            AtStep::Latest => write!(f, "{root}@latest"),
            AtStep::Best => write!(f, "{root}@best"),
            AtStep::Step(step) => write!(f, "{root}@{step}"),
        }
    }
}

impl AtStep {
    fn parse(text: &str) -> Result<Self> {
        match text {
            "latest" => Ok(Self::Latest),
            "best" => Ok(Self::Best),
            _ => {
                let step = step_of(text).or_else(|| text.parse().ok());
                let step = step.with_context(|| {
                    format!("got {text:?} behind the @, expected the number of a step, latest or best")
                })?;
                Ok(Self::Step(step))
            }
        }
    }
}

impl RunFolder {
    /// Name of the newest checkpoint: the one that `latest` names, else the last in order.
    pub(super) fn newest(&self) -> Option<String> {
        if let Ok(step) = read_regular_text(&self.checkpoints().join("latest"), 1000) {
            return Some(step.trim().to_owned());
        }
        let entries = list(&self.checkpoints()).ok()?;
        let names = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("step_")).max()
    }

    /// What is complete in `store`, checkpoints or models, by step.
    fn complete(&self, store: &Path) -> Result<BTreeMap<Step, PathBuf>> {
        let entries = if store.is_dir() { list(store)? } else { Vec::new() };
        let is_whole = |entry: &fs::DirEntry| entry.path().join("manifest.json").is_file();
        let steps = entries.iter().filter(|entry| is_whole(entry));
        Ok(steps.filter_map(|entry| Some((step_of(entry.file_name().to_str()?)?, entry.path()))).collect())
    }

    /// Of `steps` the one whose policy had the highest accuracy.
    fn best(&self, steps: impl Iterator<Item = Step>) -> Result<Step> {
        let mut best: Option<(f64, Step)> = None;
        for step in steps {
            let path = self.eval(&format!("step_{step:06}"));
            if !path.is_file() {
                continue;
            }
            let mean = mean_accuracy(&read_regular(&path, u64::MAX)?)
                .with_context(|| format!("{}: damaged: no accuracy can be read", path.display()))?;
            if best.is_none_or(|(most, _)| mean.total_cmp(&most) == Ordering::Greater) {
                best = Some((mean, step));
            }
        }
        best.map(|(_, step)| step).with_context(|| {
            format!(
                "{}: none of its checkpoints was evaluated, so none is known to be the best; name a step, RUN@STEP; [eval] `every` \
                 and [checkpoint] `every` go together where the best is wanted",
                self.root().display()
            )
        })
    }
}

/// The mean over the sets of an evaluation of their avg@k.
fn mean_accuracy(json: &[u8]) -> Option<f64> {
    let sets: serde_json::Map<String, Value> = serde_json::from_slice(json).ok()?;
    let of_set = |set: &Value| set.get(format!("avg@{}", set.get("k")?))?.as_f64();
    let accuracies: Vec<f64> = sets.values().map(of_set).collect::<Option<_>>()?;
    (!accuracies.is_empty()).then(|| accuracies.iter().sum::<f64>() / accuracies.len() as f64)
}

/// The run in `path`; the empty path is the working directory.
fn folder_at(path: &Path) -> RunFolder {
    RunFolder::at(if path.as_os_str().is_empty() { Path::new(".") } else { path })
}

/// The step in `step_000040`.
fn step_of(name: &str) -> Option<Step> {
    name.strip_prefix("step_")?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn run_with(runs: &Path) -> RunFolder {
        let run = RunFolder::create(runs, "run").unwrap();
        for step in ["checkpoints/step_000020", "checkpoints/step_000040", "models/step_000000"] {
            fs::create_dir_all(run.root().join(step)).unwrap();
            fs::write(run.root().join(step).join("manifest.json"), "{}").unwrap();
        }
        // Being written, and cut short.
        fs::create_dir_all(run.checkpoint(60)).unwrap();
        run
    }

    #[test]
    fn a_checkpoint_has_a_name_and_a_path() {
        let runs = tempfile::tempdir().unwrap();
        let run = run_with(runs.path());
        let root = run.root().display().to_string();
        for (text, step) in [
            ("", AtStep::Latest),
            ("/", AtStep::Latest),
            ("@latest", AtStep::Latest),
            ("/checkpoints/latest", AtStep::Latest),
            ("@best", AtStep::Best),
            ("@20", AtStep::Step(20)),
            ("@step_000020", AtStep::Step(20)),
            ("/checkpoints/step_000020/", AtStep::Step(20)),
            ("/models/step_000000", AtStep::Step(0)),
        ] {
            let found = RunAt::parse(&format!("{root}{text}")).unwrap();
            assert_eq!((found.folder, found.step), (run.clone(), step), "{text}");
        }
        let error = format!("{:#}", RunAt::parse(&format!("{root}@last")).unwrap_err());
        assert!(
            error.contains("run@last: got \"last\" behind the @, expected the number of a step"),
            "{error}"
        );
        // A folder may be called so.
        fs::create_dir(runs.path().join("a@b")).unwrap();
        let found = RunAt::parse(&runs.path().join("a@b").display().to_string()).unwrap();
        assert_eq!(found.folder.root(), runs.path().join("a@b"));
    }

    #[test]
    fn a_run_is_named_from_within() {
        for (text, step) in [
            ("@20", AtStep::Step(20)),
            (".@20", AtStep::Step(20)),
            ("checkpoints/latest", AtStep::Latest),
            ("", AtStep::Latest),
        ] {
            let found = RunAt::parse(text).unwrap();
            assert_eq!((found.folder.root(), found.step), (Path::new("."), step), "{text}");
        }
        // Whoever calls a folder of weights so means the folder.
        let found = RunAt::parse("models/best").unwrap();
        assert_eq!((found.folder.root(), found.step), (Path::new("models/best"), AtStep::Latest));
    }

    #[test]
    fn what_is_kept_is_found_and_what_is_not_is_told() {
        let runs = tempfile::tempdir().unwrap();
        let run = run_with(runs.path());
        let at = |step| RunAt { folder: run.clone(), step };
        assert_eq!(at(AtStep::Latest).checkpoint().unwrap(), run.checkpoint(40));
        assert_eq!(at(AtStep::Step(20)).checkpoint().unwrap(), run.checkpoint(20));
        fs::write(run.checkpoints().join("latest"), "step_000020\n").unwrap();
        assert_eq!(at(AtStep::Latest).checkpoint().unwrap(), run.checkpoint(20));
        // One that `latest` names and that is not complete is none.
        fs::write(run.checkpoints().join("latest"), "step_000060\n").unwrap();
        assert_eq!(at(AtStep::Latest).model().unwrap(), run.checkpoint(40));
        let error = at(AtStep::Step(60)).checkpoint().unwrap_err().to_string();
        assert!(
            error.contains("run@60: no such checkpoint") && error.contains("the steps 20, 40;"),
            "{error}"
        );
        // Weights alone are a model and nothing to go on from.
        assert_eq!(at(AtStep::Step(0)).model().unwrap(), run.models().join("step_000000"));
        assert!(at(AtStep::Step(0)).checkpoint().is_err());
        let empty = RunFolder::create(runs.path(), "empty").unwrap();
        let error = RunAt { folder: empty, step: AtStep::Best }.checkpoint().unwrap_err().to_string();
        assert!(error.ends_with("empty: the run has no checkpoint yet"), "{error}");
    }

    #[test]
    fn the_best_is_the_most_accurate_of_those_that_are_kept() {
        let runs = tempfile::tempdir().unwrap();
        let run = run_with(runs.path());
        let best = RunAt { folder: run.clone(), step: AtStep::Best };
        let error = best.checkpoint().unwrap_err().to_string();
        assert!(error.contains("none of its checkpoints was evaluated"), "{error}");
        for (step, easy, hard) in [(0, 0.9, 0.9), (20, 0.7, 0.3), (40, 0.9, 0.0), (60, 1.0, 1.0)] {
            let sets = serde_json::json!({"easy": {"k": 4, "avg@4": easy}, "hard": {"k": 1, "avg@1": hard}});
            fs::write(run.eval(&format!("step_{step:06}")), sets.to_string()).unwrap();
        }
        assert_eq!(best.checkpoint().unwrap(), run.checkpoint(20));
        assert_eq!(best.model().unwrap(), run.models().join("step_000000"));
        // Whoever keeps the best may say which it is.
        fs::write(run.checkpoints().join("best"), "step_000040\n").unwrap();
        assert_eq!(best.checkpoint().unwrap(), run.checkpoint(40));
    }
}
