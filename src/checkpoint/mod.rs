//! Checkpoints: what a run needs to continue, in folders that are complete or absent.

mod manifest;
mod state;
mod store;

pub use manifest::VerifiedCheckpoint;
pub use state::{Progress, TrainState};
pub use store::{CheckpointConfig, Latest, Store};
