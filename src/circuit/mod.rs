//! Circuits: which edges between attention heads and MLPs carry an answer (*Thinking Sparks*, arXiv 2509.25758; edge attribution
//! patching with integrated gradients, arXiv 2403.17806).
//!
//! ```text
//! pairs      prompts that differ in what is to be explained
//! pass       runs of which every write is seen, and gradients with respect to every input
//! attribution   both together: a score for every edge
//! select     the strongest edges on paths from the embeddings to the logits
//! faithfulness   the clean run through these alone
//! sums       scores of the pairs that are done, kept where a search is interrupted
//! findings   all of it over many pairs, and what heads count in it
//! curve      what circuits of other sizes do
//! signals    attention is read of these heads
//! ```

mod attribution;
mod config;
mod curve;
mod draw;
mod emergence;
mod faithfulness;
mod file;
mod findings;
mod graph;
mod loss;
mod memory;
mod page;
pub(crate) mod pairs;
mod pass;
mod select;
mod signals;
mod sums;
mod watch;

use tch::{Device, Tensor};

pub(crate) use config::{CircuitConfig, MADE, MetricKind, THINK};
pub(crate) use curve::{Point, usual_sizes};
pub(crate) use draw::{Cohorts, HeatMap};
pub(crate) use emergence::Emergence;
pub(crate) use file::{CircuitFile, HeadSet, SourceFile};
pub(crate) use findings::{Findings, Importance, Search, SourceScores};
pub(crate) use graph::Graph;
pub(crate) use memory::Memory;
pub(crate) use page::Page;
pub(crate) use signals::with_heads_of_file;
pub(crate) use sums::Part;
pub(crate) use watch::Measured;

use crate::model::ModelConfig;
use crate::types::TokenId;

impl Graph {
    /// That of a model of shape `config`.
    #[must_use]
    pub(crate) fn of(config: &ModelConfig) -> Self {
        Self { layers: config.n_layers as usize, heads: config.n_heads as usize }
    }
}

/// Rows of equal length, int64 `[B, T]`.
fn tokens<'a>(rows: impl Iterator<Item = &'a [TokenId]>, device: Device) -> Tensor {
    let rows: Vec<Tensor> = rows
        .map(|row| Tensor::from_slice(&row.iter().map(|id| i64::from(*id)).collect::<Vec<_>>()))
        .collect();
    Tensor::stack(&rows, 0).to_device(device)
}
