//! rlcredit: structure-aware RL post-training for language models.
pub mod data;
pub mod model;
pub mod text;
pub mod types;
