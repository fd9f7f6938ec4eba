//! What strategies have in common that score every token and pay the best-scoring share of a response more.
//!
//! ```text
//! gamma_t = 1 + (g - 1) [t in TopQ(score, q)]
//! ```

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CreditStrategy, Gains, Mark, Response, Role, StrategySettings, top};
use crate::types::{Needs, Rules, RunRandom};

/// How much more, for how many, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Boost {
    /// What the advantage of a chosen token is multiplied by.
    pub gain: f64,
    /// Share of a response's tokens that are chosen, rounded up.
    pub fraction: f64,
    /// Which end of the ranking of tokens is chosen.
    pub take: Take,
    /// Which advantages are reshaped.
    pub apply_to: ApplyTo,
}

impl Default for Boost {
    fn default() -> Self {
        Self { gain: 1.5, fraction: 0.4, take: Take::Top, apply_to: ApplyTo::Both }
    }
}

/// Far above any use. A few strategies in a chain and the largest advantages still stay within f32.
const LARGEST_GAIN: f64 = 1000.0;

impl Boost {
    /// What its keys may be.
    pub(super) fn rules(&self) -> Rules {
        let Self { gain, fraction, take: _, apply_to: _ } = self;
        let mut rules = Rules::default();
        let most = LARGEST_GAIN;
        rules.expect("gain", format_args!("{gain:?}"), &format!("0 to {most}"), (0.0..=most).contains(gain));
        let holds = *fraction > 0.0 && *fraction <= 1.0;
        rules.expect("fraction", fraction, "above 0 and at most 1", holds);
        rules
    }

    /// `gain` on the tokens of a response that `scores` choose, 1 elsewhere.
    fn gains(&self, role: &'static Role, scores: &[Option<f32>]) -> Gains {
        let tokens = top(scores, self.fraction, self.take);
        let mut values = vec![1.0; scores.len()];
        tokens.iter().for_each(|t| values[*t] = self.gain as f32);
        Gains { values, marks: vec![Mark { role, tokens }] }
    }
}

/// A strategy that scores tokens; what it gives them follows from its [`Boost`].
pub(crate) trait Scores {
    /// What a chosen token is.
    const ROLE: &'static Role;

    /// What must be measured for it.
    fn needs(&self) -> Needs;

    /// What is done for the chosen tokens.
    fn boost(&self) -> Boost;

    /// The score of each token of `response`, `[R]`; one without a score is never chosen.
    ///
    /// # Errors
    /// If something it needs was not measured.
    fn scores(&self, response: &Response<'_>) -> Result<Vec<Option<f32>>>;
}

impl<S: Scores> CreditStrategy for S {
    fn needs(&self) -> Needs {
        Scores::needs(self)
    }

    fn apply_to(&self) -> ApplyTo {
        self.boost().apply_to
    }

    fn gains(&self, response: &Response<'_>) -> Result<Gains> {
        Ok(self.boost().gains(S::ROLE, &self.scores(response)?))
    }
}

/// Settings that are a strategy as they stand.
impl<S: Scores + Copy + 'static> StrategySettings for S {
    fn rules(&self) -> Rules {
        self.boost().rules()
    }

    fn build(&self, _: RunRandom) -> Box<dyn CreditStrategy> {
        Box::new(*self)
    }
}

/// Which end of a ranking is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Take {
    /// The largest scores.
    #[default]
    Top,
    /// The smallest: the ablation that should do harm.
    Bottom,
}

/// Which advantages are reshaped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ApplyTo {
    /// All of them.
    #[default]
    Both,
    /// Those above 0.
    Positive,
    /// Those below 0.
    Negative,
}

impl ApplyTo {
    /// Whether `advantage` is reshaped.
    #[must_use]
    pub(crate) fn includes(self, advantage: f32) -> bool {
        match self {
            Self::Both => true,
            Self::Positive => advantage > 0.0,
            Self::Negative => advantage < 0.0,
        }
    }
}
