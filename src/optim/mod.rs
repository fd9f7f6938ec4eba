//! AdamW over the flat parameter buffer, and the course of the learning rate.

mod adamw;
mod config;
mod schedule;

pub use adamw::{AdamW, AdamWState, Applied};
pub use config::{OptimConfig, Schedule, expect_learning_rate};
pub use schedule::learning_rate;
