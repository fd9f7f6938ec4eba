//! Signals that ask a process to stop, as a question that work under way asks now and then.
//!
//! ```text
//! signal -> flag -> Interrupt::check, an error between two pieces of work -> what there is to save is saved -> exit 128 + n
//!               \-> at once, while there is nothing to lose (Interrupt::immediate)
//! ```
//!
//! The first signal is answered in words. The same one again ends the process at once where a person or a wrapper insists
//! (SIGINT, SIGQUIT, SIGTERM), though not within half a second: a wrapper may hand on what the whole group got. A lost terminal,
//! a limit of processor time and a scheduler's warning may come several times and never cut a saving short. Another signal than
//! the first does not either: who forwards a Ctrl-C as SIGTERM has not asked twice.
//!
//! A signal that is ignored when the process starts (`nohup`, `&` in a script) stays so. A limit of file sizes is no signal here
//! but the error of the write that exceeds it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use std::{fmt, fs, io, thread};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};

/// A request to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopSignal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM: what `kill` and job schedulers send.
    Terminate,
    /// SIGQUIT: Ctrl-\.
    Quit,
    /// SIGHUP: the terminal is gone.
    HangUp,
    /// SIGXCPU: the limit of processor time is reached.
    CpuLimit,
    /// SIGUSR1: what schedulers send before the time is up.
    User,
    /// SIGUSR2: what others send.
    OtherUser,
}

/// How soon the same signal again is still the first one.
const ONCE: Duration = Duration::from_millis(500);

impl StopSignal {
    const ALL: [Self; 7] = [
        Self::Interrupt,
        Self::Terminate,
        Self::Quit,
        Self::HangUp,
        Self::CpuLimit,
        Self::User,
        Self::OtherUser,
    ];

    /// Its number.
    #[must_use]
    pub(crate) fn number(self) -> i32 {
        match self {
            Self::Interrupt => SIGINT,
            Self::Terminate => SIGTERM,
            Self::Quit => SIGQUIT,
            Self::HangUp => SIGHUP,
            Self::CpuLimit => SIGXCPU,
            Self::User => SIGUSR1,
            Self::OtherUser => SIGUSR2,
        }
    }

    /// The one with that number, if it asks for a stop.
    #[must_use]
    pub(crate) fn of_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.number() == number)
    }

    /// Whether the same signal again means that saving is not wanted.
    fn insists(self) -> bool {
        matches!(self, Self::Interrupt | Self::Terminate | Self::Quit)
    }

    /// Exit code of a process that ends because of it: 128 + its number.
    #[must_use]
    pub(crate) fn exit_code(self) -> u8 {
        128 + u8::try_from(self.number()).unwrap_or(0)
    }
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::Quit => "SIGQUIT",
            Self::HangUp => "SIGHUP",
            Self::CpuLimit => "SIGXCPU",
            Self::User => "SIGUSR1",
            Self::OtherUser => "SIGUSR2",
        })
    }
}

/// Work ended before its end, because a signal asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopped(pub StopSignal);

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: stopped", self.0)
    }
}

impl std::error::Error for Stopped {}

/// What is asked once work is given up.
pub(crate) trait OrStopped<T> {
    /// `Ok(Err(signal))` if it is an error because a signal stopped the work.
    ///
    /// # Errors
    /// Any other error.
    fn or_stopped(self) -> Result<Result<T, StopSignal>>;
}

impl<T> OrStopped<T> for Result<T> {
    fn or_stopped(self) -> Result<Result<T, StopSignal>> {
        match self {
            Ok(value) => Ok(Ok(value)),
            Err(error) => match error.downcast_ref::<Stopped>() {
                Some(Stopped(signal)) => Ok(Err(*signal)),
                None => Err(error),
            },
        }
    }
}

/// Whether somebody asked the process to stop. Clones share the answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    /// Number of the first signal, 0 as long as there is none.
    first: Arc<AtomicUsize>,
    /// How many guards say that there is nothing to lose.
    immediate: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Listens from now on; `answer` is called at the first signal, on a thread of its own, and hears whether the process ends at
    /// once.
    ///
    /// # Errors
    /// If the system refuses the handlers.
    pub(crate) fn install(answer: impl FnOnce(StopSignal, bool) + Send + 'static) -> Result<Self> {
        Self::install_within(ONCE, answer)
    }

    /// As [`Interrupt::install`], where the same signal is still the first one for as long as `once`.
    pub(crate) fn install_within(
        once: Duration,
        answer: impl FnOnce(StopSignal, bool) + Send + 'static,
    ) -> Result<Self> {
        let this = Self::default();
        this.listen(once, answer).context("could not listen to signals")?;
        Ok(this)
    }

    /// One that heard `signal` already.
    #[cfg(test)]
    pub(crate) fn by(signal: StopSignal) -> Self {
        let this = Self::default();
        this.request(signal);
        this
    }

    /// Asks as `signal` does.
    #[cfg(test)]
    pub(crate) fn request(&self, signal: StopSignal) {
        self.first.store(usize::try_from(signal.number()).unwrap_or(0), Ordering::SeqCst);
    }

    fn listen(
        &self,
        once: Duration,
        answer: impl FnOnce(StopSignal, bool) + Send + 'static,
    ) -> io::Result<()> {
        let ignored = ignored();
        let heard = StopSignal::ALL.into_iter().filter(|signal| ignored >> (signal.number() - 1) & 1 == 0);
        let heard: Vec<StopSignal> = heard.collect();
        let mut again = HashMap::new();
        for signal in heard.iter().filter(|signal| signal.insists()) {
            // In the handler itself, so that it works whatever the process is at.
            let asked = Arc::new(AtomicBool::new(false));
            let code = signal.exit_code().into();
            flag::register_conditional_shutdown(signal.number(), code, Arc::clone(&asked))?;
            again.insert(signal.number(), asked);
        }
        flag::register(SIGXFSZ, Arc::default())?;
        let mut arrivals = Signals::new(heard.iter().map(|signal| signal.number()))?;
        let this = self.clone();
        let wait = move || {
            let mut answer = Some(answer);
            for signal in arrivals.forever().filter_map(StopSignal::of_number) {
                let number = usize::try_from(signal.number()).unwrap_or(0);
                _ = this.first.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst);
                if let Some(asked) = again.remove(&signal.number()) {
                    arm(asked, once);
                }
                let at_once = this.immediate.load(Ordering::SeqCst) > 0;
                if let Some(answer) = answer.take() {
                    answer(signal, at_once);
                }
                if at_once {
                    low_level::exit(signal.exit_code().into());
                }
            }
        };
        thread::Builder::new().name("signals".to_owned()).spawn(wait)?;
        Ok(())
    }

    /// The signal that asks for a stop, if one came: the first.
    #[must_use]
    pub(crate) fn requested(&self) -> Option<StopSignal> {
        StopSignal::of_number(i32::try_from(self.first.load(Ordering::SeqCst)).unwrap_or(0))
    }

    /// # Errors
    /// [`Stopped`] if a signal asked for a stop.
    pub(crate) fn check(&self) -> Result<()> {
        self.requested().map_or(Ok(()), |signal| Err(Stopped(signal).into()))
    }

    /// While the guard lives there is nothing to lose, and a signal ends the process at once. One that came before is an error.
    ///
    /// # Errors
    /// [`Stopped`] if a signal asked for a stop already.
    pub(crate) fn immediate(&self) -> Result<Immediate> {
        // Before the guard is there: whoever hears of it too late to get one may have something to lose, and a guard seen for a
        // moment would end the process.
        self.check()?;
        self.immediate.fetch_add(1, Ordering::SeqCst);
        let guard = Immediate(Arc::clone(&self.immediate));
        self.check()?;
        Ok(guard)
    }
}

/// See [`Interrupt::immediate`].
#[derive(Debug)]
pub(crate) struct Immediate(Arc<AtomicUsize>);

impl Drop for Immediate {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Has the next signal of the kind end the process, once `once` is over.
fn arm(asked: Arc<AtomicBool>, once: Duration) {
    let arm = move || {
        thread::sleep(once);
        asked.store(true, Ordering::SeqCst);
    };
    _ = thread::Builder::new().name("signals".to_owned()).spawn(arm);
}

/// The signals that the process was started with ignored, as the kernel shows them: bit n - 1 is signal n.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
