//! Checkpoints: what a run needs to continue, in folders that are complete or absent.

mod manifest;
mod store;

pub use manifest::VerifiedCheckpoint;
pub use store::{CheckpointConfig, Latest, Store};
