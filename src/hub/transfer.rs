//! One file from the hub into the cache: asked for, gone on with where an earlier try stopped, checked, and linked.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Error;

use super::bar::Bar;
use super::cache::{Shelf, open_or_create, require_room};
use super::client::{Answer, Client};
use super::hash::ContentHash;
use super::trouble::{Arriving, Tries, Trouble, Watch};
use crate::files::Lock;
use crate::model::HubModel;

/// How many bytes further than all before a try has to come, for the next to count as the first one again.
const GOOD_WAY: u64 = 16_000_000;

/// Longest file beside the weights, bytes.
pub(super) const TEXT_BYTES: u64 = 128 << 20;

/// Fetches the files of one commit of a model.
pub(super) struct Transfer<'a> {
    pub model: &'a HubModel,
    pub commit: String,
    pub client: &'a Client,
    pub shelf: &'a Shelf,
    pub watch: Watch<'a>,
}

/// What the hub says of a file.
#[derive(Clone)]
struct Promise {
    hash: ContentHash,
    size: Option<u64>,
    /// Most bytes that it may have.
    most: u64,
}

/// How far the tries of one file have come.
#[derive(Default)]
struct Course {
    /// What was said of it in the first.
    promise: Option<Promise>,
    /// Bytes that were there at once in any of them.
    furthest: u64,
    /// Whether the last one came a good way further than all before.
    is_good: bool,
}

impl Course {
    /// Notes that a try begins with `there` bytes, maybe of an earlier process.
    fn set_out(&mut self, there: u64) {
        self.furthest = self.furthest.max(there);
    }

    /// Notes that a try has come to `there` bytes. What is fetched again and again gets nobody further.
    fn come_to(&mut self, there: u64) {
        self.is_good = there >= self.furthest.saturating_add(GOOD_WAY);
        self.furthest = self.furthest.max(there);
    }
}

impl Transfer<'_> {
    /// Puts the file `name` into the snapshot of the commit, if it is not there; it may be `most` bytes long.
    pub(super) fn fetch(&self, name: &str, most: u64) -> Result<(), Trouble> {
        if self.shelf.has(&self.commit, name)? {
            return Ok(());
        }
        let (mut tries, mut course) = (Tries::new(self.watch), Course::default());
        loop {
            match self.attempt(name, most, &mut course) {
                Ok(hash) => return Ok(self.shelf.link(&self.commit, name, &hash)?),
                Err(trouble) => {
                    if std::mem::take(&mut course.is_good) {
                        tries.renew();
                    }
                    tries.after(trouble)?;
                }
            }
        }
    }

    /// Tries once to get the content of `name` into the cache.
    fn attempt(&self, name: &str, most: u64, course: &mut Course) -> Result<ContentHash, Trouble> {
        let path = format!("/{}/resolve/{}/{name}", self.model.name, self.commit);
        let (promise, mut answer) = match course.promise.clone() {
            Some(promise) => (promise, None),
            None => {
                let answer = self.client.get(&path, 0)?;
                (self.promise(&answer, most)?, Some(answer))
            }
        };
        course.promise = Some(promise.clone());
        let (blob, part) = self.shelf.blob(&promise.hash)?;
        let _lock = self.lock(&promise.hash, &part, &mut answer)?;
        if promise.hash.is_of(&blob).map_err(in_cache(&blob))? {
            return Ok(promise.hash);
        }
        let mut file = open_or_create(&part).map_err(in_cache(&part))?;
        let there = length(&file, &part)?;
        let start = if there > promise.size.unwrap_or(promise.most) { 0 } else { there };
        if promise.size != Some(start) || start == 0 {
            let answer = match answer.take().filter(|_| start == 0) {
                Some(answer) => Ok(answer),
                None => self.go_on(&path, start, &promise),
            };
            course.set_out(start);
            let received = answer.and_then(|answer| self.receive(name, answer, &mut file, &part, &promise));
            course.come_to(length(&file, &part)?);
            if matches!(received, Err(Trouble::Status { code: 416, .. })) {
                // There is more than the hub has.
                fs::remove_file(&part).map_err(in_cache(&part))?;
            }
            received?;
        }
        verify(&file, &part, &promise.hash, start > 0)?;
        fs::rename(&part, &blob).map_err(in_cache(&blob))?;
        Ok(promise.hash)
    }

    /// What `answer` says of the file, if that can be relied on.
    fn promise(&self, answer: &Answer, most: u64) -> Result<Promise, Trouble> {
        let wrong = |what: String| Err(Trouble::Answer(what));
        if let Some(commit) = answer.commit.as_ref().filter(|commit| **commit != self.commit) {
            let shown: String = commit.chars().take(80).collect();
            return wrong(format!("got a file of the commit {shown:?}, asked for {}", self.commit));
        }
        let Some(hash) = answer.hash.clone() else {
            let without =
                "the answer has no ETag that is the hash of the file, so what comes cannot be checked";
            return wrong(without.to_owned());
        };
        match answer.size {
            Some(size) if size > most => wrong(format!("{size} bytes long, expected at most {most}")),
            None if most > TEXT_BYTES => wrong("the answer does not say how long the file is".to_owned()),
            size => Ok(Promise { hash, size, most: size.unwrap_or(most) }),
        }
    }

    /// Asks again for the content of `promise`, from byte `start` on.
    fn go_on(&self, path: &str, start: u64, promise: &Promise) -> Result<Answer, Trouble> {
        let answer = self.client.get(path, start)?;
        let again = self.promise(&answer, promise.most)?;
        if again.hash != promise.hash {
            let changed = format!("the file has changed, from {} to {}", promise.hash, again.hash);
            return Err(Trouble::Answer(changed));
        }
        Ok(answer)
    }

    /// The sole right to fetch the content; where that has to be waited for, `answer` is given up, so that its server does not
    /// wait as well. Who has it may be writing gigabytes to a slow disk or checking them, which nobody sees, and it ends with
    /// the process; so it is waited for as long as it takes, and a person is told when nothing is to be seen.
    fn lock(&self, hash: &ContentHash, part: &Path, answer: &mut Option<Answer>) -> Result<Lock, Trouble> {
        let length = || fs::symlink_metadata(part).map_or(0, |part| part.len());
        let (mut seen, mut since, mut is_told) = (length(), Instant::now(), false);
        loop {
            if let Some(lock) = self.shelf.try_lock(hash)? {
                return Ok(lock);
            }
            *answer = None;
            if !std::mem::replace(&mut is_told, true) {
                self.watch.note(&format!("{}: another process is fetching it; waiting for that", self.model));
            }
            if length() != seen {
                (seen, since) = (length(), Instant::now());
            }
            if since.elapsed() > self.watch.patience.held {
                since = Instant::now();
                self.watch.note(&self.held(part));
            }
            self.watch.go_on()?;
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// What a person is told of a process that writes nothing more to `part`, and keeps it.
    fn held(&self, part: &Path) -> String {
        format!(
            "{}: the other process has written nothing to {} for {} s; it may be checking what it has; if it hangs, end it",
            self.model,
            part.display(),
            self.watch.patience.held.as_secs()
        )
    }

    /// Writes the body of `answer` behind what `file` has of it already.
    fn receive(
        &self,
        name: &str,
        answer: Answer,
        file: &mut File,
        part: &Path,
        promise: &Promise,
    ) -> Result<(), Trouble> {
        let Answer { start, response, .. } = answer;
        // A server that cannot go on begins again.
        file.set_len(start).map_err(in_cache(part))?;
        require_room(part, promise.size.unwrap_or_default().saturating_sub(start))?;
        let mut bar = Bar::new(self.watch.console, name, promise.size.unwrap_or_default(), start);
        let mut body = Arriving::new(response.into_body().into_reader(), self.watch);
        let (mut at, mut piece) = (start, vec![0; 1 << 16]);
        loop {
            let n = body.read(&mut piece)?;
            if n == 0 {
                break;
            }
            at += n as u64;
            if at > promise.most {
                file.set_len(0).map_err(in_cache(part))?;
                return Err(Trouble::Answer(format!(
                    "sent more than the {} bytes it may have",
                    promise.most
                )));
            }
            file.write_all(&piece[..n]).map_err(in_cache(part))?;
            bar.advance_to(at);
        }
        if let Some(expected) = promise.size.filter(|size| at < *size) {
            return Err(Trouble::Short { got: at, expected });
        }
        bar.finish();
        Ok(())
    }
}

fn length(file: &File, part: &Path) -> Result<u64, Trouble> {
    Ok(file.metadata().map_err(in_cache(part))?.len())
}

/// That the file at `part` is what `hash` is of; what is not is removed.
fn verify(mut file: &File, part: &Path, hash: &ContentHash, resumed: bool) -> Result<(), Trouble> {
    let mut check = || {
        file.sync_all()?;
        file.rewind()?;
        hash.same_of(file.metadata()?.len(), file)
    };
    let got = check().map_err(in_cache(part))?;
    if got == *hash {
        return Ok(());
    }
    fs::remove_file(part).map_err(in_cache(part))?;
    Err(Trouble::Damaged { got, expected: hash.clone(), resumed })
}

/// What a failure of the cache at `path` is.
fn in_cache(path: &Path) -> impl Fn(io::Error) -> Trouble {
    move |error| Trouble::Cache(Error::new(error).context(path.display().to_string()))
}
