//! Numbers of a step that are not finite, looked for before anything is learned from them.

use crate::types::{CreditedTree, Tree};

/// Why a step is not learned from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NotLearned {
    /// What is not finite, and where.
    pub what: String,
    /// Whether the graders made it, not the models.
    pub by_rewards: bool,
}

impl NotLearned {
    /// A number that the models made.
    #[must_use]
    pub(crate) fn of_models(what: String) -> Self {
        Self { what, by_rewards: false }
    }

    /// The first number of `trees` that is not finite. Advantages come last: a bad reward spoils those of its whole group.
    #[must_use]
    pub(crate) fn find(trees: &[CreditedTree]) -> Option<Self> {
        let leaves =
            || trees.iter().flat_map(|tree| (0..tree.measured.tree.leaves.len()).map(move |l| (tree, l)));
        let place = |tree: &CreditedTree, l: usize| {
            let Tree { prompt, leaves } = &tree.measured.tree;
            format!("prompt {}, sample {}", prompt.id, leaves[l].sample)
        };
        let reward = leaves().find_map(|(tree, l)| {
            let reward = tree.measured.tree.leaves[l].verdict.value;
            let what = || format!("{}: the reward is {reward}", place(tree, l));
            (!reward.is_finite()).then(|| Self { what: what(), by_rewards: true })
        });
        let find = |name: &str, by_rewards, values: fn(&CreditedTree, usize) -> Option<&[f32]>| {
            leaves().find_map(|(tree, l)| {
                let (token, value) =
                    values(tree, l)?.iter().enumerate().find(|(_, value)| !value.is_finite())?;
                let what = format!("{}: the {name} of token {token} is {value}", place(tree, l));
                Some(Self { what, by_rewards })
            })
        };
        let logprob =
            |model: &str, values| find(&format!("log-probability under the {model}"), false, values);
        reward
            .or_else(|| logprob("sampler", |tree, l| Some(&tree.measured.tree.leaves[l].logprobs)))
            .or_else(|| logprob("learner", |tree, l| tree.measured.old_logprobs(l)))
            .or_else(|| logprob("reference", |tree, l| Some(tree.measured.ref_logprobs.as_ref()?.path(l))))
            .or_else(|| find("advantage", true, |tree, l| Some(tree.advantages.path(l))))
    }
}
