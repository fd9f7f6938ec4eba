//! rlcredit: structure-aware RL post-training for language models.
pub mod types;
