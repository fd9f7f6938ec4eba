//! What a run says at its end.

use std::fmt;

use super::phase::duration;

/// An accuracy on held-out items.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Accuracy {
    /// Share of correct responses, 0..1.
    pub mean: f64,
    /// Half the width of its 95 % interval, 0..1.
    pub ci95: f64,
}

/// The policy at one moment of the run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stage {
    /// Which moment: `after SFT`.
    pub name: String,
    /// One accuracy for each of [`Summary::columns`]; `None` where it was not measured.
    pub accuracies: Vec<Option<Accuracy>>,
}

/// The last words of a run; [`fmt::Display`] gives lines of at most 80 columns as long as the paths allow it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Summary {
    /// What ended and how: `countdown: 120 steps done`.
    pub title: String,
    /// Duration of the run, seconds.
    pub wall_s: f64,
    /// What was measured: `avg@4`, `greedy`.
    pub columns: Vec<String>,
    /// The policy's accuracy through the run.
    pub stages: Vec<Stage>,
    /// What lies where: `policy` and a path, `try it` and a command.
    pub places: Vec<(String, String)>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} in {}", self.title, duration(self.wall_s))?;
        let names = self.stages.iter().map(|stage| stage.name.as_str());
        let width = names.chain(["accuracy"]).map(|name| name.chars().count()).max().unwrap_or(0);
        if !self.stages.is_empty() {
            write!(f, "\n  {:width$}", "accuracy")?;
            self.columns.iter().try_for_each(|column| write!(f, "   {column:>14}"))?;
            writeln!(f)?;
        }
        for stage in &self.stages {
            write!(f, "  {:width$}", stage.name)?;
            for accuracy in &stage.accuracies {
                match accuracy {
                    Some(accuracy) => write!(f, "   {:>14}", accuracy.to_string())?,
                    None => write!(f, "   {:>14}", "-")?,
                }
            }
            writeln!(f)?;
        }
        let width = self.places.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        if !self.places.is_empty() {
            writeln!(f)?;
        }
        self.places.iter().try_for_each(|(name, place)| writeln!(f, "  {name:width$}   {place}"))
    }
}

impl fmt::Display for Accuracy {
    /// In percent: `48.9 ± 2.1 %`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ± {:.1} %", 100.0 * self.mean, 100.0 * self.ci95)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_a_table_and_a_list_of_places() {
        let accuracy = |mean, ci95| Some(Accuracy { mean, ci95 });
        let summary = Summary {
            title: "countdown: 120 steps done".into(),
            wall_s: 872.0,
            columns: vec!["avg@4".into(), "greedy".into()],
            stages: vec![
                Stage { name: "before SFT".into(), accuracies: vec![accuracy(0.0, 0.0), None] },
                Stage {
                    name: "after RL".into(),
                    accuracies: vec![accuracy(0.4889, 0.0211), accuracy(1.0, 0.0)],
                },
            ],
            places: vec![
                ("metrics".into(), "runs/countdown/metrics.jsonl".into()),
                ("try it".into(), "scripts/rlcredit sample runs/countdown".into()),
            ],
        };
        let expected = [
            "countdown: 120 steps done in 14m32s",
            "",
            "  accuracy              avg@4           greedy",
            "  before SFT      0.0 ± 0.0 %                -",
            "  after RL       48.9 ± 2.1 %    100.0 ± 0.0 %",
            "",
            "  metrics   runs/countdown/metrics.jsonl",
            "  try it    scripts/rlcredit sample runs/countdown",
            "",
        ];
        assert_eq!(summary.to_string(), expected.join("\n"));
    }
}
