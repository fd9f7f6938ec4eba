//! Scoring: the weighted sum of the recipe's graders.

mod overlong;

pub use overlong::{MaskConfig, OverlongConfig, PenaltyConfig};

use rewards::{Reward, RewardConfig, Status, Task, Verdict};
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

/// All graders of a run.
pub struct Scorer {
    graders: Vec<(Box<dyn Reward>, f64)>,
}

impl Scorer {
    /// The graders of `rewards`, in order.
    #[must_use]
    pub fn new(rewards: &[RewardEntry]) -> Self {
        Self { graders: rewards.iter().map(|r| (r.grader.clone().build(), r.weight)).collect() }
    }

    /// `sum_i weight_i * value_i`, all parts, and the worst status. A part that several graders name keeps the first
    /// one's value.
    #[must_use]
    pub fn score(&self, task: &Task, response: &str) -> Verdict {
        let mut total = Verdict { value: 0.0, parts: Default::default(), status: Status::Ok };
        for (grader, weight) in &self.graders {
            let verdict = grader.score(task, response);
            total.value += weight * verdict.value;
            total.status = total.status.max(verdict.status);
            for (name, value) in verdict.parts {
                total.parts.entry(name).or_insert(value);
            }
        }
        total
    }
}
