//! A flat group: independent responses to one prompt, a tree without forks (GRPO).

use std::sync::Arc;

use super::{Explorer, GroupConfig};
use crate::types::{GenRequest, Prompt};

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
