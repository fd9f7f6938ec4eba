//! How a policy was trained, for its card: the commands, and the recipe that they came to. Nothing of where folders lie on this machine.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::card::of_folder;
use crate::files::read_regular;
use crate::recipe::{Recipe, each_path};
use crate::run::history::{self, Event, Happened};
use crate::run_folder::RunFolder;
use crate::types::{Step, shell_word};

/// Writes how the policy of `run` behind `step` was made: commands, and `recipe`, by which that step was made.
pub(super) fn write(text: &mut String, run: &RunFolder, step: Option<Step>, recipe: &Recipe) -> Result<()> {
    text.push_str("\n## How it was made\n");
    let commands = commands(run, step.unwrap_or(Step::MAX), MOST_PARENTS);
    if !commands.is_empty() {
        writeln!(text, "\n```sh\n{}\n```", commands.join("\n"))?;
    }
    let mut table: toml::Table = recipe.to_toml()?.parse()?;
    each_path(&mut table, &mut |path| Some(of_folder(Path::new(path))));
    let recipe = toml::to_string(&table)?;
    let recipe = recipe.trim_end();
    writeln!(text, "\n<details><summary>The recipe</summary>\n\n```toml\n{recipe}\n```\n\n</details>")?;
    Ok(())
}

/// Of how many runs that were forked from each other the commands are looked for.
const MOST_PARENTS: u32 = 100;

/// The commands that the run of step `step` was made by, a line each; of a run of an earlier version, the first. Those of its parents come
/// first, up to as many as `parents`.
fn commands(run: &RunFolder, step: Step, parents: u32) -> Vec<String> {
    let events = history::read(run).unwrap_or_default();
    if events.is_empty() {
        return of_environment(run).into_iter().collect();
    }
    let made = |event: &&Event| match event.event {
        Happened::Begun | Happened::Forked => true,
        Happened::Resumed => event.step < step && !event.changes.is_empty(),
        Happened::StoppedEarly | Happened::Diverged => false,
    };
    // A fork is made by the commands of its parent too, as long as that is there.
    let parent = events.first().filter(|_| parents > 0).and_then(|event| event.parent.as_ref());
    let of_parent = |run: RunFolder, step| commands(&run, step, parents.saturating_sub(1));
    let before = parent.and_then(|parent| Some(of_parent(history::find_parent(run, parent)?, parent.step)));
    let line = |event: &Event| {
        let command = placeless(shlex::split(&event.command)?)?;
        Some(match event.event {
            Happened::Resumed => format!("{command}   # behind step {}", event.step),
            _ => command,
        })
    };
    before.into_iter().flatten().chain(events.iter().filter(made).filter_map(line)).collect()
}

/// What the first process of the run was started by.
fn of_environment(run: &RunFolder) -> Option<String> {
    let env: Value = serde_json::from_slice(&read_regular(&run.env(), u64::MAX).ok()?).ok()?;
    let first = env["earlier"].get(0).unwrap_or(&env);
    let words = first["command"].as_array()?.iter().filter_map(Value::as_str).map(str::to_owned);
    placeless(words.collect())
}

/// A command of `words`, whole paths in it by their last names alone; the program too, by whatever path it was started.
fn placeless(words: Vec<String>) -> Option<String> {
    let words = words.iter().skip(1).map(|word| shell_word(&without_places(word)));
    let command = std::iter::once("rlcredit".to_owned()).chain(words).collect::<Vec<_>>();
    (command.len() > 1).then(|| command.join(" "))
}

/// `word` with the last names of the whole paths in it: of itself, and of what stands behind `=`, in quotes or in a list.
fn without_places(word: &str) -> String {
    let last = |path: &str| path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    if word.starts_with('/') && !word.contains(['=', '"', ',', '{']) {
        return last(word);
    }
    let is_before = |c: char| "'\"=,[{ ".contains(c);
    let is_behind = |c: char| "'\",]} ".contains(c);
    let mut said = String::new();
    let mut rest = word;
    while let Some(at) = rest.find('/') {
        let (before, path) = rest.split_at(at);
        let (path, behind) = path.split_at(path.find(is_behind).unwrap_or(path.len()));
        said.push_str(before);
        let is_whole = said.chars().next_back().is_none_or(is_before);
        said.push_str(&if is_whole { last(path) } else { path.to_owned() });
        rest = behind;
    }
    said + rest
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_command_tells_nothing_of_where_folders_lie() {
        for (given, expected) in [
            ("target/release/rlcredit train recipes/a.toml", "rlcredit train recipes/a.toml"),
            (
                "'/my tools/rlcredit' train '/my data/a.toml' --runs /scratch/",
                "rlcredit train a.toml --runs scratch",
            ),
            (
                "rlcredit train a.toml --set 'model={path=\"/models/Qwen\"}'",
                "rlcredit train a.toml --set 'model={path=\"Qwen\"}'",
            ),
            (
                "rlcredit train a.toml --set model.path=/models/Qwen",
                "rlcredit train a.toml --set model.path=Qwen",
            ),
            (
                "rlcredit train ../a.toml --set 'x=[\"/a/b\", \"c/d\"]'",
                "rlcredit train ../a.toml --set 'x=[\"b\", \"c/d\"]'",
            ),
        ] {
            assert_eq!(placeless(shlex::split(given).unwrap()).unwrap(), expected);
        }
    }
}
