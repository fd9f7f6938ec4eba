//! Which processes are alive: each counts on in the store, twice a second, whatever else it does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::error::{Error, Trouble};
use crate::store::Store;
use crate::world::World;

/// Time between two beats.
const BEAT: Duration = Duration::from_millis(500);
/// How long a process that lives may take to count on.
const PATIENCE: Duration = Duration::from_millis(1600);

/// How long the process that serves the store waits for others to have heard who is lost.
const FAREWELL: Duration = Duration::from_secs(5);
/// Where the first that has found out leaves who is lost.
const LOST: &str = "lost";

/// How long the store may take to answer.
const SILENCE: Duration = Duration::from_secs(10);
/// First pause between two looks at who has come, and the longest.
const SOON: Duration = Duration::from_millis(2);
const LATER: Duration = Duration::from_millis(200);
/// Time between two looks at who lives, of those that wait for others.
const BETWEEN: Duration = Duration::from_secs(5);

/// Counts for this process as long as it lives, and tells who does not.
pub struct Pulse {
    store: Arc<Store>,
    serves: bool,
    is_over: Arc<AtomicBool>,
    heard: Arc<OnceLock<News>>,
    beating: Option<JoinHandle<()>>,
}

/// What another process has found out of a loss, for when the store is gone.
struct News {
    lost: Vec<usize>,
    /// What each process has left behind.
    words: Vec<Vec<u8>>,
}

impl Pulse {
    /// Begins to count, by a client of the store of its own, since others wait for keys by theirs.
    ///
    /// # Errors
    /// If the store cannot be reached, or there is no thread to count with.
    pub fn start(world: &World, timeout: Duration) -> Result<Self, Error> {
        let store = Arc::new(Store::open(&World { serves: false, ..world.clone() }, timeout)?);
        let (is_over, heard) = (Arc::<AtomicBool>::default(), Arc::<OnceLock<_>>::default());
        store.set(&key(world.rank), b"0")?;
        // A launcher that starts anew by the same names may have kept what was said then.
        store.set(&knows(world.rank), b"")?;
        if world.rank == 0 {
            store.set(LOST, b"")?;
        }
        let (own, over, news) = (Arc::clone(&store), Arc::clone(&is_over), Arc::clone(&heard));
        let beat = move || {
            let mut n: u64 = 0;
            while !over.load(Ordering::Relaxed) && count_on(&own, n, &news).is_ok() {
                n += 1;
                thread::park_timeout(BEAT);
            }
        };
        let beating = thread::Builder::new().name("pulse".to_owned()).spawn(beat);
        let beating = beating
            .map_err(|error| Error::new(Trouble::Other, format!("no thread to count with: {error}")))?;
        Ok(Self { store, serves: world.serves, is_over, heard, beating: Some(beating) })
    }

    /// The ranks that do not count on; takes somewhat longer than a second. Where the store itself is gone, those that were said to be
    /// lost before, and else that of rank 0.
    #[must_use]
    pub fn lost(&self) -> Vec<usize> {
        let own = self.store.world().rank;
        let (Ok(silent), Ok(parted)) = (self.silent(), self.of_all(knows)) else {
            let heard = self.heard.get().map_or_else(|| vec![0], |news| news.lost.clone());
            return heard.into_iter().filter(|rank| *rank != own).collect();
        };
        // Some have left since they missed another one.
        let missed: Vec<usize> = silent.iter().copied().filter(|rank| parted[*rank].is_empty()).collect();
        if missed.is_empty() { silent } else { missed }
    }

    /// The ranks that do not count on, whatever the reason.
    fn silent(&self) -> Result<Vec<usize>, Error> {
        let before = self.of_all(key)?;
        thread::sleep(PATIENCE);
        let after = self.of_all(key)?;
        let own = self.store.world().rank;
        Ok((0..before.len()).filter(|rank| *rank != own && before[*rank] == after[*rank]).collect())
    }

    /// Waits until every process has come to `place` for the `n`th time, or more often. As long as they live that may take however long it
    /// takes.
    ///
    /// # Errors
    /// If one that has not come is lost, or the store is gone.
    pub fn meet(&self, place: &'static str, n: u64) -> Result<(), Error> {
        let at = move |rank| format!("{place}/{rank}");
        let own = at(self.store.world().rank);
        self.answered(move |store| store.set(&own, n.to_string().as_bytes()))?;
        let (mut pause, mut asked) = (SOON, Instant::now());
        loop {
            let count = |said: &Vec<u8>| String::from_utf8_lossy(said).parse().unwrap_or(0u64);
            let is_late = |(rank, said): (usize, Vec<u8>)| (count(&said) < n).then_some(rank);
            let late: Vec<usize> = self.of_all(at)?.into_iter().enumerate().filter_map(is_late).collect();
            if late.is_empty() {
                return Ok(());
            }
            if asked.elapsed() > BETWEEN {
                if let Some(rank) = self.silent()?.into_iter().find(|rank| late.contains(rank)) {
                    return Err(Error::new(Trouble::Lost, format!("rank {rank} has not come to {place}")));
                }
                asked = Instant::now();
            }
            thread::sleep(pause);
            pause = (2 * pause).min(LATER);
        }
    }

    /// Leaves `words` for the others to read where they miss this process.
    pub fn leave(&self, words: &str) {
        let (key, words) = (words_of(self.store.world().rank), words.to_owned());
        // Where the store is gone nobody can be told.
        let _ = self.answered(move |store| store.set(&key, words.as_bytes()));
    }

    /// Parts from the others after the ranks `lost` were, and says so to them. Whoever serves the store stays until all others have heard it,
    /// or for five seconds: a process that waits for this one in a collective learns of the loss by this one's end, and would find no
    /// store then, and blame it.
    pub fn part(&self, lost: &[usize]) {
        let own = self.store.world().rank;
        let words = lost.iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
        let said = self.answered(move |store| {
            if !words.is_empty() {
                store.set(LOST, words.as_bytes())?;
            }
            store.set(&knows(own), b"1")
        });
        let begun = Instant::now();
        while said.is_ok() && self.serves && begun.elapsed() < FAREWELL {
            let Ok(all) = self.of_all(knows) else { return };
            if all.iter().enumerate().all(|(rank, said)| !said.is_empty() || lost.contains(&rank)) {
                return;
            }
            thread::sleep(LATER);
        }
    }

    /// What each process has left behind; empty of those that said nothing.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let heard = || self.heard.get().map(|news| news.words.clone()).unwrap_or_default();
        let said = self.of_all(words_of).unwrap_or_else(|_| heard());
        said.iter().map(|words| String::from_utf8_lossy(words).into_owned()).collect()
    }

    /// What lies under each rank's `key`; nothing where it has set none.
    fn of_all(&self, key: impl Fn(usize) -> String + Send + 'static) -> Result<Vec<Vec<u8>>, Error> {
        self.answered(move |store| each(store, key))
    }

    /// What the store answers. One whose process is stopped, or whose machine is gone without a word, would keep its client waiting for
    /// ever.
    fn answered<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Store) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (tell, told) = mpsc::channel();
        let store = Arc::clone(&self.store);
        let asking = thread::Builder::new().name("asks the store".to_owned()).spawn(move || {
            // Whoever asked may have given up.
            let _ = tell.send(ask(&store));
        });
        asking.map_err(|error| Error::new(Trouble::Other, format!("no thread to ask with: {error}")))?;
        told.recv_timeout(SILENCE).unwrap_or_else(|_| {
            let seconds = SILENCE.as_secs();
            Err(Error::new(Trouble::Timeout, format!("the store has not answered for {seconds} s")))
        })
    }
}

/// What lies in `store` under each rank's `key`; nothing where it has set none.
fn each(store: &Store, key: impl Fn(usize) -> String) -> Result<Vec<Vec<u8>>, Error> {
    let of_rank = |rank| match store.has(&key(rank))? {
        true => store.get(&key(rank)),
        false => Ok(Vec::new()),
    };
    (0..store.world().size).map(of_rank).collect()
}

/// The `n`th beat: counts on in `store`, and listens for who is lost.
fn count_on(store: &Store, n: u64, heard: &OnceLock<News>) -> Result<(), Error> {
    let own = store.world().rank;
    store.set(&key(own), n.to_string().as_bytes())?;
    if heard.get().is_some() || !store.has(LOST)? {
        return Ok(());
    }
    let said = store.get(LOST)?;
    if said.is_empty() {
        return Ok(());
    }
    let lost =
        String::from_utf8_lossy(&said).split_whitespace().filter_map(|rank| rank.parse().ok()).collect();
    let news = News { lost, words: each(store, words_of)? };
    heard.get_or_init(|| news);
    store.set(&knows(own), b"1")
}

fn knows(rank: usize) -> String {
    format!("knows/{rank}")
}

fn words_of(rank: usize) -> String {
    format!("words/{rank}")
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let Some(beating) = self.beating.take() else { return };
        beating.thread().unpark();
        // A store that has gone silent keeps it, and must not keep this thread.
        let begun = Instant::now();
        while !beating.is_finished() && begun.elapsed() < PATIENCE {
            thread::sleep(SOON);
        }
        if beating.is_finished() {
            let _ = beating.join();
        }
    }
}

fn key(rank: usize) -> String {
    format!("pulse/{rank}")
}
