//! `[audit]`: whether a run asks, on its way, which credit would help from here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Budget;
use super::arm::SEGMENT;
use crate::credit::strategy::CreditEntry;
use crate::types::Rules;

/// Audits of the policy while it trains, which change nothing of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AuditConfig {
    /// Steps from one audit to the next; 0: none.
    pub every: u64,
    /// Strategies that are audited, `shuffled_` before a name for its control; empty: all of them with their controls.
    pub credit: Vec<String>,
    /// What an audit may take: a number of responses, or of minutes such as "10m".
    pub budget: Budget,
    /// Responses to each prompt.
    pub group: usize,
    /// Prompts whose responses are continued, to find where the reward is decided; 0: none.
    pub continued: usize,
    /// Places that each of their responses is continued from.
    pub cuts: usize,
    /// Continuations from each place.
    pub continuations: usize,
    /// Random directions by which differences find norms.
    pub probes: usize,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            every: 0,
            credit: Vec::new(),
            budget: Budget::Responses(4608),
            group: 8,
            continued: 64,
            cuts: 8,
            continuations: 16,
            probes: 4,
        }
    }
}

impl AuditConfig {
    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self { every: _, credit, budget, group, continued, cuts, continuations, probes } = self;
        let mut rules = Rules::default();
        for name in credit.iter().filter(|name| *name != SEGMENT) {
            let wrong = CreditEntry::named(name).err();
            rules.forbid(wrong.is_some(), &["credit"], || {
                wrong.map_or_else(String::new, |wrong| format!(": {wrong:#}"))
            });
        }
        rules.expect("group", group, "at least 2, since responses to a prompt are compared", *group >= 2);
        let is_enough = match budget {
            Budget::Responses(responses) => *responses >= 12 * group,
            Budget::Minutes(minutes) => minutes.is_finite() && *minutes > 0.0,
        };
        let least =
            format!("at least {}, 12 prompts of `group` responses, or minutes such as \"10m\"", 12 * group);
        rules.expect("budget", budget, &least, is_enough);
        rules.positive("probes", *probes);
        if *continued > 0 {
            rules.positive("cuts", *cuts);
            let expected = "at least 2, from which the noise of a value can be told";
            rules.expect("continuations", continuations, expected, *continuations >= 2);
        }
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gives_no_audit_is_named_by_key() {
        let broken = AuditConfig {
            credit: vec!["rhythm".into(), "rythm".into()],
            budget: Budget::Responses(8),
            group: 1,
            cuts: 0,
            continuations: 1,
            probes: 0,
            ..AuditConfig::default()
        };
        let problems = broken.rules().problems();
        let keys: Vec<_> = problems.iter().filter_map(|problem| problem.split(':').next()).collect();
        assert_eq!(keys, ["credit", "group", "budget", "probes", "cuts", "continuations"]);
        assert!(problems[0].contains("no credit strategy is called \"rythm\""), "{problems:?}");
        assert!(AuditConfig::default().rules().problems().is_empty());
    }
}
