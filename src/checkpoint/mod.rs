//! Checkpoints: what a run needs to continue, in folders that are complete or absent.

mod store;

pub use store::{CheckpointConfig, Latest, Store, VerifiedCheckpoint};
