//! The servers: which of them answer, which rest, and that each has the weights before it is asked.
//!
//! ```text
//!                 new weights, a failure, an answer of other weights
//!          ready ----------------------------------------------------> unknown
//!            ^                                                            |
//!            '--- version read, loaded where it differs, text known ------'   a failure: rests, 1, 2, 4, .. 30 s
//! ```

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use futures_util::future::join_all;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::call::{Call, Fault, FaultKind, Said, Wire};
use super::config::ServersConfig;
use super::dialect::{Answer, Ask, Dialect};
use super::judge;
use super::publish::Publication;
use crate::learner::Gap;
use crate::rollout::SamplingConfig;
use crate::types::Completion;

/// Longest rest of a server that failed.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// How often a request may take all the time there is.
const MOST_SLOW: u32 = 3;

/// A server.
pub(super) struct Server {
    /// Its address.
    pub url: String,
    /// Requests that it may still be given.
    room: Semaphore,
    /// Held by whoever readies it.
    pub gate: Mutex<()>,
    /// What is known of it.
    pub state: RefCell<State>,
}

/// What is known of a server.
#[derive(Default)]
pub(super) struct State {
    /// Whether it has the newest weights, as far as is known.
    pub is_ready: bool,
    /// The door that it answers at.
    pub door: usize,
    /// What it was giving weights to when that was left off: not all of it may be there, whatever it calls itself.
    pub half_loaded: Option<String>,
    /// The name of the weights that it recited the known text with last, and the log-probabilities.
    pub recited: Option<(String, Vec<f32>)>,
    /// What it calls the weights that answers come from; where these are adapters, those beside which they are.
    pub weights: String,
    /// Failures since it last did as it should.
    pub n_failures: u32,
    /// When it is asked again.
    pub rests_until: Option<Instant>,
    /// Why it rests.
    pub trouble: Option<Fault>,
}

/// What happened at servers in a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Events {
    /// Requests that came to nothing.
    pub n_failed: u64,
    /// The largest distances of known texts.
    pub gap: Option<Gap>,
    /// What went wrong first.
    pub trouble: Option<String>,
}

/// All of them.
pub(super) struct Pool {
    /// Asks.
    pub wire: Wire,
    /// How they are spoken to.
    pub dialect: &'static dyn Dialect,
    /// What the recipe says of them.
    pub config: ServersConfig,
    servers: Vec<Server>,
    /// The server that a prompt was first given to, whose cache knows it.
    homes: RefCell<HashMap<u64, usize>>,
    /// What happened since somebody asked.
    pub events: RefCell<Events>,
    n_cached: Cell<u64>,
}

impl Pool {
    /// Servers that nobody has asked yet, and that as many as `n_ranks` will.
    ///
    /// # Errors
    /// If this system cannot ask any.
    pub(super) fn new(config: &ServersConfig, dialect: &'static dyn Dialect, n_ranks: usize) -> Result<Self> {
        let room = (config.concurrency / n_ranks).clamp(1, Semaphore::MAX_PERMITS);
        let server = |url: &String| Server {
            url: url.clone(),
            room: Semaphore::new(room),
            gate: Mutex::new(()),
            state: RefCell::default(),
        };
        Ok(Self {
            wire: Wire::new()?,
            dialect,
            config: config.clone(),
            servers: config.urls.iter().map(server).collect(),
            homes: RefCell::default(),
            events: RefCell::default(),
            n_cached: Cell::new(0),
        })
    }

    /// From now on no server has the newest weights; those that rest do so still.
    pub(super) fn renew(&self) {
        for server in &self.servers {
            server.state.borrow_mut().is_ready = false;
        }
        self.homes.borrow_mut().clear();
    }

    /// What happened since this was asked last, and how many tokens of contexts were in the servers' caches.
    pub(super) fn take_events(&self) -> (Events, u64) {
        (self.events.take(), self.n_cached.take())
    }

    /// Gives all servers the weights `publication`, to draw from `sampling`. Those that cannot be reached rest.
    pub(super) async fn bring(
        &self,
        publication: &Publication,
        sampling: &SamplingConfig,
    ) -> Result<(), Fault> {
        let all = self.servers.iter().map(|server| self.ready(server, publication, sampling));
        let lasting = |fault: &Fault| fault.kind == FaultKind::Lasting;
        join_all(all).await.into_iter().filter_map(Result::err).find(lasting).map_or(Ok(()), Err)
    }

    /// The answer to `ask`, about the prompt `id`, of a server that has the weights `publication`.
    pub(super) async fn answer(
        &self,
        ask: &Ask<'_>,
        id: u64,
        publication: &Publication,
    ) -> Result<Completion, Fault> {
        let (mut n_failed, mut n_slow) = (0, 0);
        loop {
            let server = self.pick(id).await;
            let fault = match self.try_at(server, ask, publication).await {
                Ok(done) => return Ok(done),
                Err(fault) => fault,
            };
            n_failed += 1;
            n_slow += u32::from(fault.kind == FaultKind::Slow);
            self.events.borrow_mut().trouble.get_or_insert_with(|| fault.text.clone());
            let gives_up = n_failed > self.config.retries || n_slow >= MOST_SLOW;
            match fault.kind {
                FaultKind::Lasting => return Err(fault),
                FaultKind::Passing | FaultKind::Slow if gives_up => {
                    let text = format!(
                        "{}; given up after {n_failed} tries, [engine] `retries` = {}",
                        fault.text, self.config.retries
                    );
                    return Err(Fault { text, kind: FaultKind::Lasting });
                }
                FaultKind::Passing | FaultKind::Slow => {}
            }
        }
    }

    /// A server that does not rest, the home of the prompt `id` first; waits for one.
    async fn pick(&self, id: u64) -> &Server {
        let n = self.servers.len();
        let home = {
            let mut homes = self.homes.borrow_mut();
            let next = homes.len() % n;
            *homes.entry(id).or_insert(next)
        };
        loop {
            let now = Instant::now();
            let rest = |server: &Server| server.state.borrow().rests_until.filter(|until| *until > now);
            let mut in_turn = (home..home + n).map(|i| &self.servers[i % n]);
            if let Some(server) = in_turn.find(|server| rest(server).is_none()) {
                return server;
            }
            let soonest = self.servers.iter().filter_map(rest).min().unwrap_or(now);
            sleep_until(soonest).await;
        }
    }

    async fn try_at(
        &self,
        server: &Server,
        ask: &Ask<'_>,
        publication: &Publication,
    ) -> Result<Completion, Fault> {
        self.ready(server, publication, &ask.sampling).await?;
        // Never closed.
        let _place = server.room.acquire().await;
        let (door, weights) = {
            let state = server.state.borrow();
            (state.door, state.weights.clone())
        };
        let answered = async {
            let said = self.ask(server, &self.dialect.generate(ask, door)).await?;
            said.has(ask.model)?;
            said.good()?;
            let answer = self.dialect.answer(&said, ask)?;
            let cached = answer.cached as u64;
            self.check_version(server, &answer, &weights).await?;
            let done = judge::completion(&server.url, ask, answer, &weights, publication.vocabulary)?;
            self.n_cached.set(self.n_cached.get() + cached);
            Ok(done)
        };
        let answered = answered.await;
        match &answered {
            Ok(_) => server.state.borrow_mut().n_failures = 0,
            Err(fault) => {
                self.events.borrow_mut().n_failed += 1;
                server.fail(fault);
            }
        }
        answered
    }

    /// Where answers do not say which weights they come from, the server does, behind each.
    async fn check_version(&self, server: &Server, answer: &Answer, weights: &str) -> Result<(), Fault> {
        if answer.versions.as_ref().is_some_and(|spans| !spans.is_empty()) {
            return Ok(());
        }
        let others = self.version(server).await?;
        if others == weights {
            return Ok(());
        }
        let what = format_args!("answered with the weights {others:?}, expected {weights:?}");
        Err(Fault::passing(&server.url, what))
    }

    /// Asks `server`, who has as long as the recipe says.
    pub(super) async fn ask(&self, server: &Server, call: &Call) -> Result<Said, Fault> {
        self.wire.ask(&server.url, call, self.config.timeout()).await
    }
}

impl Server {
    /// Lets it rest, unless it does already.
    pub(super) fn fail(&self, fault: &Fault) {
        let mut state = self.state.borrow_mut();
        state.is_ready = false;
        let now = Instant::now();
        if state.rests_until.is_some_and(|until| until > now) {
            return;
        }
        let rest = Duration::from_secs(1 << state.n_failures.min(5)).min(LONGEST_REST);
        state.n_failures += 1;
        state.rests_until = Some(now + rest);
        state.trouble = Some(fault.clone());
    }
}
