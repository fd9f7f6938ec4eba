//! `[explore]`: how the responses to one prompt come about.

use serde::{Deserialize, Serialize};

use super::TreeConfig;
use crate::types::Rules;

/// Shape of the exploration of one prompt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ExploreConfig {
    /// Independent responses: a tree without forks.
    Group(GroupConfig),
    /// First responses and others that branch off them.
    Tree(TreeConfig),
}

/// Settings of [`ExploreConfig::Group`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupConfig {
    /// Responses per prompt, at least 2.
    pub size: usize,
}

impl ExploreConfig {
    /// What its keys may be.
    #[must_use]
    pub fn rules(&self) -> Rules {
        match self {
            Self::Group(config) => config.rules(),
            Self::Tree(config) => config.rules(),
        }
    }
}

impl GroupConfig {
    /// What its keys may be.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let mut rules = Rules::default();
        rules.positive("size", self.size);
        rules
    }
}
