//! Most prompts teach something.

use anyhow::Result;

use super::streak::{PATIENCE, Streak};
use super::{Guard, Watched};
use crate::types::MetricRow;

/// Share of prompts without a signal from which on a person is told; as long as it was all of them in every step, `NoSignal` has more to
/// say.
const MOST: f64 = 0.75;

/// Says once that most prompts are paid for and teach nothing.
#[derive(Default)]
pub(super) struct FewSignals {
    most: Streak,
    /// Whether some prompt has ever had one.
    had_some: bool,
}

impl FewSignals {
    fn note(&mut self, row: &MetricRow) -> Option<String> {
        let share = row.get("group/zero_variance")?;
        self.had_some |= share < 1.0;
        if !self.most.is_due(share >= MOST && self.had_some) {
            return None;
        }
        let of = |name: &str| row.get(&format!("group/{name}")).unwrap_or(0.0);
        let (why, remedy) = match of("solve_none") >= of("solve_all") {
            true => (
                "most are never answered right",
                "take easier problems, a longer [sft] or more responses to a prompt ([explore])",
            ),
            false => ("most are always answered right", "take harder problems"),
        };
        Some(format!(
            "{:.0} % of the prompts, and most in the {PATIENCE} steps up to here, teach nothing, since all their responses earn the \
             same: {why}; {remedy}, or have others take their place: [groups] zero_variance = \"refill\", [sampler] type = \"adaptive\"",
            100.0 * share
        ))
    }
}

impl Guard for FewSignals {
    fn after_step(&mut self, step: &Watched<'_>) -> Result<Option<String>> {
        Ok(self.note(step.row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(zero_variance: f64, solve_none: f64, solve_all: f64) -> MetricRow {
        let row = [
            ("group/zero_variance", zero_variance),
            ("group/solve_none", solve_none),
            ("group/solve_all", solve_all),
        ];
        row.into_iter().collect()
    }

    fn said(zero_variance: f64, solve_none: f64, solve_all: f64) -> Vec<String> {
        let (row, mut guard) = (row(zero_variance, solve_none, solve_all), FewSignals::default());
        (0..20).filter_map(|_| guard.note(&row)).collect()
    }

    #[test]
    fn prompts_that_teach_nothing_are_said_with_the_reason() {
        assert!(said(0.7, 0.7, 0.0).is_empty() && said(1.0, 1.0, 0.0).is_empty());
        let (hard, easy) = (said(0.8, 0.7, 0.1), said(0.8, 0.1, 0.7));
        assert!(
            hard.len() == 1 && hard[0].contains("never answered right; take easier problems"),
            "{hard:?}"
        );
        assert!(easy.len() == 1 && easy[0].contains("always answered right; take harder"), "{easy:?}");
    }

    /// A run that has solved everything, or forgotten everything, once learned.
    #[test]
    fn that_all_prompts_teach_nothing_any_more_is_said_too() {
        for shares in [[0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], [0.9, 1.0, 0.9, 1.0, 0.9, 1.0, 0.9]] {
            let mut guard = FewSignals::default();
            let said: Vec<_> =
                shares.iter().filter_map(|share| guard.note(&row(*share, 0.0, *share))).collect();
            assert!(said.len() == 1 && said[0].contains("always answered right"), "{said:?}");
        }
    }
}
