//! Coupled rhythm credit (arXiv 2510.13554, section 4): anchors get more, and an anchor inside a chunk shares its extra with
//! the token that opened the chunk.
//!
//! ```text
//! gamma_t = 1 + (g - 1) ( [t anchor, not dominated] + (1 - alpha) [t dominated] + alpha [t opens for a dominated one] )
//! ```
//!
//! The indicators add up on a token that is both; `overlap = "cap"` ends at g, `"overwrite"` lets the opener's share stand
//! alone.

use anyhow::Result;

use super::{Anchors, ApplyTo, CreditStrategy, Gamma, Overlap, Response, RhythmConfig, dominated, top};
use crate::types::Needs;

impl CreditStrategy for RhythmConfig {
    fn needs(&self) -> Needs {
        Needs { signals: true, ..Needs::default() }
    }

    fn apply_to(&self) -> ApplyTo {
        self.apply_to
    }

    fn gamma(&self, response: &Response<'_>) -> Result<Gamma> {
        let waad = response.waad()?;
        let anchors = top(response.fai()?, self.fraction, self.take);
        let dominated = dominated(&anchors, waad, self.lookback, self.tau_waad, self.tau_jump);

        let mut share = vec![0.0; response.n_tokens];
        anchors.iter().for_each(|s| share[*s] = 1.0);
        dominated.iter().for_each(|d| share[d.anchor] = 1.0 - self.alpha);
        let mut intros: Vec<usize> = dominated.iter().map(|d| d.intro).collect();
        intros.sort_unstable();
        intros.dedup(); // a token that opens for several anchors opens once
        for intro in intros {
            share[intro] = match self.overlap {
                Overlap::Add => share[intro] + self.alpha,
                Overlap::Cap => (share[intro] + self.alpha).min(1.0),
                Overlap::Overwrite => self.alpha,
            };
        }
        let values = share.iter().map(|share| (1.0 + (self.gain - 1.0) * share) as f32).collect();
        Ok(Gamma { values, anchors: Some(Anchors { n: anchors.len(), n_dominated: dominated.len() }) })
    }
}
