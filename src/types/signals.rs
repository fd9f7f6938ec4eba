//! What the policy's attention says about the tokens of a response.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error};
use serde::{Deserialize, Serialize};

use super::PathField;

/// One head of one layer, both counted from 0. Ordered by layer, then head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(usize, usize)", into = "(usize, usize)")]
pub(crate) struct HeadId {
    /// Layer of the decoder.
    pub layer: usize,
    /// Query head of that layer.
    pub head: usize,
}

impl From<(usize, usize)> for HeadId {
    fn from((layer, head): (usize, usize)) -> Self {
        Self { layer, head }
    }
}

impl From<HeadId> for (usize, usize) {
    fn from(id: HeadId) -> Self {
        (id.layer, id.head)
    }
}

/// `1.2`: the third head of the second layer.
impl fmt::Display for HeadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.layer, self.head)
    }
}

impl FromStr for HeadId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let numbers =
            text.split_once('.').and_then(|(layer, head)| Some((layer.parse().ok()?, head.parse().ok()?)));
        numbers.map(Self::from).with_context(|| format!("got {text:?}, expected LAYER.HEAD, such as 1.2"))
    }
}

/// Statistics of one response, head by head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct HeadSignals {
    /// One entry per head, in one order for all responses of a step; none of a response that another rank has read.
    pub heads: Vec<HeadSignal>,
}

impl HeadSignals {
    /// Of a response that another rank has read.
    #[must_use]
    pub(crate) fn elsewhere() -> Self {
        Self { heads: Vec::new() }
    }

    /// The spans of its heads alone.
    #[must_use]
    pub(crate) fn spans(&self) -> Self {
        let bare = |head: &HeadSignal| HeadSignal { waad: Vec::new(), fai: Vec::new(), ..*head };
        Self { heads: self.heads.iter().map(bare).collect() }
    }

    /// Whether another rank has read it.
    #[must_use]
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.heads.is_empty()
    }
}

/// What one head does over one response of R tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct HeadSignal {
    /// Which head.
    pub id: HeadId,
    /// Mean backward distance of its attention, tokens.
    pub span: f32,
    /// Windowed average attention distance of each token, `[R]`.
    pub waad: Vec<f32>,
    /// Future attention influence of the tokens that have one. That depends on their places alone: they are the first
    /// R - lo with a horizon from `lo` on (one fewer where the predicting rows count), none if there are no more than that.
    pub fai: Vec<f32>,
}

/// The signals of every response token of a tree, averaged over the groups of heads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Signals {
    /// WAAD, the mean over the local heads.
    pub waad: PathField<f32>,
    /// FAI, the mean over the global heads; `None` where no later token lies within the horizon.
    pub fai: PathField<Option<f32>>,
}

/// What is known of the attention over the responses of a step before they are measured.
#[derive(Clone, Debug)]
pub(crate) enum Attention {
    /// Every head, leaf after leaf, where the sampler has read it on its way; else nothing.
    Heads(Vec<HeadSignals>),
    /// The average over the groups of heads, tree after tree, as it was measured before: nothing is read again.
    Averaged(Vec<Signals>),
}

impl Attention {
    /// Nothing is known.
    #[must_use]
    pub(crate) fn unread() -> Self {
        Self::Heads(Vec::new())
    }
}
