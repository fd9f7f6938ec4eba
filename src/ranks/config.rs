//! `[parallel]`: how several processes share what one would hold.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::Rules;

/// How the ranks of a run share its memory, and how long they wait for each other. Without effect in a process on its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ParallelConfig {
    /// What each rank holds a share of alone.
    pub shard: Shard,
    /// Seconds that a rank waits for another within a collective. What one generates or learns longer than the others counts.
    pub timeout_s: f64,
    /// Seconds that ranks wait for each other when they start.
    pub join_s: f64,
}

/// What is shared out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shard {
    /// Nothing: every rank holds weights, master weights, moments and gradients, 18 bytes per parameter in bf16.
    None,
    /// Master weights and moments (ZeRO-1): 6 + 12 / ranks bytes per parameter in bf16.
    Optimizer,
    /// Those and gradients (ZeRO-2), which go to their owners with each micro-batch: 2 + 16 / ranks bytes per parameter in bf16.
    #[default]
    Gradients,
}

impl Default for ParallelConfig {
    fn default() -> Self {
        Self { shard: Shard::default(), timeout_s: 600.0, join_s: 300.0 }
    }
}

impl ParallelConfig {
    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self { shard: _, timeout_s, join_s } = self;
        let mut rules = Rules::default();
        for (key, seconds) in [("timeout_s", timeout_s), ("join_s", join_s)] {
            let is_time = (1.0..=86_400.0).contains(seconds);
            rules.expect(key, format_args!("{seconds:?}"), "seconds from 1 to 86400", is_time);
        }
        rules
    }

    /// How long a collective may take.
    #[must_use]
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs_f64(self.timeout_s)
    }

    /// How long ranks may take to meet.
    #[must_use]
    pub(super) fn join(&self) -> Duration {
        Duration::from_secs_f64(self.join_s)
    }
}
