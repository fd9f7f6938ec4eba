//! rlcredit: structure-aware RL post-training for language models.
pub mod checkpoint;
pub mod files;
pub mod interrupt;
pub mod model;
pub mod observe;
pub mod run_folder;
pub mod types;
