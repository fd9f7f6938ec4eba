//! `[explore]`: how the responses to one prompt come about.

use serde::{Deserialize, Serialize};

use super::TreeConfig;

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
