//! `[loss]`: the policy loss and what is added to it.

use serde::{Deserialize, Serialize};

use super::cispo::CispoConfig;
use super::clip::ClipConfig;
use super::gspo::GspoConfig;
use super::{KlConfig, PolicyLoss, Terms};

/// Policy loss, with aggregation, entropy bonus and KL penalty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LossConfig {
    /// Clipped surrogate of PPO, GRPO and DAPO.
    Clip(ClipConfig),
    /// Clipped surrogate with one ratio per sequence.
    Gspo(GspoConfig),
    /// REINFORCE with clipped importance weights.
    Cispo(CispoConfig),
}

impl LossConfig {
    /// The loss that the recipe chose.
    #[must_use]
    pub fn build(self) -> Box<dyn PolicyLoss> {
        match self {
            Self::Clip(config) => Box::new(config),
            Self::Gspo(config) => Box::new(config),
            Self::Cispo(config) => Box::new(config),
        }
    }

    /// What all losses have.
    #[must_use]
    pub fn terms(&self) -> Terms {
        self.build().terms()
    }

    /// What cannot work, each as `key: got ..., expected ...`.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut range = |key: &str, got: f64, holds: bool, expected: &str| {
            if !holds {
                problems.push(format!("{key}: got {got}, expected {expected}"));
            }
        };
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let (low, high) = match self {
            Self::Clip(c) => (c.clip_low, c.clip_high),
            Self::Gspo(c) => (c.clip_low, c.clip_high),
            Self::Cispo(c) => (c.clip_low, c.clip_high),
        };
        match self {
            Self::Cispo(_) => range("clip_low", low, low > 0.0 && low <= 1.0, "above 0 and at most 1"),
            Self::Clip(_) | Self::Gspo(_) => {
                range("clip_low", low, low > 0.0 && low < 1.0, "above 0 and below 1");
            }
        }
        range("clip_high", high, positive(high), "a finite number above 0");
        if let Self::Clip(ClipConfig { dual_clip: Some(dual), .. }) = *self {
            range("dual_clip", dual, dual.is_finite() && dual > 1.0, "a finite number above 1");
        }
        let Terms { aggregation: _, entropy_bonus: bonus, kl } = self.terms();
        range("entropy_bonus", bonus, bonus.is_finite() && bonus >= 0.0, "a finite number, 0 or more");
        if let Some(kl) = kl {
            let holds = kl.coef.is_finite() && kl.coef >= 0.0;
            range("kl.coef", kl.coef, holds, "a finite number, 0 or more");
            if let Some(adaptive) = kl.adaptive {
                range(
                    "kl.adaptive.target",
                    adaptive.target,
                    positive(adaptive.target),
                    "a finite number above 0",
                );
                range(
                    "kl.adaptive.horizon",
                    adaptive.horizon,
                    positive(adaptive.horizon),
                    "a finite number above 0",
                );
                range("kl.coef", kl.coef, kl.coef != 0.0, "above 0 where it adapts: it is multiplied");
            }
        }
        problems
    }

    /// The penalty on the distance to the reference, if it has any weight.
    #[must_use]
    pub fn kl(&self) -> Option<KlConfig> {
        self.terms().kl.filter(|kl| kl.coef != 0.0)
    }
}

impl From<ClipConfig> for LossConfig {
    fn from(config: ClipConfig) -> Self {
        Self::Clip(config)
    }
}

impl From<GspoConfig> for LossConfig {
    fn from(config: GspoConfig) -> Self {
        Self::Gspo(config)
    }
}

impl From<CispoConfig> for LossConfig {
    fn from(config: CispoConfig) -> Self {
        Self::Cispo(config)
    }
}

/// How token losses become one number; always over the whole minibatch, whatever its micro-batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// Sum over tokens / number of tokens.
    #[default]
    TokenMean,
    /// Mean over sequences of the mean over each one's tokens.
    SeqMeanTokenMean,
    /// Mean over sequences of the sum over each one's tokens.
    SeqMeanTokenSum,
    /// Sum over tokens / (number of sequences x longest response allowed): Dr. GRPO.
    Constant,
}
