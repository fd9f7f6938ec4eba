//! Every root is branched off.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Expansion, Solved};
use crate::rollout::explore::branch::Root;
use crate::types::Tree;

/// Settings of [`ExpandConfig::All`](super::ExpandConfig::All): none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AllConfig {}

impl Expansion for AllConfig {
    fn choose(&self, _: &Tree, roots: &[Root<'_>], _: &mut Solved) -> Option<Vec<usize>> {
        Some((0..roots.len()).collect())
    }
}
