//! rlcredit: structure-aware RL post-training for language models.
pub mod model;
pub mod types;
