//! Local and global heads: those that look back least and farthest.
//!
//! ```text
//! d[l,h] = mean over responses of the head's span;   count = max(1, floor(f n + 1/2)) of the n heads
//! local = the lowest by d, global = the highest; ties by (layer, head)                arXiv 2510.13554
//! ```

use anyhow::{Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::config::{Heads, SignalConfig};
use crate::types::{HeadId, HeadSignals, Step};

/// The two groups, each in order of (layer, head).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HeadGroups {
    /// Heads whose mean is WAAD.
    pub local: Vec<HeadId>,
    /// Heads whose mean is FAI.
    pub global: Vec<HeadId>,
}

impl HeadGroups {
    /// Those whose mean is WAAD and FAI alike.
    #[must_use]
    pub(crate) fn both(mut heads: Vec<HeadId>) -> Self {
        heads.sort_unstable();
        Self { local: heads.clone(), global: heads }
    }

    /// Chooses by the mean span over `responses`, none of which weighs more for being longer.
    ///
    /// # Errors
    /// If there is no response or no head to choose from, or the heads are those of a circuit that nobody has looked up.
    pub(crate) fn choose(config: &SignalConfig, responses: &[HeadSignals]) -> Result<Self> {
        let mut spans = mean_spans(responses);
        ensure!(!spans.is_empty(), "head groups: no response was measured, so there is no span to choose by");
        match &config.heads {
            Heads::Groups => {}
            Heads::All => return Ok(Self::both(spans.into_iter().map(|(id, _)| id).collect())),
            Heads::Listed(heads) => return Ok(Self::both(heads.clone())),
            Heads::Circuit | Heads::OfCircuit(_) => {
                bail!(
                    "head groups: the circuit has no head; [circuit] `pairs` make no difference to this policy, so choose others, or \
                 [signals] heads = \"groups\""
                )
            }
        }
        let count = ((config.head_fraction * spans.len() as f64 + 0.5).floor() as usize).max(1);
        let ids = |part: &[(HeadId, f64)]| {
            let mut ids: Vec<HeadId> = part.iter().map(|(id, _)| *id).collect();
            ids.sort_unstable();
            ids
        };
        // Both sorts are stable over (layer, head), so that ties go to the earlier head in either group.
        spans.sort_by(|a, b| a.1.total_cmp(&b.1));
        let local = ids(&spans[..count]);
        spans.sort_by_key(|(id, _)| *id);
        spans.sort_by(|a, b| b.1.total_cmp(&a.1));
        Ok(Self { local, global: ids(&spans[..count]) })
    }
}

/// Each head's span, the mean over `responses`, in order of (layer, head).
fn mean_spans(responses: &[HeadSignals]) -> Vec<(HeadId, f64)> {
    let Some(first) = responses.first() else { return Vec::new() };
    let n = responses.len() as f64;
    let mean = |i: usize| responses.iter().map(|r| f64::from(r.heads[i].span)).sum::<f64>() / n;
    first.heads.iter().enumerate().map(|(i, head)| (head.id, mean(i))).collect()
}

/// The groups in force, and when they are chosen anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grouping {
    groups: Option<HeadGroups>,
}

impl Grouping {
    /// Goes on with groups that an earlier process chose.
    #[must_use]
    pub(crate) fn resume(groups: Option<HeadGroups>) -> Self {
        Self { groups }
    }

    /// The groups in force, if any were chosen yet.
    #[must_use]
    pub(crate) fn groups(&self) -> Option<&HeadGroups> {
        self.groups.as_ref()
    }

    /// Whether the groups for the responses of `step` are to be chosen.
    #[must_use]
    pub(crate) fn is_due(&self, step: Step, config: &SignalConfig) -> bool {
        self.groups.is_none() || config.regroups_at(step)
    }

    /// Chooses the groups by `responses`; of each its spans are enough.
    ///
    /// # Errors
    /// As [`HeadGroups::choose`].
    pub(crate) fn choose(&mut self, config: &SignalConfig, responses: &[HeadSignals]) -> Result<()> {
        self.groups = Some(HeadGroups::choose(config, responses)?);
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::slice::from_ref;

    use crate::signal::Regroup;
    use crate::types::HeadSignal;

    fn response(spans: &[f32]) -> HeadSignals {
        let head = |(i, span): (usize, &f32)| HeadSignal {
            id: HeadId { layer: i / 2, head: i % 2 },
            span: *span,
            waad: vec![0.0],
            fai: Vec::new(),
        };
        HeadSignals { heads: spans.iter().enumerate().map(head).collect() }
    }

    fn groups(local: &[(usize, usize)], global: &[(usize, usize)]) -> HeadGroups {
        let ids = |list: &[(usize, usize)]| list.iter().map(|id| HeadId::from(*id)).collect();
        HeadGroups { local: ids(local), global: ids(global) }
    }

    #[test]
    fn the_lowest_are_local_the_highest_global_and_ties_go_to_the_earlier_head() {
        let config = SignalConfig::default();
        let one = response(&[5.0, 1.0, 9.0, 1.0, 9.0, 3.0]); // 0.3 * 6 + 0.5 = 2.3: two heads
        let chosen = HeadGroups::choose(&config, &[one]).unwrap();
        assert_eq!(chosen, groups(&[(0, 1), (1, 1)], &[(1, 0), (2, 0)]));
        let equal = response(&[2.0; 6]);
        let chosen = HeadGroups::choose(&config, &[equal]).unwrap();
        assert_eq!(chosen, groups(&[(0, 0), (0, 1)], &[(0, 0), (0, 1)]));
        let few = response(&[2.0, 1.0]); // 1.1: one head, and never none
        assert_eq!(HeadGroups::choose(&config, &[few]).unwrap(), groups(&[(0, 1)], &[(0, 0)]));
    }

    #[test]
    fn spans_are_averaged_over_responses() {
        let (a, b) = (response(&[1.0, 2.0]), response(&[6.0, 3.0]));
        assert_eq!(mean_spans(&[a, b]).iter().map(|s| s.1).collect::<Vec<_>>(), [3.5, 2.5]);
        assert!(HeadGroups::choose(&SignalConfig::default(), &[]).is_err());
    }

    /// The groups for the responses of `step`.
    fn at<'g>(
        grouping: &'g mut Grouping,
        step: Step,
        config: &SignalConfig,
        responses: &[HeadSignals],
    ) -> Result<&'g HeadGroups> {
        if grouping.is_due(step, config) {
            grouping.choose(config, responses)?;
        }
        Ok(grouping.groups().unwrap())
    }

    #[test]
    fn heads_of_circuits_are_both_groups_and_stay_until_they_are_replaced() {
        let responses = [response(&[1.0, 2.0, 3.0, 4.0])];
        let listed = SignalConfig {
            heads: Heads::Listed(vec![(1, 1).into(), (0, 0).into()]),
            ..SignalConfig::default()
        };
        let both = groups(&[(0, 0), (1, 1)], &[(0, 0), (1, 1)]);
        assert_eq!(HeadGroups::choose(&listed, &responses).unwrap(), both);
        let circuit = SignalConfig { heads: Heads::Circuit, ..SignalConfig::default() };
        assert!(at(&mut Grouping::default(), 1, &circuit, &responses).is_err());
        let mut measured = Grouping::resume(Some(HeadGroups::both(vec![(1, 0).into()])));
        for step in 1..4 {
            assert_eq!(at(&mut measured, step, &circuit, &responses).unwrap(), &groups(&[(1, 0)], &[(1, 0)]));
        }
    }

    #[test]
    fn groups_are_chosen_anew_when_due() {
        let (early, late) = (response(&[1.0, 2.0]), response(&[2.0, 1.0]));
        let first = groups(&[(0, 0)], &[(0, 1)]);
        let second = groups(&[(0, 1)], &[(0, 0)]);
        for (every, at_two, at_four) in [
            (Regroup::Every(1), &second, &second),
            (Regroup::Every(3), &first, &second),
            (Regroup::Frozen, &first, &first),
        ] {
            let config = SignalConfig { regroup_every: every, ..SignalConfig::default() };
            let mut grouping = Grouping::default();
            assert_eq!(at(&mut grouping, 1, &config, from_ref(&early)).unwrap(), &first);
            assert_eq!(at(&mut grouping, 2, &config, from_ref(&late)).unwrap(), at_two, "{every:?}");
            let mut resumed = Grouping::resume(grouping.groups().cloned());
            assert_eq!(at(&mut resumed, 4, &config, from_ref(&late)).unwrap(), at_four, "{every:?}");
        }
    }
}
