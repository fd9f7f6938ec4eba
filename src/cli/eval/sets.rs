//! `--data`: the files that a person names, and what their rows mean.

use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use serde::de::DeserializeOwned;

use crate::data::FileConfig;
use crate::data::file::Preset;
use crate::files::{STDIN, at_home};

/// The files that `--data` and `--preset` describe, each with only its first `limit` rows.
///
/// # Errors
/// Everything that is wrong with them, a line each.
pub(super) fn files(sets: &[String], presets: &[String], limit: Option<usize>) -> Result<Vec<FileConfig>> {
    let mut problems: Vec<String> = Vec::new();
    let mut note = |error: anyhow::Error| problems.push(format!("{error:#}"));
    let presets: Vec<(String, Preset)> =
        pieces(presets).filter_map(|given| preset(&given).map_err(&mut note).ok()).collect();
    let mut files = Vec::new();
    for given in sets.iter().flat_map(|set| split(set)) {
        match file(&given, &presets) {
            Ok(file) => files.push(file),
            Err(error) => note(error.context(format!("--data {given}"))),
        }
    }
    let mut names = HashSet::new();
    for file in &mut files {
        file.limit = limit.or(file.limit);
        let name = file.name();
        problems
            .extend(file.rules().problems().into_iter().map(|problem| format!("--data {name}: {problem}")));
        if !names.insert(name.clone()) {
            problems.push(format!(
                "--data {name}: got it a second time, expected a name of its own for each set"
            ));
        }
    }
    for (name, _) in presets.iter().filter(|(name, _)| !names.contains(name)) {
        problems.push(format!("--preset {name}: there is no set of that name; expected one of --data"));
    }
    if problems.is_empty() { Ok(files) } else { bail!(problems.join("\n")) }
}

/// Whether `given`, which should be a key and its value, names a file of problems: by a preset, or as a table.
pub(super) fn is_file(given: &str) -> bool {
    let of_preset = given.split_once('=').is_some_and(|(name, path)| {
        !name.contains('.') && (named(name).is_ok() || path.contains(['.', '/']))
    });
    of_preset || given.trim_start().starts_with('{')
}

/// The sets of one argument: an inline table, or files by name, with commas between them.
fn split(given: &str) -> Vec<String> {
    let is_table = given.trim_start().starts_with('{');
    if is_table { vec![given.to_owned()] } else { pieces(&[given.to_owned()]).collect() }
}

fn pieces(given: &[String]) -> impl Iterator<Item = String> {
    given
        .iter()
        .flat_map(|one| one.split(','))
        .map(|piece| piece.trim().to_owned())
        .filter(|piece| !piece.is_empty())
}

fn preset(given: &str) -> Result<(String, Preset)> {
    let pair = given.split_once('=').and_then(|(set, name)| Some((set.to_owned(), named(name).ok()?)));
    pair.with_context(|| format!("--preset {given}: expected NAME=PRESET, PRESET being {}", known()))
}

fn file(given: &str, presets: &[(String, Preset)]) -> Result<FileConfig> {
    if given.trim_start().starts_with('{') {
        return table(given).context("expected an inline table of TOML with the keys of [[data.eval]]");
    }
    let (name, path) = given.split_once('=').with_context(|| {
        format!(
            "expected NAME=FILE, or a table: '{{name = \"mine\", path = {given:?}, preset = \"math500\"}}'"
        )
    })?;
    let own = presets.iter().find(|(set, _)| set == name).map(|(_, preset)| *preset);
    let preset = own.map_or_else(|| named(name), Ok).map_err(|_| {
        anyhow!(
            "{name:?} is no preset, so the columns are not known; expected {}. Say which it is like, --preset \
             {name}=math500, or where its parts are: --data '{{name = {name:?}, path = {path:?}, fields = {{question = \
             \"COLUMN\", answer = \"COLUMN\"}}}}'",
            known()
        )
    })?;
    Ok(FileConfig {
        path: if path == "-" {
            STDIN.into()
        } else {
            at_home(path).map_or_else(|| path.into(), PathBuf::from)
        },
        name: Some(name.to_owned()),
        preset: Some(preset),
        ..FileConfig::default()
    })
}

fn named(name: &str) -> Result<Preset> {
    Ok(toml::Value::String(name.to_owned()).try_into()?)
}

/// The names of all presets, as serde lists them.
fn known() -> String {
    let error = named("").err().map(|error| error.to_string()).unwrap_or_default();
    error.split_once("expected ").map_or(error.clone(), |(_, names)| names.trim().to_owned())
}

/// An inline table of TOML.
pub(super) fn table<T: DeserializeOwned>(text: &str) -> Result<T> {
    let document: toml::Table = toml::from_str(&format!("it = {text}"))?;
    Ok(document.get("it").context("no table")?.clone().try_into()?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn of(sets: &[&str], presets: &[&str]) -> Result<Vec<FileConfig>> {
        let owned = |all: &[&str]| all.iter().map(|one| one.to_string()).collect::<Vec<_>>();
        files(&owned(sets), &owned(presets), Some(7))
    }

    #[test]
    fn sets_are_named_by_preset_by_flag_or_by_table() {
        let table =
            r#"{name = "mine", path = "m.parquet", fields = {question = "q", answer = "a"}, limit = 3}"#;
        let files = of(&["aime24=a.jsonl, held=b.jsonl", table], &["held=gsm8k"]).unwrap();
        let seen: Vec<_> = files.iter().map(|f| (f.name(), f.path.display().to_string(), f.preset)).collect();
        let expected = [
            ("aime24", "a.jsonl", Some(Preset::Aime24)),
            ("held", "b.jsonl", Some(Preset::Gsm8k)),
            ("mine", "m.parquet", None),
        ];
        assert_eq!(seen, expected.map(|(name, path, preset)| (name.to_owned(), path.to_owned(), preset)));
        assert!(files.iter().all(|file| file.limit == Some(7)));
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let table = r#"{name = "x", path = "y.jsonl", field = {}}"#;
        let error =
            of(&["mine=a.jsonl", "b.jsonl", table, "math=c.jsonl", "math=d.jsonl"], &["no=math", "e"]);
        let error = error.unwrap_err().to_string();
        for part in [
            "--data mine=a.jsonl: \"mine\" is no preset",
            "`gsm8k`, `math`",
            "--preset mine=math500",
            "fields = {question = \"COLUMN\"",
            "--data b.jsonl: expected NAME=FILE",
            "unknown field `field`",
            "--data math: got it a second time",
            "--preset no: there is no set",
            "--preset e: expected NAME=PRESET, PRESET being one of `gsm8k`",
        ] {
            assert!(error.contains(part), "expected {part:?} in {error}");
        }
    }
}
