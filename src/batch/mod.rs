//! From credited trees to tensors: flatten into samples, cut into minibatches, pack into micro-batches.
//!
//! This is the gate through which finished numbers enter the device world; nothing behind it knows trees or rewards.

mod config;
mod finite;
mod flatten;
mod pack;

pub(crate) use config::BatchConfig;
pub(crate) use finite::NotLearned;
#[cfg(test)]
pub(crate) use flatten::flatten;
pub(crate) use flatten::{Batch, TrainSample, minibatches};
pub(crate) use pack::{Reads, Sequence, TokenBatch, pack};
