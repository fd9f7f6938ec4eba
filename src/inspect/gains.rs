//! What each strategy, and training, raises over all responses: its mean gain, plain and weighted by entropy.
//!
//! ```text
//! mean = sum_t gamma_t / n;   by_entropy = sum_t H_t gamma_t / sum_t H_t
//! ```
//!
//! A token of which the policy was sure has hardly a gradient, whatever its advantage. A strategy pays the tokens that
//! decide more than the others where its second number is above its first.

use super::Inspection;

/// The gain of one strategy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gain<'i> {
    /// The strategy's name, or `trained`.
    pub strategy: &'i str,
    /// Mean over the tokens of all responses.
    pub mean: f64,
    /// Mean in which each token weighs as much as the entropy of the distribution it came from.
    pub by_entropy: f64,
}

/// The gains of the strategies over `responses`, and that of training if it is known of all of them.
#[must_use]
pub(crate) fn gains<'i>(responses: impl Iterator<Item = &'i Inspection> + Clone) -> Vec<Gain<'i>> {
    let gain = |by: &'i str| {
        let (mut n, mut sum, mut entropy, mut weighted) = (0.0, 0.0, 0.0, 0.0);
        for response in responses.clone() {
            for (gamma, h) in response.gamma.get(by)?.iter().zip(&response.entropies) {
                let (gamma, h) = (f64::from(*gamma), f64::from(*h));
                (n, sum) = (n + 1.0, sum + gamma);
                (entropy, weighted) = (entropy + h, weighted + h * gamma);
            }
        }
        let mean = sum / n;
        // Where nothing was uncertain nothing tells the tokens apart.
        Some(Gain { strategy: by, mean, by_entropy: if entropy > 0.0 { weighted / entropy } else { mean } })
    };
    // What training gave may be missing from the first response, and is then left out.
    let names = responses.clone().next().into_iter().flat_map(|first| first.gamma.keys());
    names.filter_map(|name| gain(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::TRAINED;
    use super::super::tests::inspection;
    use super::*;

    #[test]
    fn a_token_weighs_as_much_as_it_was_uncertain() {
        let mut found = inspection();
        found.gamma["rhythm"] = vec![1.0, 2.0, 1.0, 1.0, 1.0, 1.5];
        found.entropies = vec![0.0, 0.5, 0.0, 0.0, 0.0, 0.5];
        assert_eq!(gains([&found].into_iter())[0], Gain { strategy: "rhythm", mean: 1.25, by_entropy: 1.75 });
        found.entropies.fill(0.0);
        assert!((gains([&found].into_iter())[0].by_entropy - 1.25).abs() < 1e-12);
        let n_strategies = gains([&found].into_iter()).len();
        assert_eq!(n_strategies, found.gamma.len());
        found.gamma.insert(TRAINED.into(), vec![2.0; 6]);
        let trained = Gain { strategy: "trained", mean: 2.0, by_entropy: 2.0 };
        assert_eq!(gains([&found].into_iter())[n_strategies], trained);
        assert_eq!(gains([&found, &inspection()].into_iter()).len(), n_strategies);
    }
}
