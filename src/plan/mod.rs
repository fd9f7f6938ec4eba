//! Before a launch: what a run will hold on each rank, phase by phase, how long a step will take, and which keys to change where
//! it does not fit. Nothing is loaded; what is reckoned with is the model's shape.
//!
//! ```text
//! recipe, model, machine --Subject--> phases of parts --Plan--> fits, or what would make it fit
//! ```
//!
//! Formulas stand where they are computed: what stays in `held`, what passes take in `passes`, what is done when in `phases`. They
//! are held against measured peaks in `docs/parallel.md`.

mod gpu;
mod held;
mod known;
mod part;
mod passes;
mod phases;
mod remedies;
mod report;
mod room;
mod subject;
#[cfg(test)]
mod tests;
mod time;

use anyhow::Result;
use serde::Serialize;

pub(crate) use gpu::Gpu;
pub(crate) use known::{known, known_by_folder};
use part::Phase;
pub(crate) use part::Place;
pub(crate) use remedies::{Remedy, remedies};
pub(crate) use report::advice;
pub(crate) use room::Room;
pub(crate) use subject::Subject;
pub(crate) use time::{Speed, Times, times};

/// What a rank of a run holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Plan {
    /// Phase by phase, of the first rank.
    pub phases: Vec<Phase>,
    /// Ranks.
    pub ranks: usize,
    /// Ranks on a machine, which share its memory.
    pub local_ranks: usize,
    /// Whether the model computes on a GPU.
    pub on_gpu: bool,
}

impl Plan {
    /// That of `subject`.
    ///
    /// # Errors
    /// If the adapters of the recipe do not fit the model.
    pub(crate) fn new(subject: &Subject) -> Result<Self> {
        Ok(Self {
            phases: phases::phases(subject)?,
            ranks: subject.ranks,
            local_ranks: subject.local_ranks,
            on_gpu: subject.is_cuda(),
        })
    }

    /// The phase that holds the most of what the device has: on a CPU of main memory.
    pub(crate) fn peak(&self) -> f64 {
        self.phases.iter().map(|phase| self.of(phase)).fold(0.0, f64::max)
    }

    /// Bytes of `phase` that count: where the model computes.
    pub(crate) fn of(&self, phase: &Phase) -> f64 {
        if self.on_gpu { phase.at(Place::Device) } else { phase.total() }
    }

    /// Most bytes of main memory beside a GPU, of a rank.
    pub(crate) fn host_peak(&self) -> f64 {
        self.phases.iter().map(|phase| phase.at(Place::Host)).fold(0.0, f64::max)
    }

    /// Whether it fits into `room`; true where nothing is known of that.
    pub(crate) fn fits(&self, room: &Room) -> bool {
        room.usable().is_none_or(|bytes| self.peak() <= bytes)
    }
}
