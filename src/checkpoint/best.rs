//! The best evaluation of a run so far.

use serde::{Deserialize, Serialize};

use crate::types::Step;

/// The best evaluation so far, by what `[checkpoint] best` names.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Best {
    /// The step behind which it was.
    pub step: Step,
    /// What it found.
    pub value: f64,
    /// Evaluations since, none of which found more.
    pub since: u64,
}

impl Best {
    /// The best of `before` and of what the evaluation behind `step` has found; of equals the earlier one.
    #[must_use]
    pub(crate) fn after(before: Option<Self>, step: Step, value: f64) -> Self {
        match before {
            Some(best) if best.value >= value || value.is_nan() => Self { since: best.since + 1, ..best },
            _ => Self { step, value, since: 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equals_the_earlier_one_stays_the_best() {
        let mut best = None;
        for (step, value) in [(10, 0.2), (20, 0.5), (30, 0.5), (40, f64::NAN), (50, 0.4)] {
            best = Some(Best::after(best, step, value));
        }
        assert_eq!(best, Some(Best { step: 20, value: 0.5, since: 3 }));
        assert_eq!(Best::after(best, 60, 0.6), Best { step: 60, value: 0.6, since: 0 });
    }
}
