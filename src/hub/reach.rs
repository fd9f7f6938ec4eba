//! Whether a hub answers, for those who look before they fetch.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::Hub;
use super::client::Client;
use super::trouble::{Patience, Trouble};

/// What a hub is asked for who asks with a token, and for others.
const WHO: &str = "/api/whoami-v2";
const ANY: &str = "/api/models?limit=1";

/// How a hub was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Its address, without what is secret of it.
    pub endpoint: String,
    /// Whether it is asked with a token.
    pub has_token: bool,
    /// The status of its answer, or why there is none; `None` where the environment keeps it from being asked.
    pub answer: Option<Result<u16, String>>,
}

impl Hub {
    /// Asks the hub once, and waits no longer than `patience` for all of it.
    #[must_use]
    pub(crate) fn reach(&self, patience: Duration) -> Reach {
        let answer = (!self.offline).then(|| {
            let (sender, receiver) = mpsc::channel();
            let (endpoint, token) = (self.endpoint.clone(), self.token.clone());
            let path = if token.is_some() { WHO } else { ANY };
            let waits = Patience { answer: patience, piece: patience, ..self.patience };
            // Names are looked up by the system, which has a patience of its own: who does so is left behind.
            thread::spawn(move || {
                let answer = Client::new(endpoint, token, waits).get(path, 0);
                let status = match answer {
                    Ok(answer) => Ok(answer.response.status().as_u16()),
                    Err(Trouble::Status { code, .. }) => Ok(code),
                    // Whatever it was, somebody has answered.
                    Err(Trouble::Answer(_)) => Ok(200),
                    Err(trouble) => Err(trouble.to_string()),
                };
                _ = sender.send(status);
            });
            let late = || Err(format!("no answer within {} s", patience.as_secs_f64()));
            receiver.recv_timeout(patience).unwrap_or_else(|_| late())
        });
        Reach { endpoint: self.endpoint.to_string(), has_token: self.token.is_some(), answer }
    }
}
