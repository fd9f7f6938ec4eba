//! The graders that a recipe chooses from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    BifurcationConfig, ChoiceConfig, CommandConfig, CountdownConfig, FormatConfig, HttpConfig, LengthConfig,
    MathConfig, NumericConfig, Reward, Rules, TaskKind,
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
    /// 1 where a response to a bifurcation problem has the right number of words and takes the right branch at every fork,
    /// else 0.
    Bifurcation(BifurcationConfig),
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

/// The settings of one grader.
pub trait RewardSettings {
    /// What its keys may be, without touching files or network.
    fn rules(&self) -> Rules {
        Rules::default()
    }

    /// What the grader needs and this machine does not have, as `key: ...`.
    fn missing(&self) -> Option<String> {
        None
    }

    /// Whether the grader can judge tasks of this kind.
    fn judges(&self, kind: TaskKind) -> bool;

    /// Whether the grader says if a response is correct, and not only how it looks.
    fn says_correct(&self) -> bool {
        true
    }

    /// The environment variables whose values it sends, which are no other grader's business.
    fn variables(&self) -> Vec<String> {
        Vec::new()
    }

    /// What it does beyond this process, which a person may not want of a grader that somebody else has chosen.
    fn reaches_out(&self) -> Option<String> {
        None
    }

    /// The grader; from programs that it starts it keeps the environment variables `withheld`, but for those that its settings
    /// name.
    ///
    /// # Errors
    /// If the settings cannot work, see [`RewardSettings::rules`].
    fn build(&self, withheld: &[String]) -> Result<Box<dyn Reward>, String>;
}

impl RewardConfig {
    /// What the recipe chose.
    pub fn settings(&self) -> &dyn RewardSettings {
        match self {
            Self::Countdown(config) => config,
            Self::Math(config) => config,
            Self::Numeric(config) => config,
            Self::Choice(config) => config,
            Self::Bifurcation(config) => config,
            Self::Format(config) => config,
            Self::Length(config) => config,
            Self::Command(config) => config,
            Self::Http(config) => config,
        }
    }
}
