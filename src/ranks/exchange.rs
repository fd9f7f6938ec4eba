//! What ranks tell each other: the outcome of their shares, in the order of the ranks.

use std::fmt;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use distributed::Op;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{Ranks, Team};
use crate::interrupt::{StopSignal, Stopped};

/// The failure of another rank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Elsewhere {
    /// Which one.
    pub rank: usize,
    /// What it says.
    pub text: String,
    /// Exit code that it ends with.
    pub code: u8,
    /// Whether this is the rank that says so to a person.
    pub speaks: bool,
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {}: {}", self.rank, self.text)
    }
}

impl std::error::Error for Elsewhere {}

/// What a rank says of its share.
#[derive(Serialize, Deserialize)]
enum Said<T> {
    Done(T),
    /// A signal, by its number, has stopped it.
    Stopped(i32),
    Failed {
        text: String,
        code: u8,
    },
}

impl Ranks {
    /// What came of the share of each rank, that of this one being `own`; the same on all ranks.
    ///
    /// # Errors
    /// `own`, if that is one; that of the first other rank that has one, as [`Elsewhere`] or [`Stopped`]; if a rank is lost.
    pub(crate) fn exchange<T: Serialize + DeserializeOwned>(&self, own: Result<T>) -> Result<Vec<T>> {
        let Some(team) = &self.0 else { return own.map(|own| vec![own]) };
        if own.as_ref().is_err_and(|error| error.is::<distributed::Error>()) {
            // Nobody can be told.
            return own.map(|_| Vec::new());
        }
        let said = match &own {
            Ok(done) => Said::Done(done),
            Err(error) => match error.downcast_ref::<Stopped>() {
                Some(Stopped(signal)) => Said::Stopped(signal.number()),
                None => Said::Failed { text: format!("{error:#}"), code: (team.exit_code)(error) },
            },
        };
        let all = team.gather(&rmp_serde::to_vec_named(&said).context("what a rank has to say")?)?;
        drop(own?);
        let heard = all.into_iter().enumerate().map(|(rank, said)| {
            match rmp_serde::from_slice::<Said<T>>(&said).with_context(|| format!("what rank {rank} says"))? {
                Said::Done(done) => Ok(done),
                Said::Stopped(number) => {
                    let signal = StopSignal::of_number(number).context("an unknown signal")?;
                    Err(Stopped(signal).into())
                }
                Said::Failed { text, code } => {
                    Err(Elsewhere { rank, text, code, speaks: self.is_first() }.into())
                }
            }
        });
        heard.collect()
    }

    /// As [`Ranks::exchange`], behind work that may take one rank far longer than the others: they wait as long as it lives.
    ///
    /// # Errors
    /// As of [`Ranks::exchange`].
    pub(crate) fn exchange_at_leisure<T: Serialize + DeserializeOwned>(
        &self,
        own: Result<T>,
    ) -> Result<Vec<T>> {
        if let Some(team) = &self.0
            && !own.as_ref().is_err_and(|error| error.is::<distributed::Error>())
        {
            team.pulse.meet(team.name, 1 + team.n_met.fetch_add(1, Ordering::Relaxed))?;
        }
        self.exchange(own)
    }

    /// `own`, if all ranks are well.
    ///
    /// # Errors
    /// As of [`Ranks::exchange`].
    pub(crate) fn all_well<T>(&self, own: Result<T>) -> Result<T> {
        let (own, well) = apart(own);
        self.exchange(well)?;
        own.context("this rank is not well")
    }

    /// As [`Ranks::all_well`], behind work that may take one rank far longer than the others.
    ///
    /// # Errors
    /// As of [`Ranks::exchange`].
    pub(crate) fn all_well_at_leisure<T>(&self, own: Result<T>) -> Result<T> {
        let (own, well) = apart(own);
        self.exchange_at_leisure(well)?;
        own.context("this rank is not well")
    }

    /// What rank 0 makes of `work`, which it alone does, however long that takes.
    ///
    /// # Errors
    /// As of [`Ranks::exchange`].
    pub(crate) fn first<T: Serialize + DeserializeOwned>(
        &self,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let own = if self.is_first() { work().map(|done| vec![done]) } else { Ok(Vec::new()) };
        let said = self.exchange_at_leisure(own)?;
        said.into_iter().flatten().next().context("rank 0 has nothing to say")
    }

    /// The sums of the numbers of all ranks, added in the order of the ranks.
    ///
    /// # Errors
    /// As of [`Ranks::exchange`].
    pub(crate) fn sums<const N: usize>(&self, own: [f64; N]) -> Result<[f64; N]> {
        let all = self.exchange(Ok(own.to_vec()))?;
        Ok(std::array::from_fn(|i| all.iter().map(|numbers| numbers[i]).sum()))
    }
}

/// What there is, and that it is.
fn apart<T>(own: Result<T>) -> (Option<T>, Result<()>) {
    match own {
        Ok(own) => (Some(own), Ok(())),
        Err(error) => (None, Err(error)),
    }
}

impl Team {
    /// The bytes of each rank, in their order.
    fn gather(&self, own: &[u8]) -> Result<Vec<Vec<u8>>> {
        let (rank, size) = (self.host.rank(), self.host.size());
        let mut lengths = vec![0i64; size];
        lengths[rank] = i64::try_from(own.len())?;
        let mut lengths = Tensor::from_slice(&lengths);
        self.host.all_reduce(&mut lengths, Op::Sum)?.wait()?;
        let lengths = Vec::<i64>::try_from(&lengths)?;
        let room = |(from, length): (usize, &i64)| match from == rank {
            true => Tensor::from_slice(own),
            false => Tensor::zeros([*length], (Kind::Uint8, tch::Device::Cpu)),
        };
        let mut bytes: Vec<Tensor> = lengths.iter().enumerate().map(room).collect();
        let sent = bytes.iter_mut().enumerate().map(|(from, bytes)| self.host.broadcast(bytes, from));
        let sent = sent.collect::<Result<Vec<_>, _>>()?;
        for work in sent {
            work.wait()?;
        }
        bytes.iter().map(|bytes| Ok(Vec::<u8>::try_from(bytes)?)).collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_rank_on_its_own_hears_itself() {
        let ranks = Ranks::default();
        assert_eq!(ranks.exchange(Ok(7)).unwrap(), [7]);
        assert_eq!(ranks.first(|| Ok("x".to_owned())).unwrap(), "x");
        assert_eq!(ranks.sums([1.5, 2.0]).unwrap(), [1.5, 2.0]);
        let error = ranks.all_well::<()>(Err(Stopped(StopSignal::Terminate).into())).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Stopped(StopSignal::Terminate)));
    }
}
