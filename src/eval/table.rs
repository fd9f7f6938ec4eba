//! Tables in Markdown, aligned so that they can be read as they are.

use std::fmt;

use super::paired::average;
use super::{Estimate, EvalReport};

/// A header and rows with as many cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns.
    pub header: Vec<String>,
    /// The cells; all columns but the first are numbers.
    pub rows: Vec<Vec<String>>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&self.header]).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
        };
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        let line = |f: &mut fmt::Formatter<'_>, cells: &[String]| {
            for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                match column {
                    0 => write!(f, "| {cell:width$} |")?,
                    _ => write!(f, " {cell:>width$} |")?,
                }
            }
            writeln!(f)
        };
        line(f, &self.header)?;
        let rules = widths.iter().enumerate();
        let rules: Vec<String> = rules
            .map(|(column, width)| match column {
                0 => "-".repeat(*width),
                _ => "-".repeat(width - 1) + ":",
            })
            .collect();
        line(f, &rules)?;
        self.rows.iter().try_for_each(|row| line(f, row))
    }
}

/// `12.5 [9.6, 16.0]`, in percent: intervals of shares near 0 and 1 reach farther to the other side.
pub(super) fn percent(estimate: &Estimate) -> String {
    let [low, high] = estimate.ci95.map(|end| 100.0 * end);
    format!("{:.1} [{low:.1}, {high:.1}]", 100.0 * estimate.mean)
}

/// One policy's numbers: a row for each set and, of several, one for their mean, in which each set has the same weight.
#[must_use]
pub fn of_reports(reports: &[EvalReport]) -> Table {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_markdown() {
        let cells = |cells: [&str; 3]| cells.map(String::from).to_vec();
        let table = Table {
            header: cells(["set", "n", "avg@4"]),
            rows: vec![cells(["aime24", "30", "0.0 ± 5.7"]), cells(["math500", "500", "12.5 ± 2.0"])],
        };
        let expected = [
            "| set     |   n |      avg@4 |",
            "| ------- | --: | ---------: |",
            "| aime24  |  30 |  0.0 ± 5.7 |",
            "| math500 | 500 | 12.5 ± 2.0 |",
            "",
        ];
        assert_eq!(table.to_string(), expected.join("\n"));
    }
}
