//! What there is to say of a data file.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Error;

use super::OnBroken;
use crate::data::jsonl::short;
use crate::types::{counted, program};

/// Counts of the rows of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileReport {
    /// The file.
    pub path: PathBuf,
    /// Rows read.
    pub n_rows: usize,
    /// Problems made of them.
    pub n_used: usize,
    /// Rows that cannot be read.
    pub n_broken: usize,
    /// Rows that say what an earlier one says.
    pub n_repeated: usize,
    /// Problems to measure on that are also trained on.
    pub n_trained: usize,
    /// What is wrong with the first broken rows, `file:number: what`.
    pub broken: Vec<String>,
}

/// Broken rows that are named; the others are counted.
const NAMED: usize = 8;

impl FileReport {
    /// Of the file `path`, nothing counted yet.
    #[must_use]
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), ..Self::default() }
    }

    /// Counts a broken row.
    pub(crate) fn add_broken(&mut self, error: &Error) {
        self.n_broken += 1;
        if self.broken.len() < NAMED {
            self.broken.push(short(&format!("{error:#}")));
        }
    }

    /// The broken rows, a line each; of many the first few and how many there are.
    #[must_use]
    pub(crate) fn broken_rows(&self) -> String {
        let more = self.n_broken - self.broken.len();
        let more = (more > 0).then(|| format!("... and {more} more"));
        self.broken.iter().cloned().chain(more).collect::<Vec<_>>().join("\n")
    }

    /// What keeps a run from starting with the file, where broken rows are treated as `on_broken` says.
    #[must_use]
    pub(crate) fn objection(&self, on_broken: OnBroken) -> Option<String> {
        if on_broken == OnBroken::Refuse && self.n_broken > 0 {
            let named = self.broken_rows();
            let all = self.n_broken == self.n_rows;
            return Some(match all {
                true => format!(
                    "{named}\nno row can be read; `{} data {}` shows the columns",
                    program(),
                    self.path.display()
                ),
                false => format!("{named}\nmend these, or leave them out with [data] broken = \"skip\""),
            });
        }
        (self.n_used == 0).then(|| format!("{}: no problem can be used: {self}", self.path.display()))
    }

    /// Whether every row is a problem.
    #[must_use]
    pub(crate) fn is_plain(&self) -> bool {
        self.n_used == self.n_rows && self.n_trained == 0
    }
}

impl fmt::Display for FileReport {
    /// `7473 rows, 7440 used, 3 broken, 30 repeated`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} used", counted(self.n_rows, "row"), self.n_used)?;
        for (count, what) in
            [(self.n_broken, "broken"), (self.n_repeated, "repeated"), (self.n_trained, "also trained on")]
        {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}
