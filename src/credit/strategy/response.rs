//! A response as strategies see it.

use anyhow::{Context, Result};

use crate::types::{Coordinates, MeasuredTree, Step};

/// A response in plain numbers, one per token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Response<'a> {
    /// Number of tokens R.
    pub n_tokens: usize,
    /// Coordinates of its random draws.
    pub coordinates: Coordinates,
    pub(super) waad: Option<&'a [f32]>,
    pub(super) fai: Option<&'a [Option<f32>]>,
    pub(super) entropies: Option<&'a [f32]>,
}

impl<'a> Response<'a> {
    /// Leaf `leaf` of `tree`, sampled in `step`.
    #[must_use]
    pub(crate) fn of_leaf(tree: &'a MeasuredTree, leaf: usize, step: Step) -> Self {
        let own = &tree.tree.leaves[leaf];
        let signals = tree.signals.as_ref();
        Self {
            n_tokens: own.tokens.len(),
            coordinates: Coordinates { step, prompt: tree.tree.prompt.id, sample: u64::from(own.sample) },
            waad: signals.map(|signals| signals.waad.path(leaf)),
            fai: signals.map(|signals| signals.fai.path(leaf)),
            entropies: tree.entropies.as_ref().map(|field| field.path(leaf)),
        }
    }

    /// A response of which everything was measured: WAAD, FAI and entropies, `[R]` each.
    #[must_use]
    pub(crate) fn new(
        coordinates: Coordinates,
        waad: &'a [f32],
        fai: &'a [Option<f32>],
        entropies: &'a [f32],
    ) -> Self {
        let (n_tokens, waad, fai, entropies) = (waad.len(), Some(waad), Some(fai), Some(entropies));
        Self { n_tokens, coordinates, waad, fai, entropies }
    }

    /// WAAD of each token, `[R]`.
    ///
    /// # Errors
    /// If it was not measured.
    pub(crate) fn waad(&self) -> Result<&'a [f32]> {
        self.waad.context("credit: WAAD was not measured")
    }

    /// FAI of each token, `[R]`; `None` where no later token lies within the horizon.
    ///
    /// # Errors
    /// If it was not measured.
    pub(crate) fn fai(&self) -> Result<&'a [Option<f32>]> {
        self.fai.context("credit: FAI was not measured")
    }

    /// Entropy of the distribution that each token came from, nats, `[R]`.
    ///
    /// # Errors
    /// If it was not measured.
    pub(crate) fn entropies(&self) -> Result<&'a [f32]> {
        self.entropies.context("credit: entropies were not measured")
    }
}
