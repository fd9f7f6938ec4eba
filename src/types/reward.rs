//! What a response is worth, and how exactly that is known.

/// The reward of a response that was graded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reward {
    /// The sum of what its graders gave, each times its weight, and of what else it costs.
    pub value: f64,
    /// How far the rounding of that sum may have moved `value`.
    pub rounding: f64,
}

impl Reward {
    /// How far rounding may have moved a sum to which `term` was added: that of the term itself (its weight and what it is
    /// computed from are rounded too), of the product, and of the sum behind it.
    #[must_use]
    pub(crate) fn rounding_of(term: f64) -> f64 {
        const ROUNDINGS: f64 = 16.0;
        ROUNDINGS * f64::EPSILON * term.abs()
    }

    /// Whether the two are the same but for rounding: 0.1 + 0.2 and 0.3 are, 0.3 and 0.30001 are not. What is not a number
    /// equals nothing.
    #[must_use]
    pub(crate) fn equals(self, other: Self) -> bool {
        let distance = (self.value - other.value).abs();
        self.value == other.value || distance <= self.rounding + other.rounding
    }

    /// Whether `rewards` tell responses apart: false where all are equal, and where there is at most one.
    #[must_use]
    pub(crate) fn differ(mut rewards: impl Iterator<Item = Self>) -> bool {
        let Some(first) = rewards.next() else { return false };
        rewards.any(|reward| !reward.equals(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum of `terms`, as the graders' values are added up.
    fn sum(terms: &[f64]) -> Reward {
        let add = |sum: Reward, term: &f64| Reward {
            value: sum.value + term,
            rounding: sum.rounding + Reward::rounding_of(*term),
        };
        terms.iter().fold(Reward { value: 0.0, rounding: 0.0 }, add)
    }

    #[test]
    fn sums_that_differ_by_rounding_are_equal() {
        let equal: [&[&[f64]]; 5] = [
            &[&[0.1, 0.2], &[0.3], &[0.3, 0.0]],
            &[&[0.1, 0.2, -0.3], &[0.0], &[-0.3, 0.2, 0.1]],
            &[&[1e6, 0.1, -1e6], &[0.1]],
            &[&[0.7, 0.1], &[0.8], &[0.4, 0.4]],
            &[&[1.0 / 3.0, 2.0 / 3.0], &[1.0]],
        ];
        for sums in equal {
            assert!(!Reward::differ(sums.iter().map(|terms| sum(terms))), "{sums:?}");
        }
        let different: [&[&[f64]]; 4] = [
            &[&[0.3], &[0.30001]],
            &[&[0.3], &[0.3 + 1e-12]],
            &[&[0.0], &[1e-300]],
            &[&[f64::NAN], &[f64::NAN]],
        ];
        for sums in different {
            assert!(Reward::differ(sums.iter().map(|terms| sum(terms))), "{sums:?}");
        }
        assert!(!Reward::differ(std::iter::empty()) && !Reward::differ(std::iter::once(sum(&[f64::NAN]))));
    }
}
