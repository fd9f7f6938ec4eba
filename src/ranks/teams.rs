//! How ranks come together, and what becomes of it when one is lost.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context, Result};
use distributed::{Backend, Group, Pulse, Store, World};

use super::{ParallelConfig, Ranks, Team};

/// The teams of a run. Each has groups of its own, since responses may be gathered while others learn.
#[derive(Clone, Default)]
pub(crate) struct Teams {
    /// Gathers the responses that are learned from.
    pub gather: Ranks,
    /// All else.
    pub main: Ranks,
    pulse: Option<Arc<Pulse>>,
    /// Whether this rank is the first of its machine.
    is_local_first: bool,
}

/// Another rank is gone, or does not answer any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Which ones, as far as is known.
    pub ranks: Vec<usize>,
    /// Whether this rank is the one that says so.
    pub speaks: bool,
    /// What the collective said.
    pub cause: String,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ranks[..] {
            [] => write!(
                f,
                "a rank did not come in time, though all of them live ({}); one of them may have far more to do than the others: \
                 raise [parallel] timeout_s, or look at what it waits for",
                self.cause
            ),
            [rank] => write!(f, "rank {rank} was lost ({})", self.cause),
            [.., last] => {
                let others: Vec<String> =
                    self.ranks[..self.ranks.len() - 1].iter().map(usize::to_string).collect();
                write!(f, "ranks {} and {last} were lost ({})", others.join(", "), self.cause)
            }
        }
    }
}

impl std::error::Error for Lost {}

impl Teams {
    /// Meets the other ranks of `world`, which all are to take the same `facts` for granted; `on_gpu` if tensors are there.
    /// `exit_code` says what an error means to whoever started the process.
    ///
    /// # Errors
    /// If a rank does not come, or takes something else for granted.
    pub(crate) fn join(
        world: &World,
        config: ParallelConfig,
        facts: &[(&str, String)],
        on_gpu: bool,
        exit_code: fn(&anyhow::Error) -> u8,
    ) -> Result<Self> {
        let meet = || {
            let store = Store::open(world, config.join())?;
            store.agree(facts)?;
            let pulse = Arc::new(Pulse::start(world, config.join())?);
            let team = |name: &'static str, device: Option<&'static str>| {
                // NCCL meets at its first collective.
                let open = |device| Group::open(&store, Backend::Nccl, device, config.timeout());
                let device = device.map(open).transpose()?;
                let host = Group::open(&store, Backend::Gloo, name, config.join())?;
                host.set_timeout(config.timeout())?;
                let (pulse, n_met) = (Arc::clone(&pulse), AtomicU64::new(0));
                let team = Team { host, device, exit_code, pulse, name, n_met };
                Ok::<_, distributed::Error>(Ranks(Some(Arc::new(team))))
            };
            let main = team("main", on_gpu.then_some("main-gpu"))?;
            Ok::<_, distributed::Error>((main, team("gather", None)?, pulse))
        };
        let (main, gather, pulse) = meet().context("[parallel]")?;
        Ok(Self { gather, main, pulse: Some(pulse), is_local_first: world.local_rank == 0 })
    }

    /// Has one rank of each machine do `work` first, so that the others find it done, however long it takes.
    ///
    /// # Errors
    /// If a rank fails.
    pub(crate) fn one_by_machine(&self, mut work: impl FnMut() -> Result<()>) -> Result<()> {
        if self.main.is_alone() {
            return work();
        }
        for first in [true, false] {
            let own = if self.is_local_first == first { work() } else { Ok(()) };
            self.main.exchange_at_leisure(own)?;
        }
        Ok(())
    }

    /// `error`; where another rank is behind it, as a [`Lost`] that names that one, and what it has left behind. An error of this rank itself
    /// is left for the others to read, which may have been told nothing of it.
    #[must_use]
    pub(crate) fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let Some(pulse) = &self.pulse else { return error };
        let Some(cause) = error.downcast_ref::<distributed::Error>() else {
            pulse.leave(&format!("{error:#}"));
            return error;
        };
        let (ranks, own) = (pulse.lost(), self.main.rank());
        if ranks.is_empty() && !cause.is_loss() {
            return error;
        }
        let words = pulse.words();
        pulse.part(&ranks);
        let said = ranks.iter().filter_map(|rank| words.get(*rank)).find(|words| !words.is_empty());
        let first = (0..self.main.size()).find(|rank| !ranks.contains(rank));
        Lost { speaks: first == Some(own), cause: said.unwrap_or(&cause.message).clone(), ranks }.into()
    }
}
