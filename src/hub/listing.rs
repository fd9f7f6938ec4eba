//! What a hub has of a model at a revision, and which files its index of shards names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::client::Client;
use super::place::{HubModel, is_commit};
use super::trouble::{Arriving, Tries, Trouble, Watch};
use crate::files::read_regular;

/// Folder of further chat templates.
const FURTHER_TEMPLATES: &str = "additional_chat_templates/";

/// Most of them.
const MOST_TEMPLATES: usize = 100;

/// Longest list of a model's files, bytes.
const LIST_BYTES: u64 = 16 << 20;

/// Longest index of shards, bytes.
pub(super) const INDEX_BYTES: u64 = 32 << 20;

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
    pub fn ask(client: &Client, model: &HubModel, watch: Watch<'_>) -> Result<Self, Trouble> {
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
        let info = serde_json::from_slice(body).map_err(|error| {
            let begin: String = String::from_utf8_lossy(&body[..body.len().min(160)]).chars().take(40).collect();
            let kind: String = kind.chars().take(80).collect();
            Trouble::Answer(format!(
                "the answer does not describe a model: content of the type {kind:?} that begins {begin:?}: {error}"
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
        let odd = this.templates().find(|name| !is_plain(&name[FURTHER_TEMPLATES.len()..]));
        if let Some(odd) = odd {
            let odd: String = odd.chars().take(80).collect();
            return Err(Trouble::Answer(format!(
                "got the file name {odd:?}, expected letters, digits, `-`, `_` and `.`"
            )));
        }
        match this.templates().count() {
            n if n > MOST_TEMPLATES => {
                Err(Trouble::Answer(format!("got {n} chat templates, expected at most {MOST_TEMPLATES}")))
            }
            _ => Ok(this),
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The further chat templates.
    pub fn templates(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str).filter(|name| name.starts_with(FURTHER_TEMPLATES))
    }
}

/// Whether `name` can only be that of a file in its folder, and may be shown.
fn is_plain(name: &str) -> bool {
    let of_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && name.len() <= 255 && !name.starts_with('.') && name.chars().all(of_name)
}

/// An index of shards, as far as it is read.
#[derive(Deserialize)]
struct Index {
    /// File by tensor.
    weight_map: BTreeMap<String, String>,
}

/// The files that an index of shards names.
///
/// # Errors
/// If it cannot be read, or names something else than files in its folder.
pub(super) fn shards(index: &Path) -> Result<BTreeSet<String>> {
    let shown = index.display();
    let text = read_regular(index, INDEX_BYTES).with_context(|| format!("{shown}: cannot be read"))?;
    let index: Index =
        serde_json::from_slice(&text).with_context(|| format!("{shown}: not an index of shards"))?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    let odd = names.iter().find(|name| !is_plain(name));
    ensure!(
        !names.is_empty() && odd.is_none(),
        "{shown}, weight_map: got {}, expected the names of shards in the same folder",
        odd.map_or("no names".to_owned(), |odd| format!("{:?}", odd.chars().take(80).collect::<String>()))
    );
    Ok(names)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::fs;

    use super::*;
    use crate::model::load::INDEX;

    #[test]
    fn a_description_is_believed_as_far_as_it_can_be_checked() {
        let commit = "0123456789abcdef0123456789ABCDEF01234567";
        let text = |sha: &str, names: &[&str]| {
            let siblings: Vec<_> =
                names.iter().map(|name| serde_json::json!({ "rfilename": name })).collect();
            serde_json::json!({ "sha": sha, "siblings": siblings, "tags": [[[]]] }).to_string()
        };
        let names = ["config.json", "additional_chat_templates/rag.jinja", "../../x", "/etc/passwd"];
        let listing = Listing::read(text(commit, &names).as_bytes(), "", "main").unwrap();
        assert_eq!(listing.commit, commit.to_lowercase());
        assert!(listing.has("config.json") && !listing.has("vocab.txt"));
        assert_eq!(listing.templates().collect::<Vec<_>>(), ["additional_chat_templates/rag.jinja"]);

        let other = "f".repeat(40);
        let template = |name: &str| text(commit, &[&format!("additional_chat_templates/{name}")]);
        for (body, revision, said) in [
            (text("../../../tmp", &[]), "main", "got the commit \"../../../tmp\", expected 40 hexadecimal"),
            (text("", &[]), "main", "got the commit"),
            (text(commit, &[]), &*other, "expected ffff"),
            (template("../../x"), "main", "expected letters"),
            (template("a\\b"), "main", "expected letters"),
            (template("a\u{1b}[2J"), "main", "expected letters"),
            (template("a/b"), "main", "expected letters"),
            (template(""), "main", "expected letters"),
            ("<!DOCTYPE html>\n<title>Sign in</title>".to_owned(), "main", "begins \"<!DOCTYPE html>"),
            ("{\"sha\": 1}".to_owned(), "main", "does not describe a model"),
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

    #[test]
    fn an_index_names_shards_in_its_own_folder() {
        let dir = tempfile::tempdir().unwrap();
        let index = dir.path().join(INDEX);
        for (map, holds) in [
            (r#"{"weight_map": {"a": "x.safetensors", "b": "y.safetensors", "c": "x.safetensors"}}"#, true),
            (r#"{"weight_map": {"a": "../x.safetensors"}}"#, false),
            (r#"{"weight_map": {"a": "/x.safetensors"}}"#, false),
            (r#"{"weight_map": {"a": "x\u001b[2J.safetensors"}}"#, false),
            (r#"{"weight_map": {"a": ".."}}"#, false),
            (r#"{"weight_map": {"a": 1}}"#, false),
            (r#"{"weight_map": {}}"#, false),
            ("[]", false),
        ] {
            fs::write(&index, map).unwrap();
            assert_eq!(shards(&index).ok().map(|shards| shards.len()), holds.then_some(2), "{map}");
        }
    }
}
