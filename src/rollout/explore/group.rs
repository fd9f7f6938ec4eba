//! A flat group: independent responses to one prompt, a tree without forks (GRPO).

use std::sync::Arc;

use super::{Explorer, GroupConfig};
use crate::types::{GenRequest, Prompt};

impl Explorer for GroupConfig {
    fn open(&self, prompt: &Arc<Prompt>) -> Vec<GenRequest> {
        let request = |sample| GenRequest { prompt: Arc::clone(prompt), prefix: Vec::new(), sample };
        (0..self.size as u32).map(request).collect()
    }
}
