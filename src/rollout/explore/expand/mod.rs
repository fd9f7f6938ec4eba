//! Which roots others branch off: `[explore.expand]`.

mod all;
mod difficulty;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use all::AllConfig;
pub(crate) use difficulty::DifficultyConfig;

use super::branch::Root;
use crate::stats::mean;
use crate::types::{Rules, Tree};

/// Chooses the roots that others branch off.
pub(crate) trait Expansion {
    /// What its keys may be.
    fn rules(&self) -> Rules {
        Rules::default()
    }

    /// Whether it goes by how much later steps look back at each step.
    fn reads_influence(&self) -> bool {
        false
    }

    /// Which responses of `tree`, whose first ones are `roots`, others branch off, in order; `None` if the problem is not worth
    /// training on. `solved` takes notice of it.
    fn choose(&self, tree: &Tree, roots: &[Root<'_>], solved: &mut Solved) -> Option<Vec<usize>>;
}

/// Which roots of a tree others branch off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ExpandConfig {
    /// All roots are branched off.
    All(AllConfig),
    /// More roots of a hard problem are branched off, fewer of an easy one: ADS of AttnRL.
    Difficulty(DifficultyConfig),
}

impl ExpandConfig {
    /// What the recipe chose.
    #[must_use]
    pub(crate) fn settings(&self) -> &dyn Expansion {
        match self {
            Self::All(config) => config,
            Self::Difficulty(config) => config,
        }
    }
}

impl Default for ExpandConfig {
    fn default() -> Self {
        Self::All(AllConfig {})
    }
}

/// Influence of the problems that were always solved so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Solved {
    /// Their number.
    pub n: u64,
    /// Sum of their mean influences.
    pub influence: f64,
}

impl Solved {
    /// Whether a problem with these responses has more influence than those before it had on average; the first one passes.
    fn passes(&mut self, roots: &[Root<'_>]) -> bool {
        let of_root =
            |root: &Root<'_>| mean(&root.influence.iter().map(|y| f64::from(*y)).collect::<Vec<_>>());
        let own = mean(&roots.iter().map(of_root).collect::<Vec<_>>());
        let passes = self.n == 0 || own > self.influence / self.n as f64;
        self.n += 1;
        self.influence += own;
        passes
    }
}
