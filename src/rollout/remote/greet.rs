//! Before the run: are the servers there, do they serve this model, can they hold its responses, and are their numbers those of what
//! they draw from?

use anyhow::Result;
use futures_util::future::join_all;

use super::call::{Call, Fault, Wire};
use super::config::ServersConfig;
use super::dialect::Dialect;
use super::models::{Addressee, Models};
use super::runtime;
use super::telling::Teller;
use crate::rollout::SamplingConfig;
use crate::types::TokenId;

/// Tokens that a server reads where it does not matter which.
const SHORT: usize = 8;

/// What a run asks of its servers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    /// Its longest prompt.
    pub prompt: &'a [TokenId],
    /// The distribution of its responses.
    pub sampling: &'a SamplingConfig,
    /// Tokens of its vocabulary.
    pub vocabulary: usize,
    /// Rank of the adapters that servers are to load.
    pub rank: Option<u32>,
}

/// Asks all servers of `config` who they are, at once and without patience. Nothing of them is changed, but that those answer again which
/// a run has left paused that ended while it gave them weights.
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
    let models = Models::of(wire, url, config.timeout()).await?;
    let Some(model) = models.find(&config.model) else {
        let names: Vec<&str> = models.names().collect();
        return Err(Fault::lasting(
            url,
            format_args!(
                "serves {names:?}, expected [engine] `model` = {:?}; start it with --served-model-name {}",
                config.model, config.model
            ),
        ));
    };
    let Expected { prompt: context, sampling, vocabulary, rank } = expected;
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
    let ask = async |call: Call| wire.ask(url, &call, config.timeout()).await;
    dialect.version(&ask(dialect.which()).await?)?;
    ask(dialect.resume()).await?.good()?;
    if let Some(rank) = rank {
        dialect.takes_adapters(&ask(dialect.settings()).await?, rank)?;
    }
    let model = Addressee { model: &config.model, adapter: None };
    let counted = ask(dialect.count(model, &context[..context.len().min(SHORT)], vocabulary)).await?;
    dialect.counted(&counted, vocabulary)?;
    if dialect.telling(sampling, vocabulary).is_some() {
        Teller { wire, dialect, config, sampling, vocabulary, context, model }.door(url, 0).await?;
    }
    Ok(())
}
