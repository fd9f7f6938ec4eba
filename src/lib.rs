//! rlcredit: structure-aware RL post-training for language models.
pub mod batch;
pub mod credit;
pub mod data;
pub mod eval;
pub mod learner;
pub mod loss;
pub mod measure;
pub mod model;
pub mod optim;
pub mod pipeline;
pub mod rollout;
pub mod score;
pub mod text;
pub mod types;
