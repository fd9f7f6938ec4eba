//! One question to one server, and what goes wrong with it.
//!
//! Whatever could be otherwise a moment later passes: nobody listens, a connection breaks, a server is overloaded or starting, what
//! it says is cut off or not JSON. What the server says of the question itself does not: 4xx.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use anyhow::Result;
use reqwest::{Client, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::models::Addressee;

/// Most characters of what a server said that an error repeats.
const QUOTED: usize = 300;

/// Why a server is of no use, in words that begin with its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Address, behind which a blank lets everybody know it for one; what was asked, what came instead, what to do.
    pub text: String,
    /// Whether the same may work later.
    pub kind: FaultKind,
}

/// Whether a fault may be gone later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// It may be: the server is down, starting, overloaded, or was restarted.
    Passing,
    /// It may be, but finding out has taken all the time that an answer may take.
    Slow,
    /// It stays.
    Lasting,
}

impl Fault {
    /// One that may be gone later.
    pub(super) fn passing(url: &str, what: impl fmt::Display) -> Self {
        Self { text: format!("{url} {what}"), kind: FaultKind::Passing }
    }

    /// One that stays.
    pub(super) fn lasting(url: &str, what: impl fmt::Display) -> Self {
        Self { text: format!("{url} {what}"), kind: FaultKind::Lasting }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Fault {}

/// A question.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    /// Path behind the server's address.
    pub path: String,
    /// What is posted; `None` asks by GET.
    pub body: Option<Value>,
}

impl Call {
    /// A question without a body.
    #[must_use]
    pub(super) fn get(path: &str) -> Self {
        Self { path: path.to_owned(), body: None }
    }

    /// A question with one.
    #[must_use]
    pub(super) fn post(path: &str, body: Value) -> Self {
        Self { path: path.to_owned(), body: Some(body) }
    }
}

/// What a server said.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// Whose words these are.
    pub url: String,
    /// What was asked for.
    pub path: String,
    /// Number of the status.
    pub status: u16,
    /// The words.
    pub body: String,
}

impl Said {
    /// The answer, of a question that went well.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_str(self.good()?).map_err(|error| {
            Fault::passing(
                &self.url,
                format_args!(
                    "{}: the answer cannot be read ({error}): {}; expected the JSON of the server that [engine] `type` names: is \
                     this its address, and no proxy in between?",
                    self.path,
                    self.quote()
                ),
            )
        })
    }

    /// The words, of a question that went well.
    pub(super) fn good(&self) -> Result<&str, Fault> {
        match StatusCode::from_u16(self.status) {
            Ok(status) if status.is_success() => Ok(&self.body),
            Ok(status) if status.is_client_error() && ![408, 425, 429].contains(&self.status) => {
                Err(self.lasting("expected status 200"))
            }
            _ => Err(self.passing("expected status 200; the server's log says more")),
        }
    }

    /// That the adapters that were asked have been there. Those that are not have gone with a server that was restarted.
    pub(super) fn has(&self, asked: Addressee<'_>) -> Result<(), Fault> {
        match asked.adapter {
            Some(name) if [400, 404].contains(&self.status) && self.body.contains(name) => Err(self.passing(
                "expected that it has these adapters: it was restarted, or another run gives it its own",
            )),
            _ => Ok(()),
        }
    }

    /// A fault that may be gone later.
    pub(super) fn passing(&self, expected: &str) -> Fault {
        Fault::passing(&self.url, self.got(expected))
    }

    /// A fault that stays.
    pub(super) fn lasting(&self, expected: &str) -> Fault {
        Fault::lasting(&self.url, self.got(expected))
    }

    fn got(&self, expected: &str) -> String {
        format!("{}: got status {} {}, {expected}", self.path, self.status, self.quote())
    }

    /// The beginning of the words.
    fn quote(&self) -> String {
        let line = self.body.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(QUOTED) {
            Some((end, _)) => format!("{:?}...", &line[..end]),
            None => format!("{line:?}"),
        }
    }
}

/// Asks servers.
pub(super) struct Wire(Client);

impl Wire {
    /// One that nobody has asked yet. Proxies of the environment are for what lies outside; servers are in the own network.
    ///
    /// # Errors
    /// If the system has no certificates to know servers by.
    pub(super) fn new() -> Result<Self> {
        // The same that fetches models; whoever was first has chosen.
        _ = rustls::crypto::ring::default_provider().install_default();
        // Servers close connections that nobody uses for 5 seconds, and would not hear what is said on one just then.
        let idle = Duration::from_secs(3);
        let client = Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(idle)
            .build()?;
        Ok(Self(client))
    }

    /// Asks the server at `url`, who has `timeout` to answer.
    pub(super) async fn ask(&self, url: &str, call: &Call, timeout: Duration) -> Result<Said, Fault> {
        let Call { path, body } = call;
        let address = format!("{}{path}", url.trim_end_matches('/'));
        let request = match body {
            Some(body) => self.0.post(address).json(body),
            None => self.0.get(address),
        };
        let broken = |error: reqwest::Error| unreachable(url, path, timeout, &error);
        let response = request.timeout(timeout).send().await.map_err(broken)?;
        let status = response.status().as_u16();
        let body = response.text().await.map_err(broken)?;
        Ok(Said { url: url.to_owned(), path: path.clone(), status, body })
    }
}

/// No answer, or half of one.
fn unreachable(url: &str, path: &str, timeout: Duration, error: &reqwest::Error) -> Fault {
    if error.is_timeout() && !error.is_connect() {
        let text = format!(
            "{url} {path}: no answer within {} s; the server hangs or has more to do than it can: raise [engine] `timeout_s`, or \
             lower `concurrency`",
            timeout.as_secs()
        );
        return Fault { text, kind: FaultKind::Slow };
    }
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let what = if error.is_connect() { "cannot be reached" } else { "the connection broke" };
    Fault::passing(url, format_args!("{path}: {what} ({cause}); is the server up? its log says more"))
}
