//! An audit as tables, for a terminal and for Markdown.

use super::capture::{Capture, Captures};
use super::merit::Estimate;
use super::summary::{Progress, Summary};
use crate::table::Table;

impl Summary {
    /// What stands above the tables, a line each.
    pub(crate) fn facts(&self) -> Vec<String> {
        let Self { n_responses, reward, mixed: [mixed, prompts], folds, tokens, .. } = self;
        vec![
            format!(
                "{n_responses} responses to {prompts} prompts, mean reward {reward:.3}; in {} folds of {} prompts; a training step \
                 has {:.0}",
                folds.n, folds.prompts, folds.batch
            ),
            format!(
                "{mixed} prompts have right and wrong responses; the slope rests on {:.0} of them",
                tokens.effective_prompts
            ),
            format!(
                "slopes by differences are {:.2} % off the gradient at most",
                100.0 * tokens.difference_error
            ),
        ]
    }

    /// Progress in each metric, with a line above it.
    pub(crate) fn progress_tables(&self) -> Vec<(String, Table)> {
        self.progress.iter().map(|progress| (progress.title(), progress.table())).collect()
    }

    /// Where the reward is decided, by continuing and as far as the task tells it, each with a line above it.
    pub(crate) fn capture_tables(&self) -> Vec<(String, Table)> {
        let continued = self.captures.as_ref().map(|captures| {
            let [prompts, responses, segments] = captures.counts;
            let title = format!(
                "Where the reward is decided: {segments} segments of {responses} responses to {prompts} prompts; closure {} (1 \
                 where continuations are drawn as responses are); no correlation can be above {:.2}",
                interval(captures.closure),
                captures.ceiling
            );
            (title, self.captured(captures))
        });
        let known = self.known.as_ref().map(|captures| {
            let [_, responses, tokens] = captures.counts;
            let title = format!(
                "Where the reward is decided, by the exact value of every prefix: {tokens} tokens of {responses} responses; closure {}",
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
        let arms = self.arms.iter().map(String::as_str).zip(&captures.arms);
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
        for (line, table) in self.progress_tables().into_iter().chain(self.capture_tables()) {
            text += &format!("\n{line}\n\n{}\n", table.markdown());
        }
        if command.is_empty() { text } else { text + &format!("\n```sh\n{command}\n```\n") }
    }
}

impl Progress {
    fn title(&self) -> String {
        let noise = self.uniform.noise_prompts;
        let scale = if noise.is_finite() { format!("{noise:.0} prompts") } else { "not found".to_owned() };
        format!(
            "Progress per response under {}; the slope is {:.1} times its error, the noise scale {scale}",
            self.metric.words(),
            self.uniform.signal / self.uniform.error
        )
    }

    fn table(&self) -> Table {
        let header = ["arm", "R", "95 %", "B'/B", "cosine", "noise", "dose", "p (Holm)", "verdict"];
        let row = |row: &super::summary::Row| {
            let merit = &row.merit;
            vec![
                row.arm.clone(),
                format!("{:.3}", merit.ratio.value),
                range(merit.ratio),
                format!("{:.2}", merit.equivalent.value),
                format!("{:.2}", merit.cosine),
                format!("{:.2}", merit.noise),
                format!("{:.2}", merit.dose),
                format!("{:.3}", row.p_holm),
                row.verdict.clone(),
            ]
        };
        Table { header: header.map(String::from).to_vec(), rows: self.rows.iter().map(row).collect() }
    }
}

fn range(estimate: Estimate) -> String {
    let [low, high] = estimate.ci95;
    format!("{low:.3} to {high:.3}")
}

fn interval(estimate: Estimate) -> String {
    format!("{:.2} ({:.2} to {:.2})", estimate.value, estimate.ci95[0], estimate.ci95[1])
}
