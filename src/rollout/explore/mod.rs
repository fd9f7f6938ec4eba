//! Which responses to ask for: `[explore]`.

pub mod branch;
mod config;
pub mod expand;
mod group;
mod tree;

use std::sync::Arc;

pub use config::{ExploreConfig, GroupConfig};
use serde::{Deserialize, Serialize};
pub use tree::TreeConfig;

use self::branch::{Root, RootNeeds};
use self::expand::Solved;
use crate::types::{Fork, GenRequest, Prompt, Tree};

/// What becomes of a tree that may grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// Where further responses leave those that are there; those that leave at one place stand together.
    pub forks: Vec<Fork>,
    /// Whether the prompt is not worth training on.
    pub is_dropped: bool,
}

/// What an explorer has learnt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplorerState {
    /// Of problems that were always solved.
    pub solved: Solved,
}

/// Opens the tree of a prompt, and lets it grow.
pub trait Explorer: Send {
    /// The first generation requests for `prompt`.
    fn open(&self, prompt: &Arc<Prompt>) -> Vec<GenRequest>;

    /// How often trees grow.
    fn rounds(&self) -> usize {
        0
    }

    /// What growing goes by.
    fn needs(&self) -> RootNeeds {
        RootNeeds::default()
    }

    /// Lets `tree` grow from the responses of its last generation, which `roots` are.
    fn grow(&mut self, _tree: &Tree, _roots: &[Root<'_>]) -> Growth {
        Growth::default()
    }

    /// What it has learnt, all that later growth depends on.
    fn state(&self) -> ExplorerState {
        ExplorerState::default()
    }

    /// Goes on from a saved state.
    fn restore(&mut self, _state: ExplorerState) {}
}

impl ExploreConfig {
    /// Most responses to a prompt.
    #[must_use]
    pub fn most(&self) -> usize {
        match self {
            Self::Group(config) => config.size,
            Self::Tree(config) => config.most(),
        }
    }

    /// How often trees grow.
    #[must_use]
    pub fn rounds(&self) -> usize {
        match self {
            Self::Group(_) => 0,
            Self::Tree(config) => config.rounds,
        }
    }

    /// Whether responses are trained on that nothing branches off from.
    #[must_use]
    pub fn trains_unbranched(&self) -> bool {
        match self {
            Self::Group(_) => true,
            Self::Tree(config) => config.train_unbranched,
        }
    }

    /// Most bytes of keys and values that responses leave for those that branch off them.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        match self {
            Self::Group(_) => 0,
            Self::Tree(config) => (config.kept_gb * 1e9) as usize,
        }
    }

    /// The explorer that the recipe chose.
    #[must_use]
    pub fn build(self) -> Box<dyn Explorer> {
        match self {
            Self::Group(config) => Box::new(config),
            Self::Tree(config) => Box::new(tree::TreeExplorer { config, solved: Solved::default() }),
        }
    }
}
