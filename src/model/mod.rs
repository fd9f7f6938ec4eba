//! The policy.
pub mod config;
pub mod layout;
pub mod load;
pub mod save;
