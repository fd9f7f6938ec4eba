//! Branching anywhere: what the other rules must beat.

use rand::seq::index::sample;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BranchRule, Root};
use crate::types::Purpose;

/// Settings of [`RuleConfig::Uniform`](super::RuleConfig::Uniform).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UniformConfig {}

impl BranchRule for UniformConfig {
    fn is_lot(&self) -> bool {
        true
    }

    fn pick(&self, root: &Root<'_>, n: usize) -> Vec<usize> {
        let mut random = root.random.stream(Purpose::Branch, &root.coordinates.draw(0));
        let places = root.n_tokens.saturating_sub(root.from + 1);
        let mut places: Vec<usize> = sample(&mut random, places, n.min(places))
            .into_iter()
            .map(|place| root.from + place + 1)
            .collect();
        places.sort_unstable();
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::RunRandom;

    #[test]
    fn places_are_different_within_the_response_and_drawn_anew_for_each_root() {
        let pick =
            |n_tokens, step, n| UniformConfig {}.pick(&Root::bare(n_tokens, RunRandom::new(4), step), n);
        for step in 0..50 {
            let places = pick(9, step, 3);
            assert!(places.len() == 3 && places.windows(2).all(|pair| pair[0] < pair[1]), "{places:?}");
            assert!(places.iter().all(|place| (1..9).contains(place)), "{places:?}");
        }
        assert_eq!(pick(4, 1, 9), [1, 2, 3]);
        assert_eq!(pick(1, 1, 2), [0; 0]);
        assert_eq!(
            UniformConfig {}.pick(&Root { from: 4, ..Root::bare(7, RunRandom::new(4), 1) }, 9),
            [5, 6]
        );
        assert_eq!(pick(100, 1, 2), pick(100, 1, 2));
        assert!((2..9).any(|step| pick(100, step, 2) != pick(100, 1, 2)));
    }
}
