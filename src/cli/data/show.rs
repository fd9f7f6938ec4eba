//! A survey of problems, or the columns of a file, for a terminal.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Value, json};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::super::say;
use super::survey::{Seen, Set, Survey};
use crate::data::Lengths;
use crate::data::file::{Preset, Profile};
use crate::types::{counted, program};

/// Columns of a question, of an example, and of the longest bar.
const QUESTION: usize = 70;
const EXAMPLE: usize = 60;
const BAR: usize = 40;

pub(super) fn survey(survey: &Survey) -> Result<()> {
    for set in &survey.sets {
        say(of_set(set, survey.unit))?;
    }
    if let Some(Seen { place, text, length }) = &survey.prompt {
        let place = place.as_deref().unwrap_or("the first problem");
        let text = visible(text);
        let unit = survey.unit;
        let how = if unit == "tokens" { "as the model reads it" } else { "as it is asked" };
        say(format_args!(
            "{place} {how}, {}:\n----\n{text}\n----",
            counted(*length, unit.trim_end_matches('s'))
        ))?;
    }
    survey.notes.iter().try_for_each(|note| say(format_args!("note: {note}")))
}

fn of_set(set: &Set, unit: &str) -> String {
    let title = match &set.path {
        Some(path) => format!("{} ({})", path.display(), set.name),
        None => set.name.clone(),
    };
    let mut text = format!("{title}: {}, {} used", counted(set.rows, "row"), set.used);
    let counts = [
        (set.broken, "broken"),
        (set.repeated, "repeated"),
        (set.too_long, "too long"),
        (set.also_trained_on, "also trained on"),
    ];
    for (n, what) in counts.into_iter().filter(|(n, _)| *n > 0) {
        let _ = write!(text, ", {n} {what}");
    }
    text.push('\n');
    for row in &set.broken_rows {
        let _ = writeln!(text, "  broken  {row}");
    }
    let unnamed = set.broken - set.broken_rows.len();
    if unnamed > 0 {
        let _ = writeln!(text, "  broken  ... and {unnamed} more");
    }
    if let Some(lengths) = &set.lengths {
        text.push_str(&histogram(lengths, unit));
    }
    let golds = set.problems.iter().map(|problem| cut(&problem.gold, EXAMPLE / 2));
    for (problem, gold) in set.problems.iter().zip(golds) {
        let place = problem.place.as_deref().and_then(|place| place.rsplit(':').next()).unwrap_or("-");
        let _ = writeln!(text, "  {place:>6}  {} => {gold}", padded(&cut(&problem.text, QUESTION), QUESTION));
    }
    text
}

fn histogram(lengths: &Lengths, unit: &str) -> String {
    let Lengths { min, median, p90, max, bars } = lengths;
    let mut text = format!("  prompts in {unit}: min {min}, median {median}, 90 % {p90}, max {max}\n");
    let most = bars.iter().map(|bar| bar.n).max().unwrap_or(0).max(1);
    let width = max.to_string().len();
    for bar in bars {
        // What is there is seen.
        let length = (bar.n * BAR).div_ceil(most);
        let _ = writeln!(
            text,
            "  {:>width$}..{:<width$}  {:>8}  {}",
            bar.from,
            bar.to,
            bar.n,
            "#".repeat(length)
        );
    }
    text
}

pub(super) fn profile(found: &Profile) -> Result<()> {
    let report = &found.report;
    let broken = if report.n_broken > 0 { format!(", {} broken", report.n_broken) } else { String::new() };
    say(format_args!("{}: {}{broken}", report.path.display(), counted(report.n_rows, "row")))?;
    if report.n_broken > 0 {
        say(report.broken_rows())?;
    }
    say(columns(found))
}

/// The columns of a file, and how to say which of them are meant.
pub(super) fn columns(found: &Profile) -> String {
    let mut text = String::from("columns, with the first value of each:\n");
    let paths = found.columns.iter().map(|column| column.path.width());
    let width = paths.max().unwrap_or(0);
    for column in &found.columns {
        let missing = found.report.n_rows - found.report.n_broken - column.n_rows;
        let missing =
            if missing > 0 { format!("  (not in {})", counted(missing, "row")) } else { String::new() };
        let example = cut(&column.example.to_string(), EXAMPLE);
        let path = padded(&column.path, width);
        let _ = writeln!(text, "  {path}  {:9}  {example}{missing}", column.kind);
    }
    let path = found.report.path.display();
    let names: Vec<&str> = found.presets.iter().map(|preset| preset.name()).collect();
    match names.as_slice() {
        [] => {
            let _ = write!(
                text,
                "they are those of no preset; say which are meant: {} data {path} --fields question=COLUMN,answer=COLUMN",
                program()
            );
        }
        [likeliest, alike @ ..] => {
            let alike = if alike.is_empty() { String::new() } else { format!(", or {}", alike.join(", ")) };
            let of_own =
                ["question", "answer"].map(|part| found.columns.iter().any(|column| column.path == part));
            let or = match of_own {
                [true, true] => ", or a file of yours: --fields question=question,answer=answer",
                _ => "",
            };
            let _ = write!(
                text,
                "they look like {likeliest}{alike}: {} data {path} --preset {likeliest}{or}",
                program()
            );
        }
    }
    text
}

pub(super) fn profile_json(found: &Profile) -> Value {
    let Profile { report, columns, presets } = found;
    json!({
        "path": report.path,
        "rows": report.n_rows,
        "broken": report.n_broken,
        "broken_rows": report.broken,
        "columns": columns,
        "looks_like": presets.iter().map(|preset| Preset::name(*preset)).collect::<Vec<_>>(),
    })
}

/// `text` on one line of at most `columns` columns.
fn cut(text: &str, columns: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = visible(&line);
    if line.width() <= columns {
        return line;
    }
    let mut width = 0;
    let fits = |c: &char| {
        width += c.width().unwrap_or(0);
        width < columns
    };
    line.chars().take_while(fits).chain(['…']).collect()
}

fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(text.width())))
}

/// `text` with what would move a terminal's cursor written out.
fn visible(text: &str) -> String {
    let written = |c: char| match c {
        '\n' | '\t' => c.to_string(),
        c if c.is_control() => c.escape_default().to_string(),
        c => c.to_string(),
    };
    text.chars().map(written).collect()
}
