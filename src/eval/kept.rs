//! The responses to one set as they are kept: whole chunks of problems, so that an evaluation can be interrupted.
//!
//! ```text
//! <set>.jsonl           a line per problem, in their order
//! chunks/<set>.jsonl    a line per chunk, written after its problems: how many, and what they took
//! ```
//!
//! What a killed process leaves of a chunk is cut off when the files are opened again, and that chunk is answered anew: by
//! the same batches, so that the result is the same to the last bit as without an interruption.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::EvalItem;
use super::results::Refused;
use crate::data::EvalSet;
use crate::files::{append_to, could_not_write, read_regular};

/// What one chunk took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChunkRecord {
    /// Problems.
    pub n: usize,
    /// Tokens of all responses, greedy ones included.
    pub n_tokens: usize,
    /// Seconds it took to generate them.
    pub generate_s: f64,
    /// Seconds it took to judge them.
    pub score_s: f64,
    /// Most responses decoded at once.
    pub max_num_seqs: usize,
}

/// The problems of one set that are answered; by default none, and nowhere but in memory.
#[derive(Default)]
pub(crate) struct Kept {
    /// The files with the problems and the chunks; without them nothing outlives the process.
    files: Option<[(PathBuf, File); 2]>,
    /// What was said of each problem.
    pub done: Vec<EvalItem>,
    /// What each chunk of them took.
    pub records: Vec<ChunkRecord>,
}

impl Kept {
    /// Whether the folder holds responses to the set `name`.
    #[must_use]
    pub(crate) fn is_there(folder: &Path, name: &str) -> bool {
        folder.join(format!("{name}.jsonl")).exists()
    }

    /// What `folder` has of `set`, its last chunk cut off if that is not whole.
    ///
    /// # Errors
    /// [`Refused`] if a file is damaged elsewhere than at its end, or holds other problems than the set: nothing is cut off
    /// then. Else if a file cannot be read or written.
    pub(crate) fn open(folder: &Path, set: &EvalSet) -> Result<Self> {
        let name = format!("{}.jsonl", set.name);
        let (items_path, chunks_path) = (folder.join(&name), folder.join("chunks").join(&name));
        let records: Vec<(ChunkRecord, usize)> = whole_lines(&chunks_path)?;
        let lines: Vec<(EvalItem, usize)> = whole_lines(&items_path)?;
        let refuse = |text: String| {
            Err(Refused::because(format!("{}{text}; choose another folder with --out", items_path.display())))
        };
        if !lines.is_empty() && !chunks_path.exists() {
            return refuse(format!(
                ": there are responses, but {} is missing; put it back",
                chunks_path.display()
            ));
        }
        let (mut n, mut n_chunks) = (0, 0);
        for (record, _) in &records {
            if record.n == 0 || n + record.n > lines.len() {
                break;
            }
            (n, n_chunks) = (n + record.n, n_chunks + 1);
        }
        if n > set.prompts.len() {
            return refuse(format!(": {n} problems, but {} has {}", set.name, set.prompts.len()));
        }
        for (number, ((item, _), prompt)) in (1..).zip(lines.iter().take(n).zip(&set.prompts)) {
            if (item.prompt_id, &item.prompt) != (prompt.id, &prompt.text) {
                return refuse(format!(":{number}: another problem than the set has there"));
            }
        }
        let end = |n: usize, ends: &[usize]| n.checked_sub(1).map_or(0, |last| ends[last]) as u64;
        let items = cut(&items_path, end(n, &lines.iter().map(|line| line.1).collect::<Vec<_>>()))?;
        let chunks =
            cut(&chunks_path, end(n_chunks, &records.iter().map(|line| line.1).collect::<Vec<_>>()))?;
        let done: Vec<EvalItem> = lines.into_iter().take(n).map(|(item, _)| item).collect();
        let records = records.into_iter().take(n_chunks).map(|(record, _)| record).collect();
        Ok(Self { files: Some([(items_path, items), (chunks_path, chunks)]), done, records })
    }

    /// Keeps the problems of one chunk.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn add(&mut self, items: Vec<EvalItem>, record: ChunkRecord) -> Result<()> {
        if let Some([problems, chunks]) = &mut self.files {
            append(problems, &items)?;
            append(chunks, &[record])?;
        }
        self.done.extend(items);
        self.records.push(record);
        Ok(())
    }
}

/// Each line of the file at `path`, with the byte behind it; a last one without its end is what a killed process has left
/// and does not count. None of a file that is not there.
///
/// # Errors
/// [`Refused`] if another line cannot be read.
fn whole_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<(T, usize)>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let content =
        read_regular(path, u64::MAX).with_context(|| format!("{}: cannot be read", path.display()))?;
    let mut end = 0;
    let whole = content.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let lines = (1..).zip(whole).map(|(number, line)| {
        end += line.len();
        let value = serde_json::from_slice(line);
        let value = value.map_err(|error| {
            Refused::because(format!(
                "{}:{number}: {error}; mend the line, or choose another folder with --out",
                path.display()
            ))
        });
        Ok((value?, end))
    });
    lines.collect()
}

/// The file at `path`, cut off after `len` bytes, to be continued.
fn cut(path: &Path, len: u64) -> Result<File> {
    let open = || {
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        let file = append_to(path)?;
        file.set_len(len)?;
        Ok(file)
    };
    open().map_err(|error: std::io::Error| could_not_write(path, error.into()))
}

fn append<T: Serialize>((path, file): &mut (PathBuf, File), values: &[T]) -> Result<()> {
    let mut write = || {
        let mut text = Vec::new();
        for value in values {
            serde_json::to_writer(&mut text, value)?;
            text.push(b'\n');
        }
        file.write_all(&text)?;
        Ok(file.sync_data()?)
    };
    write().map_err(|error: anyhow::Error| could_not_write(path, error))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use rewards::{Question, Task};

    use super::*;
    use crate::types::Prompt;

    fn set(n: u64) -> EvalSet {
        let prompt = |id| {
            let task = Task::Question(Question::new("1"));
            Arc::new(Prompt { id, text: format!("question {id}"), tokens: vec![1], task })
        };
        let prompts: Vec<_> = (0..n).map(prompt).collect();
        EvalSet { name: "small".into(), places: vec![None; prompts.len()], prompts }
    }

    fn item(prompt_id: u64) -> EvalItem {
        EvalItem {
            prompt_id,
            place: None,
            prompt: format!("question {prompt_id}"),
            gold: "1".into(),
            responses: Vec::new(),
            n_correct: 0,
            majority: None,
            greedy: None,
        }
    }

    /// Answers what is missing, two problems at a time.
    fn finish(folder: &Path) -> usize {
        let mut kept = Kept::open(folder, &set(5)).unwrap();
        let before = kept.done.len();
        while kept.done.len() < 5 {
            let start = kept.done.len() as u64;
            let items: Vec<EvalItem> = (start..(start + 2).min(5)).map(item).collect();
            let record =
                ChunkRecord { n: items.len(), n_tokens: 7, generate_s: 0.5, score_s: 0.0, max_num_seqs: 1 };
            kept.add(items, record).unwrap();
        }
        before
    }

    fn files(folder: &Path) -> [Vec<u8>; 2] {
        ["small.jsonl", "chunks/small.jsonl"].map(|name| fs::read(folder.join(name)).unwrap())
    }

    #[test]
    fn a_cut_at_any_byte_of_either_file_is_mended() {
        let whole = tempfile::tempdir().unwrap();
        assert_eq!(finish(whole.path()), 0);
        let expected = files(whole.path());
        assert_eq!(finish(whole.path()), 5);
        for (place, name) in ["small.jsonl", "chunks/small.jsonl"].iter().enumerate() {
            for len in 0..expected[place].len() {
                let dir = tempfile::tempdir().unwrap();
                finish(dir.path());
                let file = File::options().write(true).open(dir.path().join(name)).unwrap();
                file.set_len(len as u64).unwrap();
                let before = finish(dir.path());
                assert!(before < 5 && [0, 2, 4].contains(&before), "{name}, {len} bytes: {before}");
                assert_eq!(files(dir.path()), expected, "{name}, {len} bytes");
            }
        }
    }

    #[test]
    fn what_is_damaged_is_named_and_left_as_it_is() {
        for (name, expected) in
            [("small.jsonl", "small.jsonl:2: "), ("chunks/small.jsonl", "small.jsonl:2: ")]
        {
            let dir = tempfile::tempdir().unwrap();
            finish(dir.path());
            let path = dir.path().join(name);
            let text = fs::read_to_string(&path).unwrap();
            let mut lines: Vec<&str> = text.lines().collect();
            lines[1] = "{\"n\": 2";
            fs::write(&path, lines.join("\n") + "\n").unwrap();
            let before = files(dir.path());
            let error = Kept::open(dir.path(), &set(5)).err().unwrap();
            assert!(error.is::<Refused>() && error.to_string().contains(expected), "{error}");
            assert_eq!(files(dir.path()), before);
        }
        let dir = tempfile::tempdir().unwrap();
        finish(dir.path());
        fs::remove_file(dir.path().join("chunks/small.jsonl")).unwrap();
        let error = Kept::open(dir.path(), &set(5)).err().unwrap().to_string();
        assert!(error.contains("chunks/small.jsonl is missing"), "{error}");
        assert!(!fs::read(dir.path().join("small.jsonl")).unwrap().is_empty());
    }

    #[test]
    fn other_problems_are_not_continued() {
        let dir = tempfile::tempdir().unwrap();
        finish(dir.path());
        let error = Kept::open(dir.path(), &set(3)).err().unwrap().to_string();
        assert!(error.contains("small.jsonl: 5 problems, but small has 3"), "{error}");
        let mut other = set(5);
        other.prompts.swap(1, 2);
        let error = Kept::open(dir.path(), &other).err().unwrap().to_string();
        assert!(error.contains("small.jsonl:2: another problem"), "{error}");
        assert!(Kept::is_there(dir.path(), "small") && !Kept::is_there(dir.path(), "other"));
    }
}
