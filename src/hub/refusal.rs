//! What to say where a model cannot be fetched: what, where, and what to do.

use anyhow::{Error, anyhow};
use ureq::Error as Unreadable;

use super::trouble::Trouble;
use super::{Hub, HubModel};
use crate::files::is_full;

impl Hub {
    /// The error of `trouble`, which kept the file of that name, or all of `model`, from being fetched.
    pub(super) fn refused(&self, model: &HubModel, file: Option<&str>, trouble: Trouble) -> Error {
        let cache = self.cache.display();
        let error = match trouble {
            Trouble::Cache(error) if is_full(&error) => anyhow!(
                "{model}: no room for it in {cache}: the disk is full ({error:#}); make room, or name another place with HF_HOME"
            ),
            Trouble::Cache(error) => error.context(format!("{model}: the cache {cache} cannot take it")),
            Trouble::Damaged { got, expected, .. } => anyhow!(
                "{model}: damaged on the way: got {got:#}, expected {expected:#}; it has been removed, so start again"
            ),
            trouble @ Trouble::Stopped(_) => Error::new(trouble),
            trouble => {
                let (what, remedy) = self.explained(&model.name, &trouble);
                anyhow!("{model}: {what} ({trouble}); {remedy}")
            }
        };
        match file {
            Some(file) => error.context(file.to_owned()),
            None => error,
        }
    }

    /// What has happened, and what to do.
    fn explained(&self, name: &str, trouble: &Trouble) -> (String, String) {
        let Self { endpoint, token_file, .. } = self;
        let token_file = token_file.display();
        match trouble {
            Trouble::Status { code: 401 | 403, host: Some(_), .. } => (
                format!("{endpoint} sends elsewhere for it, and there it is not given away"),
                "tokens are for the hub alone: name the address that it leads to as HF_ENDPOINT, if that is a hub".to_owned(),
            ),
            Trouble::Status { code: 401 | 403, .. } if self.token.is_none() => (
                format!("{endpoint} does not show it without a token"),
                format!(
                    "check the name; for a private or gated model ask for access at {endpoint}/{name}, then set HF_TOKEN or \
                     put a token into {token_file}"
                ),
            ),
            Trouble::Status { code: 401 | 403, .. } => (
                format!("{endpoint} does not give it to the owner of the token"),
                format!("check the name and the token (HF_TOKEN, or {token_file}), and ask for access at {endpoint}/{name}"),
            ),
            Trouble::Status { code: 404 | 410, .. } => (
                format!("{endpoint} has no such model, or no such revision or file of it"),
                "check the name and the revision".to_owned(),
            ),
            Trouble::Status { code: 429 | 500.., .. } => (
                format!("{endpoint} is busy or out of order"),
                "try again later; what is fetched stays".to_owned(),
            ),
            Trouble::Status { .. }
            | Trouble::Answer(_)
            | Trouble::Connection(Unreadable::Protocol(_) | Unreadable::Http(_) | Unreadable::LargeResponseHeader(..)) => (
                format!("{endpoint} does not answer as a hub does"),
                "check HF_ENDPOINT, and whether a proxy or a login page answers in its place".to_owned(),
            ),
            _ => (
                format!("could not be fetched from {endpoint}"),
                "check the connection and HF_ENDPOINT, then start again: it goes on where it stopped; HF_HUB_OFFLINE=1 takes \
                 what is in the cache"
                    .to_owned(),
            ),
        }
    }
}
