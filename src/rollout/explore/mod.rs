//! Which responses to ask for: `[explore]`.

pub mod branch;
mod config;
mod group;
mod tree;

use std::sync::Arc;

pub use config::{ExploreConfig, GroupConfig};
pub use tree::TreeConfig;

use self::branch::{Root, RootNeeds};
use crate::types::{Fork, GenRequest, Prompt};

/// Opens the tree of a prompt, and lets it grow.
pub trait Explorer {
    /// The first generation requests for `prompt`.
    fn open(&self, prompt: &Arc<Prompt>) -> Vec<GenRequest>;

    /// What growing goes by; `None` where trees do not grow.
    fn needs(&self) -> Option<RootNeeds> {
        None
    }

    /// Where further responses leave the first ones, `roots`; those that leave at one place stand together.
    fn grow(&self, _roots: &[Root<'_>]) -> Vec<Fork> {
        Vec::new()
    }
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

    /// The explorer that the recipe chose.
    #[must_use]
    pub fn build(self) -> Box<dyn Explorer> {
        match self {
            Self::Group(config) => Box::new(config),
            Self::Tree(config) => Box::new(config),
        }
    }
}
