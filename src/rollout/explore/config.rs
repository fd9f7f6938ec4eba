//! `[explore]`: how the responses to one prompt come about.

use serde::{Deserialize, Serialize};

/// Shape of the exploration of one prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ExploreConfig {
    /// Independent responses: a tree without forks.
    Group(GroupConfig),
}

/// Settings of [`ExploreConfig::Group`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupConfig {
    /// Responses per prompt, at least 2.
    pub size: usize,
}
