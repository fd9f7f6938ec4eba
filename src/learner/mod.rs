//! The learner: finished numbers in, better weights out. It knows no algorithm but its loss.

mod accumulate;
mod critic_update;
mod fit;
mod policy_update;
mod report;
pub mod sft;
mod sft_config;

pub use accumulate::accumulate;
pub use critic_update::{CriticConfig, CriticLearner, CriticReport};
pub use policy_update::{LearnerConfig, PolicyLearner, Rates};
pub use report::{Gap, UpdateReport};
pub use sft_config::SftConfig;
