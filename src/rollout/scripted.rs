//! A rollout engine that answers from a script: for tests of everything around generation.

use std::collections::VecDeque;

use anyhow::{Context, Result};

use super::{Generated, Generation, RolloutEngine};
use crate::model::Policy;
use crate::types::{Completion, GenRequest, Progress};

/// Hands out prepared completions in order.
#[derive(Default)]
pub(crate) struct ScriptedEngine {
    /// What is left to say.
    pub script: VecDeque<Completion>,
    /// Every call so far: prompt id and sample of its requests.
    pub calls: Vec<Vec<(u64, u32)>>,
}

impl RolloutEngine for ScriptedEngine {
    fn generate(
        &mut self,
        _policy: &Policy,
        requests: &[GenRequest],
        _generation: &Generation,
        finished: &mut Progress<'_>,
    ) -> Result<Generated> {
        self.calls.push(requests.iter().map(|r| (r.prompt.id, r.sample)).collect());
        finished(requests.len())?;
        let next = |_| self.script.pop_front().context("the script has no completion left");
        let completions = requests.iter().map(next).collect::<Result<_>>()?;
        Ok(Generated { completions, ..Generated::default() })
    }
}
