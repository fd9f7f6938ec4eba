//! Long responses lose reward in a straight line up to the limit:
//!
//! ```text
//! reward += factor * clamp((limit - buffer - length) / buffer, -1, 0)
//! ```

use rewards::LengthConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::OverlongSettings;
use crate::types::Rules;

/// Settings of [`OverlongConfig::Penalty`](super::OverlongConfig::Penalty).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PenaltyConfig {
    /// Tokens before the limit from which on reward is lost.
    pub buffer: usize,
    /// Reward that a response at the limit loses.
    #[serde(default = "one")]
    pub factor: f64,
}

fn one() -> f64 {
    1.0
}

impl OverlongSettings for PenaltyConfig {
    fn rules(&self) -> Rules {
        let Self { buffer, factor } = *self;
        let mut rules = Rules::default();
        rules.positive("buffer", buffer);
        rules.above_zero("factor", factor);
        rules
    }

    fn penalty(&self, limit: usize) -> Option<Penalty> {
        Some(Penalty { config: *self, limit })
    }
}

/// What long responses lose where the longest has `limit` tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Penalty {
    /// Where it begins, and how much it is.
    pub config: PenaltyConfig,
    /// Most new tokens of a response.
    pub limit: usize,
}

impl Penalty {
    /// What a response of `length` tokens is given on top of its reward: 0 or less.
    #[must_use]
    pub(crate) fn of(&self, length: usize) -> f64 {
        let PenaltyConfig { buffer, factor } = self.config;
        factor * LengthConfig { max: self.limit, buffer }.of(length)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// DAPO's own numbers: 20,480 tokens of which the last 4,096 cost.
    #[test]
    fn reward_falls_in_a_straight_line_to_the_limit() {
        let penalty = PenaltyConfig { buffer: 4096, factor: 1.0 };
        for (length, expected) in
            [(1, 0.0), (16_384, 0.0), (17_408, -0.25), (18_432, -0.5), (20_480, -1.0), (30_000, -1.0)]
        {
            let own = penalty.penalty(20_480).unwrap().of(length);
            assert!((own - expected).abs() < 1e-12, "{length}");
        }
        let half = Penalty { config: PenaltyConfig { factor: 0.5, ..penalty }, limit: 20_480 };
        assert!((half.of(18_432) + 0.25).abs() < 1e-12);
    }

    #[test]
    fn a_penalty_has_a_buffer_and_costs_something() {
        let problems = |buffer, factor| PenaltyConfig { buffer, factor }.rules().problems();
        assert_eq!(problems(8, 1.0), Vec::<String>::new());
        assert_eq!(problems(0, 1.0), ["buffer: got 0, expected at least 1"]);
        assert_eq!(problems(0, -1.0).len(), 2);
    }
}
