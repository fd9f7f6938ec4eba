//! `[advantage]`: how the rewards of a tree become advantages.

use serde::{Deserialize, Serialize};

use super::batch_baseline::BatchBaselineConfig;
use super::gae::GaeConfig;
use super::group::GroupConfig;
use super::leave_one_out::LeaveOneOutConfig;
use super::tree::{Shared, TreeConfig};
use super::{AdvantageEstimator, WithoutSignal};

/// Estimator of the advantage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AdvantageConfig {
    /// Reward minus the mean of its group, scaled: GRPO, and Dr. GRPO with `scale = "none"`.
    Group(GroupConfig),
    /// Reward minus the mean of the other responses of its group: RLOO.
    LeaveOneOut(LeaveOneOutConfig),
    /// Reward minus the mean of its group, normalised over the step: REINFORCE++.
    BatchBaseline(BatchBaselineConfig),
    /// What a critic did not expect: PPO.
    Gae(GaeConfig),
    /// What each segment of a tree adds: TreeRL, AttnRL.
    Tree(TreeConfig),
}

impl AdvantageConfig {
    /// The estimator that the recipe chose.
    #[must_use]
    pub fn build(self) -> Box<dyn AdvantageEstimator> {
        match self {
            Self::Group(config) => Box::new(config),
            Self::LeaveOneOut(config) => Box::new(config),
            Self::BatchBaseline(config) => Box::new(config),
            Self::Gae(config) => Box::new(config),
            Self::Tree(config) => Box::new(config),
        }
    }

    /// What happens to groups whose rewards are all equal, for estimators that compare within a group.
    #[must_use]
    pub fn flat(&self) -> Option<Flat> {
        let (without_signal, refill_rounds) = match self {
            Self::Group(c) => (c.without_signal, c.refill_rounds),
            Self::LeaveOneOut(c) => (c.without_signal, c.refill_rounds),
            Self::BatchBaseline(c) => (c.without_signal, c.refill_rounds),
            Self::Tree(c) if c.drop_uniform => (WithoutSignal::Drop, None),
            Self::Tree(_) => (WithoutSignal::Keep, None),
            Self::Gae(_) => return None,
        };
        Some(Flat { without_signal, refill_rounds })
    }

    /// Which of the paths through a shared prefix train its tokens.
    #[must_use]
    pub fn shared(&self) -> Shared {
        if let Self::Tree(tree) = self { tree.shared } else { Shared::EveryPath }
    }

    /// Whether first responses that nothing branches off from are trained on.
    #[must_use]
    pub fn trains_unbranched(&self) -> bool {
        if let Self::Tree(tree) = self { tree.train_unbranched } else { true }
    }

    /// What cannot work, each as `key: got ..., expected ...`.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        if let Self::Gae(gae) = self {
            return gae.problems();
        }
        self.flat().map_or_else(Vec::new, |flat| flat.problems())
    }
}

/// What happens to groups without signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flat {
    /// Whether they are trained on, left out, or replaced.
    pub without_signal: WithoutSignal,
    /// Generation rounds that may be spent on replacing them, where it was said.
    pub refill_rounds: Option<usize>,
}

impl Flat {
    /// Rounds where the recipe does not say.
    const ROUNDS: usize = 3;

    /// Generation rounds that may be spent on replacing groups; 0 if none are replaced.
    #[must_use]
    pub fn rounds(&self) -> usize {
        match self.without_signal {
            WithoutSignal::Refill => self.refill_rounds.unwrap_or(Self::ROUNDS),
            WithoutSignal::Keep | WithoutSignal::Drop => 0,
        }
    }

    fn problems(&self) -> Vec<String> {
        let problem = match (self.without_signal, self.refill_rounds) {
            (WithoutSignal::Refill, Some(0)) => {
                "refill_rounds: got 0, expected at least 1; without_signal = \"drop\" replaces nothing"
            }
            (WithoutSignal::Keep | WithoutSignal::Drop, Some(_)) => {
                "refill_rounds: has no effect without without_signal = \"refill\"; leave it out"
            }
            _ => return Vec::new(),
        };
        vec![problem.to_owned()]
    }
}
