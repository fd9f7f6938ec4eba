//! There is something to learn from.

use anyhow::Result;

use super::{Guard, Watched};
use crate::types::{Step, counted};

/// Steps without any signal after which a person is told.
const PATIENCE: Step = 10;

/// Says after a while, and after the last step, that rewards have told nothing apart.
pub(super) struct NoSignal {
    /// Steps of this process as long as no group had a signal in any of them.
    without: Option<Step>,
}

impl Default for NoSignal {
    fn default() -> Self {
        Self { without: Some(0) }
    }
}

impl Guard for NoSignal {
    fn after_step(&mut self, step: &Watched<'_>) -> Result<Option<String>> {
        let trees = &step.record.trees;
        let nothing = !trees.is_empty() && !trees.iter().any(|tree| tree.tree().has_signal());
        self.without = self.without.filter(|_| nothing).map(|steps| steps + 1);
        let is_last = step.record.step == step.setup.recipe.run.steps;
        let told = self.without.filter(|steps| *steps == PATIENCE || is_last);
        Ok(told.map(|steps| {
            format!(
                "no group had a signal in {}: all rewards of a prompt are equal, or graders could not judge the \
                 responses, so nothing is learned from them; take problems that the policy solves at times, a longer \
                 [sft], more responses to a prompt ([explore]) or a higher [sampling] temperature",
                counted(steps, "step")
            )
        }))
    }
}
