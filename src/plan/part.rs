//! What a phase of a run holds, part by part.

use serde::Serialize;

/// Where numbers lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    /// Where the model computes.
    Device,
    /// In main memory, which on a CPU is the same.
    Host,
}

/// Something that is held.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Part {
    /// What it is.
    pub name: &'static str,
    /// Where it lies.
    pub place: Place,
    /// Bytes.
    pub bytes: f64,
}

/// A part of a run, and the most that it holds at a time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Phase {
    /// What is done.
    pub name: &'static str,
    /// What is held meanwhile.
    pub parts: Vec<Part>,
}

impl Part {
    /// `bytes` where the model computes.
    pub(super) const fn device(name: &'static str, bytes: f64) -> Self {
        Self { name, place: Place::Device, bytes }
    }

    /// `bytes` in main memory.
    pub(super) const fn host(name: &'static str, bytes: f64) -> Self {
        Self { name, place: Place::Host, bytes }
    }
}

impl Phase {
    /// `own` beside what is `held` all the time; parts without bytes left out.
    pub(super) fn new(name: &'static str, held: &[Part], own: impl IntoIterator<Item = Part>) -> Self {
        let all = held.iter().cloned().chain(own);
        Self { name, parts: all.filter(|part| part.bytes > 0.0).collect() }
    }

    /// Bytes at `place`.
    pub(crate) fn at(&self, place: Place) -> f64 {
        self.parts.iter().filter(|part| part.place == place).map(|part| part.bytes).sum()
    }

    /// All bytes.
    pub(crate) fn total(&self) -> f64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }
}
