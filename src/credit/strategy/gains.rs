//! What a strategy says of a response, for training and for people who look at it.

use serde::Serialize;

/// What a strategy says of one response of R tokens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gains {
    /// What the advantage of each token is multiplied by, `[R]`.
    pub values: Vec<f32>,
    /// The tokens that it singles out: the same roles in the same order for every response.
    pub marks: Vec<Mark>,
}

/// Tokens in one role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Mark {
    /// What they are.
    #[serde(flatten)]
    pub role: &'static Role,
    /// Which they are, counted from the first response token, in order.
    pub tokens: Vec<usize>,
}

/// What a strategy sees in a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Role {
    /// A word or two: `anchor`.
    pub name: &'static str,
    /// Stands for it beneath a token; no other role of the strategy has it.
    pub letter: char,
    /// The numbers by which such tokens are found; `None` if by none that can be drawn.
    pub curve: Option<Curve>,
    /// The metric that says how common the role is.
    #[serde(skip)]
    pub share: Option<Share>,
}

/// Numbers that a response has one of for each token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Curve {
    /// How far its local heads look back.
    Waad,
    /// How much later tokens look back at it.
    Fai,
    /// Entropy of the distribution that it came from.
    Entropies,
}

/// A metric: of all tokens of one role, those that have another as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// The metric's name, which [`crate::observe::glossary`] explains.
    pub metric: &'static str,
    /// The name of the wider role.
    pub of: &'static str,
}

impl Role {
    /// A role without a metric.
    #[must_use]
    pub(crate) const fn new(name: &'static str, letter: char, curve: Option<Curve>) -> Self {
        Self { name, letter, curve, share: None }
    }
}
