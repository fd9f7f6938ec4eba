//! The policy still tries different things.

use anyhow::Result;

use super::streak::Streak;
use super::{Guard, Watched};
use crate::types::MetricRow;

/// Entropy below which a policy may have collapsed, nats.
const LOW: f64 = 0.1;
/// Share of its first entropy below which it then has.
const FALLEN: f64 = 0.1;

/// Says once that the policy has lost nearly all of its entropy.
#[derive(Default)]
pub(super) struct Collapse {
    /// Entropy of the first step of this process, nats.
    first: Option<f64>,
    low: Streak,
}

impl Collapse {
    fn note(&mut self, row: &MetricRow) -> Option<String> {
        let entropy = row.get("policy/entropy").filter(|entropy| entropy.is_finite())?;
        let first = *self.first.get_or_insert(entropy);
        self.low.is_due(entropy < LOW && entropy < FALLEN * first).then(|| {
            format!(
                "the policy's entropy has fallen from {first:.2} to {entropy:.3} nats: it says the same each time and finds nothing new; \
                 lower [optim] lr, set [loss] entropy_bonus, or raise [loss.policy] clip_high above clip_low"
            )
        })
    }
}

impl Guard for Collapse {
    fn after_step(&mut self, step: &Watched<'_>) -> Result<Option<String>> {
        Ok(self.note(step.row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_has_become_sure_is_told_from_one_that_always_was() {
        let said = |first: f64, then: f64| -> Vec<String> {
            let row = |entropy| [("policy/entropy", entropy)].into_iter().collect();
            let mut guard = Collapse::default();
            assert_eq!(guard.note(&row(first)), None);
            (0..20).filter_map(|_| guard.note(&row(then))).collect()
        };
        let collapsed = said(0.33, 0.004);
        assert!(collapsed.len() == 1 && collapsed[0].contains("from 0.33 to 0.004 nats"), "{collapsed:?}");
        assert!(said(0.05, 0.04).is_empty() && said(4.0, 0.3).is_empty() && said(0.33, f64::NAN).is_empty());
    }
}
