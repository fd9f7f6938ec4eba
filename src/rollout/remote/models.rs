//! What a server says that it serves: the model, and adapters that were loaded beside it.

use std::time::Duration;

use serde::Deserialize;

use super::call::{Call, Fault, Wire};
use super::publish::PREFIX;

/// Whom a question is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addressee<'a> {
    /// What the servers call the model.
    pub model: &'a str,
    /// What they call the adapters beside it, where they have been given some.
    pub adapter: Option<&'a str>,
}

/// All that it serves.
#[derive(Deserialize)]
pub(super) struct Models {
    data: Vec<Model>,
}

#[derive(Deserialize)]
pub(super) struct Model {
    /// Its name.
    pub id: String,
    /// Most tokens of a prompt and its response.
    pub max_model_len: Option<usize>,
}

impl Models {
    /// What the server at `url` says.
    pub(super) async fn of(wire: &Wire, url: &str, timeout: Duration) -> Result<Self, Fault> {
        wire.ask(url, &Call::get("/v1/models"), timeout).await?.json()
    }

    /// The model that is called `name`. One kind of server calls it by the folder that weights last came from.
    pub(super) fn find(&self, name: &str) -> Option<&Model> {
        let is_version = |(_, file): (&str, &str)| file.starts_with(PREFIX);
        let is_it = |model: &&Model| model.id == name || model.id.rsplit_once('/').is_some_and(is_version);
        self.data.iter().find(is_it)
    }

    /// The adapters that runs have given it.
    pub(super) fn adapters(&self) -> impl Iterator<Item = &str> {
        self.names().filter(|name| name.starts_with(PREFIX))
    }

    /// The names of all.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.data.iter().map(|model| model.id.as_str())
    }
}
