//! What can go wrong between a question and a file in the cache, and whether trying again may help.

use std::error::Error;
use std::fmt;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::hash::ContentHash;
use crate::interrupt::{Interrupt, StopSignal};
use crate::observe::Console;

/// Why there is no answer, or none that can be used.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The connection failed or broke off.
    Connection(ureq::Error),
    /// Too little came in too long a time.
    Slow { bytes: u64, seconds: f64 },
    /// The body ended before all was there.
    Short { got: u64, expected: u64 },
    /// Another status than that of success; `wait` is how long the server asks to wait.
    Status { code: u16, host: Option<String>, wait: Option<Duration> },
    /// The answer is not one that a hub gives.
    Answer(String),
    /// The bytes are not those that the hub promised; `resumed` if some of them are of an earlier try.
    Damaged { got: ContentHash, expected: ContentHash, resumed: bool },
    /// The cache cannot take it.
    Cache(anyhow::Error),
    /// A signal asks for a stop.
    Stopped(StopSignal),
}

impl Trouble {
    /// Whether trying again may help.
    fn may_pass(&self) -> bool {
        match self {
            Self::Connection(error) => matches!(
                error,
                ureq::Error::Io(_)
                    | ureq::Error::Timeout(_)
                    | ureq::Error::HostNotFound
                    | ureq::Error::ConnectionFailed
                    | ureq::Error::ConnectProxyFailed(_)
                    | ureq::Error::BodyStalled
            ),
            Self::Slow { .. } | Self::Short { .. } => true,
            // 416: what is there of an earlier try is more than there is; it is gone by now.
            Self::Status { code, .. } => matches!(code, 408 | 416 | 429 | 500..),
            Self::Damaged { resumed, .. } => *resumed,
            Self::Answer(_) | Self::Cache(_) | Self::Stopped(_) => false,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => write!(f, "{error}"),
            Self::Slow { bytes, seconds } => {
                write!(f, "the connection stalls: {bytes} bytes in {seconds:.0} s")
            }
            Self::Short { got, expected } => write!(f, "the answer ends after {got} of {expected} bytes"),
            Self::Status { code, host, wait } => {
                write!(f, "status {code}")?;
                host.iter().try_for_each(|host| write!(f, " from {host}, to which a redirect led"))?;
                wait.iter().try_for_each(|wait| write!(f, ", asks to wait {} s", wait.as_secs()))
            }
            Self::Answer(what) => f.write_str(what),
            Self::Damaged { got, expected, .. } => write!(f, "got {got:#}, expected {expected:#}"),
            Self::Cache(error) => write!(f, "{error:#}"),
            Self::Stopped(signal) => write!(f, "{signal}"),
        }
    }
}

impl Error for Trouble {}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Cache(error)
    }
}

impl From<ureq::Error> for Trouble {
    fn from(error: ureq::Error) -> Self {
        Self::Connection(error)
    }
}

/// How often something is tried in a row.
const TRIES: u32 = 5;

/// Longest time that is waited in all because a server asks for it.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// From which pause on a person is told.
const TOLD: Duration = Duration::from_secs(2);

/// Who is told what goes on, who may end it, and how long is waited.
#[derive(Clone, Copy)]
pub(super) struct Watch<'a> {
    pub console: Option<&'a Console>,
    pub interrupt: &'a Interrupt,
    pub patience: Patience,
}

/// How long is waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// For a connection, and for the head of an answer.
    pub answer: Duration,
    /// For each piece of its body.
    pub piece: Duration,
    /// Before a second try; twice as long before each further one.
    pub pause: Duration,
    /// For another process that holds a file and writes nothing, before a person is told.
    pub held: Duration,
}

impl Watch<'_> {
    /// Says something worth knowing.
    pub(super) fn note(&self, text: &str) {
        if let Some(console) = self.console {
            console.note(text);
        }
    }

    /// # Errors
    /// If a signal asks for a stop.
    pub(super) fn go_on(&self) -> Result<(), Trouble> {
        self.interrupt.requested().map_or(Ok(()), |signal| Err(Trouble::Stopped(signal)))
    }

    /// Waits, unless a signal asks for a stop.
    fn wait(&self, time: Duration) -> Result<(), Trouble> {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.go_on()?;
            thread::sleep(left.min(Duration::from_millis(100)));
        }
        Ok(())
    }
}

/// Tries of one thing, and the waiting between them.
pub(super) struct Tries<'a> {
    watch: Watch<'a>,
    tried: u32,
    waited: Duration,
}

impl<'a> Tries<'a> {
    pub(super) fn new(watch: Watch<'a>) -> Self {
        Self { watch, tried: 0, waited: Duration::ZERO }
    }

    /// Waits until it may be tried again after `trouble`.
    ///
    /// # Errors
    /// `trouble`, where that is of no use.
    pub(super) fn after(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        self.tried += 1;
        let asked = match &trouble {
            Trouble::Status { wait, .. } => *wait,
            _ => None,
        };
        let usual = self.watch.patience.pause * 2_u32.pow(self.tried - 1);
        let pause = asked.unwrap_or_default().max(usual);
        self.waited = self.waited.saturating_add(asked.unwrap_or_default());
        if self.tried == TRIES || !trouble.may_pass() || self.waited > LONGEST_WAIT {
            return Err(trouble);
        }
        if pause >= TOLD {
            self.watch.note(&format!("the hub: {trouble}; trying again in {:.0} s", pause.as_secs_f64()));
        }
        self.watch.wait(pause)
    }

    /// Counts from the beginning: the last try has come a good way further.
    pub(super) fn renew(&mut self) {
        self.tried = 0;
    }
}

/// Fewest bytes in a second; less is a connection that has broken off.
const SLOWEST: f64 = 1000.0;

/// A body as it arrives, given up where it stalls.
pub(super) struct Arriving<'a, R> {
    body: R,
    watch: Watch<'a>,
    /// What has come since when it was last judged, and how long was waited for it.
    bytes: u64,
    waited: Duration,
}

impl<'a, R: io::Read> Arriving<'a, R> {
    pub(super) fn new(body: R, watch: Watch<'a>) -> Self {
        Self { body, watch, bytes: 0, waited: Duration::ZERO }
    }

    /// The next piece; 0 bytes at the end.
    pub(super) fn read(&mut self, piece: &mut [u8]) -> Result<usize, Trouble> {
        self.watch.go_on()?;
        let begun = Instant::now();
        let n = self.body.read(piece).map_err(ureq::Error::from)?;
        self.bytes += n as u64;
        self.waited += begun.elapsed();
        let seconds = self.waited.as_secs_f64();
        if n > 0 && self.waited >= self.watch.patience.piece {
            if (self.bytes as f64) < SLOWEST * seconds {
                return Err(Trouble::Slow { bytes: self.bytes, seconds });
            }
            (self.bytes, self.waited) = (0, Duration::ZERO);
        }
        Ok(n)
    }

    /// The whole body, if it is not longer than `most` bytes.
    pub(super) fn whole(&mut self, most: u64) -> Result<Vec<u8>, Trouble> {
        let (mut whole, mut piece) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            match self.read(&mut piece)? {
                0 => return Ok(whole),
                n if (whole.len() + n) as u64 > most => {
                    return Err(Trouble::Answer(format!("the answer is longer than {most} bytes")));
                }
                n => whole.extend_from_slice(&piece[..n]),
            }
        }
    }
}
