//! Local chunk credit (arXiv 2510.13554, section 4): more for the tokens at which a chunk begins, where the reach of the
//! local heads jumps.
//!
//! ```text
//! gamma_t = 1 + (g - 1) [t in TopQ(jump, q)]
//! ```

use anyhow::Result;

use super::{ApplyTo, CreditStrategy, Gamma, LocalChunkConfig, Response, jumps, top};
use crate::types::Needs;

impl CreditStrategy for LocalChunkConfig {
    fn needs(&self) -> Needs {
        Needs { signals: true, ..Needs::default() }
    }

    fn apply_to(&self) -> ApplyTo {
        self.apply_to
    }

    fn gamma(&self, response: &Response<'_>) -> Result<Gamma> {
        let jumps: Vec<Option<f32>> = jumps(response.waad()?).into_iter().map(Some).collect();
        Ok(response.boost(&top(&jumps, self.fraction, self.take), self.gain))
    }
}
