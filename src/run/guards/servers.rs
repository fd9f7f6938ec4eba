//! Servers that failed and did in the end.

use anyhow::Result;

use super::{Guard, Watched};

/// Says when requests had to be sent again, and why.
pub(super) struct Servers;

impl Guard for Servers {
    fn after_step(&mut self, step: &Watched<'_>) -> Result<Option<String>> {
        let Some(served) = &step.record.served else { return Ok(None) };
        Ok(served.trouble.as_ref().map(|trouble| {
            format!(
                "step {}: servers failed, {} requests were sent again; what came first: {trouble}",
                step.record.step, served.n_failed
            )
        }))
    }
}
