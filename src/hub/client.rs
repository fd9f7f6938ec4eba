//! Questions to a hub, and to the servers that it sends us to for large files.
//!
//! Redirects are followed here, one by one: the token and the login are for the hub itself, and once an answer has led away from
//! it they are not sent again, not even back to it. What is said of a file counts from the first answer that says it: the
//! `X-Linked-...` headers of a redirect, else those of the answer with the content.

use std::time::{Duration, SystemTime};

use jiff::fmt::rfc2822;
use ureq::http::{HeaderMap, Response, StatusCode, Uri, header};
use ureq::{Agent, Body};

use super::endpoint::{Endpoint, Secret, host_of, led_to};
use super::hash::ContentHash;
use super::trouble::{Patience, Trouble};
use crate::model::json::{OF_VALUE, short};

/// Most redirects in a row.
const HOPS: usize = 8;

/// Asks one hub.
pub(super) struct Client {
    agent: Agent,
    endpoint: Endpoint,
    token: Option<Secret>,
}

/// An answer with content.
pub(super) struct Answer {
    /// Hash of the whole content, where the answer has one that can be checked.
    pub hash: Option<ContentHash>,
    /// Size of the whole content, bytes.
    pub size: Option<u64>,
    /// Commit that the hub says the content is of.
    pub commit: Option<String>,
    /// Where the body begins in the content.
    pub start: u64,
    pub response: Response<Body>,
}

impl Client {
    pub(super) fn new(endpoint: Endpoint, token: Option<Secret>, patience: Patience) -> Self {
        let Patience { answer, piece, .. } = patience;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("rlcredit/", env!("CARGO_PKG_VERSION")))
            // Sizes and ranges are those of the content itself.
            .accept_encoding("identity")
            .timeout_resolve(Some(answer))
            .timeout_connect(Some(answer))
            .timeout_send_request(Some(answer))
            .timeout_recv_response(Some(answer))
            .timeout_per_read(Some(piece))
            .build();
        Self { agent: config.into(), endpoint, token }
    }

    /// What the hub has under `path`, from byte `start` on if it can give that.
    pub(super) fn get(&self, path: &str, start: u64) -> Result<Answer, Trouble> {
        let no_address = || Trouble::Answer(format!("{path:?} makes no address"));
        let mut uri = self.endpoint.at(path).ok_or_else(no_address)?;
        let (mut at_home, mut said) = (true, Said::default());
        for _ in 0..=HOPS {
            let response = self.send(&uri, at_home, start)?;
            let (status, headers) = (response.status(), response.headers());
            let location = headers.get(header::LOCATION).filter(|_| leads_on(status));
            let next = location.map(|location| {
                let location = location.to_str().map_err(|_| "redirects to what is no address".to_owned());
                led_to(&uri, location?)
            });
            let next =
                next.transpose().map_err(|what| Trouble::Answer(format!("{} {what}", host_of(&uri))))?;
            let stays = at_home && next.as_ref().is_none_or(|next| self.endpoint.owns(next));
            let leads_away = next.as_ref().is_some_and(|next| host_of(next) != host_of(&uri));
            said.note(headers, leads_away)?;
            let Some(next) = next else {
                let elsewhere = (!at_home).then(|| host_of(&uri).to_owned());
                return said.answer(response, start, elsewhere);
            };
            (uri, at_home) = (next, stays);
        }
        Err(Trouble::Answer(format!("more than {HOPS} redirects in a row, the last to {}", host_of(&uri))))
    }

    fn send(&self, uri: &Uri, at_home: bool, start: u64) -> Result<Response<Body>, Trouble> {
        let request =
            if at_home { self.agent.get(self.endpoint.with_login(uri)) } else { self.agent.get(uri) };
        let request = match self.token.as_ref().filter(|_| at_home) {
            Some(Secret(token)) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        };
        let from = (start > 0).then(|| format!("bytes={start}-"));
        let request = from.into_iter().fold(request, |request, from| request.header(header::RANGE, from));
        Ok(request.call()?)
    }
}

/// What the hub's own answers say of a file.
#[derive(Default)]
struct Said {
    hash: Option<ContentHash>,
    size: Option<u64>,
    commit: Option<String>,
}

impl Said {
    /// Takes over what `headers` say; of a redirect that `leads_away` its own ETag is that of the file too.
    fn note(&mut self, headers: &HeaderMap, leads_away: bool) -> Result<(), Trouble> {
        let text = |name: &str| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        if self.hash.is_none() {
            self.hash = match text("x-linked-etag") {
                Some(tag) => Some(hash_in(&tag)?),
                None => text("etag").filter(|_| leads_away).and_then(|tag| ContentHash::of_tag(&tag)),
            };
        }
        self.size = self.size.or(number(headers, "x-linked-size")?);
        self.commit = self.commit.take().or_else(|| text("x-repo-commit").map(|commit| commit.into_owned()));
        Ok(())
    }

    /// The last answer with what was said before it.
    fn answer(
        self,
        response: Response<Body>,
        asked: u64,
        elsewhere: Option<String>,
    ) -> Result<Answer, Trouble> {
        let (status, headers) = (response.status(), response.headers());
        if ![StatusCode::OK, StatusCode::PARTIAL_CONTENT].contains(&status) {
            return Err(Trouble::Status { code: status.as_u16(), host: elsewhere, wait: wait(headers) });
        }
        let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        if let Some(encoding) = text(header::CONTENT_ENCODING).filter(|encoding| encoding != "identity") {
            return Err(Trouble::Answer(format!(
                "the answer is encoded as {:?}, which was not asked for",
                short(&encoding, OF_VALUE)
            )));
        }
        let length = number(headers, "content-length")?;
        let (start, whole) = if status == StatusCode::PARTIAL_CONTENT {
            let range = text(header::CONTENT_RANGE).unwrap_or_default();
            let wrong = || {
                Trouble::Answer(format!(
                    "got the range {:?}, asked for bytes from {asked} on",
                    short(&range, OF_VALUE)
                ))
            };
            let (start, size) = range_of(&range).filter(|(start, _)| *start == asked).ok_or_else(wrong)?;
            (start, size)
        } else {
            (0, length)
        };
        let own = text(header::ETAG).filter(|_| self.hash.is_none());
        let hash = self.hash.or(own.and_then(|tag| ContentHash::of_tag(&tag)));
        let Self { size, commit, .. } = self;
        Ok(Answer { hash, size: size.or(whole), commit, start, response })
    }
}

fn leads_on(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn hash_in(tag: &str) -> Result<ContentHash, Trouble> {
    let wrong = || {
        let shown: String = tag.chars().take(80).collect();
        Trouble::Answer(format!(
            "got the ETag {shown:?}, expected git's hash of a small file or the SHA-256 of a large one"
        ))
    };
    ContentHash::of_tag(tag).ok_or_else(wrong)
}

fn number(headers: &HeaderMap, name: &str) -> Result<Option<u64>, Trouble> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let shown = || short(&String::from_utf8_lossy(value.as_bytes()), OF_VALUE);
    let wrong = || Trouble::Answer(format!("got the {name} {:?}, expected a number of bytes", shown()));
    parsed.map(Some).ok_or_else(wrong)
}

/// Start and size of the whole in `bytes 5-9/10`; the size is unknown in `bytes 5-9/*`.
fn range_of(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-')?.0.trim().parse().ok()?;
    let size = if size.trim() == "*" { None } else { Some(size.trim().parse().ok()?) };
    Some((start, size))
}

/// How long a server asks to wait: a number of seconds, or a date.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = SystemTime::from(rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?);
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn ranges_and_waits_are_read() {
        assert_eq!(range_of("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(range_of("bytes 0-/*"), Some((0, None)));
        for wrong in ["", "bytes */10", "5-9/10", "bytes -9/10", "bytes 5-9", "bytes 5-9/-1", "bytes 5-9/x"] {
            assert_eq!(range_of(wrong), None, "{wrong}");
        }
        let wait = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
            super::wait(&headers)
        };
        assert_eq!(wait(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(wait("99999999999999999999999"), Some(Duration::from_secs(u64::MAX)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let year = Duration::from_secs(365 * 86_400);
        assert!(wait("Tue, 31 Dec 2199 23:59:59 GMT").unwrap() > year);
        assert_eq!((wait("-1"), wait("soon"), wait("")), (None, None, None));
    }
}
