//! Which processes are alive: each counts on in the store, twice a second, whatever else it does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::error::{Error, Trouble};
use crate::store::Store;
use crate::world::World;

/// Time between two beats.
const BEAT: Duration = Duration::from_millis(500);
/// How long a process that lives may take to count on.
const PATIENCE: Duration = Duration::from_millis(1600);

/// Counts for this process as long as it lives, and tells who does not.
pub struct Pulse {
    store: Arc<Store>,
    is_over: Arc<AtomicBool>,
    beating: Option<JoinHandle<()>>,
}

impl Pulse {
    /// Begins to count, by a client of the store of its own, since others wait for keys by theirs.
    ///
    /// # Errors
    /// If the store cannot be reached, or there is no thread to count with.
    pub fn start(world: &World, timeout: Duration) -> Result<Self, Error> {
        let store = Arc::new(Store::open(&World { serves: false, ..world.clone() }, timeout)?);
        let is_over = Arc::<AtomicBool>::default();
        let (own, over, key) = (Arc::clone(&store), Arc::clone(&is_over), key(world.rank));
        store.set(&key, b"0")?;
        let beat = move || {
            let mut n: u64 = 0;
            while !over.load(Ordering::Relaxed) && own.set(&key, n.to_string().as_bytes()).is_ok() {
                n += 1;
                thread::park_timeout(BEAT);
            }
        };
        let beating = thread::Builder::new().name("pulse".to_owned()).spawn(beat);
        let beating = beating
            .map_err(|error| Error::new(Trouble::Other, format!("no thread to count with: {error}")))?;
        Ok(Self { store, is_over, beating: Some(beating) })
    }

    /// The ranks that do not count on; takes somewhat longer than a second. Where the store itself is gone, that of rank 0.
    #[must_use]
    pub fn lost(&self) -> Vec<usize> {
        let Ok(before) = self.counts() else { return vec![0] };
        thread::sleep(PATIENCE);
        let Ok(after) = self.counts() else { return vec![0] };
        let own = self.store.world().rank;
        (0..before.len()).filter(|rank| *rank != own && before[*rank] == after[*rank]).collect()
    }

    fn counts(&self) -> Result<Vec<Vec<u8>>, Error> {
        let of_rank = |rank| match self.store.has(&key(rank))? {
            true => self.store.get(&key(rank)),
            false => Ok(Vec::new()),
        };
        (0..self.store.world().size).map(of_rank).collect()
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(beating) = self.beating.take() {
            beating.thread().unpark();
            let _ = beating.join();
        }
    }
}

fn key(rank: usize) -> String {
    format!("pulse/{rank}")
}
