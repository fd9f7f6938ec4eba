//! The rows of a run as columns: what its curves are drawn from.

use std::collections::BTreeMap;

use serde::Serialize;

use super::panels::{PANELS, PHASES, Panel, REST};
use crate::types::{MetricRow, Step};

/// Most rows that are drawn of a run; more than a screen has columns.
const MOST_ROWS: usize = 1500;

/// What the horizontal axis may be beside the step.
const AXES: [&str; 2] = ["progress/tokens_generated", "progress/wall_s"];

/// Digits of a number that are kept.
const DIGITS: usize = 6;

/// Numbers of a run, row by row.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Course {
    /// The step of each row.
    pub steps: Vec<Step>,
    /// Every so many-th row is here; 1 where all are.
    pub every: usize,
    /// The numbers of each metric that the run has any of, a row each; `None` where a row has none or one that is not finite.
    pub columns: BTreeMap<&'static str, Vec<Option<f64>>>,
}

impl Course {
    /// That of `rows`: of many every so many-th, and the last.
    pub(super) fn of(rows: &[(Step, MetricRow)]) -> Self {
        let every = rows.len().div_ceil(MOST_ROWS).max(1);
        let last = rows.len().saturating_sub(1);
        let kept = rows.iter().enumerate().filter(|(index, _)| index % every == 0 || *index == last);
        let kept: Vec<&(Step, MetricRow)> = kept.map(|(_, row)| row).collect();
        let keys = PANELS.iter().flat_map(Panel::keys).chain(AXES);
        let column = |key: &'static str| -> Vec<Option<f64>> {
            kept.iter()
                .map(|(_, row)| value(row, key).filter(|value| value.is_finite()).map(rounded))
                .collect()
        };
        let columns = keys.map(|key| (key, column(key)));
        Self {
            steps: kept.iter().map(|(step, _)| *step).collect(),
            every,
            columns: columns.filter(|(_, column)| column.iter().any(Option::is_some)).collect(),
        }
    }
}

/// The number of a row under `key`.
fn value(row: &MetricRow, key: &str) -> Option<f64> {
    if key != REST {
        return row.get(key);
    }
    let phases: f64 = PHASES.iter().filter_map(|phase| row.get(phase)).sum();
    row.get("time/step").map(|step| (step - phases).max(0.0))
}

/// A number with the digits that can be seen.
pub(super) fn rounded(value: f64) -> f64 {
    format!("{value:.*e}", DIGITS - 1).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(n: u64) -> Vec<(Step, MetricRow)> {
        let row = |step: u64| [("reward/mean", step as f64 / 3.0), ("unheard/of", 1.0)].into_iter().collect();
        (1..=n).map(|step| (step, row(step))).collect()
    }

    #[test]
    fn a_column_has_a_number_for_each_row_and_none_where_a_row_has_none() {
        let mut rows = rows(3);
        rows[1].1 =
            [("reward/mean", f64::NAN), ("time/step", 3.0), ("time/generate", 1.0), ("time/train", 0.5)]
                .into_iter()
                .collect();
        let course = Course::of(&rows);
        assert_eq!((course.steps.as_slice(), course.every), (&[1, 2, 3][..], 1));
        assert_eq!(course.columns["reward/mean"], [Some(0.333333), None, Some(1.0)]);
        assert_eq!(course.columns[REST], [None, Some(1.5), None]);
        assert!(!course.columns.contains_key("policy/entropy") && !course.columns.contains_key("unheard/of"));
    }

    #[test]
    fn phases_that_overlap_leave_no_time_below_nothing() {
        let row = [("time/step", 3.0), ("time/generate", 2.5), ("time/train", 2.5)].into_iter().collect();
        assert_eq!(value(&row, REST), Some(0.0));
    }

    #[test]
    fn of_many_rows_every_so_many_th_is_kept_and_the_last() {
        let course = Course::of(&rows(3 * MOST_ROWS as u64 - 1));
        assert_eq!(course.every, 3);
        assert_eq!(
            (course.steps[..2].to_vec(), course.steps.last().copied()),
            (vec![1, 4], Some(3 * MOST_ROWS as u64 - 1))
        );
        assert!(course.steps.len() <= MOST_ROWS + 1);
        assert_eq!(Course::of(&[]), Course { every: 1, ..Course::default() });
    }
}
