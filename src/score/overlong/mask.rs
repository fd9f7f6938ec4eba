//! A response that was cut off is not trained on; it still counts in the baseline of its group.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::OverlongSettings;

/// Settings of [`OverlongConfig::Mask`](super::OverlongConfig::Mask): there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MaskConfig {}

impl OverlongSettings for MaskConfig {
    fn masks(&self) -> bool {
        true
    }
}
