//! Which responses to ask for: `[explore]`.

pub(crate) mod branch;
pub(crate) mod expand;
mod group;
mod tree;
mod values;

use std::sync::Arc;

pub(crate) use group::GroupConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
pub(crate) use tree::TreeConfig;
pub(crate) use values::{Exploration, ValuesConfig};

use self::branch::{Root, RootNeeds};
use self::expand::Solved;
use crate::types::{Fork, GenRequest, Prompt, Rules, Tree};

/// What becomes of a tree that may grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Growth {
    /// Where further responses leave those that are there; those that leave at one place stand together.
    pub forks: Vec<Fork>,
    /// Whether the prompt is not worth training on.
    pub is_dropped: bool,
}

/// What an explorer has learnt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExplorerState {
    /// Of problems that were always solved.
    pub solved: Solved,
}

/// Opens the tree of a prompt, and lets it grow.
pub(crate) trait Explorer: Send {
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

    /// Lets `tree` grow from the responses at its last depth, which `roots` are.
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

/// The settings of one way to explore.
pub(crate) trait ExploreSettings {
    /// What its keys may be.
    fn rules(&self) -> Rules;

    /// Most responses to a prompt.
    fn most(&self) -> usize;

    /// How often trees grow.
    fn rounds(&self) -> usize {
        0
    }

    /// Whether roots are trained on that nothing branches off from.
    fn trains_unbranched(&self) -> bool {
        true
    }

    /// Most bytes of keys and values that responses leave for those that branch off them.
    fn kept_bytes(&self) -> usize {
        0
    }

    /// The explorer.
    fn build(&self) -> Box<dyn Explorer>;
}

/// How the responses to one prompt come about.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ExploreConfig {
    /// Independent responses: a tree without forks.
    Group(GroupConfig),
    /// Roots, the first responses to a prompt, and others that branch off them.
    Tree(TreeConfig),
}

impl ExploreConfig {
    /// What the recipe chose.
    #[must_use]
    pub(crate) fn settings(&self) -> &dyn ExploreSettings {
        match self {
            Self::Group(config) => config,
            Self::Tree(config) => config,
        }
    }
}
