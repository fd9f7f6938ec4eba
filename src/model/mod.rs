//! The policy.
pub mod config;
pub mod layout;
