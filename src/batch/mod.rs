//! From credited trees to tensors: flatten into samples, cut into minibatches, pack into micro-batches.
//!
//! This is the gate through which finished numbers enter the device world; nothing behind it knows trees or rewards.

mod config;
mod flatten;
mod pack;

pub use config::BatchConfig;
pub use flatten::{TrainSample, flatten, minibatches};
pub use pack::{Reads, Sequence, TokenBatch, pack};
