//! Scoring: the weighted sum of the recipe's graders.

mod overlong;

pub use overlong::{MaskConfig, OverlongConfig, PenaltyConfig};

use anyhow::{Result, anyhow};
use rewards::{MathConfig, Question, Response, Reward, RewardConfig, Status, Task, Verdict};
use serde::{Deserialize, Serialize};

/// One `[[reward]]` entry: a grader and its weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RewardEntry {
    /// Multiplies the grader's value.
    #[serde(default = "one")]
    pub weight: f64,
    /// Which grader, with its own keys.
    #[serde(flatten)]
    pub grader: RewardConfig,
}

fn one() -> f64 {
    1.0
}

/// All graders of a run; by default none.
#[derive(Default)]
pub struct Scorer {
    graders: Vec<(Box<dyn Reward>, f64)>,
    /// Says whether two answers are the same.
    same: Option<Box<dyn Reward>>,
}

impl Scorer {
    /// The graders of `rewards`, in order.
    ///
    /// # Errors
    /// If settings of a grader cannot work.
    pub fn new(rewards: &[RewardEntry]) -> Result<Self> {
        let build = |(index, entry): (usize, &RewardEntry)| {
            let grader = entry.grader.clone().build();
            Ok((grader.map_err(|problem| anyhow!("[[reward]] #{} {problem}", index + 1))?, entry.weight))
        };
        // Programs and servers would be asked for each pair of answers.
        let judges = |entry: &&RewardEntry| entry.grader.says_correct();
        let own = |grader: &RewardConfig| !matches!(grader, RewardConfig::Command(_) | RewardConfig::Http(_));
        let judge = rewards.iter().find(judges).map(|entry| entry.grader.clone()).filter(own);
        let same = judge.unwrap_or(RewardConfig::Math(MathConfig {})).build();
        Ok(Self {
            graders: rewards.iter().enumerate().map(build).collect::<Result<_>>()?,
            same: Some(same.map_err(|problem| anyhow!("[[reward]] {problem}"))?),
        })
    }

    /// The verdict on each item: `sum_i weight_i * value_i`, all parts, the worst status, and the first answer. A part that
    /// several graders name keeps the first one's value, so that the first grader that judges correctness decides on it.
    /// Where there are several graders, the value of each is a part under its name as well.
    ///
    /// # Errors
    /// If a grader works for no response.
    pub fn score_all(&self, items: &[(&Task, Response<'_>)]) -> Result<Vec<Verdict>> {
        let mut totals = vec![Verdict::new(0.0, Default::default(), Status::Ok); items.len()];
        for (grader, weight) in &self.graders {
            let verdicts = grader.score_all(items).map_err(|reason| anyhow!("grading: {reason}"))?;
            for (total, verdict) in totals.iter_mut().zip(verdicts) {
                let Verdict { value, mut parts, status, answer, note } = verdict;
                if self.graders.len() > 1 {
                    parts.entry(grader.name().to_owned()).or_insert(value);
                }
                total.value += weight * value;
                total.status = total.status.max(status);
                total.answer = total.answer.take().or(answer);
                total.note = total.note.take().or(note);
                for (name, value) in parts {
                    total.parts.entry(name).or_insert(value);
                }
            }
        }
        Ok(totals)
    }

    /// Whether the later of two answers to a task says the same as the earlier, for each `(task, earlier, later)`: whether the
    /// grader that decides on correctness, or `math` where that is another program, calls it right with the earlier one as the
    /// gold answer. Of tasks without a gold answer only answers that are
    /// spelled alike, blanks aside, are the same.
    ///
    /// # Errors
    /// If a grader works for no response.
    pub fn same_answers(&self, pairs: &[(&Task, &str, &str)]) -> Result<Vec<bool>> {
        let spelled = |text: &str| text.split_whitespace().collect::<String>();
        let mut same: Vec<bool> = pairs.iter().map(|(_, a, b)| spelled(a) == spelled(b)).collect();
        let asked =
            pairs.iter().enumerate().filter(|(i, _)| !same[*i]).filter_map(|(i, (task, earlier, later))| {
                let Task::Question(question) = task else { return None };
                let answer = (*earlier).to_owned();
                let response = Response { is_answer: true, ..Response::of(later) };
                Some((i, Task::Question(Question { answer, fields: question.fields.clone() }), response))
            });
        let asked: Vec<(usize, Task, Response<'_>)> = asked.collect();
        let items: Vec<(&Task, Response<'_>)> =
            asked.iter().map(|(_, task, response)| (task, *response)).collect();
        let Some(judge) = &self.same else { return Ok(same) };
        let verdicts = judge.score_all(&items).map_err(|reason| anyhow!("grading: {reason}"))?;
        for ((i, ..), verdict) in asked.iter().zip(verdicts) {
            same[*i] = verdict.correct();
        }
        Ok(same)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn score(rewards: &str, text: &str) -> Verdict {
        let entries: Vec<RewardEntry> = serde_json::from_str(rewards).unwrap();
        let task = Task::Question(Question::new("42"));
        let response = Response { tokens: Some(15), ..Response::of(text) };
        Scorer::new(&entries).unwrap().score_all(&[(&task, response)]).unwrap().remove(0)
    }

    #[test]
    fn the_reward_is_a_weighted_sum_with_all_parts() {
        let rewards = r#"[
            {"type": "length", "max": 20, "buffer": 10, "weight": 2.0},
            {"type": "format", "tags": ["answer"], "weight": 0.25},
            {"type": "numeric"},
            {"type": "math", "weight": 0.5}
        ]"#;
        let verdict = score(rewards, "<answer>42</answer>");
        assert_eq!(verdict.value, -1.0 + 0.25 + 1.0 + 0.5);
        let parts = [("correct", 1.0), ("format", 1.0), ("length", -0.5), ("math", 1.0), ("numeric", 1.0)];
        assert_eq!(verdict.parts, parts.map(|(name, value)| (name.to_owned(), value)).into());
        assert_eq!((verdict.status, verdict.answer.as_deref()), (Status::Ok, Some("42")));
        let wrong = score(rewards, "<answer>41</answer>");
        assert_eq!((wrong.value, wrong.correct()), (-0.75, false));
    }

    #[test]
    fn a_single_grader_has_no_part_of_its_own_name() {
        let verdict = score(r#"[{"type": "math"}]"#, "\\boxed{42}");
        assert_eq!(verdict.parts.keys().collect::<Vec<_>>(), ["correct"]);
    }

    #[test]
    fn the_worst_status_and_what_is_known_of_it_are_kept() {
        let rewards = r#"[{"type": "math"}, {"type": "command", "program": ["/no/such/grader"]}]"#;
        let verdict = score(rewards, "\\boxed{42}");
        assert_eq!((verdict.status, verdict.correct()), (Status::Error, true));
        assert!(verdict.note.unwrap().contains("cannot be started"));
    }

    #[test]
    fn settings_that_cannot_work_name_their_grader() {
        let entries: Vec<RewardEntry> =
            serde_json::from_str(r#"[{"type": "math"}, {"type": "format"}]"#).unwrap();
        let error = Scorer::new(&entries).err().unwrap().to_string();
        assert_eq!(error, "[[reward]] #2 tags: got neither it nor `pattern`, expected one of them");
    }
}
