//! Which responses to ask for: `[explore]`.

mod config;
mod group;

use std::sync::Arc;

pub use config::{ExploreConfig, GroupConfig};

use crate::types::{GenRequest, Prompt};

/// Opens the tree of a prompt.
pub trait Explorer {
    /// The first generation requests for `prompt`.
    fn open(&self, prompt: &Arc<Prompt>) -> Vec<GenRequest>;
}

impl ExploreConfig {
    /// Responses asked for at first, per prompt.
    #[must_use]
    pub fn n_first(&self) -> usize {
        match self {
            Self::Group(config) => config.size,
        }
    }

    /// The explorer that the recipe chose.
    #[must_use]
    pub fn build(self) -> Box<dyn Explorer> {
        match self {
            Self::Group(config) => Box::new(config),
        }
    }
}
