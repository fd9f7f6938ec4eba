//! Runs that are there already, sorted into arms: those that differ in nothing but their seed belong together.
//!
//! An arm is called by what it has and the others don't: its credit strategies, and keys with their values; among arms of
//! the same strategies these are the settings of the strategies too. A single arm is called after the folder of its first
//! run, and so are all where that would make a label too long to read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::collect::RunRecord;
use super::course::{course, differences, reads_attention};
use crate::recipe::Recipe;
use crate::run::Failure;

/// Most letters of a label: two fit side by side under a figure.
const LONGEST_LABEL: usize = 60;

/// Runs that differ in their seed alone.
struct Group {
    /// What they share, without what has no effect.
    course: Recipe,
    runs: Vec<RunRecord>,
}

/// Reads the runs in `folders` and sorts them into arms, in order of appearance. No two arms are called the same.
///
/// # Errors
/// A [`Failure::BadInput`] if a folder holds no run that can be compared, or a run is there twice.
pub(crate) fn arms(folders: &[PathBuf]) -> Result<Vec<(String, Vec<RunRecord>)>> {
    let mut groups: Vec<Group> = Vec::new();
    for folder in folders {
        let run = read(folder).map_err(Failure::bad_input)?;
        let course = course(&run.recipe);
        let mut home = None;
        for (index, group) in groups.iter().enumerate() {
            if differences(&course, &group.course)?.is_empty() {
                home = Some(index);
            }
        }
        match home {
            None => groups.push(Group { course, runs: vec![run] }),
            Some(index) => groups[index].add(run)?,
        }
    }
    let labels = labels(&groups)?;
    Ok(labels.into_iter().zip(groups).map(|(label, group)| (label, group.runs)).collect())
}

impl Group {
    fn add(&mut self, run: RunRecord) -> Result<()> {
        let seed = run.recipe.run.seed;
        if let Some(other) = self.runs.iter().find(|other| other.recipe.run.seed == seed) {
            return Err(Failure::BadInput(format!(
                "--of: {} and {} have the same recipe and seed {seed}; name one of them",
                other.folder.display(),
                run.folder.display()
            ))
            .into());
        }
        self.runs.push(run);
        Ok(())
    }
}

fn read(folder: &Path) -> Result<RunRecord> {
    let nothing = || format!("{}: no run, resolved.toml is missing; name folders of runs", folder.display());
    let record = RunRecord::read(folder)?.with_context(nothing)?;
    anyhow::ensure!(
        !record.curve.is_empty(),
        "{}: the run has no evaluation yet; wait for it or leave it out",
        folder.display()
    );
    Ok(record)
}

/// A label per arm. Two arms differ in a key. Outside of `[[credit]]` and `[signals]`, both labels have it; within
/// `[[credit]]`, they have it or begin with other strategies; within `[signals]` alone, both read attention, and then they
/// have it. So no two labels are the same.
fn labels(groups: &[Group]) -> Result<Vec<String>> {
    if let [group] = groups {
        return Ok(vec![name_of(&group.runs[0])]);
    }
    let recipes: Vec<&Recipe> = groups.iter().map(|group| &group.course).collect();
    let readers: Vec<&Recipe> = recipes.iter().copied().filter(|recipe| reads_attention(recipe)).collect();
    let label = |recipe: &&Recipe| {
        let own = chain(recipe);
        let rivals: Vec<&Recipe> = recipes.iter().copied().filter(|rival| chain(rival) == own).collect();
        let mut keys = differing_keys(&rivals, |key| table(key) == "credit")?;
        keys.extend(differing_keys(&recipes, |key| !["credit", "signals"].contains(&table(key)))?);
        if reads_attention(recipe) {
            keys.extend(differing_keys(&readers, |key| table(key) == "signals")?);
        }
        let written = toml::Value::try_from(recipe).context("the recipe cannot be written as TOML")?;
        let values = keys.iter().map(|key| match find(&written, key) {
            Some(value) => format!("{key}={value}"),
            None => format!("no {key}"),
        });
        let strategies = (rivals.len() < recipes.len()).then(|| own.clone());
        Ok(strategies.into_iter().chain(values).collect::<Vec<_>>().join(", "))
    };
    let labels: Vec<String> = recipes.iter().map(label).collect::<Result<_>>()?;
    let names: Vec<String> = groups.iter().map(|group| name_of(&group.runs[0])).collect();
    let distinct = names.iter().collect::<BTreeSet<_>>().len() == names.len();
    let too_long = labels.iter().any(|label| label.chars().count() > LONGEST_LABEL);
    Ok(if too_long && distinct { names } else { labels })
}

/// The keys, of those `wanted`, in which any two of `recipes` differ.
fn differing_keys(recipes: &[&Recipe], wanted: fn(&str) -> bool) -> Result<Vec<String>> {
    let mut keys = BTreeSet::new();
    for recipe in recipes.iter().skip(1) {
        keys.extend(differences(recipes[0], recipe)?.into_iter().map(|difference| difference.key));
    }
    Ok(keys.into_iter().filter(|key| wanted(key)).collect())
}

/// The table of the recipe that `key` is in.
fn table(key: &str) -> &str {
    key.split('.').next().unwrap_or(key)
}

/// The strategies of a recipe as one word.
fn chain(recipe: &Recipe) -> String {
    let names: Vec<String> = recipe.credit.iter().map(|config| config.name().to_owned()).collect();
    if names.is_empty() { String::from("uniform") } else { names.join(" + ") }
}

fn find<'v>(value: &'v toml::Value, path: &str) -> Option<&'v toml::Value> {
    path.split('.').try_fold(value, |value, name| match value {
        toml::Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => value.get(name),
    })
}

/// The name of its folder, without the seed that a comparison ends it with.
fn name_of(run: &RunRecord) -> String {
    let name = run.folder.file_name().unwrap_or(run.folder.as_os_str()).to_string_lossy().into_owned();
    let seed = format!("_seed_{}", run.recipe.run.seed);
    name.strip_suffix(&seed).map_or(name.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::super::testing::made_up;
    use super::*;

    fn sorted(folders: &[PathBuf]) -> Vec<(String, Vec<u64>)> {
        let seeds = |runs: Vec<RunRecord>| runs.iter().map(|run| run.recipe.run.seed).collect();
        arms(folders).unwrap().into_iter().map(|(label, runs)| (label, seeds(runs))).collect()
    }

    #[test]
    fn runs_that_differ_in_their_seed_are_one_arm() {
        let dir = tempfile::tempdir().unwrap();
        let run =
            |name: &str, seed, more: &[&str]| made_up(&dir.path().join(name), seed, more, &[0.1, 0.2, 0.3]);
        let rhythm = "credit=[{type=\"rhythm\"}]";
        let folders = [
            run("a", 0, &[]),
            run("b", 0, &[rhythm]),
            run("c", 1, &[rhythm]),
            run("d", 1, &["run.name=\"other\""]),
        ];
        assert_eq!(sorted(&folders), [("uniform".into(), vec![0, 1]), ("rhythm".into(), vec![0, 1])]);
        assert_eq!(sorted(&folders[1..3]), [("b".into(), vec![0, 1])]);

        let both = "credit=[{type=\"rhythm\", gain=2.0}]";
        let folders = [
            run("e", 0, &[rhythm, "loss.policy.clip_high=0.3"]),
            run("f", 0, &[both, "loss.policy.clip_high=0.3"]),
        ];
        let labels: Vec<String> = sorted(&folders).into_iter().map(|(label, _)| label).collect();
        assert_eq!(labels, ["credit.0.gain=1.5", "credit.0.gain=2.0"]);

        // What has no effect makes no other arm.
        let folders = [run("h", 0, &[]), run("i", 1, &["signals.window=5"]), run("j", 0, &[rhythm])];
        assert_eq!(sorted(&folders), [("uniform".into(), vec![0, 1]), ("rhythm".into(), vec![0])]);

        let error = arms(&[run("a", 0, &[]), run("g", 0, &[])]).unwrap_err().to_string();
        assert!(error.contains("a and ") && error.contains("g have the same recipe and seed 0"), "{error}");
        let error = arms(&[dir.path().join("none")]).unwrap_err().to_string();
        assert!(error.contains("none: no run, resolved.toml is missing"), "{error}");
    }

    #[test]
    fn labels_are_distinct() {
        let dir = tempfile::tempdir().unwrap();
        let run = |name: &str, more: &[&str]| made_up(&dir.path().join(name), 0, more, &[0.1, 0.2, 0.3]);
        let labels = |folders: &[PathBuf]| -> Vec<String> {
            sorted(folders).into_iter().map(|(label, _)| label).collect()
        };
        let rhythm = |gain: &str| format!("credit=[{{type=\"rhythm\", gain={gain}}}]");
        let folders = [
            run("x/rhythm_seed_0", &[&rhythm("1.5")]),
            run("y/rhythm_seed_0", &[&rhythm("2.0")]),
            run("uniform_seed_0", &[]),
        ];
        let expected = ["rhythm, credit.0.gain=1.5", "rhythm, credit.0.gain=2.0", "uniform"];
        assert_eq!(labels(&folders), expected);
        let more = run("more", &[&rhythm("2.0"), "optim.lr=0.002"]);
        let expected = [
            "rhythm, credit.0.gain=1.5, optim.lr=0.001",
            "rhythm, credit.0.gain=2.0, optim.lr=0.001",
            "uniform, optim.lr=0.001",
            "rhythm, credit.0.gain=2.0, optim.lr=0.002",
        ];
        assert_eq!(labels(&[&folders[..], &[more]].concat()), expected);

        // Too many keys to read are no label.
        let sets =
            ["optim.lr=0.002", "loss.policy.clip_low=0.11", "loss.policy.clip_high=0.31", "batch.epochs=2"];
        let apart = [run("near_seed_0", &[]), run("far", &sets)];
        assert_eq!(labels(&apart), ["near", "far"]);

        // How attention is read is said of those that read it, and only where they differ.
        let run = |name: &str, strategy: &str, window: u32| {
            let window = format!("signals.window={window}");
            run(name, &[&format!("credit=[{{type=\"{strategy}\"}}]"), &window])
        };
        let folders = [run("p", "uniform", 5), run("q", "rhythm", 5), run("r", "local_chunk", 5)];
        assert_eq!(labels(&folders), ["uniform", "rhythm", "local_chunk"]);
        let expected = ["uniform", "rhythm, signals.window=5", "rhythm, signals.window=7"];
        assert_eq!(labels(&[folders[..2].to_vec(), vec![run("s", "rhythm", 7)]].concat()), expected);
    }

    #[test]
    fn the_precision_that_was_computed_in_tells_arms_apart() {
        let dir = tempfile::tempdir().unwrap();
        let run = |name: &str, seed, dtype: &str| {
            let folder = made_up(&dir.path().join(name), seed, &[], &[0.1, 0.2, 0.3]);
            let inputs = format!("{{\"dtype\": \"{dtype}\", \"files\": {{}}}}");
            std::fs::write(folder.join("inputs.json"), inputs).unwrap();
            folder
        };
        let folders = [run("a", 0, "bf16"), run("b", 0, "f32"), run("c", 1, "bf16")];
        let (bf16, f32) = ("model.dtype=\"bf16\"", "model.dtype=\"f32\"");
        assert_eq!(sorted(&folders), [(bf16.into(), vec![0, 1]), (f32.into(), vec![0])]);
    }
}
