//! The folder of a comparison, and what may be added to it.
//!
//! ```text
//! runs/compare_countdown/
//!   comparison.json                    which runs belong here
//!   recipes/countdown.toml             each recipe that runs are made from, every default filled in
//!   runs/rhythm_seed_0/                a run like any other
//!     diverged.txt                     why it diverged, if it did: it is left alone until its folder is deleted
//!   compare.md  compare.json           the results, written anew after every run
//!   curves_by_{step,tokens,time}.{svg,png}
//!   .lock                              held by the process that works here
//! ```
//!
//! The same command goes on where it was. One with further recipes, arms or seeds adds their runs; one that lacks a recipe,
//! and one whose recipe or whose meaning of an arm differs, is refused, since its runs could not be compared with those
//! that are there. So is an arm that trains the same as one that is there under another label.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::arms::{self, Arm, bad};
use super::base::Base;
use super::collect::{RunRecord, divergence, divergence_file, is_done};
use super::course::{differences, resolved, why_same};
use super::plan::Plan;
use crate::files::{Lock, is_temporary, list, read_regular, write_whole};
use crate::recipe::{Difference, Recipe};
use crate::run::Failure;
use crate::run_folder::RunFolder;

const MANIFEST: &str = "comparison.json";
const RECIPES: &str = "recipes";
const LOCK: &str = ".lock";

/// Which runs belong to a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// The commands that brought its runs about, in order.
    pub commands: Vec<String>,
    /// Overrides by the quick setting; empty without it.
    pub quick: Vec<String>,
    /// Label of the arm that the others are compared with.
    pub baseline: String,
    /// The arms in the order of the tables.
    pub arms: Vec<Arm>,
    /// The recipes by their names.
    pub recipes: Vec<String>,
    /// The runs, made or not: label of the arm, seed.
    pub runs: Vec<(String, u64)>,
}

/// The folder while this process works in it.
#[derive(Debug)]
pub(crate) struct ComparisonFolder {
    root: PathBuf,
    /// Which runs belong here.
    pub manifest: Manifest,
    _lock: Lock,
}

/// That `plan` can be added to the folder `root`. Nothing is written.
///
/// # Errors
/// If the folder holds something else, or a comparison that does not fit.
pub(crate) fn require_fit(root: &Path, plan: &mut Plan, command: &str) -> Result<()> {
    if !has_comparison(root) {
        require_unused(root)?;
    }
    grown(root, plan, command).map(drop)
}

/// What is in the folder `root` once `plan` is added to it.
fn grown(root: &Path, plan: &mut Plan, command: &str) -> Result<Manifest> {
    let mut manifest = Manifest { quick: plan.quick(), ..Manifest::default() };
    if has_comparison(root) {
        manifest = read(root)?;
        plan.take_labels(&manifest.arms);
        require_same(root, &manifest, plan)?;
    }
    manifest.grow(plan, command)?;
    Ok(manifest)
}

impl ComparisonFolder {
    /// Makes the folder of a new comparison, or adds to that of an earlier one what is new in `plan`, whose other arms keep
    /// the labels that they have there.
    ///
    /// # Errors
    /// A [`Failure`] if something else is in the folder, another process works there, or its comparison is another one;
    /// nothing has been changed then.
    pub(crate) fn open(root: &Path, plan: &mut Plan, command: &str) -> Result<Self> {
        // What is wrong with the plan is said before anything is made.
        require_fit(root, plan, command)?;
        for folder in ["runs", RECIPES] {
            fs::create_dir_all(root.join(folder))
                .with_context(|| format!("could not create {}", root.display()))?;
        }
        let lock = Lock::try_acquire(&root.join(LOCK))?;
        let lock =
            lock.with_context(|| format!("{}: another process is comparing in this folder", root.display()));
        let _lock = lock.map_err(Failure::bad_input)?;
        let manifest = grown(root, plan, command)?;
        // The manifest comes last: with it the folder is a comparison.
        for Base { recipe, .. } in &plan.bases {
            let text = recipe.lasting()?.to_toml()?;
            write_whole(&recipe_file(root, &recipe.run.name), |w| Ok(w.write_all(text.as_bytes())?))?;
        }
        write_whole(&root.join(MANIFEST), |w| Ok(serde_json::to_writer_pretty(w, &manifest)?))?;
        Ok(Self { root: root.to_owned(), manifest, _lock })
    }

    /// Where the runs lie.
    #[must_use]
    pub(crate) fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// The folders of all runs, that of the run `name` first, the others in order.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub(crate) fn run_folders(&self, name: &str) -> Result<Vec<PathBuf>> {
        let runs = self.runs();
        let mut others: Vec<PathBuf> =
            if runs.is_dir() { list(&runs)?.iter().map(|entry| entry.path()).collect() } else { Vec::new() };
        others.sort();
        Ok([runs.join(name)].into_iter().chain(others).collect())
    }

    /// Whether the run `name` has begun, so that it is resumed.
    #[must_use]
    pub(crate) fn has_begun(&self, name: &str) -> bool {
        RunFolder::at(&self.runs().join(name)).resolved().is_file()
    }

    /// Whether the run `name` has all of its `steps`, the policy after the last, and what that was evaluated to.
    ///
    /// Nothing of it is changed, since another process may hold it.
    ///
    /// # Errors
    /// If what its last checkpoint says of that cannot be read.
    pub(crate) fn is_finished(&self, name: &str, steps: u64) -> Result<bool> {
        is_done(&RunFolder::at(&self.runs().join(name)), steps)
    }

    /// Why the run `name` diverged, if it did.
    ///
    /// # Errors
    /// If what was written about that cannot be read.
    pub(crate) fn divergence(&self, name: &str) -> Result<Option<String>> {
        divergence(&self.runs().join(name))
    }

    /// Keeps why the run `name` diverged, so that it is not tried again and again.
    ///
    /// # Errors
    /// If that cannot be written.
    pub(crate) fn keep_divergence(&self, name: &str, why: &str) -> Result<()> {
        write_whole(&divergence_file(&self.runs().join(name)), |w| Ok(writeln!(w, "{why}")?))
    }

    /// What there is of every arm that belongs here, runs that have not begun left out.
    ///
    /// # Errors
    /// If a run cannot be read.
    pub(crate) fn records(&self) -> Result<Vec<(String, Vec<RunRecord>)>> {
        let of_arm = |arm: &Arm| {
            let seeds =
                self.manifest.runs.iter().filter(|(label, _)| *label == arm.label).map(|(_, seed)| *seed);
            let read = seeds.map(|seed| RunRecord::read(&self.runs().join(arm.run_name(seed))));
            let records = read.collect::<Result<Vec<_>>>()?;
            Ok((arm.label.clone(), records.into_iter().flatten().collect()))
        };
        self.manifest.arms.iter().map(of_arm).collect()
    }
}

impl Manifest {
    /// Adds what is new in `plan`; nothing is changed where that is refused.
    fn grow(&mut self, plan: &Plan, command: &str) -> Result<()> {
        let new: Vec<&Arm> = plan.arms.iter().filter(|arm| !self.arms.contains(arm)).collect();
        self.require_other(plan, &new)?;
        self.require_baseline(plan, &new)?;
        if self.commands.last().is_none_or(|last| last != command) {
            self.commands.push(command.to_owned());
        }
        let named = plan.baseline.as_ref().or(plan.arms.first().map(|arm| &arm.label));
        if let Some(label) = named.filter(|_| plan.baseline.is_some() || self.baseline.is_empty()) {
            self.baseline.clone_from(label);
        }
        self.arms.extend(new.into_iter().cloned());
        for Base { recipe, .. } in &plan.bases {
            if !self.recipes.contains(&recipe.run.name) {
                self.recipes.push(recipe.run.name.clone());
            }
        }
        for (arm, seed) in plan.runs() {
            let run = (arm.label.clone(), seed);
            if !self.runs.contains(&run) {
                self.runs.push(run);
            }
        }
        Ok(())
    }

    /// None of the `new` arms may train the same as one that is there.
    fn require_other(&self, plan: &Plan, new: &[&Arm]) -> Result<()> {
        for arm in new {
            let recipe = plan.recipe(arm)?;
            for known in &self.arms {
                if let Some(why) = why_same(&recipe, &plan.recipe(known)?)? {
                    return Err(bad(format!(
                        "arm {} trains the same as {}, which the comparison there has already: {why}; leave it out",
                        arm.label, known.label
                    )));
                }
            }
        }
        Ok(())
    }

    /// The baseline must be an arm, of those that are there or of the `new` ones.
    fn require_baseline(&self, plan: &Plan, new: &[&Arm]) -> Result<()> {
        let labels: Vec<&str> =
            self.arms.iter().chain(new.iter().copied()).map(|arm| arm.label.as_str()).collect();
        match &plan.baseline {
            Some(baseline) if !labels.contains(&baseline.as_str()) => Err(bad(format!(
                "--baseline: no arm is called `{baseline}`; the arms are {}",
                arms::list(&labels)
            ))),
            _ => Ok(()),
        }
    }
}

/// The run of `arm` with `seed` in the folder `root` of a comparison, if it is there and done.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn finished(root: &Path, arm: &Arm, seed: u64) -> Result<Option<RunRecord>> {
    let record = RunRecord::read(&root.join("runs").join(arm.run_name(seed)))?;
    Ok(record.filter(RunRecord::is_finished))
}

/// Whether there is a comparison with runs of its own at `root`.
#[must_use]
pub(crate) fn has_comparison(root: &Path) -> bool {
    root.join(MANIFEST).is_file()
}

/// Where the recipe called `name` is kept.
fn recipe_file(root: &Path, name: &str) -> PathBuf {
    root.join(RECIPES).join(format!("{name}.toml"))
}

fn read(root: &Path) -> Result<Manifest> {
    let path = root.join(MANIFEST);
    let text = read_regular(&path, u64::MAX).with_context(|| format!("could not read {}", path.display()))?;
    serde_json::from_slice(&text)
        .with_context(|| format!("{}: not a comparison of this version", path.display()))
}

/// A start that was cut short leaves an empty folder of runs and a lock.
fn require_unused(root: &Path) -> Result<()> {
    if !root.exists() {
        return Ok(());
    }
    let mut unused = root.is_dir();
    for entry in if unused { list(root)? } else { Vec::new() } {
        let name = entry.file_name();
        let runs = name == "runs" && entry.path().is_dir() && list(&entry.path())?.is_empty();
        unused &= runs
            || [LOCK, RECIPES].iter().any(|known| name == *known)
            || is_temporary(&name.to_string_lossy());
    }
    if unused {
        return Ok(());
    }
    Err(Failure::BadInput(format!(
        "{}: holds something that is no comparison; choose another folder with --out",
        root.display()
    ))
    .into())
}

fn require_same(root: &Path, manifest: &Manifest, plan: &Plan) -> Result<()> {
    let mut lines = Vec::new();
    for name in &manifest.recipes {
        let Some(base) = plan.bases.iter().find(|base| base.recipe.run.name == *name) else {
            lines.push(format!("recipe {name}: not given now, one of those in the comparison"));
            continue;
        };
        let before = Recipe::load(&recipe_file(root, name), &[])?;
        let changed = differences(&resolved(base.recipe.clone())?, &resolved(before)?)?;
        lines.extend(changed.into_iter().map(|Difference { key, here, there }| {
            let place = if manifest.recipes.len() > 1 { format!("recipe {name}: ") } else { String::new() };
            format!("{place}{key}: {here} now, {there} in the comparison")
        }));
    }
    for arm in &plan.arms {
        let known = manifest.arms.iter().find(|known| known.label == arm.label);
        if let Some(known) = known.filter(|known| *known != arm) {
            lines.push(format!(
                "arm {}: {} now, {} in the comparison",
                arm.label,
                arm.overrides.join(" "),
                known.overrides.join(" ")
            ));
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    Err(Failure::ResumeRefused(format!(
        "{}: the comparison there is another one:\n  {}\nset these back (recipes, arms and seeds may be added), or choose another \
         folder with --out",
        root.display(),
        lines.join("\n  ")
    ))
    .into())
}
