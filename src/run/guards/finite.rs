//! Numbers stay finite: an update that is not is refused, and ten in a row end the run before anything bad is saved.

use anyhow::Result;

use super::{Guard, Objection, Watched, smaller_updates};
use crate::batch::NotLearned;
use crate::model::Policy;
use crate::run::{Failure, Setup};

/// Steps in a row whose update is refused before the run gives up.
const MAX_REFUSED: u32 = 10;

/// Counts updates that were refused.
pub(super) struct Finite {
    /// How many there were since the last that was not.
    pub(super) refused_in_a_row: u32,
}

impl Guard for Finite {
    fn after_step(&mut self, step: &Watched<'_>) -> Result<Option<String>> {
        let Watched { setup, writer, record, .. } = step;
        let Some(NotLearned { what, by_rewards }) = &record.not_learned else {
            self.refused_in_a_row = 0;
            return Ok(None);
        };
        let dump = writer.dump(record.step, &record.trees)?;
        self.refused_in_a_row += 1;
        let (step, dump) = (record.step, dump.display());
        if self.refused_in_a_row < MAX_REFUSED {
            return Ok(Some(format!("step {step}: update skipped, {what}; its batch is in {dump}")));
        }
        let remedy = if *by_rewards {
            String::from("lower every `weight` of [[reward]] to what single precision can hold")
        } else {
            smaller_updates(setup)
        };
        Err(Failure::Diverged(format!(
            "step {step}: {MAX_REFUSED} updates in a row were not finite, the last because {what}; its batch is in {dump}, \
             {}; {remedy}",
            writer.newest_checkpoint()?
        ))
        .into())
    }

    fn refused_in_a_row(&self) -> u32 {
        self.refused_in_a_row
    }

    /// The cause may be in the weights already, and the newest checkpoint is from before.
    fn before_saving(&self, _: &Setup, _: &Policy) -> Result<Option<Objection>> {
        Ok((self.refused_in_a_row > 0).then_some(Objection::NotNow))
    }
}
