//! The numbers of policies as tables.

use super::paired::average;
use super::{Estimate, EvalReport};
use crate::table::Table;

/// `12.5 [9.6, 16.0]`, in percent: intervals of shares near 0 and 1 reach farther to the other side.
pub(super) fn percent(estimate: &Estimate) -> String {
    let [low, high] = estimate.ci95.map(|end| 100.0 * end);
    format!("{:.1} [{low:.1}, {high:.1}]", 100.0 * estimate.mean)
}

/// One policy's numbers: a row for each set and, of several, one for their mean, in which each set has the same weight.
#[must_use]
pub(crate) fn of_reports(reports: &[EvalReport]) -> Table {
    let names: Vec<String> = reports
        .first()
        .map(|report| report.shares().into_iter().map(|share| share.0).collect())
        .unwrap_or_default();
    let mut header = vec!["set (in %)".to_owned(), "n".to_owned()];
    header.extend(names.iter().cloned());
    header.extend(["tokens", "clipped", "unparsable", "correct"].map(String::from));
    let ends = |length: f64, clipped: f64, unparsable: f64, correct: usize, of: usize| {
        [
            format!("{length:.0}"),
            format!("{:.1}", 100.0 * clipped),
            format!("{:.1}", 100.0 * unparsable),
            format!("{correct}/{of}"),
        ]
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for report in reports {
        let mut row = vec![report.set.clone(), report.n.to_string()];
        row.extend(report.shares().iter().map(|(_, share)| percent(share)));
        let EvalReport { response_length, clip_ratio, unparsable, n_correct, n_rows, k, .. } = report;
        row.extend(ends(*response_length, *clip_ratio, *unparsable, *n_correct, n_rows * k));
        rows.push(row);
    }
    if reports.len() > 1 {
        let n: usize = reports.iter().map(|report| report.n).sum();
        let mut row = vec!["mean".to_owned(), n.to_string()];
        row.extend(means(reports).iter().map(|(_, mean)| percent(mean)));
        let mean = |of: fn(&EvalReport) -> f64| reports.iter().map(of).sum::<f64>() / reports.len() as f64;
        let (correct, of) = reports.iter().fold((0, 0), |(c, n), r| (c + r.n_correct, n + r.n_rows * r.k));
        row.extend(ends(
            mean(|r| r.response_length),
            mean(|r| r.clip_ratio),
            mean(|r| r.unparsable),
            correct,
            of,
        ));
        rows.push(row);
    }
    Table { header, rows }
}

/// The mean of each share over the sets, in which each set has the same weight.
pub(super) fn means(reports: &[EvalReport]) -> Vec<(String, Estimate)> {
    let shares: Vec<Vec<(String, Estimate)>> = reports.iter().map(EvalReport::shares).collect();
    let Some(first) = shares.first() else { return Vec::new() };
    let of = |name: &String| {
        let all =
            shares.iter().filter_map(|set| set.iter().find(|share| share.0 == *name).map(|share| share.1));
        average(&all.collect::<Vec<_>>()).map(|mean| (name.clone(), mean))
    };
    first.iter().filter_map(|(name, _)| of(name)).collect()
}
