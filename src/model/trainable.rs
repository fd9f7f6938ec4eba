//! What the numbers of a network's trainable buffer are: all parameters of a model, or adapters of one.

use super::layout::{Entry, Layout};
use super::lora::LoraLayout;

/// What learns.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trainable<'a> {
    /// All parameters.
    Whole(&'a Layout),
    /// Adapters alone.
    Adapters(&'a LoraLayout),
}

impl<'a> Trainable<'a> {
    /// Length of the buffer, in elements.
    #[must_use]
    pub(crate) fn n_params(self) -> i64 {
        match self {
            Self::Whole(layout) => layout.n_params(),
            Self::Adapters(layout) => layout.n_params(),
        }
    }

    /// Elements `0..n_decayed` are matrices, which get weight decay; adapters are all matrices.
    #[must_use]
    pub(crate) fn n_decayed(self) -> i64 {
        match self {
            Self::Whole(layout) => layout.n_decayed(),
            Self::Adapters(layout) => layout.n_params(),
        }
    }

    /// Every parameter once, in the order of the buffer and without gaps.
    #[must_use]
    pub(crate) fn entries(self) -> &'a [Entry] {
        match self {
            Self::Whole(layout) => layout.entries(),
            Self::Adapters(layout) => layout.entries(),
        }
    }

    /// Where the parameters lie that a token of the vocabulary has to itself; adapters have none.
    #[must_use]
    pub(crate) fn vocabulary(self) -> Vec<std::ops::Range<i64>> {
        match self {
            Self::Whole(layout) => layout.vocabulary(),
            Self::Adapters(_) => Vec::new(),
        }
    }
}
