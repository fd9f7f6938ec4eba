//! An audit as tables, for a terminal and for Markdown.

use super::arm::SEGMENT;
use super::capture::{Capture, Captures};
use super::ceiling::Falls;
use super::merit::Estimate;
use super::merit::Uniform;
use super::summary::{Progress, Summary};
use super::tokens::Ceiling;
use crate::table::Table;
use crate::types::counted;

impl Summary {
    /// What stands above the tables, a line each.
    pub(crate) fn facts(&self) -> Vec<String> {
        let Self { n_responses, reward, mixed: [mixed, prompts], folds, tokens, n_continued, .. } = self;
        let mut facts = vec![
            format!(
                "{} to {}, mean reward {reward:.3}; in {} of {}; a training step has {:.0}",
                counted(n_responses, "response"),
                counted(prompts, "prompt"),
                counted(folds.n, "fold"),
                counted(folds.prompts, "prompt"),
                folds.batch
            ),
            format!(
                "{} with right and wrong responses; they weigh as unevenly as {:.0} would that all weighed the same",
                counted(mixed, "prompt"),
                tokens.effective_prompts
            ),
            format!(
                "slopes by differences are {:.2} % off the gradient at most",
                100.0 * tokens.difference_error
            ),
        ];
        if *n_continued > 0 && self.captures.is_none() {
            facts.push(format!(
                "where the reward is decided cannot be told: all responses to each of the {n_continued} prompts that were continued \
                 have the same reward; more prompts (--continued) or easier problems would do"
            ));
        }
        facts
    }

    /// Progress in each metric, with a line above it.
    fn progress_tables(&self) -> Vec<(String, Table)> {
        self.progress.iter().map(|progress| (progress.title(), progress.table())).collect()
    }

    /// Where the best credit falls in each metric in which there is something to gain, with a line above it.
    fn ceiling_tables(&self) -> Vec<(String, Table)> {
        let told = self.tokens.ceilings.iter().filter(|ceiling| !ceiling.falls.is_empty());
        let of = |ceiling: &Ceiling| {
            let title = format!(
                "Where the best credit falls, under {}: mean of tokens, each counted by the square of its update, over their root mean square, by fifths \
                 of each quantity from its lowest",
                ceiling.metric.words()
            );
            (title, falls(&ceiling.falls))
        };
        told.map(of).collect()
    }

    /// All tables that tell of arms and tokens, each with a line above it.
    pub(crate) fn tables(&self) -> Vec<(String, Table)> {
        [self.progress_tables(), self.capture_tables(), self.ceiling_tables()].concat()
    }

    /// Where the reward is decided, by continuing and as far as the task tells it, each with a line above it.
    fn capture_tables(&self) -> Vec<(String, Table)> {
        let continued = self.captures.as_ref().map(|captures| {
            let [prompts, responses, segments] = captures.counts;
            let title = format!(
                "Where the reward is decided: {} of {} to {}; closure {} (1 \
                 where continuations are drawn as responses are); no correlation can be above {:.2}",
                counted(segments, "segment"),
                counted(responses, "response"),
                counted(prompts, "prompt"),
                interval(captures.closure),
                captures.ceiling
            );
            (title, self.captured(captures))
        });
        let known = self.known.as_ref().map(|captures| {
            let [_, responses, tokens] = captures.counts;
            let title = format!(
                "Where the reward is decided, by the exact value of every prefix: {} of {}; closure {}",
                counted(tokens, "token"),
                counted(responses, "response"),
                interval(captures.closure)
            );
            (title, self.captured(captures))
        });
        continued.into_iter().chain(known).collect()
    }

    fn captured(&self, captures: &Captures) -> Table {
        let header = ["arm", "area", "95 %", "by token", "of largest", "Spearman", "95 %"];
        let row = |(name, capture): (&str, &Capture)| {
            vec![
                name.to_owned(),
                format!("{:.3}", capture.area.value),
                range(capture.area),
                format!("{:.3}", capture.area_by_token.value),
                format!("{:.3}", capture.area_of_most),
                format!("{:.3}", capture.spearman.value),
                range(capture.spearman),
            ]
        };
        // Continuing pays by place without a gain.
        let arms =
            self.arms.iter().map(String::as_str).zip(&captures.arms).filter(|(arm, _)| *arm != SEGMENT);
        let rows = arms.chain([("oracle", &captures.oracle)]).map(row).collect();
        Table { header: header.map(String::from).to_vec(), rows }
    }

    /// All of it as Markdown, with `title` above and `command` below where there is one.
    pub(crate) fn markdown(&self, title: &str, command: &str) -> String {
        let mut text = format!("# {title}\n\n");
        for fact in self.facts() {
            text += &format!("- {fact}\n");
        }
        for verdict in &self.ceiling_verdicts {
            text += &format!("- {verdict}\n");
        }
        for (line, table) in self.tables() {
            text += &format!("\n{line}\n\n{}\n", table.markdown());
        }
        if command.is_empty() { text } else { text + &format!("\n```sh\n{command}\n```\n") }
    }
}

impl Progress {
    fn title(&self) -> String {
        let noise = self.uniform.noise_prompts;
        let scale = if noise.is_finite() { format!("{noise:.0} prompts") } else { "not found".to_owned() };
        let Uniform { signal, error, .. } = self.uniform;
        let slope = match error > 0.0 {
            true => format!("the slope is {:.1} times its error", signal / error),
            false => "no slope was found".to_owned(),
        };
        format!("Progress per response under {}; {slope}, the noise scale {scale}", self.metric.words())
    }

    fn table(&self) -> Table {
        let has_controls = self.rows.iter().any(|row| row.to_shuffled.is_some());
        let mut header =
            ["arm", "R", "95 %", "B'/B", "cosine", "noise", "dose", "p (Holm)"].map(String::from).to_vec();
        header.extend(has_controls.then(|| "to its shuffled self".to_owned()));
        header.push("verdict".to_owned());
        // A ratio to what was not found says nothing.
        let told = |text: String| if self.uniform.is_clear() { text } else { "–".to_owned() };
        let row = |row: &super::summary::Row| {
            let merit = &row.merit;
            let mut cells = vec![
                row.arm.clone(),
                told(format!("{:.3}", merit.ratio.value)),
                told(range(merit.ratio)),
                told(number(merit.equivalent.value)),
                told(number(merit.cosine)),
                told(number(merit.noise)),
                told(number(merit.dose)),
                told(if row.p_holm < 0.0005 { "< 0.001".to_owned() } else { format!("{:.3}", row.p_holm) }),
            ];
            let beside = row.to_shuffled.map_or_else(String::new, |ratio| told(interval(ratio)));
            cells.extend(has_controls.then_some(beside));
            cells.push(row.verdict.clone());
            cells
        };
        Table { header, rows: self.rows.iter().map(row).collect() }
    }
}

fn falls(all: &[Falls]) -> Table {
    let widest = all.iter().map(|own| own.mean.len()).max().unwrap_or(1) - 1;
    let header = ["quantity"].map(String::from).into_iter().chain((1..=widest).map(|bin| bin.to_string()));
    let row = |own: &Falls| {
        let said = |mean: &Option<f64>| mean.map_or_else(String::new, |mean| format!("{mean:.2}"));
        let (bins, unknown) = own.mean.split_at(own.mean.len() - 1);
        let ends = own.up_to.iter().map(|end| format!(" (to {end:.3})")).chain([String::new()]);
        let mut cells: Vec<String> = bins.iter().zip(ends).map(|(mean, end)| said(mean) + &end).collect();
        cells.resize(widest, String::new());
        [vec![own.quantity.clone()], cells, unknown.iter().map(said).collect()].concat()
    };
    Table { header: header.chain(["not known".to_owned()]).collect(), rows: all.iter().map(row).collect() }
}

/// Two digits, and a dash for what is no number.
fn number(x: f64) -> String {
    if x.is_nan() { "–".to_owned() } else { format!("{x:.2}") }
}

fn range(estimate: Estimate) -> String {
    let [low, high] = estimate.ci95;
    format!("{low:.3} to {high:.3}")
}

fn interval(estimate: Estimate) -> String {
    format!("{:.2} ({:.2} to {:.2})", estimate.value, estimate.ci95[0], estimate.ci95[1])
}
