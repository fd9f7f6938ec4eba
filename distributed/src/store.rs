//! Keys and values that all processes see.

use std::ffi::{CString, c_int};
use std::ptr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::error::{Error, Trouble, check};
use crate::ffi;
use crate::world::World;

/// A client of the store of a [`World`].
pub struct Store {
    raw: *mut ffi::Store,
    prefix: String,
    world: World,
}

// SAFETY: c10d's TCPStore holds a lock of its own during each operation.
unsafe impl Send for Store {}
// SAFETY: as above.
unsafe impl Sync for Store {}

impl Store {
    /// Reaches the store of `world`, or serves it. `timeout` bounds that and every later wait for a key.
    ///
    /// # Errors
    /// If nobody serves it within `timeout`, or something else listens there.
    pub fn open(world: &World, timeout: Duration) -> Result<Self, Error> {
        let place = format!("{}:{}", world.host, world.port);
        let host = text(&world.host)?;
        let (port, serve) = (world.port, c_int::from(world.serves));
        let (tell, told) = mpsc::channel();
        // A foreign server at that port may keep the client waiting for ever, whatever the timeout.
        let opening = thread::Builder::new().name("store".to_owned()).spawn(move || {
            let mut raw = ptr::null_mut();
            // SAFETY: `host` ends in a NUL, and `raw` outlives the call.
            let status =
                unsafe { ffi::dist_store_open(host.as_ptr(), port, serve, millis(timeout), &mut raw) };
            // Whoever asked may have given up.
            let _ = tell.send(check(status).map(|()| Raw(raw)));
        });
        opening.map_err(|error| {
            Error::new(Trouble::Other, format!("no thread to open the store with: {error}"))
        })?;
        let unanswered = |_| {
            let seconds = timeout.as_secs_f64();
            let message = format!("what listens there is no store: it has not answered for {seconds:.0} s");
            Err(Error::new(Trouble::Timeout, message))
        };
        let opened = told.recv_timeout(timeout + Duration::from_secs(1)).unwrap_or_else(unanswered);
        let Raw(raw) = opened.map_err(|error| {
            let message = format!(
                "rank {} of {} cannot reach the store at {place}, where the processes meet: {}; see that MASTER_ADDR and \
                 MASTER_PORT are right, that rank 0 runs, and that the port is free and open",
                world.rank, world.size, error.message
            );
            Error::new(error.trouble, message)
        })?;
        Ok(Self { raw, prefix: format!("rlcredit/{}", world.attempt), world: world.clone() })
    }

    /// The processes that it serves.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Sets `key`.
    ///
    /// # Errors
    /// If the store is gone.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        let key = self.key(key)?;
        // SAFETY: key and value are as long as they say, for the time of the call.
        check(unsafe { ffi::dist_store_set(self.raw, key.as_ptr(), value.as_ptr(), value.len()) })
    }

    /// The value of `key`, once somebody has set it.
    ///
    /// # Errors
    /// If nobody does in time, or the store is gone.
    pub fn get(&self, key: &str) -> Result<Vec<u8>, Error> {
        let key = self.key(key)?;
        let mut value = vec![0; 1 << 12];
        loop {
            let mut len = value.len();
            // SAFETY: at most `len` bytes are written.
            check(unsafe { ffi::dist_store_get(self.raw, key.as_ptr(), value.as_mut_ptr(), &mut len) })?;
            let is_whole = len <= value.len();
            value.resize(len, 0);
            if is_whole {
                return Ok(value);
            }
        }
    }

    /// Whether somebody has set `key`.
    ///
    /// # Errors
    /// If the store is gone.
    pub fn has(&self, key: &str) -> Result<bool, Error> {
        let key = self.key(key)?;
        let mut found = 0;
        // SAFETY: `found` outlives the call.
        check(unsafe { ffi::dist_store_has(self.raw, key.as_ptr(), &mut found) })?;
        Ok(found != 0)
    }

    /// Holds what each process takes for granted against what rank 0 does: pairs of a name and a value, the same names for all.
    ///
    /// # Errors
    /// A [`Trouble::Disagreement`] on every process if there is one between any two; otherwise if a process does not come.
    pub fn agree(&self, facts: &[(&str, String)]) -> Result<(), Error> {
        let World { rank, size, serves, .. } = self.world;
        let lines: Vec<String> = facts.iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.set(&format!("facts/{rank}"), lines.join("\n").as_bytes())?;
        let agreed = self.compare(size);
        let _ = self.set(&format!("facts-read/{rank}"), b"");
        if serves && !agreed.as_ref().is_err_and(Error::is_loss) {
            // With this process the store would go before the others have read what is in it. Who does not come is missed later.
            let _ = (1..size).try_for_each(|other| self.get(&format!("facts-read/{other}")).map(drop));
        }
        agreed
    }

    /// What each process takes for granted, against what rank 0 does.
    fn compare(&self, size: usize) -> Result<(), Error> {
        let of_rank = |rank: usize| {
            let said = self.get(&format!("facts/{rank}")).map_err(|error| {
                let waiting = format!("rank {rank} of {size} has not come: {}", error.message);
                Error::new(error.trouble, waiting)
            })?;
            Ok(String::from_utf8_lossy(&said).into_owned())
        };
        let first = of_rank(0)?;
        for other in 1..size {
            let said = of_rank(other)?;
            let differs = first.lines().zip(said.lines()).find(|(a, b)| a != b);
            let Some((expected, got)) = differs else { continue };
            let (name, expected) = expected.split_once('=').unwrap_or((expected, ""));
            let got = got.split_once('=').map_or(got, |(_, value)| value);
            return Err(Error::new(
                Trouble::Disagreement,
                format!(
                    "the processes are not of one mind about {name}: rank 0 has {expected}, rank {other} has {got}; give all of \
                     them the same program, recipe and files"
                ),
            ));
        }
        Ok(())
    }

    /// What the shim calls it.
    pub(crate) fn raw(&self) -> *mut ffi::Store {
        self.raw
    }

    /// `name` among the names of this attempt.
    pub(crate) fn key(&self, name: &str) -> Result<CString, Error> {
        text(&format!("{}/{name}", self.prefix))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: made by `dist_store_open`, and closed once.
        unsafe { ffi::dist_store_close(self.raw) };
    }
}

/// A pointer on its way from one thread to another.
struct Raw(*mut ffi::Store);

// SAFETY: as of `Store`.
unsafe impl Send for Raw {}

/// `text` as the shim takes it.
///
/// # Errors
/// If there is a NUL in it.
pub(crate) fn text(text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::new(Trouble::Other, format!("a NUL in {text:?}")))
}

/// Whole milliseconds.
pub(crate) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
