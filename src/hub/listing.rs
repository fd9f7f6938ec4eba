//! What a hub has of a model at a revision.

use crate::files::model_folder::FURTHER_TEMPLATES;
use std::collections::BTreeSet;

use serde::Deserialize;

use super::client::Client;
use super::trouble::{Arriving, Tries, Trouble, Watch};
use crate::model::json::{OF_REASON, short};
use crate::model::{HubModel, is_commit};

/// Most of them.
const MOST_TEMPLATES: usize = 100;

/// Longest list of a model's files, bytes.
const LIST_BYTES: u64 = 16 << 20;

/// The commit that a revision stands for, and the files that it has.
#[derive(Debug)]
pub(super) struct Listing {
    /// 40 hexadecimal digits.
    pub commit: String,
    names: BTreeSet<String>,
}

/// A hub's description of a model, as far as it is read.
#[derive(Deserialize)]
struct Info {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

impl Listing {
    /// Asks the hub.
    pub(super) fn ask(client: &Client, model: &HubModel, watch: Watch<'_>) -> Result<Self, Trouble> {
        let HubModel { name, revision } = model;
        let path = format!("/api/models/{name}/revision/{}", revision.replace('/', "%2F"));
        let mut tries = Tries::new(watch);
        loop {
            let answered = client.get(&path, 0).and_then(|answer| {
                let kind = answer.response.headers().get("content-type");
                let kind =
                    kind.map_or("?".into(), |kind| String::from_utf8_lossy(kind.as_bytes())).into_owned();
                let body = answer.response.into_body().into_reader();
                Ok((kind, Arriving::new(body, watch).whole(LIST_BYTES)?))
            });
            match answered {
                Ok((kind, body)) => return Self::read(&body, &kind, revision),
                Err(trouble) => tries.after(trouble)?,
            }
        }
    }

    fn read(body: &[u8], kind: &str, revision: &str) -> Result<Self, Trouble> {
        let info = serde_json::from_slice(body).map_err(|error: serde_json::Error| {
            let begin: String = String::from_utf8_lossy(&body[..body.len().min(160)]).chars().take(40).collect();
            let kind: String = kind.chars().take(80).collect();
            Trouble::Answer(format!(
                "the answer does not describe a model: content of the type {kind:?} that begins {begin:?}: {}",
                short(&error.to_string(), OF_REASON)
            ))
        });
        let Info { sha, siblings } = info?;
        let shown: String = sha.chars().take(80).collect();
        let wrong =
            |expected: &str| Trouble::Answer(format!("got the commit {shown:?}, expected {expected}"));
        if !is_commit(&sha) {
            return Err(wrong("40 hexadecimal digits"));
        }
        let commit = sha.to_ascii_lowercase();
        if is_commit(revision) && commit != revision {
            return Err(wrong(revision));
        }
        let names: BTreeSet<String> = siblings.into_iter().map(|file| file.rfilename).collect();
        let this = Self { commit, names };
        match this.templates().count() {
            n if n > MOST_TEMPLATES => {
                Err(Trouble::Answer(format!("got {n} chat templates, expected at most {MOST_TEMPLATES}")))
            }
            _ => Ok(this),
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The further chat templates. What else lies in their folder, under odd names or in folders of its own, is not missed by
    /// who fetches a model.
    pub(super) fn templates(&self) -> impl Iterator<Item = &str> {
        let is_template = |name: &&str| {
            let within = name.strip_prefix(FURTHER_TEMPLATES).and_then(|rest| rest.strip_prefix('/'));
            within.is_some_and(is_plain)
        };
        self.names.iter().map(String::as_str).filter(is_template)
    }
}

/// Whether `name` can only be that of a file in its folder, in an address too, and may be shown.
pub(super) fn is_plain(name: &str) -> bool {
    let of_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && name.len() <= 255 && !name.starts_with('.') && name.chars().all(of_name)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_description_is_believed_as_far_as_it_can_be_checked() {
        let commit = "0123456789abcdef0123456789ABCDEF01234567";
        let text = |sha: &str, names: &[&str]| {
            let siblings: Vec<_> =
                names.iter().map(|name| serde_json::json!({ "rfilename": name })).collect();
            serde_json::json!({ "sha": sha, "siblings": siblings, "tags": [[[]]] }).to_string()
        };
        let odd = ["../../x", "a\\b", "a\u{1b}[2J", "a/b", "", "a b.jinja", ".jinja"];
        let odd = odd.map(|name| format!("{FURTHER_TEMPLATES}/{name}"));
        let mut names = vec!["config.json", "additional_chat_templates/rag.jinja", "../../x", "/etc/passwd"];
        names.extend(odd.iter().map(String::as_str));
        let listing = Listing::read(text(commit, &names).as_bytes(), "", "main").unwrap();
        assert_eq!(listing.commit, commit.to_lowercase());
        assert!(listing.has("config.json") && !listing.has("vocab.txt"));
        assert_eq!(listing.templates().collect::<Vec<_>>(), ["additional_chat_templates/rag.jinja"]);

        let other = "f".repeat(40);
        for (body, revision, said) in [
            (text("../../../tmp", &[]), "main", "got the commit \"../../../tmp\", expected 40 hexadecimal"),
            (text("", &[]), "main", "got the commit"),
            (text(commit, &[]), &*other, "expected ffff"),
            ("<!DOCTYPE html>\n<title>Sign in</title>".to_owned(), "main", "begins \"<!DOCTYPE html>"),
            ("{\"sha\": 1}".to_owned(), "main", "does not describe a model"),
            (format!("{{\"siblings\": \"{}\"}}", "x".repeat(1_000_000)), "main", "does not describe a model"),
            ("[".repeat(1_000_000), "main", "does not describe a model"),
        ] {
            let error = Listing::read(body.as_bytes(), "text/html", revision).unwrap_err().to_string();
            assert!(error.contains(said) && error.len() < 500, "{error}");
        }
        let many: Vec<String> = (0..101).map(|n| format!("additional_chat_templates/{n}.jinja")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let error = Listing::read(text(commit, &many).as_bytes(), "", "main").unwrap_err().to_string();
        assert!(error.contains("got 101 chat templates"), "{error}");
    }
}
