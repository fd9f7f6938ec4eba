//! Checkpoints: what a run needs to continue, in folders that are complete or absent.

mod manifest;
mod model_folder;
mod state;
mod store;

pub use manifest::VerifiedCheckpoint;
pub use model_folder::save_model;
pub use state::{Progress, TrainState};
pub use store::{CheckpointConfig, Latest, Store};
