//! `results.json` of one policy: how its responses came about, and the numbers.
//!
//! ```text
//! {"model": {...}, "settings": {...}, "environments": [...], "sets": {"aime24": {"settings": {...}, "n": 30, ...}}, "mean": {...}}
//! ```
//!
//! `model` and `settings`, and those of each set, must stay what they are as long as anything is added.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::Kept;
use crate::files::{Lock, read_regular, write_whole};

/// How one policy's responses came about, and the numbers.
pub(crate) struct Results {
    /// The content of `results.json`.
    pub all: Map<String, Value>,
}

/// The folder of one policy's evaluation, held so that no other process writes there.
pub(crate) struct ResultsFolder {
    root: PathBuf,
    _lock: Lock,
}

/// The folder has an evaluation that is not the one asked for.
#[derive(Debug)]
pub(crate) struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl Refused {
    /// That what is there is not continued, for this reason.
    pub(super) fn because(reason: String) -> anyhow::Error {
        Self(reason).into()
    }
}

const RESULTS: &str = "results.json";

impl Results {
    /// Before anything is measured. `wanted` has `model` and `settings`, `sets` the settings of each set.
    #[must_use]
    pub(crate) fn new(wanted: Map<String, Value>, sets: &Map<String, Value>) -> Self {
        let mut this = Self { all: wanted };
        this.expect(sets);
        this
    }

    /// Makes room for the sets that are not there.
    fn expect(&mut self, sets: &Map<String, Value>) {
        let own = self.all.entry("sets").or_insert_with(|| json!({}));
        for (set, settings) in sets {
            if own.get(set).is_none() {
                own[set] = json!({ "settings": settings });
            }
        }
    }

    /// Adds `numbers`, an object, to what is known of `set`.
    pub(crate) fn add(&mut self, set: &str, numbers: Value) {
        let own = self.all.get_mut("sets").and_then(|sets| sets.get_mut(set)).and_then(Value::as_object_mut);
        if let (Some(own), Value::Object(numbers)) = (own, numbers) {
            own.extend(numbers);
        }
    }

    /// Notes what this process runs on, once it has something to add.
    pub(crate) fn add_environment(&mut self, environment: Value) {
        let all = self.all.entry("environments").or_insert_with(|| json!([]));
        if let Some(all) = all.as_array_mut() {
            all.push(environment);
        }
    }

    /// What keeps responses from being added to these, a line each.
    fn differences(&self, wanted: &Map<String, Value>, sets: &Map<String, Value>) -> Vec<String> {
        let mut lines = Vec::new();
        for (key, value) in wanted {
            differ(key, value, self.all.get(key).unwrap_or(&Value::Null), &mut lines);
        }
        let before = self.all.get("sets").and_then(Value::as_object);
        for (set, settings) in sets {
            if let Some(there) = before.and_then(|before| before.get(set)) {
                differ(&format!("sets.{set}"), settings, &there["settings"], &mut lines);
            }
        }
        lines
    }
}

impl ResultsFolder {
    /// The folder at `root`, new or to be continued, and what is known already. `wanted` and `sets` as for [`Results::new`].
    ///
    /// # Errors
    /// [`Refused`] if there are results that came about otherwise, or responses of which nobody knows how; else if the folder
    /// cannot be written, or another process has it.
    pub(crate) fn open(
        root: &Path,
        wanted: Map<String, Value>,
        sets: &Map<String, Value>,
    ) -> Result<(Self, Results)> {
        fs::create_dir_all(root).with_context(|| format!("could not make {}", root.display()))?;
        let lock = Lock::try_acquire(&root.join(".lock"))?.with_context(|| {
            format!(
                "{}: another process evaluates into this folder; wait for it, or choose another --out",
                root.display()
            )
        })?;
        let path = root.join(RESULTS);
        let refuse = |text: String| Err(Refused(format!("{}: {text}", root.display())).into());
        let results = if path.is_file() {
            let read = || -> Result<Map<String, Value>> {
                Ok(serde_json::from_slice(&read_regular(&path, u64::MAX)?)?)
            };
            let all = read().with_context(|| format!("{}: cannot be read", path.display()))?;
            if !all.get("sets").is_some_and(Value::is_object) {
                return refuse(format!(
                    "{RESULTS} has no `sets`, so it is not of an evaluation; choose another folder with --out"
                ));
            }
            let mut before = Results { all };
            let differences = before.differences(&wanted, sets);
            if !differences.is_empty() {
                return refuse(format!(
                    "holds an evaluation with other settings:\n{}\nset these back, or choose another folder with --out",
                    differences.join("\n")
                ));
            }
            before.expect(sets);
            before
        } else if let Some(set) = sets.keys().find(|set| Kept::is_there(root, set)) {
            return refuse(format!(
                "there is {set}.jsonl, but {RESULTS}, which says how it came about, is missing; put it back, or choose \
                 another folder with --out"
            ));
        } else {
            Results::new(wanted, sets)
        };
        let this = Self { root: root.to_owned(), _lock: lock };
        this.write(&results)?;
        Ok((this, results))
    }

    /// A text among the settings that the evaluation in the folder `root` is kept with, if there is one.
    #[must_use]
    pub(crate) fn setting(root: &Path, pointer: &str) -> Option<String> {
        let all: Value = serde_json::from_slice(&read_regular(&root.join(RESULTS), u64::MAX).ok()?).ok()?;
        all.pointer(pointer)?.as_str().map(str::to_owned)
    }

    /// The folder.
    #[must_use]
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Writes `results.json`.
    ///
    /// # Errors
    /// If that fails.
    pub(crate) fn write(&self, results: &Results) -> Result<()> {
        write_whole(&self.root.join(RESULTS), |mut w| {
            serde_json::to_writer_pretty(&mut w, &results.all)?;
            Ok(w.write_all(b"\n")?)
        })
    }
}

/// Adds a line for each value below `key` that is not the same in both.
fn differ(key: &str, now: &Value, there: &Value, lines: &mut Vec<String>) {
    let (Value::Object(a), Value::Object(b)) = (now, there) else {
        if now != there {
            let shown = |value: &Value| if value.is_null() { "none".to_owned() } else { value.to_string() };
            lines.push(format!("  {key}: {} now, {} there", shown(now), shown(there)));
        }
        return;
    };
    for name in a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))) {
        let of = |values: &Map<String, Value>| values.get(name).cloned().unwrap_or(Value::Null);
        differ(&format!("{key}.{name}"), &of(a), &of(b), lines);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn open(root: &Path, temperature: f64, set: &str, sha: &str) -> Result<(ResultsFolder, Results)> {
        let wanted =
            object(json!({"model": {"sha256": "aa"}, "settings": {"k": 4, "temperature": temperature}}));
        ResultsFolder::open(root, wanted, &object(json!({set: {"sha256": sha}})))
    }

    #[test]
    fn other_settings_are_named_and_nothing_is_changed() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, mut first) = open(dir.path(), 0.6, "a", "1").unwrap();
        first.add("a", json!({"n": 3}));
        folder.write(&first).unwrap();
        let locked = open(dir.path(), 0.6, "a", "1").err().unwrap().to_string();
        assert!(locked.contains("another process evaluates"), "{locked}");
        drop(folder);
        let before = fs::read(dir.path().join(RESULTS)).unwrap();
        let error = open(dir.path(), 1.0, "a", "2").err().unwrap();
        assert!(error.is::<Refused>());
        let text = error.to_string();
        for part in [
            "  settings.temperature: 1.0 now, 0.6 there\n",
            "  sets.a.sha256: \"2\" now, \"1\" there\n",
            "another folder with --out",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(fs::read(dir.path().join(RESULTS)).unwrap(), before);
        // Another set may join, and what is known of the first stays.
        let (_, more) = open(dir.path(), 0.6, "b", "2").unwrap();
        assert_eq!(
            more.all["sets"],
            json!({"a": {"settings": {"sha256": "1"}, "n": 3}, "b": {"settings": {"sha256": "2"}}})
        );
    }

    #[test]
    fn responses_without_settings_are_not_continued() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.jsonl"), "").unwrap();
        let error = open(dir.path(), 0.6, "a", "1").err().unwrap().to_string();
        assert!(error.contains("there is a.jsonl, but results.json"), "{error}");
    }
}
