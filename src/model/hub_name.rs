//! How a model on a hub is called.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Error, Result, ensure};

use super::ModelSettings;

/// Branch that counts where no revision is named.
const MAIN: &str = "main";

/// A model on a hub, written `org/name` or `org/name@revision`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HubModel {
    /// `org/name`, or only a name.
    pub name: String,
    /// Branch, tag or commit, the last in small letters.
    pub revision: String,
}

impl HubModel {
    /// The model `name` at `revision`, or without one at `main`.
    ///
    /// # Errors
    /// If one of them cannot be a name or a revision.
    pub(crate) fn new(name: &str, revision: Option<&str>) -> Result<Self> {
        let part = |part: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            let edges = part.starts_with(['-', '.']) || part.ends_with(['-', '.']);
            let doubled = part.contains("--") || part.contains("..");
            !part.is_empty() && part.chars().all(plain) && !edges && !doubled
        };
        ensure!(
            name.split('/').count() <= 2 && name.split('/').all(part),
            "got {name:?}, expected the name of a model on the hub, such as Qwen/Qwen3-0.6B"
        );
        let revision = revision.unwrap_or(MAIN);
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./+".contains(c);
        let piece = |piece: &str| !piece.is_empty() && !piece.starts_with('.');
        ensure!(
            revision.chars().all(plain) && revision.split('/').all(piece),
            "got {revision:?}, expected a branch, tag or commit of {name}, such as {MAIN}"
        );
        let revision = if is_commit(revision) { revision.to_ascii_lowercase() } else { revision.to_owned() };
        Ok(Self { name: name.to_owned(), revision })
    }

    /// The model that a recipe names by `hub` and `revision`, if it does.
    ///
    /// # Errors
    /// As [`HubModel::new`].
    pub(crate) fn from_settings(settings: &ModelSettings) -> Result<Option<Self>> {
        let name = settings.hub.as_deref();
        name.map(|name| Self::new(name, settings.revision.as_deref())).transpose()
    }

    /// What stands for the model's folder in what a run writes down: `hub:org/name@revision`.
    #[must_use]
    pub(crate) fn place(&self) -> PathBuf {
        format!("hub:{self}").into()
    }
}

impl FromStr for HubModel {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('@') {
            Some((name, revision)) => Self::new(name, Some(revision)),
            None => Self::new(text, None),
        }
    }
}

impl fmt::Display for HubModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.revision)
    }
}

/// Whether `revision` is a commit rather than the name of a branch or tag.
pub(crate) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.chars().all(|c| c.is_ascii_hexdigit())
}
