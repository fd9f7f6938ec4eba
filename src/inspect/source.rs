//! Where responses to look at come from: a file of lines, or the rollouts of a run.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Sampled, Subject};
use crate::data::jsonl;
use crate::files::list;
use crate::run_folder::RunFolder;
use crate::text::Tokenizer;
use crate::types::{Step, TokenId};

/// What a line of a file looks like.
const EXPECTED: &str =
    "{\"prompt\": \"...\", \"response\": \"...\"} or {\"prompt_tokens\": [...], \"response_tokens\": [...]}";

/// A response as it was given, before any tokenizer has seen it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    label: String,
    /// Where a person finds it: `answers.jsonl:3`.
    place: String,
    prompt: Side,
    response: Side,
    /// Coefficient that training gave each token of the response.
    trained: Option<Vec<f32>>,
    sampled: Option<Sampled>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Side {
    Text(String),
    Tokens(Vec<TokenId>),
}

/// What the model can read.
#[derive(Clone, Copy)]
pub(crate) struct Limits<'a> {
    /// `None` where the model has none and takes token ids alone.
    pub tokenizer: Option<&'a Tokenizer>,
    /// Entries of the vocabulary.
    pub n_vocab: usize,
    /// Positions of the model.
    pub n_positions: usize,
}

/// Every line of the file at `path`, each with texts or token ids. Keys beside these are passed over; where a line has
/// both, the ids count.
///
/// # Errors
/// If the file cannot be read, has no line, or a line is something else; with file, line and the keys that were there.
pub(crate) fn lines(path: &Path) -> Result<Vec<Line>> {
    jsonl::read(path, EXPECTED, |line: Map<String, Value>, place| {
        let [prompt, response] = ["prompt", "response"].map(|name| Side::read(&line, name));
        let (label, place) = (place.to_owned(), place.to_owned());
        Ok(Line { label, place, prompt: prompt?, response: response?, trained: None, sampled: None })
    })
}

/// Every response that the run in `folder` sampled in `step`.
///
/// # Errors
/// If the run has not kept that step, saying which it has; if the file is broken.
pub(crate) fn rollouts(folder: &RunFolder, step: Step) -> Result<Vec<Line>> {
    /// What of a line is of use here.
    #[derive(Deserialize)]
    struct Response {
        prompt_id: u64,
        sample: u32,
        parent: Option<u32>,
        fork_at: Option<usize>,
        reward: f64,
        prompt_tokens: Vec<TokenId>,
        tokens: Vec<TokenId>,
        advantages: Vec<Option<f32>>,
        gamma: Option<Vec<f32>>,
    }
    let path = folder.rollouts(step);
    if !path.is_file() {
        let (root, kept) = (folder.root().display(), steps_kept(folder)?);
        bail!("{root}: no responses of step {step}; the run has kept those of {kept}");
    }
    jsonl::read(&path, "a response with `prompt_tokens` and `tokens`", |line: Response, place| {
        let Response { prompt_id, sample, parent, fork_at, reward, prompt_tokens, tokens, advantages, gamma } =
            line;
        for (name, got) in [("advantages", Some(advantages.len())), ("gamma", gamma.as_ref().map(Vec::len))] {
            let expected = tokens.len();
            let fits = got.is_none_or(|got| got == expected);
            ensure!(fits, "`{name}` has {} numbers for {expected} `tokens`", got.unwrap_or_default());
        }
        let branch = match (parent, fork_at) {
            (Some(parent), Some(at)) => format!(" off {parent} at token {at}"),
            _ => String::new(),
        };
        Ok(Line {
            label: format!("step {step}, prompt {prompt_id}, sample {sample}{branch}, reward {reward}"),
            place: place.to_owned(),
            prompt: Side::Tokens(prompt_tokens),
            response: Side::Tokens(tokens),
            trained: gamma,
            sampled: Some(Sampled { step, prompt_id, sample, parent, fork_at, reward, advantages }),
        })
    })
}

impl Line {
    /// The texts of it that a tokenizer will read.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        [&self.prompt, &self.response].into_iter().filter_map(|side| match side {
            Side::Text(text) => Some(text.as_str()),
            Side::Tokens(_) => None,
        })
    }

    /// The tokens, as far as the model can read them.
    ///
    /// # Errors
    /// If prompt or response is empty, a token is not in the vocabulary, a text meets no tokenizer, or all together is
    /// longer than the model's positions.
    pub(crate) fn subject(self, limits: Limits<'_>) -> Result<Subject> {
        let Self { label, place, prompt, response, trained, sampled } = self;
        let tokens = |name: &str, side: Side| {
            side.tokens(limits)
                .and_then(|tokens| {
                    ensure!(!tokens.is_empty(), "no tokens; expected at least one");
                    Ok(tokens)
                })
                .with_context(|| format!("{place}: {name}"))
        };
        let (prompt, response) = (tokens("prompt", prompt)?, tokens("response", response)?);
        ensure!(
            prompt.len() + response.len() <= limits.n_positions,
            "{place}: {} tokens of prompt and {} of response, together {}; the model has {} positions",
            prompt.len(),
            response.len(),
            prompt.len() + response.len(),
            limits.n_positions
        );
        Ok(Subject { label, prompt, response, trained, sampled })
    }
}

impl Side {
    /// The ids under `NAME_tokens` or the text under `name`.
    fn read(line: &Map<String, Value>, name: &str) -> Result<Self> {
        let ids = format!("{name}_tokens");
        if let Some(value) = line.get(&ids) {
            return typed(&ids, value, "a list of token ids").map(Self::Tokens);
        }
        if let Some(value) = line.get(name) {
            return typed(name, value, "a text").map(Self::Text);
        }
        let keys: Vec<String> = line.keys().map(|key| format!("`{key}`")).collect();
        let got = if keys.is_empty() { String::from("no key") } else { keys.join(", ") };
        bail!("neither `{name}` nor `{ids}`: got {got}")
    }

    fn tokens(self, limits: Limits<'_>) -> Result<Vec<TokenId>> {
        let tokens = match self {
            Self::Tokens(tokens) => tokens,
            Self::Text(text) => {
                let tokenizer = limits.tokenizer.context(
                    "got a text, but the model has no tokenizer.json; expected token ids (prompt_tokens, \
                     response_tokens), or put the tokenizer.json of the model beside its config.json",
                )?;
                tokenizer.encode(&text)?
            }
        };
        let n = limits.n_vocab;
        if let Some((i, token)) = tokens.iter().enumerate().find(|(_, token)| **token as usize >= n) {
            bail!(
                "token {token} at position {i}; the model's vocabulary has {n} entries, 0 to {}",
                n.saturating_sub(1)
            );
        }
        Ok(tokens)
    }
}

fn typed<T: DeserializeOwned>(key: &str, value: &Value, expected: &str) -> Result<T> {
    T::deserialize(value).ok().with_context(|| {
        let mut got: String = value.to_string().chars().take(60).collect();
        if got.len() < value.to_string().len() {
            got.push('…');
        }
        format!("`{key}`: got {got}, not {expected}")
    })
}

/// The steps whose responses `folder` has, in words.
///
/// # Errors
/// If the run cannot be looked into.
pub(crate) fn steps_kept(folder: &RunFolder) -> Result<String> {
    let steps = kept(&folder.root().join("rollouts"))?;
    Ok(if steps.is_empty() { String::from("no step at all") } else { ranges(&steps) })
}

/// The steps whose responses lie in `folder`, in order.
fn kept(folder: &Path) -> Result<Vec<Step>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let step = |name: &str| name.strip_prefix("step_")?.strip_suffix(".jsonl")?.parse().ok();
    let mut steps: Vec<Step> =
        list(folder)?.iter().filter_map(|entry| step(&entry.file_name().to_string_lossy())).collect();
    steps.sort_unstable();
    Ok(steps)
}

/// `steps 1 to 4, 6, 9 to 10`; of many pieces the first and the last few.
fn ranges(steps: &[Step]) -> String {
    const MOST: usize = 8;
    let pieces = steps.chunk_by(|a, b| a + 1 == *b).filter_map(|piece| match piece {
        [] => None,
        [one] => Some(one.to_string()),
        [first, .., last] => Some(format!("{first} to {last}")),
    });
    let mut pieces: Vec<String> = pieces.collect();
    if pieces.len() > MOST {
        pieces.splice(MOST / 2..pieces.len() - MOST / 2, [String::from("...")]);
    }
    format!("{} {}", if steps.len() == 1 { "step" } else { "steps" }, pieces.join(", "))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::fs;

    use super::*;
    use crate::text::countdown_tokenizer;

    fn subjects(content: &str, limits: Limits<'_>) -> Result<Vec<Subject>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in.jsonl");
        fs::write(&path, content).unwrap();
        lines(&path)?.into_iter().map(|line| line.subject(limits)).collect()
    }

    const IDS_ONLY: Limits<'_> = Limits { tokenizer: None, n_vocab: 10, n_positions: 6 };

    #[test]
    fn a_line_has_texts_or_token_ids() {
        let tokenizer = countdown_tokenizer().unwrap();
        let limits = Limits { tokenizer: Some(&tokenizer), n_vocab: tokenizer.vocab_size(), n_positions: 6 };
        let line = "{\"prompt\": \"1+\", \"response\": \"2<eos>\", \"response_tokens\": [9], \"id\": 5}\n";
        let both = &subjects(line, limits).unwrap()[0];
        assert_eq!(
            (both.prompt.as_slice(), both.response.as_slice()),
            (tokenizer.encode("1+").unwrap().as_slice(), &[9][..])
        );
        assert!(both.label.ends_with("in.jsonl:1"));
    }

    #[test]
    fn broken_lines_say_where_what_they_have_and_what_they_should() {
        let good = "{\"prompt_tokens\": [1], \"response_tokens\": [2, 9]}\n";
        assert_eq!(subjects(good, IDS_ONLY).unwrap()[0].response, [2, 9]);
        for (line, parts) in [
            (
                "{\"promt\": \"a\", \"response\": \"b\"}",
                &["neither `prompt` nor `prompt_tokens`", "`promt`, `response`", "expected {\"prompt\""][..],
            ),
            ("{}", &["got no key"]),
            ("[1]", &["invalid type: sequence"]),
            ("{\"prompt\": 3, \"response\": \"b\"}", &["`prompt`: got 3, not a text"]),
            (
                "{\"prompt_tokens\": [1], \"response_tokens\": [-1]}",
                &["`response_tokens`: got [-1], not a list of token ids"],
            ),
            (
                "{\"prompt_tokens\": [1], \"response_tokens\": [10]}",
                &["response: token 10 at position 0", "10 entries, 0 to 9"],
            ),
            ("{\"prompt_tokens\": [], \"response_tokens\": [1]}", &["prompt: no tokens"]),
            ("{\"prompt_tokens\": [1], \"response_tokens\": []}", &["response: no tokens"]),
            (
                "{\"prompt_tokens\": [1, 1, 1], \"response_tokens\": [1, 1, 1, 1]}",
                &["together 7", "6 positions"],
            ),
            (
                "{\"prompt\": \"a\", \"response\": \"b\"}",
                &["prompt: got a text", "no tokenizer.json", "prompt_tokens"],
            ),
        ] {
            let error = format!("{:#}", subjects(&format!("{good}\n{line}\n"), IDS_ONLY).unwrap_err());
            assert!(error.contains("in.jsonl:3: "), "{error}");
            for part in parts {
                assert!(error.contains(part), "{part}: {error}");
            }
        }
    }

    #[test]
    fn steps_are_named_in_short() {
        assert_eq!(ranges(&[3]), "step 3");
        assert_eq!(ranges(&[1, 2, 3, 6, 9, 10]), "steps 1 to 3, 6, 9 to 10");
        let tens: Vec<Step> = (1..=20).map(|i| 10 * i).collect();
        assert_eq!(ranges(&tens), "steps 10, 20, 30, 40, ..., 170, 180, 190, 200");
    }
}
