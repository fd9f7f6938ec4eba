//! `http`: a server that grades, one POST for each response, see the [module](super).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ureq::Agent;
use ureq::http::StatusCode;

use super::crew::{Crew, Item};
use super::protocol::{Failure, Request, verdict};
use super::stop::Stop;
use super::{MAX_REPLY, common_rules, lost};
use crate::external;
use crate::{
    Response, Reward, RewardSettings, Rules, Task, TaskKind, Verdict, is_masked, mask, masked, masked_address,
};

/// Pause before the first retry; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Keys of the `http` grader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Where requests are sent, `http://...`; `${NAME}` in it stands for the environment variable of that name.
    #[serde(serialize_with = "mask::serialize")]
    pub url: String,
    /// Name under which its values are reported.
    #[serde(default = "name")]
    pub name: String,
    /// How many requests are under way at once, 1 to 1024.
    #[serde(default = "concurrency")]
    pub concurrency: usize,
    /// How long one response may take, retries included, in seconds.
    #[serde(default = "deadline_s")]
    pub deadline_s: f64,
    /// How often a request is sent again after a failed connection or a server's error (5xx).
    #[serde(default = "retries")]
    pub retries: u32,
}

fn name() -> String {
    "http".into()
}

fn concurrency() -> usize {
    16
}

fn deadline_s() -> f64 {
    30.0
}

fn retries() -> u32 {
    3
}

impl HttpConfig {
    /// The address with what its variables hold.
    fn address(&self) -> Result<String, String> {
        mask::filled(&self.url, |name| std::env::var(name).ok()).map_err(|name| {
            let url = masked_address(&self.url);
            format!("url: {url}: the environment variable {name} is not set; export it")
        })
    }
}

impl RewardSettings for HttpConfig {
    fn rules(&self) -> Rules {
        let Self { url, name, concurrency, deadline_s, retries } = self;
        let mut rules = common_rules(name, *deadline_s, ("concurrency", *concurrency));
        // Whatever the variables hold.
        let sample = mask::filled(url, |_| Some("1".to_owned()));
        let uri = sample.map(|url| url.parse::<ureq::http::Uri>());
        let is_address = uri
            .is_ok_and(|uri| uri.is_ok_and(|uri| uri.scheme_str() == Some("http") && uri.host().is_some()));
        let shown = masked_address(url);
        rules.expect("url", format_args!("{shown:?}"), "an address that begins with http://", is_address);
        rules.expect("retries", retries, "at most 100", *retries <= 100);
        rules
    }

    /// What the address lacks here.
    fn missing(&self) -> Option<String> {
        self.address().err().or_else(|| {
            is_masked(&self.url)
                .then(|| lost("url", &self.url, "let it name an environment variable, ${NAME}"))
        })
    }

    /// The environment variables that the address names.
    fn variables(&self) -> Vec<String> {
        let mut names = Vec::new();
        let note = |name: &str| {
            names.push(name.to_owned());
            Some(String::new())
        };
        _ = mask::filled(&self.url, note);
        names
    }

    fn judges(&self, _: TaskKind) -> bool {
        true
    }

    fn reaches_out(&self) -> Option<String> {
        Some(format!("sends every response to {}", masked(&self.url)))
    }

    fn build(&self, _: &[String]) -> Result<Box<dyn Reward>, String> {
        Ok(Box::new(HttpReward::new(self.clone())?))
    }
}

/// A grader that is a server.
pub struct HttpReward {
    config: HttpConfig,
    /// Where it answers.
    address: String,
    agent: Agent,
    crew: Crew,
    next_id: AtomicU64,
}

/// What came of one attempt.
enum Attempt {
    Replied(Vec<u8>),
    Failed(Failure),
    /// Another attempt may do better.
    Passing(Failure),
}

impl HttpReward {
    /// The grader that `config` describes.
    ///
    /// # Errors
    /// If the address names an environment variable that is not set.
    pub fn new(config: HttpConfig) -> Result<Self, String> {
        let address = config.address()?;
        let settings = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections_per_host(config.concurrency)
            .build();
        Ok(Self {
            config,
            address,
            agent: settings.into(),
            crew: Crew::default(),
            next_id: AtomicU64::new(0),
        })
    }

    fn grade(&self, item: &Item<'_>, stop: &Stop) -> Result<Verdict, Failure> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let body = Request::new(id, item).line()?;
        let (start, deadline) = (Instant::now(), Duration::from_secs_f64(self.config.deadline_s));
        let (mut pause, mut retries) = (FIRST_PAUSE, self.config.retries);
        loop {
            let left = deadline.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(Failure::timeout(self.config.deadline_s));
            }
            let failure = match self.attempt(&body, left, stop) {
                Attempt::Replied(reply) => return verdict(id, &reply),
                Attempt::Failed(failure) => return Err(failure),
                Attempt::Passing(failure) => failure,
            };
            if retries == 0 || start.elapsed() + pause >= deadline {
                return Err(failure);
            }
            stop.pause(pause);
            if stop.is_set() {
                return Err(failure);
            }
            (pause, retries) = (2 * pause, retries - 1);
        }
    }

    /// One request. It has a thread of its own, which a stop leaves behind with it.
    fn attempt(&self, body: &str, left: Duration, stop: &Stop) -> Attempt {
        let (agent, address, body) = (self.agent.clone(), self.address.clone(), body.to_owned());
        let (replies, reply) = channel();
        let ask = move || _ = replies.send(post(&agent, &address, &body, left));
        if let Err(error) = thread::Builder::new().spawn(ask) {
            return Attempt::Passing(Failure::error(format!("no thread for the request: {error}")));
        }
        match stop.receive(&reply, left) {
            Ok(Ok((status, text))) if status.is_success() => Attempt::Replied(text),
            Ok(Ok((status, text))) => {
                let shown: String = String::from_utf8_lossy(&text).trim().chars().take(200).collect();
                let failure = Failure::error(format!("the server replied with status {status}: {shown}"));
                if status.is_server_error() { Attempt::Passing(failure) } else { Attempt::Failed(failure) }
            }
            Ok(Err(ureq::Error::Timeout(_))) | Err(RecvTimeoutError::Timeout) => {
                Attempt::Failed(Failure::timeout(self.config.deadline_s))
            }
            Ok(Err(error @ ureq::Error::BodyExceedsLimit(_))) => {
                Attempt::Failed(Failure::error(error.to_string()))
            }
            Ok(Err(error)) => {
                Attempt::Passing(Failure::error(masked(&format!("the request failed: {error}"))))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Attempt::Passing(Failure::error("the request ended without a result"))
            }
        }
    }
}

/// Sends `body` and reads the reply, within `left`.
fn post(
    agent: &Agent,
    address: &str,
    body: &str,
    left: Duration,
) -> Result<(StatusCode, Vec<u8>), ureq::Error> {
    let request = agent.post(address).header("content-type", "application/json");
    let mut reply = request.config().timeout_global(Some(left)).build().send(body)?;
    let status = reply.status();
    let text = reply.body_mut().with_config().limit(MAX_REPLY as u64).read_to_vec()?;
    Ok((status, text))
}

impl Reward for HttpReward {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn score(&self, task: &Task, response: &Response<'_>) -> Verdict {
        external::one(self, task, response)
    }

    fn score_all(&self, items: &[Item<'_>]) -> Result<Vec<Verdict>, String> {
        self.score_while(items, &mut || true)
    }

    fn score_while(
        &self,
        items: &[Item<'_>],
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Verdict>, String> {
        let workers = (0..self.config.concurrency).map(drop);
        let verdicts = self.crew.grade_all(workers, items, go_on, |(), item, stop| self.grade(item, stop));
        let server = masked_address(&self.config.url);
        verdicts.map_err(|reason| format!("the server {server} does not work as a grader: {reason}"))
    }
}
