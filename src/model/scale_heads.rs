//! Heads whose writes are multiplied by a number: 0 is ablation (*Thinking Sparks*, arXiv 2509.25758).
//!
//! What head h of a layer adds to the residual stream is what it gathered times its own columns of the output projection, `D` of
//! them from `h D`. So these columns are multiplied once, and every pass and every engine computes as if the write were: at no cost.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result, bail, ensure};
use serde::{Serialize, Serializer};
use tch::Tensor;

use super::config::ModelConfig;
use super::gradient::Gradient;
use super::layout::Layout;
use super::outbox::Columns;
use crate::types::HeadId;

/// How one is written.
const EXPECTED: &str = "LAYER.HEAD=FACTOR, such as 1.2=0 for the third head of the second layer";

/// What the writes of some heads are multiplied by.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct HeadScales {
    factors: BTreeMap<HeadId, f64>,
}

impl HeadScales {
    /// All of `heads` by one factor.
    pub(crate) fn all(heads: impl IntoIterator<Item = HeadId>, factor: f64) -> Self {
        Self { factors: heads.into_iter().map(|head| (head, factor)).collect() }
    }

    /// These, and those of `other`, whose heads are others.
    ///
    /// # Errors
    /// If both have a head.
    pub(crate) fn and(mut self, other: Self) -> Result<Self> {
        for (head, factor) in other.factors {
            let before = self.factors.insert(head, factor);
            ensure!(before.is_none(), "head {head} is there twice; name each head once");
        }
        Ok(self)
    }

    /// The heads, with their factors.
    pub(crate) fn factors(&self) -> impl Iterator<Item = (HeadId, f64)> {
        self.factors.iter().map(|(head, factor)| (*head, *factor))
    }

    /// That a model of shape `config` has all of these heads.
    ///
    /// # Errors
    /// If it lacks one; the message has how many there are.
    pub(crate) fn check(&self, config: &ModelConfig) -> Result<()> {
        for head in self.factors.keys() {
            ensure!(
                (head.layer as i64) < config.n_layers && (head.head as i64) < config.n_heads,
                "the model has no head {head}; expected layers 0 to {} and heads 0 to {}",
                config.n_layers - 1,
                config.n_heads - 1
            );
        }
        Ok(())
    }

    /// Multiplies the columns of what `of` gives for a layer: of its output projection, or of what reads for that.
    pub(super) fn apply(&self, config: &ModelConfig, of: impl Fn(usize) -> Option<Tensor>) {
        for (id, factor) in self.factors() {
            let Some(o) = of(id.layer) else { continue };
            let _ = o.narrow(1, id.head as i64 * config.head_dim, config.head_dim).g_mul_scalar_(factor);
        }
    }

    /// The columns of the output projections of heads that are multiplied by 0.
    pub(super) fn silent(&self, config: &ModelConfig, layout: &Layout) -> Columns {
        let mut columns = Columns::new();
        for (id, _) in self.factors().filter(|(_, factor)| *factor == 0.0) {
            let first = id.head as i64 * config.head_dim;
            columns.entry(layout.layers[id.layer].o.start).or_default().push(first..first + config.head_dim);
        }
        columns
    }

    /// Takes from `gradient` what would bring heads back whose writes are multiplied by 0.
    pub(super) fn silence(&self, config: &ModelConfig, layout: &Layout, gradient: &mut Gradient) {
        for (id, _) in self.factors().filter(|(_, factor)| *factor == 0.0) {
            let first = id.head as i64 * config.head_dim;
            gradient.part(&layout.layers[id.layer].o).clear_columns(first..first + config.head_dim);
        }
    }
}

impl FromStr for HeadScales {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.split(',').map(str::trim).try_fold(Self::default(), |all, entry| {
            let scaled = |entry: &str| -> Option<(HeadId, f64)> {
                let (head, factor) = entry.split_once('=')?;
                Some((head.trim().parse().ok()?, factor.trim().parse().ok()?))
            };
            let (head, factor) =
                scaled(entry).with_context(|| format!("got {entry:?}, expected {EXPECTED}"))?;
            if !factor.is_finite() {
                bail!("{entry}: expected a finite factor");
            }
            all.and(Self::all([head], factor))
        })
    }
}

impl Serialize for HeadScales {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for HeadScales {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (head, factor)) in self.factors().enumerate() {
            write!(f, "{}{head}={factor}", if i > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn scales_read_as_they_are_written() {
        let scales: HeadScales = "1.2=0, 0.3=1.3".parse().unwrap();
        assert_eq!(scales.to_string(), "0.3=1.3,1.2=0");
        assert_eq!(scales.factors().next(), Some((HeadId { layer: 0, head: 3 }, 1.3)));
        for (wrong, expected) in [
            ("", "got \"\", expected LAYER.HEAD=FACTOR"),
            ("1.2", "got \"1.2\", expected LAYER.HEAD=FACTOR"),
            ("1.2=0,1=0", "got \"1=0\", expected"),
            ("1.-2=0", "got \"1.-2=0\", expected"),
            ("1.2=inf", "1.2=inf: expected a finite factor"),
            ("1.2=0,1.2=1", "head 1.2 is there twice"),
        ] {
            let said = wrong.parse::<HeadScales>().unwrap_err().to_string();
            assert!(said.starts_with(expected), "{wrong}: {said}");
        }
    }
}
