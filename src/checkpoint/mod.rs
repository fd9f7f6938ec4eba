//! Checkpoints: what a run needs to continue, in folders that are complete or absent.

mod best;
mod manifest;
mod model_folder;
mod moments;
mod place;
mod state;
mod store;
mod together;

pub(crate) use best::Best;
pub(crate) use manifest::{VerifiedCheckpoint, is_sealed, run_of, seal, seals};
pub(crate) use model_folder::{save_model, save_model_in};
pub(crate) use moments::{load_moments, save_moments};
pub(crate) use place::{model_at, placed, step_of};
pub(crate) use state::{
    CriticState, Milestone, Progress, TrainState, head_groups, is_unfinished, load_weights,
};
pub(crate) use store::{CheckpointConfig, Latest, Store, complete, restore_replaced, write_sealed};
pub(crate) use together::write_together;
