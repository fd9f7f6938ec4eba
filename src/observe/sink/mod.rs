//! Where rows of metrics go besides the run's folder. A sink never slows a run or ends it.

mod command;
mod feeder;
#[cfg(test)]
mod tests;

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{About, MetricSink};
use crate::types::Rules;
use command::CommandSink;

/// Somewhere that rows go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum SinkConfig {
    /// A program gets every row as a line of JSON on its standard input.
    Command(CommandSink),
}

/// The settings of one sink.
pub(crate) trait SinkSettings {
    /// What it is called, in logs and warnings.
    fn name(&self) -> &str;

    /// What its keys may be, without touching files or network.
    fn rules(&self) -> Rules;

    /// What it needs and this machine does not have, as `key: ...`.
    fn missing(&self) -> Option<String>;

    /// What it does beyond this process, which a person may not want of a sink that somebody else has chosen.
    fn reaches_out(&self) -> String;

    /// Opens it for the run `about`; what it says itself goes into the folder `said`.
    fn open(&self, about: &About, said: &Path) -> Box<dyn MetricSink>;
}

impl SinkConfig {
    /// What the recipe chose.
    #[must_use]
    pub(crate) fn settings(&self) -> &dyn SinkSettings {
        match self {
            Self::Command(config) => config,
        }
    }
}
