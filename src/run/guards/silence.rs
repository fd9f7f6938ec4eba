//! The policy says something.

use anyhow::Result;

use super::{Guard, Watched};
use crate::types::{Finish, Leaf, program};

/// Share of responses that are nothing but their end from which on a person is told.
const MOST: f64 = 0.9;

/// Says once that the policy ends nearly all responses at once.
#[derive(Default)]
pub(super) struct Silence {
    is_told: bool,
}

impl Silence {
    fn note<'a>(&mut self, leaves: impl Iterator<Item = &'a Leaf>) -> Option<String> {
        let is_empty = |leaf: &Leaf| leaf.tokens.len() == 1 && leaf.finish == Finish::Eos;
        let (n, n_empty) =
            leaves.fold((0, 0), |(n, empty), leaf| (n + 1, empty + usize::from(is_empty(leaf))));
        let share = n_empty as f64 / f64::from(n.max(1));
        if share < MOST || std::mem::replace(&mut self.is_told, true) {
            return None;
        }
        Some(format!(
            "{:.0} % of the responses are nothing but the token that ends them: the prompt may end as a finished text does, or lack what \
             the model was taught to answer to; look at one ({} data RECIPE --rows 1), and set [chat] for a model with a template",
            100.0 * share,
            program()
        ))
    }
}

impl Guard for Silence {
    fn after_step(&mut self, step: &Watched<'_>) -> Result<Option<String>> {
        Ok(self.note(step.record.trees.iter().flat_map(|tree| &tree.tree().leaves)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credit::advantage::testing::group;

    #[test]
    fn a_policy_that_only_ends_is_said_at_once_and_once() {
        let leaves = |n_empty: usize| {
            let mut leaves = group(&[0.0; 20]).tree.leaves;
            for (i, leaf) in leaves.iter_mut().enumerate() {
                (leaf.finish, leaf.tokens) = (Finish::Eos, if i < n_empty { vec![1] } else { vec![5, 1] });
            }
            leaves
        };
        let mut guard = Silence::default();
        assert_eq!(guard.note(leaves(17).iter()), None);
        assert_eq!(guard.note([].iter()), None);
        let said = guard.note(leaves(19).iter());
        assert!(
            said.as_ref().is_some_and(|said| said.starts_with("95 % of the responses are nothing")),
            "{said:?}"
        );
        assert_eq!(guard.note(leaves(20).iter()), None);
    }
}
