//! `compare.md`: tables, the command, the curves, and what the numbers mean.

use super::collect::Measure;
use super::plot::Axis;
use super::sharing::Shared;
use super::statistics::{Mean, Paired};
use super::summary::{ArmSummary, Cost, RunSummary, Summary};
use crate::observe::duration;
use crate::table::Table;

/// The whole report.
#[must_use]
pub(crate) fn markdown(summary: &Summary) -> String {
    let mut text = format!("# Comparison: {}\n\n", summary.title);
    let mut add = |part: &str| {
        text.push_str(part);
        text.push_str("\n\n");
    };
    if summary.partial {
        add(&format!(
            "**Partial: {} of {} runs are finished.** The numbers are of these alone.",
            summary.n_finished, summary.n_runs
        ));
    }
    add(&format!("    {}", summary.commands.join("\n    ")));
    if !summary.quick.is_empty() {
        add(&format!("`--quick` means `{}`: a first look, no result.", summary.quick.join("`, `")));
    }
    const ENDS: [&str; 2] = ["at the end", "over the run"];
    add(&table(summary, &summary.avg_name(), ENDS, [Measure::FinalAvg, Measure::AreaAvg]).markdown());
    let has_greedy = summary.arms.iter().any(|arm| arm.measures.contains_key(&Measure::FinalGreedy));
    if has_greedy {
        add(&table(summary, "greedy", ENDS, [Measure::FinalGreedy, Measure::AreaGreedy]).markdown());
    }
    if let Some(controls) = controls(summary) {
        add(&controls.markdown());
    }
    if let Some(n) = summary.equal_tokens {
        add(&format!(
            "Where {} response tokens were sampled, as every run has, read between evaluations:",
            tokens(n)
        ));
        let names = [summary.avg_name(), String::from("greedy accuracy")];
        let names = [names[0].as_str(), names[1].as_str()];
        add(&table(summary, "", names, [Measure::EqualAvg, Measure::EqualGreedy]).markdown());
    }
    if summary.n_finished > 0 {
        add(&costs(summary).markdown());
    }
    add(&explanation(summary));
    for note in &summary.notes {
        add(&format!("Note: {note}."));
    }
    if summary.n_finished > 0 {
        add("## Curves");
        for axis in Axis::ALL {
            add(&format!("![accuracy by {}]({}.png)", axis.name(), axis.file_stem()));
        }
    }
    add("## Runs");
    add(&runs(summary).markdown());
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// A row per arm: two measures of `name`, called `names`, each with its difference to the baseline.
fn table(summary: &Summary, name: &str, names: [&str; 2], measures: [Measure; 2]) -> Table {
    let has_others = summary.arms.len() > 1;
    let mut header = vec![String::from("arm"), String::from("seeds")];
    for own in names {
        header.push(format!("{name} {own}").trim().to_owned());
        if has_others {
            header.extend([format!("difference to {}", summary.baseline), String::from("p")]);
        }
    }
    let row = |arm: &ArmSummary| {
        let mut cells = vec![arm.label.clone(), arm.finished().count().to_string()];
        for measure in measures {
            cells.push(arm.measures.get(&measure).map_or_else(none, percent));
            if has_others {
                let paired = arm.against_baseline.as_ref().and_then(|all| all.get(&measure));
                cells.push(paired.map_or_else(none, |paired| points(&paired.difference)));
                cells.push(paired.map_or_else(none, p_value));
            }
        }
        cells
    };
    Table { header, rows: summary.arms.iter().map(row).collect() }
}

/// A row per arm that has a control: its differences to that.
fn controls(summary: &Summary) -> Option<Table> {
    let name = summary.avg_name();
    let header = [
        "arm to its shuffled self".to_owned(),
        "seeds".to_owned(),
        format!("{name} at the end"),
        "p".to_owned(),
        format!("{name} over the run"),
        "p".to_owned(),
    ];
    let row = |arm: &ArmSummary| {
        let against = arm.against_shuffled.as_ref()?;
        let seeds = against.values().map(|paired| paired.difference.n).max()?;
        let mut cells = vec![arm.label.clone(), seeds.to_string()];
        for measure in [Measure::FinalAvg, Measure::AreaAvg] {
            let paired = against.get(&measure);
            cells.push(paired.map_or_else(none, |paired| points(&paired.difference)));
            cells.push(paired.map_or_else(none, p_value));
        }
        Some(cells)
    };
    let rows: Vec<Vec<String>> = summary.arms.iter().filter_map(row).collect();
    (!rows.is_empty()).then(|| Table { header: header.to_vec(), rows })
}

/// A row per arm: what its training took.
fn costs(summary: &Summary) -> Table {
    let equal = summary.equal_tokens;
    let mut header =
        ["arm", "response tokens", "with an advantage", "training time"].map(String::from).to_vec();
    header.extend(equal.map(|n| format!("time to {} tokens", tokens(n))));
    let row = |arm: &ArmSummary| {
        let Cost { tokens: n, seconds, valid_tokens, equal_seconds } = arm.cost?;
        let share = valid_tokens.map_or_else(none, |share| format!("{:.1}", 100.0 * share));
        let mut cells = vec![arm.label.clone(), tokens(n), share, duration(seconds)];
        cells.extend(equal.map(|_| equal_seconds.map_or_else(none, duration)));
        Some(cells)
    };
    Table { header, rows: summary.arms.iter().filter_map(row).collect() }
}

fn explanation(summary: &Summary) -> String {
    let items = summary.items.map_or_else(String::new, |n| format!(" on {n} held-out items"));
    let others = summary.arms.len().saturating_sub(1);
    let correction = match others {
        0 | 1 => String::new(),
        _ => format!(" It is not corrected for the {others} comparisons."),
    };
    let pairs = summary.shared.map_or_else(String::new, pairing);
    format!(
        "Accuracies in %{items}. *At the end* is after the last step; *over the run* is the mean height of the curve over \
         the steps, by the trapezoid rule, from the evaluation before the first step on. ± is half of a 95 % interval over \
         seeds (Student's t); below three seeds there is none, and no p. Differences are taken seed by seed, in percentage points{pairs}. p is that of the two-sided \
         paired t-test.{correction} *With an advantage* is the share of the response tokens, in %, that were trained on with \
         an advantage other than 0, mean over the steps. Times are of training steps alone."
    )
}

/// What a difference within a seed is not made of, as the end of a sentence.
fn pairing(shared: Shared) -> String {
    let Shared { policy, prompts, items } = shared;
    let parts = [(policy, "starting policy"), (prompts, "prompts"), (items, "held-out items")];
    let parts: Vec<&str> =
        parts.into_iter().filter(|(is_shared, _)| *is_shared).map(|(_, name)| name).collect();
    match &parts[..] {
        [] => String::new(),
        [only] => format!(": the runs of a seed share their {only}"),
        [first @ .., last] => format!(": the runs of a seed share their {} and {last}", first.join(", ")),
    }
}

fn runs(summary: &Summary) -> Table {
    let name = summary.avg_name();
    let over_the_run = format!("{name} over the run");
    let header = [
        "arm",
        "seed",
        "steps",
        &name,
        "greedy",
        &over_the_run,
        "response tokens",
        "training time",
        "folder",
    ];
    let row = |arm: &ArmSummary, run: &RunSummary| {
        let share = |measure| run.measures.get(&measure).map_or_else(none, |v| format!("{:.1}", 100.0 * v));
        let end = run.curve.last();
        vec![
            arm.label.clone(),
            run.seed.to_string(),
            if run.finished { run.steps.to_string() } else { format!("{} of {}", run.step, run.steps) },
            share(Measure::FinalAvg),
            share(Measure::FinalGreedy),
            share(Measure::AreaAvg),
            end.map_or_else(none, |end| tokens(end.tokens)),
            end.map_or_else(none, |end| duration(end.seconds)),
            run.folder.clone(),
        ]
    };
    let rows = summary.arms.iter().flat_map(|arm| arm.runs.iter().map(move |run| row(arm, run)));
    Table { header: header.map(str::to_owned).to_vec(), rows: rows.collect() }
}

/// The first table as aligned text for a terminal, and that of controls.
#[must_use]
pub(crate) fn console_table(summary: &Summary) -> String {
    let name = summary.avg_name();
    let header = [
        String::from("arm"),
        String::from("seeds"),
        format!("{name} at the end"),
        format!("to {}", summary.baseline),
        String::from("p"),
        String::from("over the run"),
        format!("to {}", summary.baseline),
        String::from("p"),
    ];
    let arms = Table { header: header.to_vec(), rows: summary.arms.iter().map(row).collect() }.plain();
    controls(summary).map_or(arms.clone(), |controls| format!("{arms}\n\n{}", controls.plain()))
}

fn row(arm: &ArmSummary) -> Vec<String> {
    let mut cells = vec![arm.label.clone(), arm.finished().count().to_string()];
    for measure in [Measure::FinalAvg, Measure::AreaAvg] {
        let paired = arm.against_baseline.as_ref().and_then(|all| all.get(&measure));
        cells.push(arm.measures.get(&measure).map_or_else(none, percent));
        cells.push(paired.map_or_else(none, |paired| points(&paired.difference)));
        cells.push(paired.map_or_else(none, p_value));
    }
    cells
}

fn tokens(n: f64) -> String {
    if n < 1e5 { format!("{:.1} k", n / 1e3) } else { format!("{:.2} M", n / 1e6) }
}

fn none() -> String {
    String::from("–")
}

fn percent(mean: &Mean) -> String {
    let half = mean.half_width().map_or_else(String::new, |half| format!(" ± {:.1}", 100.0 * half));
    format!("{:.1}{half}", 100.0 * mean.mean)
}

fn points(mean: &Mean) -> String {
    let half = mean.half_width().map_or_else(String::new, |half| format!(" ± {:.1}", 100.0 * half));
    format!("{:+.1}{half}", 100.0 * mean.mean)
}

fn p_value(paired: &Paired) -> String {
    match paired.p {
        None => none(),
        Some(p) if p < 0.0005 => String::from("< 0.001"),
        Some(p) => format!("{p:.3}"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::super::summary::{Origin, testing::arms};
    use super::*;

    /// Without what aligns the cells of a table.
    fn plain(text: &str) -> String {
        text.split('|').map(|cell| cell.trim_matches(' ')).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn the_report_says_what_it_rests_on() {
        let dir = tempfile::tempdir().unwrap();
        let origin = Origin {
            title: String::from("made_up"),
            commands: vec![String::from("rlcredit compare a.toml --quick")],
            quick: vec![String::from("run.steps=4")],
            baseline: String::from("uniform"),
            n_runs: 6,
        };
        let summary = Summary::new(origin, arms(dir.path())).unwrap();
        let text = markdown(&summary);
        for part in [
            "# Comparison: made_up\n",
            "**Partial: 5 of 6 runs are finished.**",
            "\n    rlcredit compare a.toml --quick\n",
            "`--quick` means `run.steps=4`",
            "| arm | seeds | avg@4 at the end | difference to uniform | p | avg@4 over the run |",
            // 40, 50, 10: mean 33.3, s = 20.8, t(0.975, 2) = 4.303, so ± 51.7.
            "| uniform | 3 | 33.3 ± 51.7 | – | – |",
            // Two seeds tell nothing of chance.
            "| rhythm | 2 | 65.0 | +20.0 | – |",
            "on 32 held-out items",
            "percentage points: the runs of a seed share their starting policy, prompts and held-out items. p is",
            "Note: rhythm, seed 2: left out, step 2 of 4.",
            "![accuracy by step](curves_by_step.png)",
            "| rhythm | 2 | 2 of 4 | – | – | – | 0.2 k | 6.0s |",
        ] {
            assert!(plain(&text).contains(&plain(part)), "{part}\n\n{text}");
        }
        let shared = |policy, prompts, items| pairing(Shared { policy, prompts, items });
        assert_eq!(shared(false, true, true), ": the runs of a seed share their prompts and held-out items");
        assert_eq!(shared(false, false, true), ": the runs of a seed share their held-out items");
        assert_eq!(shared(false, false, false), "");
        let lines: Vec<String> = console_table(&summary).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[2].starts_with("rhythm") && lines[2].contains(" +20.0 "), "{lines:?}");
    }
}
