//! Problems read from files.
//!
//! ```text
//! file -rows-> rows -columns-> parts and problem -prompt-> items
//! ```

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::Hash;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use rewards::TaskKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DataSettings, EvalItems, FewShotConfig, Item, Items, Worked};
use crate::types::Rules;

mod array;
mod columns;
mod digest;
mod parquet;
mod preset;
mod profile;
mod prompt;
mod report;
mod rows;
#[cfg(test)]
mod tests;

use self::digest::digest;
use self::prompt::{filled, placeholders, standard_prompt};
#[cfg(test)]
pub(crate) use columns::Content;
pub(crate) use columns::{AnswerIn, Columns};
pub(crate) use preset::Preset;
pub(crate) use profile::Profile;
pub(crate) use report::FileReport;
#[cfg(test)]
pub(crate) use rows::Row;
pub(crate) use rows::{Fault, rows_with};

/// Problems of which none is made again.
pub(crate) type Seen = HashSet<u128>;

/// Keys of `type = "files"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilesConfig {
    /// Files to learn from, one after the other. What two rows say alike counts once.
    pub train: Vec<FileConfig>,
    /// Files to measure on, each a set of its own.
    pub eval: Vec<FileConfig>,
    /// The text that asks for a solution, with the parts of a problem in it: `{question}`, or `{numbers}` and `{target}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Worked examples that are put before every problem, to learn from and to measure on: with `[chat]` as turns of the conversation,
    /// without it as text, each behind the last with an empty line between them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub few_shot: Vec<FewShotConfig>,
    /// Training problems with longer prompts are left out, tokens; without it none are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_prompt_tokens: Option<usize>,
    /// What becomes of rows that cannot be read.
    #[serde(default)]
    pub broken: OnBroken,
}

/// One file and what its rows mean.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileConfig {
    /// The file: `.jsonl`, `.json` or `.parquet`.
    pub path: PathBuf,
    /// Name of the set in metrics and files; without it that of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The published file that it is, whose columns are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// Columns by the part of the problem that they hold: `question` and `answer`, or `numbers` and `target`; they count
    /// before those of `preset`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    /// Where the answer is in its column; without it as the preset has it, or the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_in: Option<AnswerIn>,
    /// Only so many of the first rows; without it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What becomes of rows that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnBroken {
    /// The run does not start.
    #[default]
    Refuse,
    /// They are left out, counted and named.
    Skip,
}

/// Longest name of a set.
const MAX_NAME: usize = 64;

impl DataSettings for FilesConfig {
    fn rules(&self) -> Rules {
        let mut rules = Rules::default();
        for (key, files) in [("train", &self.train), ("eval", &self.eval)] {
            rules.expect(key, "no file", "at least one", !files.is_empty());
            for (index, file) in files.iter().enumerate() {
                // Columns come from `preset` and from `fields`, so that a lack of them is the whole file's.
                rules.part(&format!("{key}.{index}"), file.rules_blaming(""));
            }
        }
        // What the prompt lacks is the same for many files.
        let prompt = self.prompt.as_deref();
        let unasked: BTreeSet<String> =
            self.train.iter().chain(&self.eval).filter_map(|file| file.unasked(prompt)).collect();
        for lack in unasked {
            rules.forbid(true, &["prompt"], || format!(": {lack}"));
        }
        for (index, shot) in self.few_shot.iter().enumerate() {
            let (key, parts) = (format!("few_shot.{index}"), shot.parts());
            let lacking = placeholders(self.asking()).find(|name| !parts.contains_key(*name));
            rules.forbid(lacking.is_some(), &[&key], || {
                let lacking = lacking.unwrap_or_default();
                let how =
                    if lacking == columns::QUESTION { String::new() } else { "in `fields` ".to_owned() };
                format!(": the prompt asks with {{{lacking}}}; expected `{lacking}` {how}in the example too")
            });
            let response = format!("{key}.response");
            rules.expect(&response, "an empty text", "an answer", !shot.response.is_empty());
        }
        let mut names = HashSet::new();
        for (index, name) in self.eval.iter().map(FileConfig::name).enumerate() {
            rules.forbid(!names.insert(name.clone()), &[&format!("eval.{index}.name")], || {
                format!(": got {name:?} a second time, expected a name of its own for each set")
            });
        }
        rules.positive("max_prompt_tokens", self.max_prompt_tokens.unwrap_or(1));
        rules
    }

    fn kinds(&self) -> Vec<TaskKind> {
        let of_file = |file: &FileConfig| match file.columns().is_countdown() {
            true => TaskKind::Countdown,
            false => TaskKind::Question,
        };
        self.train.iter().chain(&self.eval).map(of_file).collect()
    }

    fn items(&self) -> Result<Items> {
        let items = self.read()?;
        let wrong: Vec<String> =
            items.reports.iter().filter_map(|report| report.objection(self.broken)).collect();
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(items)
    }

    fn few_shot(&self) -> Vec<Worked> {
        let worked = self.few_shot.iter().map(|shot| Worked {
            asked: filled(self.asking(), &shot.parts()),
            response: shot.response.clone(),
        });
        worked.collect()
    }

    fn ask(&self, question: &str) -> Option<String> {
        let parts = BTreeMap::from([(columns::QUESTION.to_owned(), question.to_owned())]);
        let asks_one = placeholders(self.asking()).all(|name| parts.contains_key(name));
        asks_one.then(|| filled(self.asking(), &parts))
    }

    fn files(&self) -> [Vec<&FileConfig>; 2] {
        [self.train.iter().collect(), self.eval.iter().collect()]
    }
}

impl FilesConfig {
    /// The text that asks.
    fn asking(&self) -> &str {
        let is_countdown = self.train.iter().any(|file| file.columns().is_countdown());
        self.prompt.as_deref().unwrap_or_else(|| standard_prompt(is_countdown))
    }

    /// The problems that can be read, of files with broken rows or without a problem too.
    ///
    /// # Errors
    /// If a file cannot be read at all, or not to its end.
    pub(crate) fn read(&self) -> Result<Items> {
        let prompt = self.prompt.as_deref();
        let mut reports = Vec::new();
        let mut seen = Seen::new();
        let mut train = Vec::new();
        for file in &self.train {
            let (items, report) = file.items(prompt, Some(&mut seen))?;
            train.extend(items);
            reports.push(report);
        }
        let trained: HashSet<u128> = train.iter().map(wording).collect();
        let mut eval = Vec::new();
        for file in &self.eval {
            let (items, mut report) = file.items(prompt, None)?;
            report.n_trained = items.iter().filter(|item| trained.contains(&wording(item))).count();
            eval.push(EvalItems { name: file.name(), items });
            reports.push(report);
        }
        Ok(Items { train, eval, max_prompt_tokens: self.max_prompt_tokens, reports })
    }
}

impl Item {
    /// What it says, without where.
    fn said(&self) -> impl Hash + use<'_> {
        let before = self.before.iter().map(|message| (&message.role, &message.content));
        (before.collect::<Vec<_>>(), &self.text, &self.task)
    }
}

/// What `item` asks, however it is spaced.
fn wording(item: &Item) -> u128 {
    let turns = item.before.iter().map(|message| &message.content).chain([&item.text]);
    digest(&turns.flat_map(|text| text.split_whitespace()).collect::<Vec<_>>())
}

impl FileConfig {
    /// Name of the set.
    #[must_use]
    pub(crate) fn name(&self) -> String {
        let stem = || self.path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        self.name.clone().or_else(stem).unwrap_or_default()
    }

    /// What its rows mean.
    #[must_use]
    pub(crate) fn columns(&self) -> Columns {
        Columns::new(self.preset, &self.fields, self.answer_in)
    }

    /// Whether the rows of both mean the same, wherever they lie.
    #[must_use]
    pub(crate) fn reads_as(&self, other: &Self) -> bool {
        Self { path: PathBuf::new(), ..self.clone() } == Self { path: PathBuf::new(), ..other.clone() }
    }

    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        self.rules_blaming("fields")
    }

    /// The same, where the key `columns` is at fault for columns that are not known.
    fn rules_blaming(&self, columns: &str) -> Rules {
        let (own, name) = (self.columns(), self.name());
        let mut rules = Rules::default();
        if let Some(lack) = own.problem() {
            rules.forbid(true, &[columns], || format!(": {lack}"));
        }
        rules.forbid(own.is_countdown() && self.answer_in.is_some(), &["answer_in"], || {
            ": has no effect on problems of Countdown; leave it out".to_owned()
        });
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
        rules.expect(
            "name",
            format_args!("{name:?}"),
            &format!("letters, digits and . _ - +, {MAX_NAME} at most, since files are called by it"),
            !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(plain),
        );
        rules.positive("limit", self.limit.unwrap_or(1));
        rules
    }

    /// What `prompt` does not ask for although the file has it.
    #[must_use]
    pub(crate) fn unasked(&self, prompt: Option<&str>) -> Option<String> {
        let prompt = prompt?;
        let columns = self.columns();
        if let Some(other) = placeholders(prompt).find(|name| columns.parts().all(|part| part != *name)) {
            let parts: Vec<&str> = columns.parts().collect();
            let known = if parts.is_empty() {
                "it has none".to_owned()
            } else {
                format!("its parts are {}", parts.join(", "))
            };
            return Some(format!(
                "{{{other}}} is no part of a problem of {}; {known}, and `fields` adds others",
                self.path.display(),
            ));
        }
        let missing = columns.asked().iter().find(|part| !prompt.contains(&format!("{{{part}}}")))?;
        Some(format!("got {prompt:?}, expected a text with {{{missing}}} in it"))
    }

    /// The problems of the file, asked for by `prompt`, and what there was to say of its rows. Of problems in `seen` none is
    /// made again; without it all are.
    ///
    /// # Errors
    /// If the file cannot be read, or not to its end.
    pub(crate) fn items(
        &self,
        prompt: Option<&str>,
        mut seen: Option<&mut Seen>,
    ) -> Result<(Vec<Item>, FileReport)> {
        let columns = self.columns();
        let prompt = prompt.unwrap_or_else(|| standard_prompt(columns.is_countdown()));
        let mut report = FileReport::new(&self.path);
        let mut items = Vec::new();
        for row in rows_with(&self.path, &|name| columns.touch(name))?.take(self.limit.unwrap_or(usize::MAX))
        {
            report.n_rows += 1;
            let item = match row {
                Ok(row) => columns.read(&row).with_context(|| row.place.clone()).map(|content| {
                    let text = filled(prompt, &content.parts);
                    Item { place: Some(row.place), before: content.before, text, task: content.task }
                }),
                Err(Fault::Row(error)) => Err(error),
                Err(Fault::File(error)) => return Err(error),
            };
            match item {
                Err(error) => report.add_broken(&error),
                Ok(item) if seen.as_mut().is_none_or(|seen| seen.insert(digest(&item.said()))) => {
                    items.push(item);
                }
                Ok(_) => report.n_repeated += 1,
            }
        }
        report.n_used = items.len();
        Ok((items, report))
    }
}
