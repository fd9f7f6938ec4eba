//! Responses come to their end.

use anyhow::Result;

use super::streak::{PATIENCE, Streak};
use super::{Guard, Watched};
use crate::types::MetricRow;

/// Share of responses that are cut off from which on a person is told.
const MANY: f64 = 0.3;

/// Says once that many responses are cut off before their answer.
#[derive(Default)]
pub(super) struct CutOff {
    many: Streak,
}

impl CutOff {
    fn note(&mut self, row: &MetricRow, max_new_tokens: usize) -> Option<String> {
        let share = row.get("response_length/clip_ratio")?;
        self.many.is_due(share >= MANY).then(|| {
            format!(
                "{:.0} % of the responses, and many in the {PATIENCE} steps up to here, are cut off at [sampling] max_new_tokens = \
                 {max_new_tokens}: what would have come behind earns nothing; raise it, or have long responses lose or count for \
                 nothing by [overlong]",
                100.0 * share
            )
        })
    }
}

impl Guard for CutOff {
    fn after_step(&mut self, step: &Watched<'_>) -> Result<Option<String>> {
        Ok(self.note(step.row, step.setup.recipe.sampling.max_new_tokens))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_responses_that_are_cut_off_are_said_once() {
        let row = |share| [("response_length/clip_ratio", share)].into_iter().collect::<MetricRow>();
        let mut guard = CutOff::default();
        assert!((0..20).all(|_| guard.note(&row(0.29), 80).is_none()));
        let said: Vec<String> = (0..20).filter_map(|_| guard.note(&row(0.414), 80)).collect();
        assert_eq!(said.len(), 1);
        assert!(
            said[0].starts_with("41 % of the responses") && said[0].contains("max_new_tokens = 80"),
            "{said:?}"
        );
    }
}
