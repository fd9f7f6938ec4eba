//! Tokens that several responses of a tree have in common.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Tree;

/// Which of the paths through a shared prefix train its tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SharedPrefix {
    /// Every path trains them.
    #[default]
    EveryPath,
    /// The first path that is trained.
    Once,
}

impl SharedPrefix {
    /// From which token on each leaf of `tree` is trained, where those `trained` are at all.
    #[must_use]
    pub(crate) fn from(self, tree: &Tree, trained: &[bool]) -> Vec<Option<usize>> {
        let from = |leaf: usize| match self {
            Self::EveryPath => 0,
            Self::Once => {
                let before = (0..leaf).filter(|other| trained[*other]);
                before.map(|other| tree.n_common(other, leaf)).max().unwrap_or(0)
            }
        };
        (0..tree.leaves.len()).map(|leaf| trained[leaf].then(|| from(leaf))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credit::advantage::testing::grown;

    #[test]
    fn a_shared_prefix_is_trained_once_for_each_path_or_once_in_all() {
        let tree =
            grown(&[(None, 4, 1.0), (None, 2, 0.0), (Some((0, 2)), 3, 0.0), (Some((2, 1)), 5, 1.0)]).tree;
        let from = |shared: SharedPrefix, trained: [bool; 4]| shared.from(&tree, &trained);
        assert_eq!(
            from(SharedPrefix::EveryPath, [true, false, true, true]),
            [Some(0), None, Some(0), Some(0)]
        );
        assert_eq!(from(SharedPrefix::Once, [true; 4]), [Some(0), Some(0), Some(2), Some(1)]);
        assert_eq!(from(SharedPrefix::Once, [false, true, true, true]), [None, Some(0), Some(0), Some(1)]);
    }
}
