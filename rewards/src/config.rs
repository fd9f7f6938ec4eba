//! The graders that a recipe chooses from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ChoiceConfig, ChoiceReward, CommandConfig, CommandReward, CountdownConfig, CountdownReward, FormatConfig,
    FormatReward, HttpConfig, HttpReward, LengthConfig, LengthReward, MathConfig, MathReward, NumericConfig,
    NumericReward, Reward, Rules, TaskKind, masked,
};

/// A grader as a recipe writes it, with its own keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RewardConfig {
    /// Judges Countdown problems in the scale of a preset: whether the answer makes the target from the numbers.
    Countdown(CountdownConfig),
    /// 1 where the answer, in LaTeX or plain notation, says the same as the gold answer, else 0.
    Math(MathConfig),
    /// 1 where the answer is the gold number, else 0.
    Numeric(NumericConfig),
    /// 1 where the response to a question with options claims the right letter and no other, else 0.
    Choice(ChoiceConfig),
    /// 1 where the response has the form that is asked for, by `tags` or by `pattern`, else 0; says nothing on correctness.
    Format(FormatConfig),
    /// Falls from 0 to -1 as a response comes near a length (the soft overlong punishment of DAPO); says nothing on
    /// correctness.
    Length(LengthConfig),
    /// Another program judges; as many of it as `workers` run at once and are started again when they fail.
    Command(CommandConfig),
    /// A server judges: it gets each response as JSON over HTTP.
    Http(HttpConfig),
}

impl RewardConfig {
    /// The grader described.
    ///
    /// # Errors
    /// If the settings cannot work, see [`RewardConfig::rules`].
    pub fn build(self) -> Result<Box<dyn Reward>, String> {
        self.build_withholding(&[])
    }

    /// As [`RewardConfig::build`], of a grader that keeps environment `variables` from the programs it starts, but for those
    /// that its settings name.
    ///
    /// # Errors
    /// The same.
    pub fn build_withholding(self, variables: &[String]) -> Result<Box<dyn Reward>, String> {
        Ok(match self {
            Self::Countdown(config) => Box::new(CountdownReward::new(config)),
            Self::Math(config) => Box::new(MathReward::new(config)),
            Self::Numeric(config) => Box::new(NumericReward::new(config)),
            Self::Choice(config) => Box::new(ChoiceReward::new(config)),
            Self::Format(config) => Box::new(FormatReward::new(config)?),
            Self::Length(config) => Box::new(LengthReward::new(config)),
            Self::Command(config) => Box::new(CommandReward::new(config).withholding(variables)),
            Self::Http(config) => Box::new(HttpReward::new(config)?),
        })
    }

    /// The environment variables whose values it sends, which are no other grader's business.
    pub fn variables(&self) -> Vec<String> {
        match self {
            Self::Http(config) => config.variables(),
            _ => Vec::new(),
        }
    }

    /// What it does beyond this process, which a person may not want of a grader that somebody else has chosen.
    pub fn reaches_out(&self) -> Option<String> {
        match self {
            Self::Countdown(_) | Self::Math(_) | Self::Numeric(_) | Self::Choice(_) => None,
            Self::Format(_) | Self::Length(_) => None,
            Self::Command(config) if config.pass_env.is_empty() => {
                Some(format!("starts the program `{}`", config.shown()))
            }
            Self::Command(config) => Some(format!(
                "starts the program `{}` and gives it {}",
                config.shown(),
                config.pass_env.join(", ")
            )),
            Self::Http(config) => Some(format!("sends every response to {}", masked(&config.url))),
        }
    }

    /// What its keys may be, without touching files or network.
    pub fn rules(&self) -> Rules {
        match self {
            Self::Countdown(_) | Self::Math(_) | Self::Numeric(_) | Self::Choice(_) => Rules::default(),
            Self::Format(config) => config.rules(),
            Self::Length(config) => config.rules(),
            Self::Command(config) => config.rules(),
            Self::Http(config) => config.rules(),
        }
    }

    /// What the grader needs and this machine does not have, as `key: ...`.
    pub fn missing(&self) -> Option<String> {
        match self {
            Self::Command(config) => config.missing(),
            Self::Http(config) => config.missing(),
            _ => None,
        }
    }

    /// Whether the grader can judge tasks of this kind.
    pub fn judges(&self, kind: TaskKind) -> bool {
        match self {
            Self::Countdown(_) => kind == TaskKind::Countdown,
            Self::Math(_) | Self::Numeric(_) | Self::Choice(_) => kind == TaskKind::Question,
            Self::Format(_) | Self::Length(_) | Self::Command(_) | Self::Http(_) => true,
        }
    }

    /// Whether the grader says if a response is correct, and not only how it looks.
    pub fn says_correct(&self) -> bool {
        !matches!(self, Self::Format(_) | Self::Length(_))
    }
}
