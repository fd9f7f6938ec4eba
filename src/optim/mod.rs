//! AdamW over the flat parameter buffer, and the course of the learning rate.

mod adamw;
mod config;
mod schedule;

pub(crate) use adamw::{AdamW, AdamWState};
pub(crate) use config::{OptimConfig, Schedule, expect_learning_rate};
pub(crate) use schedule::learning_rate;
