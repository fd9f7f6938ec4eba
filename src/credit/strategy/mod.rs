//! Credit strategies: how much of a response's advantage each of its tokens gets.
//!
//! ```text
//! A_t <- gamma_t A_t        for each strategy of the chain in turn
//! ```
//!
//! Each gives one coefficient per response token and never sees a reward.

mod anatomy;
mod config;
mod entropy;
mod global_anchor;
mod local_chunk;
mod random;
mod rhythm;
#[cfg(test)]
mod tests;
mod uniform;

use anyhow::{Context, Result};

pub use anatomy::{Dominated, dominated, jumps, median, top};
pub use config::{ApplyTo, CreditConfig, Overlap, StrategyConfig, Take, Threshold};
pub use entropy::EntropyConfig;
pub use global_anchor::GlobalAnchorConfig;
pub use local_chunk::LocalChunkConfig;
pub use random::RandomConfig;
pub use rhythm::{Rhythm, RhythmConfig};
pub use uniform::UniformConfig;

use crate::types::{MeasuredTree, Needs, Step};

/// Weighs the tokens of a response against each other.
pub trait CreditStrategy {
    /// What must be measured for it.
    fn needs(&self) -> Needs;

    /// Which advantages it reshapes; the others keep what they have.
    fn apply_to(&self) -> ApplyTo;

    /// The coefficient of each token of `response`, `[R]`.
    ///
    /// # Errors
    /// If something it needs was not measured.
    fn gamma(&self, response: &Response<'_>) -> Result<Gamma>;
}

/// What a strategy says about one response.
#[derive(Clone, Debug, PartialEq)]
pub struct Gamma {
    /// Coefficient of each token, `[R]`.
    pub values: Vec<f32>,
    /// Anchors found and how many of them are dominated, where the strategy looks for both.
    pub anchors: Option<Anchors>,
}

/// Number of anchors of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anchors {
    /// All of them.
    pub n: usize,
    /// Those that an opener before them dominates.
    pub n_dominated: usize,
}

/// A response as strategies see it: plain numbers, one per token.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// Number of tokens R.
    pub n_tokens: usize,
    /// Coordinates of its random draws: step, prompt, sample.
    pub place: [u64; 3],
    waad: Option<&'a [f32]>,
    fai: Option<&'a [Option<f32>]>,
    entropies: Option<&'a [f32]>,
}

impl<'a> Response<'a> {
    /// Leaf `leaf` of `tree`, sampled in `step`.
    #[must_use]
    pub fn of(tree: &'a MeasuredTree, leaf: usize, step: Step) -> Self {
        let own = &tree.tree.leaves[leaf];
        let signals = tree.signals.as_ref();
        Self {
            n_tokens: own.tokens.len(),
            place: [step, tree.tree.prompt.id, u64::from(own.sample)],
            waad: signals.map(|signals| signals.waad.path(leaf)),
            fai: signals.map(|signals| signals.fai.path(leaf)),
            entropies: tree.entropies.as_ref().map(|field| field.path(leaf)),
        }
    }

    /// A response of which only numbers are known.
    #[must_use]
    pub fn from_signals(waad: &'a [f32], fai: &'a [Option<f32>], entropies: &'a [f32]) -> Self {
        Self {
            n_tokens: waad.len(),
            place: [0; 3],
            waad: Some(waad),
            fai: Some(fai),
            entropies: Some(entropies),
        }
    }

    fn waad(&self) -> Result<&'a [f32]> {
        self.waad.context("credit: WAAD was not measured")
    }

    fn fai(&self) -> Result<&'a [Option<f32>]> {
        self.fai.context("credit: FAI was not measured")
    }

    fn entropies(&self) -> Result<&'a [f32]> {
        self.entropies.context("credit: entropies were not measured")
    }

    /// `gain` on the tokens `chosen`, 1 elsewhere.
    fn boost(&self, chosen: &[usize], gain: f64) -> Gamma {
        let mut values = vec![1.0; self.n_tokens];
        chosen.iter().for_each(|t| values[*t] = gain as f32);
        Gamma { values, anchors: None }
    }
}
