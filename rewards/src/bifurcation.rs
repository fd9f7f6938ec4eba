//! Bifurcation: a response of a fixed number of words, of which those at the forks decide, all of them together.
//!
//! The value of a prefix is known: where `p_k` is the chance that a policy takes the right branch at the `k`-th fork,
//!
//! ```text
//! V_t = 0                                      behind a wrong branch
//! V_t = product of p_k over the forks k >= t   else
//! ```

use crate::{RewardSettings, TaskKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Response, Reward, Status, Task, Verdict};

/// One bifurcation problem.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bifurcation {
    /// How many words a response has.
    pub words: usize,
    /// The words that decide, in their order.
    pub forks: Vec<Branching>,
}

/// A fork: a place of a response, and the word that is right there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branching {
    /// Number of the word, from 0.
    pub at: usize,
    /// The right word.
    pub right: String,
}

impl Bifurcation {
    /// The right words, in the order of their forks.
    pub fn gold(&self) -> String {
        self.forks.iter().map(|fork| fork.right.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// The chance that a response ends right, knowing none of its `words`, the first one, and so on to all of them:
    /// `words.len() + 1` values. `p` has the chance of the right branch at each fork, whatever came before; that the length will
    /// be right is taken for granted while it can be.
    pub fn values(&self, words: &[&str], p: &[f64]) -> Vec<f64> {
        let value = |known: usize| {
            let chance = |(fork, p): (&Branching, &f64)| match words[..known].get(fork.at) {
                Some(word) => f64::from(u8::from(*word == fork.right)),
                None => *p,
            };
            let forks: f64 = self.forks.iter().zip(p).map(chance).product();
            if known > self.words { 0.0 } else { forks }
        };
        (0..=words.len()).map(value).collect()
    }

    /// The words of `response` at the forks, as far as it has them.
    fn taken<'a>(&self, words: &[&'a str]) -> Vec<&'a str> {
        self.forks.iter().filter_map(|fork| words.get(fork.at).copied()).collect()
    }

    /// How many of the words `taken` at the forks are right.
    fn n_right(&self, taken: &[&str]) -> usize {
        self.forks.iter().zip(taken).filter(|(fork, word)| fork.right == **word).count()
    }
}

/// Keys of the `bifurcation` grader: none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BifurcationConfig {}

impl RewardSettings for BifurcationConfig {
    fn judges(&self, kind: TaskKind) -> bool {
        kind == TaskKind::Bifurcation
    }

    fn build(&self, _: &[String]) -> Result<Box<dyn Reward>, String> {
        Ok(Box::new(BifurcationReward::new(self.clone())))
    }
}

/// Grades bifurcation responses: 1 where the number of words is right and the words at all forks are, else 0.
///
/// Parts: [`CORRECT`](crate::CORRECT), and `forks`, the share of the forks whose word is right. The answer is the words at the forks. A response
/// with another number of words cannot be read.
#[derive(Clone, Debug)]
pub struct BifurcationReward;

impl BifurcationReward {
    /// The grader that `config` describes.
    pub fn new(BifurcationConfig {}: BifurcationConfig) -> Self {
        Self
    }
}

impl Reward for BifurcationReward {
    fn name(&self) -> &str {
        "bifurcation"
    }

    fn score(&self, task: &Task, response: &Response<'_>) -> Verdict {
        let Task::Bifurcation(task) = task else {
            return Verdict::undecided();
        };
        let words: Vec<&str> = response.text.split_whitespace().collect();
        let (taken, is_whole) = match response.is_answer {
            true => (words.clone(), words.len() == task.forks.len()),
            false => (task.taken(&words), words.len() == task.words),
        };
        let n_right = task.n_right(&taken);
        let judge = |_: &str| (n_right == task.forks.len(), Status::Ok);
        let mut verdict = Verdict::on(is_whole.then(|| taken.join(" ")), judge);
        let share = n_right as f64 / task.forks.len().max(1) as f64;
        verdict.parts.insert("forks".to_owned(), share);
        verdict
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn task() -> Bifurcation {
        let fork = |at, right: &str| Branching { at, right: right.to_owned() };
        Bifurcation { words: 5, forks: vec![fork(0, "left"), fork(3, "up")] }
    }

    #[test]
    fn all_forks_and_the_length_have_to_be_right() {
        let reward = BifurcationConfig {}.build(&[]).unwrap();
        let task = Task::Bifurcation(task());
        for (response, value, forks, status, answer) in [
            ("left go on up past ", 1.0, 1.0, Status::Ok, Some("left up")),
            ("left owl\n owl  up owl", 1.0, 1.0, Status::Ok, Some("left up")),
            ("left go on down past ", 0.0, 0.5, Status::Ok, Some("left down")),
            ("right go on left up ", 0.0, 0.0, Status::Ok, Some("right left")),
            ("left go on up ", 0.0, 1.0, Status::Unparsable, None),
            ("left go on up past past ", 0.0, 1.0, Status::Unparsable, None),
            ("left ", 0.0, 0.5, Status::Unparsable, None),
            ("", 0.0, 0.0, Status::Unparsable, None),
        ] {
            let verdict = reward.score(&task, &Response::new(response));
            assert_eq!((verdict.value, verdict.correct()), (value, value == 1.0), "{response:?}");
            assert_eq!((verdict.parts["forks"], verdict.status), (forks, status), "{response:?}");
            assert_eq!(verdict.answer.as_deref(), answer, "{response:?}");
        }
        let answer = |text| Response { is_answer: true, ..Response::new(text) };
        assert!(reward.score(&task, &answer("left up")).correct());
        assert!(!reward.score(&task, &answer("left up up")).correct());
        let other = serde_json::from_value(json!({"type": "question", "answer": "left up"})).unwrap();
        assert_eq!(reward.score(&other, &Response::new("left go on up past")).status, Status::Error);
    }

    #[test]
    fn tasks_are_written_as_run_folders_have_them() {
        let written = json!({
            "type": "bifurcation", "words": 5, "forks": [{"at": 0, "right": "left"}, {"at": 3, "right": "up"}]
        });
        assert_eq!(serde_json::to_value(Task::Bifurcation(task())).unwrap(), written);
        assert_eq!(serde_json::from_value::<Task>(written).unwrap(), Task::Bifurcation(task()));
        assert_eq!(task().gold(), "left up");
    }

    #[test]
    fn values_are_those_computed_by_hand() {
        let (task, p) = (task(), [0.5, 0.25]);
        for (words, expected) in [
            ("", vec![0.125]),
            ("left go on up past", vec![0.125, 0.25, 0.25, 0.25, 1.0, 1.0]),
            ("left go on down past", vec![0.125, 0.25, 0.25, 0.25, 0.0, 0.0]),
            ("up go on up past", vec![0.125, 0.0, 0.0, 0.0, 0.0, 0.0]),
            ("left go on up past past", vec![0.125, 0.25, 0.25, 0.25, 1.0, 1.0, 0.0]),
        ] {
            let words: Vec<&str> = words.split_whitespace().collect();
            assert_eq!(task.values(&words, &p), expected, "{words:?}");
        }
    }

    /// The changes of the value are the increments of a martingale that ends in the reward, so that their squares add up to its
    /// variance: over all responses of three words with two of three branches each, weighed by their chances.
    #[test]
    fn squared_changes_of_the_value_add_up_to_the_variance_of_the_reward() {
        let fork = |at, right: &str| Branching { at, right: right.to_owned() };
        let task = Bifurcation { words: 3, forks: vec![fork(0, "a"), fork(2, "c")] };
        let p = [0.3, 0.6];
        let chance = |word, right, p: f64| if word == right { p } else { (1.0 - p) / 2.0 };
        let (mut squares, mut reward, mut total) = (0.0, 0.0, 0.0);
        for first in ["a", "b", "c"] {
            for last in ["a", "b", "c"] {
                let values = task.values(&[first, "owl", last], &p);
                let weight = chance(first, "a", p[0]) * chance(last, "c", p[1]);
                let changes = values.windows(2).map(|pair| (pair[1] - pair[0]).powi(2));
                squares += weight * changes.sum::<f64>();
                reward += weight * values[3];
                total += weight;
            }
        }
        let v0 = task.values(&[], &p)[0];
        assert!((total - 1.0).abs() < 1e-12 && (reward - v0).abs() < 1e-12);
        assert!((squares - v0 * (1.0 - v0)).abs() < 1e-12, "{squares}");
    }
}
