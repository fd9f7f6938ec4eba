//! Soft overlong punishment (DAPO, arXiv 2503.14476, equation 13), in tokens:
//!
//! ```text
//! value = clamp((max - buffer - length) / buffer, -1, 0), and -1 for a response that was cut off
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Response, Reward, RewardSettings, Rules, Status, Task, TaskKind, Verdict};

/// Keys of the `length` grader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LengthConfig {
    /// Length from which on a response is worth -1, tokens.
    pub max: usize,
    /// Tokens below `max` over which the value falls, 1 to `max`.
    pub buffer: usize,
}

impl RewardSettings for LengthConfig {
    fn rules(&self) -> Rules {
        let Self { max, buffer } = self;
        let mut rules = Rules::default();
        rules.positive("buffer", *buffer);
        rules.forbid(buffer > max, &["buffer", "max"], || {
            format!(": got {buffer}, expected 1 to `max` = {max}")
        });
        rules
    }

    fn judges(&self, _: TaskKind) -> bool {
        true
    }

    fn says_correct(&self) -> bool {
        false
    }

    fn build(&self, _: &[String]) -> Result<Box<dyn Reward>, String> {
        Ok(Box::new(LengthReward::new(self.clone())))
    }
}

impl LengthConfig {
    /// What a response of `length` tokens is worth, -1 to 0.
    pub fn of(&self, length: usize) -> f64 {
        let room = self.max as f64 - self.buffer as f64 - length as f64;
        (room / self.buffer as f64).clamp(-1.0, 0.0)
    }
}

/// Grades the length of responses; says nothing on correctness. Part: `length`, the value. A response whose length is not
/// known is an error.
#[derive(Clone, Debug)]
pub struct LengthReward {
    config: LengthConfig,
}

impl LengthReward {
    /// The grader that `config` describes.
    pub fn new(config: LengthConfig) -> Self {
        Self { config }
    }
}

impl Reward for LengthReward {
    fn name(&self) -> &str {
        "length"
    }

    fn score(&self, _: &Task, response: &Response<'_>) -> Verdict {
        match response.tokens {
            _ if response.cut_off => Verdict::on_form("length", -1.0),
            Some(tokens) => Verdict::on_form("length", self.config.of(tokens)),
            None => Verdict { status: Status::Error, ..Verdict::on_form("length", 0.0) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Question;

    #[test]
    fn the_value_falls_over_the_buffer() {
        let reward = LengthReward::new(LengthConfig { max: 20_480, buffer: 4096 });
        let task = Task::Question(Question::new("1"));
        let score = |tokens, cut_off| {
            let verdict = reward.score(&task, &Response { tokens, cut_off, ..Response::new("") });
            (verdict.value, verdict.status)
        };
        for (tokens, expected) in [(1, 0.0), (16_384, 0.0), (17_408, -0.25), (20_480, -1.0), (30_000, -1.0)] {
            assert_eq!(score(Some(tokens), false), (expected, Status::Ok), "{tokens}");
        }
        assert_eq!(score(Some(8), true), (-1.0, Status::Ok));
        assert_eq!(score(None, false), (0.0, Status::Error));
    }

    #[test]
    fn a_buffer_fits() {
        let problems = |max, buffer| LengthConfig { max, buffer }.rules().problems();
        assert_eq!(problems(8, 8), Vec::<String>::new());
        assert_eq!(problems(8, 0), ["buffer: got 0, expected at least 1"]);
        assert_eq!(problems(8, 9), ["buffer: got 9, expected 1 to `max` = 8"]);
    }
}
