//! From credited trees to tensors: flatten into samples, cut into minibatches, pack into micro-batches.
//!
//! This is the gate through which finished numbers enter the device world; nothing behind it knows trees or rewards.

mod config;
mod finite;
mod flatten;
mod pack;

pub use config::BatchConfig;
pub use finite::NotLearned;
pub use flatten::{Batch, TrainSample, flatten, minibatches};
pub use pack::{Reads, Sequence, TokenBatch, pack};
