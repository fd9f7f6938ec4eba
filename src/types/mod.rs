//! The nouns that flow: each stage of the house consumes one of these and returns the next.
//!
//! ```text
//! Prompt -> GenRequest -> Completion -> Leaf -> Tree -> MeasuredTree -> CreditedTree -> (batch) -> TrainedTree
//! ```
//!
//! All of it lives in the host world: plain vectors, no tensors, no model.

mod completion;
mod counted;
mod divergence;
mod metric;
mod nearest;
mod not_finite;
mod path_field;
mod printable;
mod program;
mod prompt;
mod random;
mod reward;
mod run_id;
mod shared_prefix;
mod signals;
mod tree;

pub(crate) use completion::{Completion, Finish, GenRequest, Span};
pub(crate) use counted::counted;
pub(crate) use divergence::KlEstimator;
pub(crate) use metric::MetricRow;
pub(crate) use nearest::nearest;
pub(crate) use not_finite::NotFinite;
pub(crate) use path_field::PathField;
pub(crate) use printable::{floor_boundary, picture};
pub(crate) use printable::{printable, shell_word};
pub(crate) use program::program;
pub(crate) use prompt::{Prompt, TokenId};
pub(crate) use random::{Coordinates, Purpose, RunRandom};
pub(crate) use reward::Reward;
pub(crate) use rewards::{Broken, Rules, masked};
pub(crate) use run_id::RunId;
pub(crate) use shared_prefix::SharedPrefix;
pub(crate) use signals::{Attention, HeadId, HeadSignal, HeadSignals, Signals};
pub(crate) use tree::{
    CreditedTree, Fork, Leaf, MeasuredTree, Needs, OldLogprobs, RatioStart, Seen, TrainedTree, Tree,
};

/// Hears how far work has come: how many more responses or samples are done since its last call, often none. An error ends the
/// work, as a request to stop does.
pub(crate) type Progress<'a> = dyn FnMut(usize) -> anyhow::Result<()> + 'a;

/// Number of a training step, counted from 1; 0 is the state before the first update.
pub(crate) type Step = u64;
