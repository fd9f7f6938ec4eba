//! What is wrong with a recipe, with its place in the file or on the command line.

use std::fmt;

/// Something wrong, not yet placed: the keys it is about, the first one leading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// Paths of the keys: `optim.lr`, `reward.0.weight`.
    pub keys: Vec<String>,
    /// The sentence, section and key included.
    pub message: String,
}

/// Something wrong with a recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// `recipes/x.toml:12`, the file alone where no line is at fault, or `--set optim.lr=x`.
    pub place: String,
    /// Path of the key: `optim.lr`; empty where it is the file itself.
    pub key: String,
    /// What is wrong, what was expected, and the remedy.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Problems that are shown; who has more mends these first.
const SHOWN: usize = 40;

/// Everything wrong with a recipe, one line each, in the order of the file. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problems(pub Vec<Problem>);

impl Problems {
    /// One problem with the whole of `place`.
    pub(super) fn alone(place: &str, message: String) -> Self {
        Self(vec![Problem { place: place.to_owned(), key: String::new(), message }])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().take(SHOWN).enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{problem}")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more; mend these first"),
        }
    }
}

impl std::error::Error for Problems {}
