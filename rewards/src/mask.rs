//! Addresses without what is secret of them, for whatever is shown or kept.
//!
//! ```text
//! http://me:pass@host/grade?n=4&token=abc   is written as   http://***@host/grade?n=4&token=***
//! http://me:${GRADER_PASSWORD}@host/grade   stays: it names an environment variable, and no secret
//! ```

use std::borrow::Cow;

use serde::{Serialize, Serializer};

/// What stands in the place of a secret.
const MASK: &str = "***";

/// Parts of the names of parameters and variables whose values are secret.
const SECRET: [&str; 8] =
    ["token", "secret", "passw", "signature", "credential", "apikey", "accesskey", "authorization"];

/// The same, as whole words.
const SECRET_WORDS: [&str; 8] = ["key", "sig", "auth", "pwd", "pass", "jwt", "session", "bearer"];

/// `text` with what is secret of the addresses in it masked: logins, and parameters called like a token or a key.
#[must_use]
pub fn masked(text: &str) -> String {
    let (mut out, mut left) = (String::with_capacity(text.len()), text);
    while let Some(at) = left.find("://") {
        let of_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let start =
            left[..at].rfind(|c| !of_scheme(c)).map_or(0, |last| last + char_at(left, last).len_utf8());
        let opener = left[..start].chars().next_back();
        let ends = |c: char| {
            c.is_whitespace() || c.is_control() || "\"<>`".contains(c) || (c == '\'' && opener == Some(c))
        };
        let end = left[at..].find(ends).map_or(left.len(), |n| at + n);
        out += &left[..start];
        out += &masked_address(&left[start..end]);
        left = &left[end..];
    }
    out + left
}

fn char_at(text: &str, at: usize) -> char {
    text[at..].chars().next().unwrap_or_default()
}

/// As [`masked`], of a text that is one address, however odd.
#[must_use]
pub fn masked_address(address: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = address.split_once("://") else { return address.into() };
    let (login, rest) = split_login(rest);
    let login = match login {
        None | Some("") => String::new(),
        Some(login) if is_variable(login.rsplit(':').next().unwrap_or_default()) => format!("{login}@"),
        Some(_) => format!("{MASK}@"),
    };
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (path, parameters) = rest.split_at(end);
    let pieces = parameters.split_inclusive(['?', '#', '&', ';']).map(|piece| {
        let (piece, separator) = piece.split_at(piece.trim_end_matches(['?', '#', '&', ';']).len());
        match piece.split_once('=') {
            Some((name, value)) if !value.is_empty() && !is_variable(value) && is_secret(name) => {
                format!("{name}={MASK}{separator}")
            }
            _ => format!("{piece}{separator}"),
        }
    });
    format!("{scheme}://{login}{path}{}", pieces.collect::<String>()).into()
}

/// The login at the beginning of an address without its scheme, and the rest.
fn split_login(rest: &str) -> (Option<&str>, &str) {
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let port = authority.rsplit(']').next().unwrap_or_default().split_once(':').map(|(_, port)| port);
    let odd = port.is_some_and(|port| !port.bytes().all(|byte| byte.is_ascii_digit()));
    // What is no port is a password; where that holds a slash or the like, it goes on behind it.
    let within = if authority.contains('@') || !odd { authority } else { rest };
    match within.rfind('@') {
        Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
        None if odd => (Some(authority), &rest[authority.len()..]),
        None => (None, rest),
    }
}

/// Whether a parameter or a variable of this name holds a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    SECRET.iter().any(|part| name.contains(part)) || words.any(|word| SECRET_WORDS.contains(&word))
}

/// Whether `text` is `${NAME}`.
fn is_variable(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| !name.is_empty() && !name.contains(['$', '{', '}']))
}

/// Whether something of an address in `text` has been masked, so that it leads nowhere.
#[must_use]
pub fn is_masked(text: &str) -> bool {
    text.contains("://") && (text.contains(&format!("//{MASK}@")) || text.contains(&format!("={MASK}")))
}

/// `text` with the value of each environment variable that it names as `${NAME}`.
///
/// # Errors
/// The first name that has no value.
pub(crate) fn filled(text: &str, mut value: impl FnMut(&str) -> Option<String>) -> Result<String, String> {
    let (mut out, mut left) = (String::new(), text);
    while let Some((before, after)) = left.split_once("${") {
        let Some((name, rest)) = after.split_once('}') else { break };
        out += before;
        out += &value(name).ok_or(name)?;
        left = rest;
    }
    Ok(out + left)
}

/// Writes a text down masked.
pub(crate) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&masked(text))
}

/// Writes texts down masked.
pub(crate) fn serialize_all<S: Serializer>(texts: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    texts.iter().map(|text| masked(text)).collect::<Vec<_>>().serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_addresses_are_masked_and_nothing_else() {
        for (text, expected) in [
            ("http://me:pass@host:80/grade", "http://***@host:80/grade"),
            ("https://ghp_token@host", "https://***@host"),
            ("http://a@b:c@host/x", "http://***@host/x"),
            ("http://host/g?n=4&token=abc&k=5", "http://host/g?n=4&token=***&k=5"),
            ("http://host/g?X-Amz-Signature=ab&api_key=c;ApiKey=d#access_token=e", {
                "http://host/g?X-Amz-Signature=***&api_key=***;ApiKey=***#access_token=***"
            }),
            ("--set reward.0.url=http://u:p@h/?key=x", "--set reward.0.url=http://***@h/?key=***"),
            ("[{url = \"http://u:p@h/\", n = 1}, {url = 'http://h/?sig=x'}]", {
                "[{url = \"http://***@h/\", n = 1}, {url = 'http://h/?sig=***'}]"
            }),
            ("see http://u:p@h and ftp://v:q@i, then x", "see http://***@h and ftp://***@i, then x"),
            ("é http://u:p'q@h/é", "é http://***@h/é"),
            // A password that no address may hold as it is.
            ("http://me:pa/ss@host", "http://***@host"),
            ("http://me:pa#s?s@host/x", "http://***@host/x"),
            ("http://me:pass", "http://***@"),
            // Nothing secret.
            ("http://host:8000/keys/?monkey=1&design=2", "http://host:8000/keys/?monkey=1&design=2"),
            ("http://[::1]:8000/a@b", "http://[::1]:8000/a@b"),
            ("http://host/?token=", "http://host/?token="),
            ("http://me:${PASS}@host/?key=${KEY}", "http://me:${PASS}@host/?key=${KEY}"),
            ("mail me@host, or ://", "mail me@host, or ://"),
            ("", ""),
        ] {
            assert_eq!(masked(text), expected);
            assert_eq!(masked(expected), expected);
            assert_eq!(is_masked(expected), expected != text, "{text}");
        }
        assert_eq!(masked_address("http://me:pa\"s s@host/"), "http://***@host/");
        // Only in part a variable.
        assert_eq!(masked("http://me:x${PASS}@host"), "http://***@host");
    }

    #[test]
    fn variables_are_filled_in() {
        let value = |name: &str| (name == "PASS").then(|| "p".to_owned());
        assert_eq!(filled("http://me:${PASS}@h/${PASS}", value).as_deref(), Ok("http://me:p@h/p"));
        assert_eq!(filled("http://h/$PASS/${", value).as_deref(), Ok("http://h/$PASS/${"));
        assert_eq!(filled("${NONE}", value), Err("NONE".to_owned()));
    }
}
