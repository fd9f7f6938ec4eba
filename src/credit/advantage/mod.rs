//! Advantage estimators: how much better than expected each response was.

mod config;
mod group;
mod leave_one_out;

use anyhow::Result;

pub use config::{AdvantageConfig, GroupConfig, LeaveOneOutConfig, Scale, WithoutSignal};

use crate::types::{MeasuredTree, Needs, PathField};

/// Turns the rewards of a step's trees into advantages.
pub trait AdvantageEstimator {
    /// What must be measured for it; nothing beyond the rewards unless it says so.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// One field per tree, in order. All trees of the step at once, because some baselines span the step.
    ///
    /// # Errors
    /// If a tree lacks what the estimator works on.
    fn estimate(&self, trees: &[MeasuredTree]) -> Result<Vec<PathField<f32>>>;
}

impl AdvantageConfig {
    /// The estimator that the recipe chose.
    #[must_use]
    pub fn build(self) -> Box<dyn AdvantageEstimator> {
        match self {
            Self::Group(config) => Box::new(config),
            Self::LeaveOneOut(config) => Box::new(config),
        }
    }
}

/// The same advantage on every token of a response: `per_leaf[i]` for leaf i.
fn spread(tree: &MeasuredTree, per_leaf: &[f64]) -> PathField<f32> {
    PathField::from_fn(&tree.tree, |leaf, _| per_leaf[leaf] as f32)
}

#[cfg(test)]
pub(crate) mod testing {
    //! Hand-made trees.

    use std::sync::Arc;

    use rewards::{Countdown, Status, Task, Verdict};

    use crate::types::{Finish, Leaf, MeasuredTree, Prompt, Tree};

    /// A flat group with these rewards; response i has i + 1 tokens.
    pub fn group(rewards: &[f64]) -> MeasuredTree {
        let task = Task::Countdown(Countdown { numbers: vec![1, 2, 3], target: 6 });
        let prompt = Prompt { id: 0, text: String::from("p"), tokens: vec![1], task };
        let leaves = (0..).zip(rewards).map(|(i, reward)| Leaf {
            sample: i,
            fork: None,
            tokens: vec![1; i as usize + 1],
            logprobs: vec![-1.0; i as usize + 1],
            finish: Finish::Eos,
            signals: None,
            text: String::new(),
            verdict: Verdict { value: *reward, parts: Default::default(), status: Status::Ok },
        });
        let tree = Tree { prompt: Arc::new(prompt), leaves: leaves.collect() };
        MeasuredTree { tree, old_logprobs: None, entropies: None, ref_logprobs: None, signals: None }
    }

    /// The golden groups of rewards and, for the estimator `name`, their advantages.
    pub fn golden(name: &str) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
        let all: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/golden/losses.json")).expect("valid JSON");
        let read =
            |key: &str| serde_json::from_value(all["advantages"][key].clone()).expect("lists of numbers");
        (read("rewards"), read(name))
    }

    /// Asserts that `estimator` gives the golden advantages on every token.
    pub fn assert_golden(estimator: &dyn super::AdvantageEstimator, name: &str) {
        let (rewards, expected) = golden(name);
        let trees: Vec<_> = rewards.iter().map(|r| group(r)).collect();
        let fields = estimator.estimate(&trees).expect("flat groups");
        for (field, expected) in fields.iter().zip(&expected) {
            for (path, expected) in field.iter().zip(expected) {
                assert!(
                    path.iter().all(|a| (f64::from(*a) - expected).abs() < 1e-5),
                    "{name}: {path:?} {expected}"
                );
            }
        }
    }
}
