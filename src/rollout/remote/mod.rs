//! Servers that answer: vLLM, SGLang.
//!
//! ```text
//! policy changed -> folder of weights -> every server pauses, loads it, forgets its cache, takes the version's name, goes on
//!                                              -> says the name, and what it makes of a known text      else: an error
//!                    or, of adapters alone, loads them beside the weights that it has, under the version's name
//! requests -> token ids to the prompt's server -> token ids, log-probabilities, the version of each token
//!                                              -> an answer?      else: again, there or elsewhere; a server that was restarted
//!                                                                 gets its weights first
//! ```
//!
//! Text never passes; nothing is believed for its status alone. What is asked depends on the run and its seed; what comes back also on
//! the servers, whose sums depend on the company that a request keeps.

mod call;
mod config;
mod dialect;
mod greet;
mod judge;
mod models;
mod pool;
mod publish;
mod ready;
mod telling;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::Runtime;
use tokio::time::sleep;

pub(crate) use config::ServersConfig;
pub(crate) use dialect::{Dialect, Sglang, Vllm};
pub(crate) use greet::{Expected, greet};

use self::dialect::Ask;
use self::pool::{Events, Pool};
use self::publish::{Publication, Publisher, Version};
use super::decode::{check_lengths, stops};
use super::{Counts, Generated, Generation, RolloutEngine, SamplingConfig, Served};
use crate::model::Policy;
use crate::ranks::Ranks;
use crate::text::Tokenizer;
use crate::types::{Completion, GenRequest, Progress, TokenId};

/// How often somebody who waits is asked whether to go on.
const TICK: Duration = Duration::from_millis(100);

/// Has servers answer.
pub(crate) struct RemoteEngine {
    config: ServersConfig,
    eos: Vec<TokenId>,
    /// Says what tokens say, where strings may end a response.
    tokenizer: Option<Arc<Tokenizer>>,
    runtime: Runtime,
    pool: Pool,
    /// The first of several ranks writes for all.
    publisher: Option<Publisher>,
    publication: Option<Publication>,
    ranks: Ranks,
    /// Seconds that the last publication took this rank.
    publish_s: f64,
}

impl RemoteEngine {
    /// An engine of the servers that `config` names, one for each of `ranks`. A response ends at any of `eos`; weights go through the folder
    /// `weights`.
    ///
    /// # Errors
    /// If the folder cannot be made, or this system cannot ask servers.
    pub(crate) fn new(
        config: &ServersConfig,
        dialect: &'static dyn Dialect,
        weights: &Path,
        eos: Vec<TokenId>,
        ranks: Ranks,
    ) -> Result<Self> {
        let publisher = || Publisher::new(weights, config, &eos);
        Ok(Self {
            runtime: runtime()?,
            pool: Pool::new(config, dialect, ranks.size())?,
            publisher: ranks.is_first().then(publisher).transpose()?,
            publication: None,
            ranks,
            publish_s: 0.0,
            config: config.clone(),
            eos,
            tokenizer: None,
        })
    }

    /// The same engine, which can end responses at strings of `tokenizer`'s text.
    #[must_use]
    pub(crate) fn telling(self, tokenizer: &Arc<Tokenizer>) -> Self {
        Self { tokenizer: Some(Arc::clone(tokenizer)), ..self }
    }

    /// Goes by the weights that `first` has published, as a further rank.
    #[cfg(test)]
    pub(crate) fn follow(&mut self, first: &Self) {
        self.publication.clone_from(&first.publication);
    }

    /// The weights of `policy` where servers can read them: written if they are new, with a known text that begins as `prompt`. All ranks
    /// publish together.
    fn publish(&mut self, policy: &Policy, prompt: &[TokenId]) -> Result<&Publication> {
        let stamp = policy.network.stamp();
        let before = match self.publication.take() {
            Some(same) if same.stamp == stamp => return Ok(self.publication.insert(same)),
            before => before.map(|old| old.known),
        };
        self.pool.renew();
        let publisher = &mut self.publisher;
        let version = self.ranks.first(|| {
            let publisher = publisher.as_mut().context("the first rank has no folder to write to")?;
            publisher.write(policy).context("publishing weights for the servers")
        })?;
        let publication = Publication::new(policy, version, before, prompt)?;
        Ok(self.publication.insert(publication))
    }

    /// The answers to `requests` under the weights `publication`, in order.
    fn answers(
        &self,
        requests: &[GenRequest],
        generation: &Generation,
        publication: &Publication,
        finished: &mut Progress<'_>,
    ) -> Result<Vec<Completion>> {
        let stops = stops(self.tokenizer.as_ref(), &generation.sampling)?;
        let asks: Vec<Ask<'_>> = {
            let ask = |request| Ask {
                stops: stops.as_ref(),
                ..self.ask(request, generation, &publication.version)
            };
            requests.iter().map(ask).collect()
        };
        let mut completions: Vec<Option<Completion>> = vec![None; requests.len()];
        self.runtime.block_on(async {
            let asks = &asks;
            let one = |i: usize| async move {
                let GenRequest { prompt, sample, .. } = &requests[i];
                let done = self.pool.answer(&asks[i], prompt.id, publication).await;
                done.map(|done| (i, done)).with_context(|| format!("prompt {}, sample {sample}", prompt.id))
            };
            let mut under_way: FuturesUnordered<_> = (0..asks.len()).map(one).collect();
            while let Some(answered) = while_asking(under_way.next(), finished).await? {
                let (i, done) = answered?;
                completions[i] = Some(done);
                finished(1)?;
            }
            anyhow::Ok(())
        })?;
        completions.into_iter().collect::<Option<_>>().context("a request was lost")
    }

    /// What is asked of a server with the weights `version` for `request`. Its draws start from a number of the run at the response's own
    /// coordinates.
    fn ask<'a>(&'a self, request: &'a GenRequest, generation: &Generation, version: &'a Version) -> Ask<'a> {
        let GenRequest { prompt, prefix, sample } = request;
        let coordinates = [generation.step, prompt.id, u64::from(*sample), prefix.len() as u64];
        let bits = generation.random.bits(generation.purpose, &coordinates);
        Ask {
            model: version.addressee(&self.config.model),
            tokens: [&prompt.tokens[..], prefix].concat(),
            n_new: generation.sampling.max_new_tokens - prefix.len(),
            // Both kinds take 64 bits with a sign.
            seed: (bits >> 1) as i64,
            sampling: generation.sampling.clone(),
            eos: &self.eos,
            begun: prefix,
            stops: None,
        }
    }
}

impl RolloutEngine for RemoteEngine {
    /// Publishes; the first rank gives all servers their weights.
    fn prepare(
        &mut self,
        policy: &Policy,
        requests: &[GenRequest],
        sampling: &SamplingConfig,
        finished: &mut Progress<'_>,
    ) -> Result<()> {
        let Some(first) = requests.first() else { return Ok(()) };
        check_ids(policy, requests)?;
        let begun = Instant::now();
        self.publish(policy, &first.prompt.tokens)?;
        self.ranks.first(|| {
            let publication = self.publication.as_ref().context("no weights were published")?;
            let brought = self.pool.bring(publication, sampling);
            Ok(self.runtime.block_on(while_asking(brought, finished))??)
        })?;
        self.publish_s += begun.elapsed().as_secs_f64();
        Ok(())
    }

    fn keeps_time(&self) -> bool {
        true
    }

    fn generate(
        &mut self,
        policy: &Policy,
        requests: &[GenRequest],
        generation: &Generation,
        finished: &mut Progress<'_>,
    ) -> Result<Generated> {
        if requests.is_empty() {
            return Ok(Generated::default());
        }
        check_lengths(policy, requests, &generation.sampling)?;
        let begun = Instant::now();
        let publication = self.publication.as_ref().context("no weights were published")?;
        let brought = self
            .runtime
            .block_on(while_asking(self.pool.bring(publication, &generation.sampling), finished))?;
        brought?;
        let publish_s = std::mem::take(&mut self.publish_s) + begun.elapsed().as_secs_f64();
        let completions = self.answers(requests, generation, publication, finished)?;
        let (Events { n_failed, gap, trouble }, reused) = self.pool.take_events();
        let n_context = |request: &GenRequest| (request.prompt.tokens.len() + request.prefix.len()) as u64;
        let n_read: u64 = requests.iter().map(n_context).sum();
        let counts = Counts { prefilled: n_read.saturating_sub(reused), reused };
        let served = Served { publish_s, n_failed, gap, trouble };
        Ok(Generated { completions, signals: Vec::new(), counts, served: Some(served) })
    }
}

/// A runtime of this thread alone.
fn runtime() -> Result<Runtime> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.context("what waits for servers cannot be started")
}

/// What `work` comes to, unless `finished` ends it before.
async fn while_asking<T>(work: impl Future<Output = T>, finished: &mut Progress<'_>) -> Result<T> {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Ok(done),
            () = sleep(TICK) => finished(0)?,
        }
    }
}

/// That servers know all tokens that they are given; one of a kind dies of those it does not.
fn check_ids(policy: &Policy, requests: &[GenRequest]) -> Result<()> {
    let vocabulary = policy.network.config.vocab_size;
    for GenRequest { prompt, prefix, .. } in requests {
        let beyond = prompt.tokens.iter().chain(prefix).find(|token| i64::from(**token) >= vocabulary);
        ensure!(
            beyond.is_none(),
            "prompt {}: token {} is none of the {vocabulary} of [model]; the tokenizer is not this model's",
            prompt.id,
            beyond.copied().unwrap_or_default()
        );
    }
    Ok(())
}
