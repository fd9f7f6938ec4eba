//! The address of a hub, and where its answers lead.

use std::fmt;

use anyhow::{Result, anyhow};
use ureq::http::Uri;

use super::environment::ENDPOINT;
use crate::types::masked;

/// What nobody is shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The address under which a hub answers; shown without the login that may stand in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Without login and closing slash.
    base: Uri,
    /// `user:password`.
    login: Option<Secret>,
}

impl Endpoint {
    /// The address that `HF_ENDPOINT` holds.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let text = text.trim().trim_end_matches('/');
        let parse = || {
            let uri: Uri = text.parse().ok()?;
            let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
            let plain = ["http", "https"].contains(&scheme) && !authority.host().is_empty();
            let plain = plain && uri.query().is_none() && !text.contains('#');
            let (login, host) = match authority.as_str().rsplit_once('@') {
                Some((login, host)) => (Some(Secret(login.to_owned())), host),
                None => (None, authority.as_str()),
            };
            let base = format!("{scheme}://{host}{}", uri.path().trim_end_matches('/'));
            Some(Self { base: base.parse().ok()?, login }).filter(|_| plain)
        };
        parse().ok_or_else(|| {
            anyhow!("HF_ENDPOINT: got {:?}, expected an address such as {ENDPOINT}", masked(text))
        })
    }

    /// The address of `path`, which begins with a slash, at the hub; `None` if that makes none.
    pub(super) fn at(&self, path: &str) -> Option<Uri> {
        format!("{self}{path}").parse().ok()
    }

    /// Whether `uri` is answered by the hub itself: by the same server, over the same protocol.
    pub(super) fn owns(&self, uri: &Uri) -> bool {
        origin(&self.base) == origin(uri)
    }

    /// `uri`, which the hub [owns](Self::owns), with the login if there is one.
    pub(super) fn with_login(&self, uri: &Uri) -> Uri {
        let Some(Secret(login)) = &self.login else { return uri.clone() };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let whole = format!("{}://{login}@{}{path}", uri.scheme_str().unwrap_or_default(), host_of(uri));
        whole.parse().unwrap_or_else(|_| uri.clone())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.base.to_string().trim_end_matches('/'))
    }
}

/// Protocol, host and port.
fn origin(uri: &Uri) -> (String, String, Option<u16>) {
    let scheme = uri.scheme_str().unwrap_or_default();
    let usual = if scheme == "https" { 443 } else { 80 };
    (scheme.to_owned(), uri.host().unwrap_or_default().to_ascii_lowercase(), uri.port_u16().or(Some(usual)))
}

/// Host and port as they are written in `uri`.
pub(super) fn host_of(uri: &Uri) -> &str {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// Where `location`, of an answer of `from`, leads: an address of its own, or one that leaves out what is the same.
///
/// # Errors
/// What is wrong with it, as part of a sentence.
pub(super) fn led_to(from: &Uri, location: &str) -> Result<Uri, String> {
    let scheme = from.scheme_str().unwrap_or_default();
    let host = from.authority().map_or("", |authority| authority.as_str());
    let whole = if location.contains("://") && !location.starts_with(['/', '?', '.']) {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{host}{location}")
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{host}{folder}/{location}")
    };
    let to: Uri = whole.parse().map_err(|_| "redirects to what is no address".to_owned())?;
    match (scheme, to.scheme_str(), to.host()) {
        (_, Some("https"), Some(_)) | ("http", Some("http"), Some(_)) => Ok(to),
        ("https", Some("http"), _) => Err(format!("redirects from https to http, to {}", host_of(&to))),
        _ => Err("redirects to what is no address of http or https".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_login_is_kept_and_never_shown() {
        let hub = Endpoint::parse(" https://me:pass@Mirror.example:8443/hf/ ").unwrap();
        assert_eq!(hub.to_string(), "https://Mirror.example:8443/hf");
        assert!(!format!("{hub:?}").contains("pass"));
        let path = hub.at("/api/models/a/b").unwrap();
        assert_eq!(path, "https://Mirror.example:8443/hf/api/models/a/b");
        assert_eq!(hub.with_login(&path), "https://me:pass@Mirror.example:8443/hf/api/models/a/b");
        for wrong in
            ["near:8", "https://", "ftp://near", "http://a b", "http://h/?token=x", "me:pass@near", ""]
        {
            let error = Endpoint::parse(wrong).unwrap_err().to_string();
            assert!(error.starts_with("HF_ENDPOINT: got ") && !error.contains("=x"), "{error}");
        }
        let error = Endpoint::parse("ftp://me:pass@near").unwrap_err().to_string();
        assert!(error.contains("ftp://***@near"), "{error}");
    }

    #[test]
    fn a_hub_owns_what_it_answers_itself() {
        let hub = Endpoint::parse("https://hub.example").unwrap();
        for (uri, own) in [
            ("https://hub.example/x", true),
            ("https://HUB.example:443/x", true),
            ("http://hub.example/x", false),
            ("https://hub.example:8443/x", false),
            ("https://hub.example.evil.example/x", false),
            ("https://hub.example@evil.example/x", false),
            ("https://cdn.hub.example/x", false),
        ] {
            assert_eq!(hub.owns(&uri.parse().unwrap()), own, "{uri}");
        }
    }

    #[test]
    fn redirects_lead_where_they_say() {
        let from: Uri = "https://hub.example/a/resolve/c/x".parse().unwrap();
        for (location, to) in [
            ("https://cdn.example/b?sig=1", "https://cdn.example/b?sig=1"),
            ("//cdn.example/b", "https://cdn.example/b"),
            ("/api/b", "https://hub.example/api/b"),
            ("y", "https://hub.example/a/resolve/c/y"),
            ("/b?next=http://x", "https://hub.example/b?next=http://x"),
        ] {
            assert_eq!(led_to(&from, location).unwrap(), to);
        }
        for wrong in
            ["http://hub.example/", "file:///etc/passwd", "ftp://x/y", "https://", "//", "http://[", "\0"]
        {
            assert!(led_to(&from, wrong).is_err(), "{wrong}");
        }
    }
}
