//! What a search has added up so far, so that one that was interrupted goes on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::graph::Graph;
use crate::files::{difference, read_regular_text, write_whole};
use crate::types::HeadId;

/// Bytes of a file that are read at most.
const LARGEST: u64 = 1 << 34;
/// A process that is killed loses no more than this, and the pairs of one pass.
const EVERY: Duration = Duration::from_secs(20);

/// Sums over the pairs that are done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sums {
    /// How many passes that were.
    pub n_passes: usize,
    /// Of every edge's scores: of source s into destination d at `s * n_destinations + d`.
    pub score: Vec<f64>,
    /// Of their absolute values.
    pub abs: Vec<f64>,
    /// Number of pairs whose own circuit has the head.
    pub own: Vec<(HeadId, usize)>,
    /// Losses of their clean and their corrupted runs.
    pub losses: [Vec<f64>; 2],
}

impl Sums {
    /// Over no pair.
    pub(super) fn none(graph: Graph) -> Self {
        let zeros = vec![0.0; graph.n_sources() * graph.n_destinations()];
        Self {
            n_passes: 0,
            score: zeros.clone(),
            abs: zeros,
            own: Vec::new(),
            losses: [Vec::new(), Vec::new()],
        }
    }

    /// Adds a pair whose own circuit has `heads`.
    pub(super) fn add(&mut self, of_pair: &[f64], heads: impl IntoIterator<Item = HeadId>) {
        self.score.iter_mut().zip(of_pair).for_each(|(sum, score)| *sum += score);
        self.abs.iter_mut().zip(of_pair).for_each(|(sum, score)| *sum += score.abs());
        let mut own: BTreeMap<HeadId, usize> = self.own.drain(..).collect();
        heads.into_iter().for_each(|head| *own.entry(head).or_default() += 1);
        self.own.extend(own);
    }
}

/// A file that holds the sums of a search until it is done.
pub(crate) struct Part {
    path: PathBuf,
    /// What is searched, and how.
    of: Value,
    sums: Option<Sums>,
    written: Instant,
}

/// The sums in the file at `path`, which are to be of the search that `of` describes.
fn left(path: &Path, of: &Value) -> Result<Sums> {
    let text = read_regular_text(path, LARGEST)?;
    let remedy = "remove it, or write elsewhere";
    let left: Lying<Sums> = serde_json::from_str(&text)
        .with_context(|| format!("{}: no sums of an interrupted search; {remedy}", path.display()))?;
    if left.of != *of {
        bail!("{}: an interrupted search in which {}; {remedy}", path.display(), difference(&left.of, of));
    }
    Ok(left.sums)
}

/// What lies in the file.
#[derive(Serialize, Deserialize)]
struct Lying<S> {
    of: Value,
    sums: S,
}

impl Part {
    /// That at `path`, of the search that `of` describes, with what an interrupted one left.
    ///
    /// # Errors
    /// If there are the sums of another search, or the file cannot be read.
    pub(crate) fn open(path: PathBuf, of: Value) -> Result<Self> {
        let sums = if path.exists() { Some(left(&path, &of)?) } else { None };
        Ok(Self { path, of, sums, written: Instant::now() })
    }

    /// How many passes of an interrupted search are done.
    pub(crate) fn n_done(&self) -> usize {
        self.sums.as_ref().map_or(0, |sums| sums.n_passes)
    }

    /// The sums that were left, if any.
    pub(super) fn take(&mut self) -> Option<Sums> {
        self.sums.take()
    }

    /// Keeps `sums`, unless that was done a moment ago and there will be another occasion.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn keep(&mut self, sums: &Sums, is_last: bool) -> Result<()> {
        if is_last || self.written.elapsed() >= EVERY {
            write_whole(&self.path, |w| Ok(serde_json::to_writer(w, &Lying { of: self.of.clone(), sums })?))?;
            self.written = Instant::now();
        }
        Ok(())
    }

    /// Removes what lies at `path`, if anything: the search is done and written.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub(crate) fn remove(path: &Path) -> Result<()> {
        if path.exists() {
            std::fs::remove_file(path).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }
}
