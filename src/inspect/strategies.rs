//! The strategies whose credit is looked at.

use anyhow::Result;
use indexmap::IndexMap;

use crate::credit::strategy::{CreditConfig, CreditEntry, CreditStrategy, Gains, Response};
use crate::types::{RunRandom, Step};

/// Strategies, each under the name that is shown.
pub(crate) struct Strategies(IndexMap<String, Box<dyn CreditStrategy>>);

impl Strategies {
    /// The entries of a recipe's chain in its order, then with their defaults all that it does not hold; without those that
    /// change nothing. Several entries of one strategy are told apart by a number. `random` is the run's.
    #[must_use]
    pub(crate) fn new(chain: &[CreditEntry], random: RunRandom) -> Self {
        let mut all = IndexMap::new();
        let others = CreditConfig::NAMES.iter().filter(|name| chain.iter().all(|own| own.name() != **name));
        let others = others.filter_map(|name| CreditEntry::named(name).ok());
        for entry in chain.iter().cloned().chain(others).filter(|entry| !entry.strategy.is_uniform()) {
            let known = |name: &String| all.contains_key(name);
            let numbered = (2..).map(|n| format!("{} #{n}", entry.name()));
            let free = std::iter::once(entry.name()).chain(numbered).find(|name| !known(name));
            // What is looked at is what it does where it does something, whatever the step.
            all.extend(free.map(|name| (name, entry.build(random, Step::MAX))));
        }
        Self(all)
    }

    /// Their names, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What each says of `response`.
    pub(super) fn of(&self, response: &Response<'_>) -> Result<IndexMap<String, Gains>> {
        self.0.iter().map(|(name, strategy)| Ok((name.clone(), strategy.gains(response)?))).collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::credit::strategy::{RandomConfig, RhythmConfig, UniformConfig};
    use crate::types::Coordinates;

    #[test]
    fn a_chain_comes_first_and_brings_its_own_settings() {
        let own = |gain| CreditConfig::Rhythm(RhythmConfig { gain, ..RhythmConfig::default() });
        let uniform = CreditConfig::Uniform(UniformConfig {});
        let chain = [uniform, CreditConfig::Random(RandomConfig::default()), own(2.0), own(3.0)];
        let chain = chain.map(CreditEntry::from);
        let strategies = Strategies::new(&chain, RunRandom::new(0));
        let names: Vec<&str> = strategies.names().collect();
        assert_eq!(names[..3], ["random", "rhythm", "rhythm #2"]);
        let others =
            CreditConfig::NAMES.iter().filter(|name| !["uniform", "random", "rhythm"].contains(name));
        assert_eq!(names[3..], others.copied().collect::<Vec<_>>());
        let (waad, fai) = ([0.0; 2], [Some(1.0), None]);
        let gains = strategies.of(&Response::new(Coordinates::default(), &waad, &fai, &[0.0; 2])).unwrap();
        assert_eq!(
            (&gains["rhythm"].values[..], &gains["rhythm #2"].values[..]),
            (&[2.0, 1.0][..], &[3.0, 1.0][..])
        );
    }
}
