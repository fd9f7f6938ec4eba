//! Before the run: are the servers there, do they serve this model, can they hold its responses, and are their numbers those of what
//! they draw from?

use anyhow::Result;
use futures_util::future::join_all;
use serde::Deserialize;

use super::call::{Call, Fault, Wire};
use super::config::ServersConfig;
use super::dialect::Dialect;
use super::publish::PREFIX;
use super::runtime;
use super::telling::Teller;
use crate::rollout::SamplingConfig;
use crate::types::TokenId;

/// What a run asks of its servers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    /// Its longest prompt.
    pub prompt: &'a [TokenId],
    /// The distribution of its responses.
    pub sampling: &'a SamplingConfig,
    /// Tokens of its vocabulary.
    pub vocabulary: usize,
}

#[derive(Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
    max_model_len: Option<usize>,
}

/// Asks all servers of `config` who they are, at once and without patience; nothing of them is changed.
///
/// # Errors
/// The first server, in the order of the recipe, that cannot be reached or does not suit.
pub(crate) fn greet(config: &ServersConfig, dialect: &dyn Dialect, expected: Expected<'_>) -> Result<()> {
    let wire = Wire::new()?;
    let all = config.urls.iter().map(|url| one(&wire, config, url, dialect, expected));
    let greeted = runtime()?.block_on(join_all(all));
    Ok(greeted.into_iter().collect::<Result<(), Fault>>()?)
}

async fn one(
    wire: &Wire,
    config: &ServersConfig,
    url: &str,
    dialect: &dyn Dialect,
    expected: Expected<'_>,
) -> Result<(), Fault> {
    let models: Models = wire.ask(url, &Call::get("/v1/models"), config.timeout()).await?.json()?;
    // One kind calls its model by the folder that weights last came from.
    let is_ours =
        |model: &&Model| model.id == config.model || model.id.rsplit('/').next().is_some_and(is_version);
    let Some(model) = models.data.iter().find(is_ours) else {
        let names: Vec<&str> = models.data.iter().map(|model| model.id.as_str()).collect();
        return Err(Fault::lasting(
            url,
            format_args!(
                "serves {names:?}, expected [engine] `model` = {:?}; start it with --served-model-name {}",
                config.model, config.model
            ),
        ));
    };
    let Expected { prompt: context, sampling, vocabulary } = expected;
    let (prompt, response) = (context.len(), sampling.max_new_tokens);
    let needed = prompt + response;
    if let Some(length) = model.max_model_len.filter(|length| *length < needed) {
        return Err(Fault::lasting(
            url,
            format_args!(
                "has a context of {length} tokens, expected at least {needed}: the longest prompt has {prompt}, and [sampling] \
                 `max_new_tokens` = {response}; start it with a longer one (--max-model-len, --context-length), or lower that"
            ),
        ));
    }
    dialect.version(&wire.ask(url, &dialect.which(), config.timeout()).await?)?;
    if dialect.telling(sampling, vocabulary).is_some() {
        Teller { wire, dialect, config, sampling, vocabulary, context }.door(url, 0).await?;
    }
    Ok(())
}

fn is_version(name: &str) -> bool {
    name.starts_with(PREFIX)
}
