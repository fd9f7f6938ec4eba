//! Scoring: the weighted sum of the recipe's graders.

mod judge;
mod overlong;

pub(crate) use judge::{Judge, Whole};
#[cfg(test)]
pub(crate) use overlong::PenaltyConfig;
pub(crate) use overlong::{OverlongConfig, Penalty};

use anyhow::{Result, anyhow};
use rewards::{MathConfig, Question, Response, Reward, RewardConfig, Status, Task, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::{self, Progress, Rules};

/// A grader and its weight; the reward is the weighted sum of the values of all graders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RewardEntry {
    /// Multiplies the grader's value.
    #[serde(default = "one")]
    pub weight: f64,
    /// Which grader, with its own keys.
    #[serde(flatten)]
    pub grader: RewardConfig,
}

impl RewardEntry {
    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let mut rules = self.grader.settings().rules();
        rules.expect("weight", self.weight, "a finite number", self.weight.is_finite());
        rules
    }
}

fn one() -> f64 {
    1.0
}

/// What all graders together say of a response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Score {
    /// `sum_i weight_i * value_i`, all parts, the worst status, the first answer, and the notes, a line each.
    pub verdict: Verdict,
    /// Whether every grader with a weight has judged the response: none of them took too long or is in error.
    pub is_graded: bool,
    /// How far rounding may have moved the sum.
    pub rounding: f64,
}

/// All graders of a run; by default none.
#[derive(Default)]
pub(crate) struct Scorer {
    graders: Vec<(Box<dyn Reward>, f64)>,
    /// Says whether two answers are the same.
    same: Option<Box<dyn Reward>>,
}

impl Scorer {
    /// The graders of `rewards`, in order. Programs do not get the environment variables that an address among them names.
    ///
    /// # Errors
    /// If settings of a grader cannot work.
    pub(crate) fn new(rewards: &[RewardEntry]) -> Result<Self> {
        let named: Vec<String> =
            rewards.iter().flat_map(|entry| entry.grader.settings().variables()).collect();
        let build = |(index, entry): (usize, &RewardEntry)| {
            let grader = entry.grader.settings().build(&named);
            Ok((grader.map_err(|problem| anyhow!("[[reward]] #{} {problem}", index + 1))?, entry.weight))
        };
        // Programs and servers would be asked for each pair of answers.
        let judges = |entry: &&RewardEntry| entry.grader.settings().says_correct();
        let own = |grader: &&RewardConfig| grader.settings().reaches_out().is_none();
        let judge = rewards.iter().find(judges).map(|entry| &entry.grader).filter(own);
        let same = judge.unwrap_or(&RewardConfig::Math(MathConfig {})).settings().build(&[]);
        Ok(Self {
            graders: rewards.iter().enumerate().map(build).collect::<Result<_>>()?,
            same: Some(same.map_err(|problem| anyhow!("[[reward]] {problem}"))?),
        })
    }

    /// The score of each item. A part that several graders name keeps the first one's value, so that the first grader that
    /// judges correctness decides on it. Where there are several graders, the value of each is a part under its name as well.
    /// `progress` is asked now and then whether to go on.
    ///
    /// # Errors
    /// If a grader works for no response; that of `progress`.
    pub(crate) fn score_all(
        &self,
        items: &[(&Task, Response<'_>)],
        progress: &mut Progress<'_>,
    ) -> Result<Vec<Score>> {
        let mut totals = vec![Score::none(); items.len()];
        for (grader, weight) in &self.graders {
            let verdicts = verdicts(grader.as_ref(), items, progress)?;
            for (total, mut verdict) in totals.iter_mut().zip(verdicts) {
                if self.graders.len() > 1 {
                    verdict.parts.entry(grader.name().to_owned()).or_insert(verdict.value);
                    verdict.note = verdict.note.map(|note| format!("{}: {note}", grader.name()));
                }
                total.add(*weight, verdict);
            }
        }
        Ok(totals)
    }

    /// Whether two answers to a task say the same, for each `(task, answer, other)`: whether the grader that decides on
    /// correctness, or `math` where that is another program, calls one of them right with the other as the gold answer. Of
    /// tasks without a gold answer only answers that are spelled alike, blanks aside, are the same. `progress` is asked now and
    /// then whether to go on.
    ///
    /// # Errors
    /// If a grader works for no response; that of `progress`.
    pub(crate) fn same_answers(
        &self,
        pairs: &[(&Task, &str, &str)],
        progress: &mut Progress<'_>,
    ) -> Result<Vec<bool>> {
        let mut same: Vec<bool> = pairs.iter().map(|(_, a, b)| unspaced(a) == unspaced(b)).collect();
        let Some(judge) = &self.same else { return Ok(same) };
        for swapped in [false, true] {
            let asked =
                pairs.iter().enumerate().filter(|(i, _)| !same[*i]).filter_map(|(i, (task, a, b))| {
                    let Task::Question(question) = task else { return None };
                    let (gold, answer) = if swapped { (b, a) } else { (a, b) };
                    let gold = Question { answer: (*gold).to_owned(), fields: question.fields.clone() };
                    Some((i, Task::Question(gold), Response { is_answer: true, ..Response::new(answer) }))
                });
            let asked: Vec<(usize, Task, Response<'_>)> = asked.collect();
            let items: Vec<(&Task, Response<'_>)> =
                asked.iter().map(|(_, task, response)| (task, *response)).collect();
            let verdicts = verdicts(judge.as_ref(), &items, progress)?;
            for ((i, ..), verdict) in asked.iter().zip(verdicts) {
                same[*i] = verdict.correct();
            }
        }
        Ok(same)
    }
}

/// What `grader` says of each of `items`, for as long as `progress` lets it.
fn verdicts(
    grader: &dyn Reward,
    items: &[(&Task, Response<'_>)],
    progress: &mut Progress<'_>,
) -> Result<Vec<Verdict>> {
    let verdicts = grader.score_while(items, &mut || progress(0).is_ok());
    progress(0)?;
    verdicts.map_err(|reason| anyhow!("grading: {reason}"))
}

/// An answer without its blanks: as far as spelling goes, two that are equal so are the same.
pub(crate) fn unspaced(answer: &str) -> String {
    answer.split_whitespace().collect()
}

impl Score {
    /// Before any grader has said something.
    fn none() -> Self {
        let verdict = Verdict::new(0.0, Default::default(), Status::Ok);
        Self { verdict, is_graded: true, rounding: 0.0 }
    }

    /// Adds `value`, which counts as it is, and keeps it as the part `name`.
    fn add_part(&mut self, name: &str, value: f64) {
        self.verdict.value += value;
        self.rounding += types::Reward::rounding_of(value);
        self.verdict.parts.insert(name.to_owned(), value);
    }

    /// Adds what a grader said.
    fn add(&mut self, weight: f64, verdict: Verdict) {
        let (total, term) = (&mut self.verdict, weight * verdict.value);
        let Verdict { value: _, parts, status, answer, note } = verdict;
        // What counts for nothing is not missed.
        self.is_graded &= weight == 0.0 || status.is_judgement();
        self.rounding += types::Reward::rounding_of(term);
        total.value += term;
        total.status = total.status.max(status);
        total.answer = total.answer.take().or(answer);
        total.note = match (total.note.take(), note) {
            (Some(before), Some(note)) => Some(format!("{before}\n{note}")),
            (before, note) => before.or(note),
        };
        for (name, value) in parts {
            total.parts.entry(name).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    fn score(rewards: &str, text: &str) -> Verdict {
        score_of(rewards, text).verdict
    }

    fn score_of(rewards: &str, text: &str) -> Score {
        let entries: Vec<RewardEntry> = serde_json::from_str(rewards).unwrap();
        let task = Task::Question(Question::new("42"));
        let response = Response { tokens: Some(15), ..Response::new(text) };
        Scorer::new(&entries).unwrap().score_all(&[(&task, response)], &mut |_| Ok(())).unwrap().remove(0)
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
        assert!(verdict.note.unwrap().starts_with("command: /no/such/grader cannot be started"));
    }

    #[test]
    fn what_a_grader_with_a_weight_could_not_judge_is_not_graded() {
        let missing = r#"{"type": "command", "program": ["/no/such/grader"], "weight": W}"#;
        for (rewards, text, expected) in [
            (r#"[{"type": "math"}]"#.to_owned(), "none", true),
            (r#"[{"type": "countdown"}]"#.to_owned(), "<answer>1</answer>", false),
            (format!(r#"[{{"type": "math"}}, {missing}]"#).replace('W', "0.5"), "\\boxed{42}", false),
            (format!(r#"[{missing}, {{"type": "math"}}]"#).replace('W', "0.0"), "\\boxed{42}", true),
        ] {
            assert_eq!(score_of(&rewards, text).is_graded, expected, "{rewards}");
        }
    }

    #[test]
    fn a_variable_that_an_address_names_is_kept_from_programs_that_do_not_ask_for_it() {
        let script = r#"read -r line; id=${line#*:}
            echo "{\"id\":${id%%,*},\"value\":0,\"answer\":\"${CARGO_PKG_NAME-none} $CARGO_PKG_VERSION\"}""#;
        let answer = |passed: &[&str]| {
            let command = json!({"type": "command", "program": ["sh", "-c", script], "pass_env": passed});
            let http = json!({"type": "http", "url": "http://127.0.0.1:9/${CARGO_PKG_NAME}", "retries": 0});
            score(&json!([command, http]).to_string(), "42").answer.unwrap()
        };
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(answer(&[]), format!("none {version}"));
        assert_eq!(answer(&["CARGO_PKG_NAME"]), format!("rlcredit {version}"));
    }

    #[test]
    fn the_order_and_the_number_of_terms_make_no_difference_to_a_reward() {
        let format = |pattern: &str, weight: f64| {
            format!(r#"{{"type": "format", "pattern": "{pattern}", "weight": {weight}}}"#)
        };
        let rewards = format!("[{}, {}, {}]", format("A", 0.1), format("A$", 0.2), format("B", 0.3));
        let reward = |text: &str| {
            let Score { verdict, rounding, .. } = score_of(&rewards, text);
            types::Reward { value: verdict.value, rounding }
        };
        assert!(reward("A").value != reward("B").value && reward("A").equals(reward("B")));
        assert!(!reward("A").equals(reward("AB")));
    }

    #[test]
    fn settings_that_cannot_work_name_their_grader() {
        let entries: Vec<RewardEntry> =
            serde_json::from_str(r#"[{"type": "math"}, {"type": "format"}]"#).unwrap();
        let error = Scorer::new(&entries).err().unwrap().to_string();
        assert_eq!(error, "[[reward]] #2 tags: got neither it nor `pattern`, expected one of them");
    }
}
