//! Hand-made trees.

use std::sync::Arc;

use rewards::{Countdown, Status, Task, Verdict};

use super::{AdvantageEstimator, Rewards};
use crate::types::{Finish, Fork, Leaf, MeasuredTree, Prompt, Reward, TokenId, Tree};

/// A flat group with these rewards; response i has i + 1 tokens.
pub(crate) fn group(rewards: &[f64]) -> MeasuredTree {
    let task = Task::Countdown(Countdown { numbers: vec![1, 2, 3], target: 6 });
    let prompt = Prompt { id: 0, text: String::from("p"), tokens: vec![1], task };
    let leaves = (0..).zip(rewards).map(|(i, reward)| Leaf {
        sample: i,
        fork: None,
        tokens: vec![1; i as usize + 1],
        logprobs: vec![-1.0; i as usize + 1],
        finish: Finish::Eos,
        versions: Vec::new(),
        text: String::new(),
        verdict: Verdict::new(*reward, Default::default(), Status::Ok),
        is_graded: true,
        rounding: Reward::rounding_of(*reward),
    });
    MeasuredTree::bare(Tree { prompt: Arc::new(prompt), leaves: leaves.collect() })
}

/// A leaf of a made-up tree: fork, number of tokens, reward.
pub(crate) type Grown = (Option<(usize, usize)>, usize, f64);

/// A tree of leaves with their fork (parent, tokens shared with it), number of tokens and reward. A token is unlike all
/// others that do not stand at the same place of the same segment.
pub(crate) fn grown(leaves: &[Grown]) -> MeasuredTree {
    let rewards: Vec<f64> = leaves.iter().map(|leaf| leaf.2).collect();
    let mut measured = group(&rewards);
    for (i, (fork, n, _)) in leaves.iter().enumerate() {
        let mut tokens =
            fork.map_or_else(Vec::new, |(parent, at)| measured.tree.leaves[parent].tokens[..at].to_vec());
        tokens.extend((tokens.len()..*n).map(|t| (100 * i + t) as TokenId));
        let leaf = &mut measured.tree.leaves[i];
        leaf.fork = fork.map(|(parent, at)| Fork { parent, at });
        leaf.logprobs = tokens.iter().map(|token| -0.01 * *token as f32).collect();
        leaf.tokens = tokens;
    }
    measured
}

/// Asserts the advantage of every response of `groups` of rewards, the same on each of its tokens; response i has i + 1.
pub(crate) fn assert_by_hand(estimator: &dyn AdvantageEstimator, groups: &[&[f64]], expected: &[&[f64]]) {
    let trees: Vec<_> = groups.iter().map(|rewards| group(rewards)).collect();
    let rewards: Vec<_> = trees.iter().map(Rewards::of_graders).collect();
    let fields = estimator.estimate(&rewards).expect("flat groups");
    for (field, expected) in fields.iter().zip(expected) {
        for (path, expected) in field.iter().zip(*expected) {
            assert!(path.iter().all(|a| (f64::from(*a) - expected).abs() < 1e-5), "{path:?} {expected}");
        }
    }
}

/// The golden numbers about advantages called `name`.
pub(crate) fn golden_case(name: &str) -> serde_json::Value {
    let all: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/golden/losses.json")).expect("valid JSON");
    all["advantages"][name].clone()
}

/// Asserts that `estimator` gives the golden advantages called `name` on every token.
pub(crate) fn assert_golden(estimator: &dyn AdvantageEstimator, name: &str) {
    let read =
        |key: &str| -> Vec<Vec<f64>> { serde_json::from_value(golden_case(key)).expect("lists of numbers") };
    let trees: Vec<_> = read("rewards").iter().map(|r| group(r)).collect();
    let rewards: Vec<_> = trees.iter().map(Rewards::of_graders).collect();
    let fields = estimator.estimate(&rewards).expect("flat groups");
    for (field, expected) in fields.iter().zip(read(name)) {
        for (path, expected) in field.iter().zip(expected) {
            assert!(
                path.iter().all(|a| (f64::from(*a) - expected).abs() < 1e-5),
                "{name}: {path:?} {expected}"
            );
        }
    }
}
