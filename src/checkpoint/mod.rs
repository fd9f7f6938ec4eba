//! Checkpoints: what a run needs to continue, in folders that are complete or absent.

mod manifest;
mod model_folder;
mod moments;
mod state;
mod store;

pub use manifest::{Fingerprint, VerifiedCheckpoint, is_sealed, run_of, seal, seals};
pub use model_folder::save_model;
pub use moments::{load_moments, save_moments};
pub use state::{CriticState, Progress, TrainState, head_groups, is_unfinished, load_weights};
pub use store::{CheckpointConfig, Latest, Store, restore_replaced, write_sealed};
