//! `[overlong]`: what becomes of responses that the length limit cut off, or nearly did (DAPO, arXiv 2503.14476, section 3.4).

mod mask;
mod penalty;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use mask::MaskConfig;
pub(crate) use penalty::{Penalty, PenaltyConfig};

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

/// The settings of one way.
pub(crate) trait OverlongSettings {
    /// What its keys may be.
    fn rules(&self) -> Rules {
        Rules::default()
    }

    /// Whether responses that were cut off are not trained on.
    fn masks(&self) -> bool {
        false
    }

    /// What long responses lose where the longest has `limit` tokens, if they lose anything.
    fn penalty(&self, _limit: usize) -> Option<Penalty> {
        None
    }
}

impl OverlongConfig {
    /// What the recipe chose.
    #[must_use]
    pub(crate) fn settings(&self) -> &dyn OverlongSettings {
        match self {
            Self::Mask(config) => config,
            Self::Penalty(config) => config,
        }
    }
}
