//! Numbers on paths: one value per response token of every leaf.
//!
//! Topology lives in the tree, numbers live on paths, because what a token *receives* (attention, credit)
//! differs between the paths that share it.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::Tree;

/// One `T` per response token per leaf: `field.path(leaf)[token]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PathField<T> {
    paths: Vec<Vec<T>>,
}

impl<T> PathField<T> {
    /// Wraps `paths`, one vector per leaf of `tree`, each as long as that leaf's response.
    ///
    /// # Errors
    /// If the number of leaves or any length differs from the tree's.
    pub(crate) fn new(tree: &Tree, paths: Vec<Vec<T>>) -> Result<Self> {
        ensure!(
            paths.len() == tree.leaves.len(),
            "prompt {}: {} paths for a tree of {} leaves",
            tree.prompt.id,
            paths.len(),
            tree.leaves.len()
        );
        for (i, (path, leaf)) in paths.iter().zip(&tree.leaves).enumerate() {
            ensure!(
                path.len() == leaf.tokens.len(),
                "prompt {}, leaf {i}: {} values for {} response tokens",
                tree.prompt.id,
                path.len(),
                leaf.tokens.len()
            );
        }
        Ok(Self { paths })
    }

    /// Builds a field by asking `value(leaf, token)` for every response token.
    pub(crate) fn from_fn(tree: &Tree, mut value: impl FnMut(usize, usize) -> T) -> Self {
        let paths = tree.leaves.iter().enumerate();
        let paths = paths.map(|(i, leaf)| (0..leaf.tokens.len()).map(|t| value(i, t)).collect());
        Self { paths: paths.collect() }
    }

    /// The values along the path to leaf `leaf`.
    #[must_use]
    pub(crate) fn path(&self, leaf: usize) -> &[T] {
        &self.paths[leaf]
    }

    /// The paths, in the order of the tree's leaves.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[T]> {
        self.paths.iter().map(Vec::as_slice)
    }

    /// Every value with its leaf and token, replaced by `f(leaf, token, value)`.
    #[must_use]
    pub(crate) fn map<U>(&self, mut f: impl FnMut(usize, usize, &T) -> U) -> PathField<U> {
        let paths = self.paths.iter().enumerate();
        let paths = paths.map(|(i, path)| path.iter().enumerate().map(|(t, v)| f(i, t, v)).collect());
        PathField { paths: paths.collect() }
    }
}
