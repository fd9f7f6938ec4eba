//! One readable line per step.
//!
//! ```text
//! step  40/120  reward 0.412  acc 41.2%  len 34.1  entropy 1.21  kl 0.0123  8.1k tok/s  left 12m30s
//!               heldout: avg@4 48.9 ± 2.1 %, pass@4 71.2 %, greedy 52.3 ± 4.3 %
//! ```

use std::collections::BTreeMap;

use super::console::{WIDTH, duration};
use super::summary::Accuracy;
use crate::types::{MetricRow, Step};

/// The line of `step`, and one per evaluated set; `left` is the time left in seconds. Metrics that the row lacks are
/// left out.
pub(super) fn lines(step: Step, total: Step, row: &MetricRow, left: Option<f64>) -> Vec<String> {
    let width = total.to_string().len();
    let head = format!("step {step:>width$}/{total}");
    let kl = row.get("policy/kl_ref").or_else(|| row.get("policy/approx_kl"));
    // Of roots: the others are as many, as hard and as long as the shape of trees makes them.
    let [reward, correct, length] =
        ["reward", "correct", "length"].map(|name| row.get(&format!("root/{name}_mean")));
    let fields = [
        reward.map(|v| format!("reward {v:.3}")),
        correct.map(|v| format!("acc {:.1}%", 100.0 * v)),
        length.map(|v| format!("len {v:.0$}", usize::from(v < 99.95))),
        row.get("policy/entropy").map(|v| format!("entropy {v:.2}")),
        kl.map(|v| if v.abs() < 9.995 { format!("kl {v:.4}") } else { format!("kl {v:.1e}") }),
        row.get("perf/tokens_per_s").map(|v| format!("{} tok/s", thousands(v))),
        left.map(|v| format!("left {}", duration(v))),
    ];
    let fields: Vec<String> = [Some(head.clone())].into_iter().chain(fields).flatten().collect();
    let mut line = fields.join("  ");
    if line.chars().count() > WIDTH {
        line = fields.join(" ");
    }
    let indent = " ".repeat(head.len() + 2);
    let evaluations =
        evaluations(row).into_iter().map(|(set, results)| format!("{indent}{set}: {}", results.join(", ")));
    [line].into_iter().chain(evaluations).collect()
}

/// Results by set, from the keys `eval/<set>/...`; of several pass@k that of all samples, the k of avg@k.
fn evaluations(row: &MetricRow) -> BTreeMap<&str, Vec<String>> {
    let mut sets: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (key, mean) in row.iter() {
        let Some((set, metric)) = key.strip_prefix("eval/").and_then(|rest| rest.split_once('/')) else {
            continue;
        };
        let interval = match metric {
            _ if metric.starts_with("avg@") => "ci95",
            "greedy" => "greedy_ci95",
            _ => match metric.strip_prefix("pass@") {
                Some(k) if row.get(&format!("eval/{set}/avg@{k}")).is_some() => "",
                _ => continue,
            },
        };
        let result = match row.get(&format!("eval/{set}/{interval}")) {
            Some(ci95) => format!("{metric} {}", Accuracy { mean, ci95 }),
            None => format!("{metric} {:.1} %", 100.0 * mean),
        };
        sets.entry(set).or_default().push(result);
    }
    sets
}

/// `812`, `8.1k`, `12k`, `1.2M`.
fn thousands(value: f64) -> String {
    let (scaled, unit) = match value {
        v if v < 999.5 => return format!("{v:.0}"),
        v if v < 999_500.0 => (v / 1e3, "k"),
        v => (v / 1e6, "M"),
    };
    if scaled < 9.95 { format!("{scaled:.1}{unit}") } else { format!("{scaled:.0}{unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[(&str, f64)]) -> MetricRow {
        values.iter().copied().collect()
    }

    #[test]
    fn a_step_is_one_line() {
        let row = row(&[
            ("perf/tokens_per_s", 8123.0),
            ("policy/approx_kl", 0.9),
            ("policy/entropy", 1.214),
            ("policy/kl_ref", 0.0123),
            ("root/length_mean", 34.06),
            ("root/correct_mean", 0.412),
            ("root/reward_mean", 0.4123),
        ]);
        let expected = "step  40/120  reward 0.412  acc 41.2%  len 34.1  entropy 1.21  kl 0.0123  8.1k tok/s  left 12m30s";
        assert_eq!(lines(40, 120, &row, Some(750.0)), [expected]);
    }

    #[test]
    fn what_a_row_lacks_is_left_out() {
        assert_eq!(lines(1, 9, &row(&[("policy/approx_kl", 25.0)]), None), ["step 1/9  kl 2.5e1"]);
    }

    #[test]
    fn an_evaluation_has_its_own_line_per_set() {
        let row = row(&[
            ("eval/heldout/avg@4", 0.4889),
            ("eval/heldout/ci95", 0.0211),
            ("eval/heldout/greedy", 0.523),
            ("eval/heldout/greedy_ci95", 0.043),
            ("eval/heldout/pass@2", 0.61),
            ("eval/heldout/pass@4", 0.712),
            ("eval/other/greedy", 0.25),
        ]);
        let expected = [
            "step 20/20",
            "            heldout: avg@4 48.9 ± 2.1 %, greedy 52.3 ± 4.3 %, pass@4 71.2 %",
            "            other: greedy 25.0 %",
        ];
        assert_eq!(lines(20, 20, &row, None), expected);
    }

    #[test]
    fn wide_numbers_still_fit_the_line() {
        let row = row(&[
            ("perf/tokens_per_s", 812_345.0),
            ("policy/entropy", 11.99),
            ("policy/kl_ref", -0.0123),
            ("root/length_mean", 8123.4),
            ("root/correct_mean", 1.0),
            ("root/reward_mean", -12.3456),
        ]);
        let line = lines(10_000, 10_000, &row, Some(1e6)).remove(0);
        assert!(line.chars().count() <= WIDTH, "{} columns: {line}", line.chars().count());
        assert!(line.ends_with("812k tok/s left 11d13h"), "{line}");
    }

    #[test]
    fn large_rates_are_shortened() {
        for (value, expected) in
            [(812.4, "812"), (999.6, "1.0k"), (9_960.0, "10k"), (999_600.0, "1.0M"), (25e6, "25M")]
        {
            assert_eq!(thousands(value), expected);
        }
    }
}
