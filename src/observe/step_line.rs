//! One readable line per step.
//!
//! ```text
//! step  40/120  reward 0.412  acc 41%  len 34.1  cut 3%  ent 1.21  4.2s  left 12m
//!               heldout: avg@4 48.9 ± 2.1 %, greedy 52.3 ± 4.3 %, pass@4 71.2 %
//! ```

use std::collections::BTreeMap;

use super::console::WIDTH;
use super::phase::duration;
use super::summary::Accuracy;
use crate::types::{MetricRow, Step};

/// The line of `step`, and one per evaluated set; `left` is the time left in seconds. Metrics that the row lacks are
/// left out.
pub(super) fn lines(step: Step, total: Step, row: &MetricRow, left: Option<f64>) -> Vec<String> {
    let width = total.to_string().len();
    let head = format!("step {step:>width$}/{total}");
    // Of roots: the others are as many, as hard and as long as the shape of trees makes them.
    let [reward, correct, length] =
        ["reward", "correct", "length"].map(|name| row.get(&format!("root/{name}_mean")));
    let fields = [
        reward.map(|v| format!("reward {v:.0$}", if v.abs() < 9.9995 { 3 } else { 1 })),
        correct.map(|v| format!("acc {}", percent(v))),
        length.map(|v| format!("len {v:.0$}", usize::from(v < 99.95))),
        row.get("response_length/clip_ratio").map(|v| format!("cut {}", whole_percent(v))),
        entropy(row),
        row.get("time/step").map(duration),
        left.map(|v| format!("left {}", roughly(v))),
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

/// The entropy, or why there is none: it is measured as the policy learns, and from groups without signal it learns nothing.
fn entropy(row: &MetricRow) -> Option<String> {
    let without_signal = row.get("group/zero_variance") == Some(1.0);
    match row.get("policy/entropy") {
        Some(v) => Some(format!("ent {v:.0$}", if v < 9.995 { 2 } else { 1 })),
        None => without_signal.then(|| "no signal".to_owned()),
    }
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

/// `41%`, `4.1%`, `0%`: two digits.
fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent == 0.0 || percent >= 9.95 { format!("{percent:.0}%") } else { format!("{percent:.1}%") }
}

/// `41%`, `<1%`, `0%`.
fn whole_percent(share: f64) -> String {
    if share > 0.0 && share < 0.01 { "<1%".to_owned() } else { format!("{:.0}%", 100.0 * share) }
}

/// As [`duration`], no more exactly than anybody can foretell: `45s`, `12m`, `3h10m`, `2d03h`, `12d`.
fn roughly(seconds: f64) -> String {
    match seconds {
        s if s < 99.5 => format!("{s:.0}s"),
        s if s < 5_970.0 => format!("{:.0}m", s / 60.0),
        // Rounded to ten minutes.
        s if s < 86_400.0 => duration((s / 600.0).round() * 600.0),
        s if s < 864_000.0 => duration(s),
        s => format!("{:.0}d", s / 86_400.0),
    }
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
            ("time/step", 4.23),
            ("policy/entropy", 1.214),
            ("response_length/clip_ratio", 0.031),
            ("root/length_mean", 34.06),
            ("root/correct_mean", 0.412),
            ("root/reward_mean", 0.4123),
        ]);
        let expected = "step  40/120  reward 0.412  acc 41%  len 34.1  cut 3%  ent 1.21  4.2s  left 12m";
        assert_eq!(lines(40, 120, &row, Some(730.0)), [expected]);
    }

    #[test]
    fn what_a_row_lacks_is_left_out() {
        assert_eq!(lines(1, 9, &row(&[("policy/entropy", 25.0)]), None), ["step 1/9  ent 25.0"]);
    }

    #[test]
    fn a_step_that_learns_nothing_says_why() {
        let row = row(&[("group/zero_variance", 1.0), ("time/step", 2.0), ("root/reward_mean", 0.0)]);
        assert_eq!(lines(1, 9, &row, None), ["step 1/9  reward 0.000  no signal  2.0s"]);
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
            ("time/step", 3_725.0),
            ("policy/entropy", 11.99),
            ("response_length/clip_ratio", 1.0),
            ("root/length_mean", 8123.4),
            ("root/correct_mean", 1.0),
            ("root/reward_mean", -12.3456),
        ]);
        let line = lines(10_000, 10_000, &row, Some(1e6)).remove(0);
        assert!(line.chars().count() <= WIDTH, "{} columns: {line}", line.chars().count());
        assert!(line.ends_with(" cut 100% ent 12.0 1h02m left 12d"), "{line}");
    }

    #[test]
    fn shares_and_what_is_left_have_two_digits() {
        for (share, expected) in
            [(0.0, "0%"), (0.0004, "0.0%"), (0.0949, "9.5%"), (0.0999, "10%"), (1.0, "100%")]
        {
            assert_eq!(percent(share), expected);
        }
        for (seconds, expected) in [
            (0.4, "0s"),
            (99.4, "99s"),
            (99.6, "2m"),
            (3_000.0, "50m"),
            (5_980.0, "1h40m"),
            (11_500.0, "3h10m"),
            (86_200.0, "1d00h"),
            (183_600.0, "2d03h"),
            (1e6, "12d"),
        ] {
            assert_eq!(roughly(seconds), expected);
        }
    }
}
