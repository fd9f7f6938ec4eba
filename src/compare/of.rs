//! Runs that are there already, sorted into arms: those whose recipes differ in nothing but their seed belong together.
//!
//! An arm is called by what its recipe has and the others don't: its credit strategies, and keys with their values; where
//! that does not tell the arms apart, by the folder of its first run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::arms::type_of;
use super::collect::RunRecord;
use super::folder::differences;
use crate::recipe::Recipe;
use crate::run::Failure;

/// Reads the runs in `folders` and sorts them into arms, in order of appearance.
///
/// # Errors
/// A [`Failure::BadInput`] if a folder holds no run that can be compared, or a run is there twice.
pub fn arms(folders: &[PathBuf]) -> Result<Vec<(String, Vec<RunRecord>)>> {
    let mut groups: Vec<Vec<RunRecord>> = Vec::new();
    for folder in folders {
        let record = read(folder).map_err(Failure::bad_input)?;
        let mut home = None;
        for (index, group) in groups.iter().enumerate() {
            if differences(&record.recipe, &group[0].recipe)?.is_empty() {
                home = Some(index);
            }
        }
        match home {
            None => groups.push(vec![record]),
            Some(index) => {
                let seed = record.recipe.run.seed;
                if let Some(other) = groups[index].iter().find(|other| other.recipe.run.seed == seed) {
                    return Err(Failure::BadInput(format!(
                        "--of: {} and {} have the same recipe and seed {seed}; name one of them",
                        other.folder.display(),
                        folder.display()
                    ))
                    .into());
                }
                groups[index].push(record);
            }
        }
    }
    let labels = labels(&groups)?;
    Ok(labels.into_iter().zip(groups).collect())
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

fn labels(groups: &[Vec<RunRecord>]) -> Result<Vec<String>> {
    let recipes: Vec<&Recipe> = groups.iter().map(|group| &group[0].recipe).collect();
    let mut keys = BTreeSet::new();
    for recipe in recipes.iter().skip(1) {
        keys.extend(differences(recipes[0], recipe)?.into_iter().map(|difference| difference.key));
    }
    let chains: Vec<String> = recipes.iter().map(|recipe| chain(recipe)).collect();
    let same_chain = chains.windows(2).all(|pair| pair[0] == pair[1]);
    keys.retain(|key| same_chain || !(key == "credit" || key.starts_with("credit.")));
    let label = |(recipe, chain): (&&Recipe, &String)| {
        let table = toml::Value::try_from(*recipe).context("the recipe cannot be written as TOML")?;
        let values = keys.iter().map(|key| match find(&table, key) {
            Some(value) => format!("{key}={value}"),
            None => format!("no {key}"),
        });
        let chain = (!same_chain).then(|| chain.clone());
        Ok(chain.into_iter().chain(values).collect::<Vec<_>>().join(", "))
    };
    let labels = recipes.iter().zip(&chains).map(label).collect::<Result<Vec<String>>>()?;
    let distinct: BTreeSet<&String> = labels.iter().collect();
    if distinct.len() == labels.len() && labels.iter().all(|label| !label.is_empty()) {
        return Ok(labels);
    }
    Ok(groups.iter().map(|group| name_of(&group[0].folder)).collect())
}

/// The strategies of a recipe as one word.
fn chain(recipe: &Recipe) -> String {
    let names: Vec<String> = recipe.credit.iter().filter_map(type_of).collect();
    if names.is_empty() { String::from("uniform") } else { names.join(" + ") }
}

fn find<'v>(value: &'v toml::Value, path: &str) -> Option<&'v toml::Value> {
    path.split('.').try_fold(value, |value, name| match value {
        toml::Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => value.get(name),
    })
}

fn name_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::super::collect::testing::made_up;
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
        let folders =
            [run("e", 0, &[rhythm, "loss.clip_high=0.3"]), run("f", 0, &[both, "loss.clip_high=0.3"])];
        let labels: Vec<String> = sorted(&folders).into_iter().map(|(label, _)| label).collect();
        assert_eq!(labels, ["credit.0.gain=1.5", "credit.0.gain=2.0"]);

        let error = arms(&[run("a", 0, &[]), run("g", 0, &[])]).unwrap_err().to_string();
        assert!(error.contains("a and ") && error.contains("g have the same recipe and seed 0"), "{error}");
        let error = arms(&[dir.path().join("none")]).unwrap_err().to_string();
        assert!(error.contains("none: no run, resolved.toml is missing"), "{error}");
    }
}
