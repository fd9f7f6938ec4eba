//! One file from the hub into the cache, and what to say when that does not work.

use std::io::ErrorKind;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};
use hf_hub::api::Progress;
use hf_hub::api::sync::{Api, ApiError};
use hf_hub::{Cache, Repo};

use super::{Hub, HubModel};
use crate::checkpoint::Fingerprint;
use crate::files::{is_full, remove};
use crate::observe::{Console, Phase};

/// How often a file is tried, and how long is waited before the second time; then twice as long each time.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(300);

/// Bytes of what progress is counted in.
const MB: u64 = 1_000_000;

/// Fetches the files of one commit of a model.
pub(super) struct Transfer<'a> {
    pub hub: &'a Hub,
    pub model: &'a HubModel,
    pub api: Api,
    /// The model at that commit.
    pub repo: Repo,
    pub console: Option<&'a Console>,
}

impl Transfer<'_> {
    /// Puts the file `name` into `folder`, the snapshot of the commit, if it is not there.
    pub fn fetch(&self, folder: &Path, name: &str) -> Result<()> {
        if folder.join(name).is_file() {
            return Ok(());
        }
        let mut pause = PAUSE;
        for tried in 1.. {
            let bar = Bar { console: self.console, phase: None, bytes: 0 };
            // The crate's own retries go on from the start of a file that was there in part.
            match self.api.repo(self.repo.clone()).download_with_progress(name, bar) {
                Ok(path) => return self.verify(&path, name),
                Err(error) if tried < TRIES && may_pass(&error) => {
                    // A part that holds all bytes or more cannot be gone on with.
                    if matches!(error, ApiError::InvalidResume) || status(&error) == Some(416) {
                        self.forget_part(name)?;
                    }
                    thread::sleep(pause);
                    pause *= 2;
                }
                Err(error) => {
                    return Err(refused(self.hub, self.model, error.into()).context(name.to_owned()));
                }
            }
        }
        bail!("{}: {name}: never tried", self.model)
    }

    /// Removes what an interrupted try left of the file `name`.
    fn forget_part(&self, name: &str) -> Result<()> {
        let url = self.api.repo(self.repo.clone()).url(name);
        let metadata =
            self.api.metadata(&url).map_err(|error| refused(self.hub, self.model, error.into()))?;
        let blob = Cache::new(self.hub.cache.clone()).repo(self.repo.clone()).blob_path(metadata.etag());
        let part = blob.with_extension("part");
        if part.is_file() { remove(&part) } else { Ok(()) }
    }

    /// That the file is what its name in the cache says: large files are called by their SHA-256.
    fn verify(&self, path: &Path, name: &str) -> Result<()> {
        let blob = path.canonicalize().with_context(|| path.display().to_string())?;
        let expected = blob.file_name().unwrap_or_default().to_string_lossy();
        if expected.len() != 64 || !expected.chars().all(|c| c.is_ascii_hexdigit()) {
            return Ok(());
        }
        let got = Fingerprint::of(&blob)?.sha256;
        if got == expected.to_ascii_lowercase() {
            return Ok(());
        }
        for damaged in [path, &blob] {
            remove(damaged)?;
        }
        bail!(
            "{}: {name}: damaged on the way: got SHA-256 {got}, expected {expected}; it has been removed, so start again",
            self.model
        )
    }
}

/// A phase of the console that counts the megabytes of one file.
struct Bar<'a> {
    console: Option<&'a Console>,
    phase: Option<Phase>,
    bytes: u64,
}

impl Progress for Bar<'_> {
    fn init(&mut self, size: usize, filename: &str) {
        if self.phase.is_none() && size as u64 >= MB {
            let begin =
                |console: &Console| console.phase(&format!("fetch {filename} (MB)"), size as u64 / MB);
            self.phase = self.console.map(begin);
        }
    }

    fn update(&mut self, size: usize) {
        let before = self.bytes / MB;
        self.bytes += size as u64;
        let more = self.bytes / MB - before;
        if let Some(phase) = self.phase.as_ref().filter(|_| more > 0) {
            phase.advance(more, "");
        }
    }

    fn finish(&mut self) {
        if let Some(phase) = self.phase.take() {
            phase.finish();
        }
    }
}

/// Status of the answer behind `error`, if there was one.
fn status(error: &ApiError) -> Option<u16> {
    match error {
        ApiError::RequestError(error) => match **error {
            ureq::Error::StatusCode(code) => Some(code),
            _ => None,
        },
        _ => None,
    }
}

/// Whether trying again may help.
fn may_pass(error: &ApiError) -> bool {
    match error {
        ApiError::RequestError(_) => {
            status(error).is_none_or(|code| code == 416 || code == 429 || code >= 500)
        }
        ApiError::IoError(error) => {
            !matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
        }
        ApiError::InvalidResume => true,
        _ => false,
    }
}

/// What to say where `error` kept `model` from being fetched.
pub(super) fn refused(hub: &Hub, model: &HubModel, error: Error) -> Error {
    let Hub { endpoint, cache, token_file, .. } = hub;
    let name = &model.name;
    if is_full(&error) {
        return anyhow!(
            "{model}: no room for it in {}: the disk is full; make room, or name another place with HF_HOME",
            cache.display()
        );
    }
    if let Some(ApiError::LockAcquisition(lock)) = error.downcast_ref() {
        return anyhow!(
            "{model}: another process is fetching it (it holds {}); start again when that is done",
            lock.display()
        );
    }
    let code = error.downcast_ref::<ApiError>().and_then(status);
    let (what, remedy) = match code {
        Some(401 | 403) if hub.token.is_none() => (
            format!("{endpoint} does not show it without a token"),
            format!(
                "check the name; for a private or gated model ask for access at {endpoint}/{name}, then set HF_TOKEN or put \
                 a token into {}",
                token_file.display()
            ),
        ),
        Some(401 | 403) => (
            format!("{endpoint} does not give it to the owner of the token"),
            format!("check the name and the token (HF_TOKEN, or {}), and ask for access at {endpoint}/{name}", token_file.display()),
        ),
        Some(404) => (
            format!("{endpoint} has no such model, or no such revision or file of it"),
            "check the name and the revision".to_owned(),
        ),
        Some(429) | Some(500..) => {
            (format!("{endpoint} is busy or out of order"), "try again later; what is fetched stays".to_owned())
        }
        _ => (
            format!("could not be fetched from {endpoint}"),
            "check the connection and HF_ENDPOINT, then start again: it goes on where it stopped; HF_HUB_OFFLINE=1 takes \
             what is in the cache"
                .to_owned(),
        ),
    };
    anyhow!("{model}: {what} ({error:#}); {remedy}")
}
