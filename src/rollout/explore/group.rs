//! A flat group: independent responses to one prompt, a tree without forks (GRPO).

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ExploreSettings, Explorer};
use crate::types::{GenRequest, Prompt, Rules};

/// Settings of [`ExploreConfig::Group`](super::ExploreConfig::Group).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupConfig {
    /// Responses per prompt; at least 2 for an advantage that compares them.
    pub size: usize,
}

impl ExploreSettings for GroupConfig {
    fn rules(&self) -> Rules {
        let mut rules = Rules::default();
        rules.positive("size", self.size);
        rules
    }

    fn most(&self) -> usize {
        self.size
    }

    fn build(&self) -> Box<dyn Explorer> {
        Box::new(*self)
    }
}

impl Explorer for GroupConfig {
    fn open(&self, prompt: &Arc<Prompt>) -> Vec<GenRequest> {
        fresh(prompt, self.size)
    }
}

/// Requests for `n` responses from the first token on.
pub(super) fn fresh(prompt: &Arc<Prompt>, n: usize) -> Vec<GenRequest> {
    let request = |sample| GenRequest { prompt: Arc::clone(prompt), prefix: Vec::new(), sample };
    (0..n as u32).map(request).collect()
}
