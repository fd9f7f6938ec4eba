//! What the environment says of hubs and caches, read as Hugging Face's own tools read it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use super::Hub;
use super::endpoint::{Endpoint, Secret};
use super::trouble::Patience;
use crate::files::read_regular;
use crate::interrupt::Interrupt;

/// Where models come from without `HF_ENDPOINT`.
pub(super) const ENDPOINT: &str = "https://huggingface.co";

/// Seconds that an answer, and each further piece of it, may take.
const SECONDS: u64 = 10;

/// Pause before a second try.
const PAUSE: Duration = Duration::from_millis(300);

/// How long another process that holds a file may write nothing, before a person is told.
const HELD: Duration = Duration::from_secs(60);

/// Longest file in which a token is looked for, bytes.
const TOKEN_BYTES: u64 = 1 << 16;

/// Gives the value of a variable.
type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Hub {
    /// The hub and cache that the environment names, as for Hugging Face's own tools: `HF_HUB_CACHE`, `HF_HOME` and
    /// `XDG_CACHE_HOME` say where the cache lies (`~` and `$NAME` in them are expanded), `HF_ENDPOINT` which hub is asked,
    /// `HF_TOKEN`, `HF_TOKEN_PATH` or the file `token` in `HF_HOME` who asks, `HF_HUB_ETAG_TIMEOUT` and
    /// `HF_HUB_DOWNLOAD_TIMEOUT` for how many seconds an answer and what follows of it is waited for, and with
    /// `HF_HUB_OFFLINE=1` nobody is asked.
    ///
    /// # Errors
    /// If there is no place for a cache, or a variable has a value that makes no sense.
    pub(crate) fn from_environment() -> Result<Self> {
        Self::from_variables(&|name| std::env::var(name).ok(), std::env::home_dir())
    }

    pub(super) fn from_variables(variable: Variable<'_>, user: Option<PathBuf>) -> Result<Self> {
        let given = |name| variable(name).filter(|value| !value.trim().is_empty());
        let user = user.filter(|home| !home.as_os_str().is_empty());
        let path = |name| given(name).map(|value| PathBuf::from(expanded(&value, variable, user.as_deref())));
        let home = || {
            let caches = path("XDG_CACHE_HOME").or_else(|| Some(user.clone()?.join(".cache")));
            path("HF_HOME").or_else(|| Some(caches?.join("huggingface")))
        };
        let home =
            home().context("no place for the cache of models: there is no home folder; set HF_HOME")?;
        let cache = path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE"));
        let cache = cache.unwrap_or_else(|| home.join("hub"));
        let token_file = path("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
        let in_file =
            || Some(String::from_utf8_lossy(&read_regular(&token_file, TOKEN_BYTES).ok()?).into_owned());
        let token = given("HF_TOKEN").or_else(in_file).map(|token| token.trim().to_owned());
        let seconds = |name| {
            let Some(value) = given(name) else { return Ok(Duration::from_secs(SECONDS)) };
            let seconds = value.trim().parse().ok().filter(|seconds| (1..=86_400).contains(seconds));
            let wrong = || anyhow!("{name}: got {value:?}, expected a whole number of seconds, 1 to 86400");
            seconds.map(Duration::from_secs).ok_or_else(wrong)
        };
        let offline = given("HF_HUB_OFFLINE").map(|value| value.trim().to_ascii_lowercase());
        Ok(Self {
            cache: std::path::absolute(&cache).with_context(|| cache.display().to_string())?,
            endpoint: Endpoint::parse(given("HF_ENDPOINT").as_deref().unwrap_or(ENDPOINT))?,
            token: token.filter(|token| !token.is_empty()).map(Secret),
            token_file,
            patience: Patience {
                answer: seconds("HF_HUB_ETAG_TIMEOUT")?,
                piece: seconds("HF_HUB_DOWNLOAD_TIMEOUT")?,
                pause: PAUSE,
                held: HELD,
            },
            offline: offline.is_some_and(|value| ["1", "on", "yes", "true"].contains(&value.as_str())),
            interrupt: Interrupt::default(),
        })
    }
}

/// `text` with a leading `~` or `~user` and each `$NAME` or `${NAME}` replaced, as Python's `os.path.expanduser` and
/// `os.path.expandvars` do: what is not known stays as it is.
fn expanded(text: &str, variable: Variable<'_>, user: Option<&Path>) -> String {
    let (name, rest) = text.split_at(text.find('/').unwrap_or(text.len()));
    let home = match name.strip_prefix('~') {
        Some("") => user.map(Path::to_owned),
        Some(name) => home_of(name),
        None => None,
    };
    let text = match home.map(|home| home.display().to_string()) {
        Some(home) if rest.is_empty() => home,
        Some(home) => format!("{}{rest}", home.trim_end_matches('/')),
        None => text.to_owned(),
    };
    let (mut out, mut left) = (String::new(), text.as_str());
    while let Some((before, after)) = left.split_once('$') {
        let of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, rest) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some(braced) => braced,
            None => after.split_at(after.find(|c| !of_name(c)).unwrap_or(after.len())),
        };
        let written = &left[before.len()..left.len() - rest.len()];
        out += before;
        out += variable(name).as_deref().unwrap_or(written);
        left = rest;
    }
    out + left
}

/// Home of another user of this machine.
fn home_of(name: &str) -> Option<PathBuf> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let mut users = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    users.find(|fields| fields.first() == Some(&name))?.get(5).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn hub(variables: &[(&str, &str)]) -> Result<Hub> {
        let find =
            |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        Hub::from_variables(&find, Some(PathBuf::from("/home/user")))
    }

    #[test]
    fn the_environment_says_where_and_who() {
        for (variables, cache) in [
            (&[][..], "/home/user/.cache/huggingface/hub"),
            (&[("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (&[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/hf")], "/hf/hub"),
            (&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/models")], "/models"),
            (&[("HF_HOME", "/hf"), ("HUGGINGFACE_HUB_CACHE", "/old")], "/old"),
            (&[("HF_HOME", "~/hf")], "/home/user/hf/hub"),
            (&[("XDG_CACHE_HOME", "~/c")], "/home/user/c/huggingface/hub"),
            (&[("HF_HUB_CACHE", "$SCRATCH/${WHO}/hub"), ("SCRATCH", "/s"), ("WHO", "me")], "/s/me/hub"),
            (&[("HF_HOME", "~root/hf")], "/root/hf/hub"),
        ] {
            assert_eq!(hub(variables).unwrap().cache, Path::new(cache));
        }
        let plain = hub(&[]).unwrap();
        assert_eq!(
            (plain.endpoint.to_string().as_str(), plain.token, plain.offline),
            (ENDPOINT, None, false)
        );
        assert_eq!(plain.patience.piece, Duration::from_secs(10));

        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("token"), "from the file\n").unwrap();
        let home = ("HF_HOME", dir.path().to_str().unwrap());
        assert_eq!(hub(&[home]).unwrap().token.unwrap().0, "from the file");
        let elsewhere = [("HF_TOKEN_PATH", "$D/token"), ("D", home.1)];
        assert_eq!(hub(&elsewhere).unwrap().token.unwrap().0, "from the file");
        let set = hub(&[
            home,
            ("HF_TOKEN", "mine"),
            ("HF_HUB_OFFLINE", "True"),
            ("HF_ENDPOINT", "http://near:8/"),
            ("HF_HUB_ETAG_TIMEOUT", "3"),
        ]);
        let set = set.unwrap();
        assert_eq!(
            (set.token.as_ref().unwrap().0.as_str(), set.endpoint.to_string().as_str(), set.offline),
            ("mine", "http://near:8", true)
        );
        assert_eq!(set.patience.answer, Duration::from_secs(3));
        assert!(!format!("{set:?}").contains("mine"));
        for wrong in
            [("HF_ENDPOINT", "near:8"), ("HF_HUB_DOWNLOAD_TIMEOUT", "0"), ("HF_HUB_ETAG_TIMEOUT", "x")]
        {
            let error = hub(&[wrong]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{}: got ", wrong.0)), "{error}");
        }
        let nowhere = Hub::from_variables(&|_| None, None).unwrap_err().to_string();
        assert!(nowhere.contains("set HF_HOME"), "{nowhere}");
    }

    #[test]
    fn homes_and_variables_are_expanded_as_in_python() {
        // Expected values: os.path.expandvars(os.path.expanduser(text)) with HOME=/home/user, A=1, EMPTY=.
        let variable = |name: &str| match name {
            "A" => Some("1".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        for (text, expected) in [
            ("~", "/home/user"),
            ("~/x/~", "/home/user/x/~"),
            ("x/~", "x/~"),
            ("~nobody-of-that-name/x", "~nobody-of-that-name/x"),
            ("$A/${A}$A", "1/11"),
            ("$AB/$", "$AB/$"),
            ("${B}x${A", "${B}x${A"),
            ("$EMPTY/x", "/x"),
            ("${}$A", "${}1"),
        ] {
            assert_eq!(expanded(text, &variable, Some(Path::new("/home/user"))), expected, "{text}");
        }
    }
}
