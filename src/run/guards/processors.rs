//! The processors are the run's own.

use anyhow::Result;

use super::{Guard, Watched};
use crate::threads::n_threads;
use crate::types::counted;

/// Share of a step that threads wait for processors from which on a person is told.
const CROWDED: f64 = 0.25;

/// Says once that others use the processors, for it makes everything slower.
#[derive(Default)]
pub(super) struct Processors {
    told: bool,
}

impl Guard for Processors {
    fn after_step(&mut self, step: &Watched<'_>) -> Result<Option<String>> {
        let waited = Some(step.record.times.waited_frac).filter(|waited| *waited > CROWDED);
        let Some(waited) = waited.filter(|_| !std::mem::replace(&mut self.told, true)) else {
            return Ok(None);
        };
        Ok(Some(format!(
            "others use the processors: {:.0} % of the time that {} could have computed in step {} went by in \
             waiting for a processor, and the step came to {:.1} % of the machine's peak; --threads says how many compute",
            100.0 * waited,
            counted(n_threads(), "thread"),
            step.record.step,
            100.0 * step.row.get("perf/mfu").unwrap_or(0.0)
        )))
    }
}
