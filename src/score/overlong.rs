//! `[overlong]`: what becomes of responses that the length limit cut off, or nearly did (DAPO, arXiv 2503.14476, section 3.4).
//!
//! ```text
//! mask       a response that was cut is not trained on; it still counts in the baseline of its group
//! penalty    reward += factor * clamp((limit - buffer - length) / buffer, -1, 0)
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::Rules;

/// What happens to responses near the limit; without the section nothing does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum OverlongConfig {
    /// Responses that were cut off are not trained on.
    Mask(MaskConfig),
    /// Long responses lose reward, the more the nearer they come to the limit.
    Penalty(PenaltyConfig),
}

/// Settings of [`OverlongConfig::Mask`]: there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MaskConfig {}

/// Settings of [`OverlongConfig::Penalty`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PenaltyConfig {
    /// Tokens before the limit from which on reward is lost, at least 1.
    pub buffer: usize,
    /// Reward that a response at the limit loses, above 0.
    #[serde(default = "one")]
    pub factor: f64,
}

fn one() -> f64 {
    1.0
}

impl PenaltyConfig {
    /// What a response of `length` tokens is given on top of its reward where `limit` is the longest: 0 or less.
    #[must_use]
    pub(crate) fn of(&self, length: usize, limit: usize) -> f64 {
        let room = limit as f64 - self.buffer as f64 - length as f64;
        self.factor * (room / self.buffer as f64).clamp(-1.0, 0.0)
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
    /// What a response of `length` tokens is given on top of its reward.
    #[must_use]
    pub(crate) fn of(&self, length: usize) -> f64 {
        self.config.of(length, self.limit)
    }
}

impl OverlongConfig {
    /// The penalty where the longest response has `limit` tokens, if there is one.
    #[must_use]
    pub(crate) fn penalty(&self, limit: usize) -> Option<Penalty> {
        match *self {
            Self::Penalty(config) => Some(Penalty { config, limit }),
            Self::Mask(_) => None,
        }
    }

    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let mut rules = Rules::default();
        if let Self::Penalty(PenaltyConfig { buffer, factor }) = *self {
            rules.positive("buffer", buffer);
            rules.above_zero("factor", factor);
        }
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// DAPO's own numbers: 20,480 tokens of which the last 4,096 cost.
    #[test]
    fn reward_falls_in_a_straight_line_to_the_limit() {
        let penalty = PenaltyConfig { buffer: 4096, factor: 1.0 };
        for (length, expected) in
            [(1, 0.0), (16_384, 0.0), (17_408, -0.25), (18_432, -0.5), (20_480, -1.0), (30_000, -1.0)]
        {
            assert!((penalty.of(length, 20_480) - expected).abs() < 1e-12, "{length}");
        }
        assert!((PenaltyConfig { factor: 0.5, ..penalty }.of(18_432, 20_480) + 0.25).abs() < 1e-12);
    }

    #[test]
    fn a_penalty_has_a_buffer_and_costs_something() {
        let problems =
            |buffer, factor| OverlongConfig::Penalty(PenaltyConfig { buffer, factor }).rules().problems();
        assert_eq!(problems(8, 1.0), Vec::<String>::new());
        assert_eq!(problems(0, 1.0), ["buffer: got 0, expected at least 1"]);
        assert_eq!(problems(0, -1.0).len(), 2);
        assert!(OverlongConfig::Mask(MaskConfig {}).rules().problems().is_empty());
    }
}
