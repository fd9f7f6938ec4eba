//! Ranks: the processes that train together.
//!
//! ```text
//! heavy work    each rank its share: decoding, judging, measuring, the passes of an update
//! exchange      what came of it, or that it failed: all ranks then know the same, in the same order
//! all else      on every rank, from the same numbers: credit, statistics of a batch, denominators, samplers, guards
//! ```
//!
//! So there is one order of responses, one set of statistics and one course of a run, however many ranks there are, and only
//! rank 0 writes. What ranks sum up between them, gradients and norms, they sum in another order than a single process would;
//! that is all the difference there is. A failure of one rank is a failure of all; a rank that is lost is a [`Lost`].

mod config;
mod exchange;
mod teams;
mod tensors;

pub(crate) use config::{ParallelConfig, Shard};
pub(crate) use exchange::Elsewhere;
pub(crate) use teams::{Lost, Teams};
pub(crate) use tensors::BUCKET;

use std::ops::Range;
use std::sync::Arc;

use distributed::Group;

/// The ranks that do some work together, seen by one of them. By default it is on its own, and nothing is exchanged.
#[derive(Clone, Default)]
pub(crate) struct Ranks(Option<Arc<Team>>);

/// Ranks that share groups of their own, so that they can work beside another team.
struct Team {
    /// For what is on the host.
    host: Group,
    /// For tensors on GPUs, where those are.
    device: Option<Group>,
    /// What an error means to whoever started the process.
    exit_code: fn(&anyhow::Error) -> u8,
}

impl Ranks {
    /// The number of this rank, from 0.
    #[must_use]
    pub(crate) fn rank(&self) -> usize {
        self.0.as_ref().map_or(0, |team| team.host.rank())
    }

    /// How many there are.
    #[must_use]
    pub(crate) fn size(&self) -> usize {
        self.0.as_ref().map_or(1, |team| team.host.size())
    }

    /// Whether it is the one that writes and speaks.
    #[must_use]
    pub(crate) fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// Whether there is no other.
    #[must_use]
    pub(crate) fn is_alone(&self) -> bool {
        self.0.is_none()
    }

    /// The shares of all ranks in work that is cut into neighbouring parts of the `costs` given: each gets a run of them, all about as
    /// costly. The same on every rank.
    #[must_use]
    pub(crate) fn shares(&self, costs: &[usize]) -> Vec<Range<usize>> {
        let (size, total) = (self.size(), costs.iter().sum::<usize>());
        let (mut start, mut spent) = (0, 0);
        let share = |rank: usize| {
            let until = total * (rank + 1) / size;
            let mut end = start;
            // What lies across a border goes to the side that has more of it.
            while end < costs.len() && (rank + 1 == size || spent + costs[end] / 2 < until) {
                spent += costs[end];
                end += 1;
            }
            start = end;
            end
        };
        let ends: Vec<usize> = (0..size).map(share).collect();
        let starts = std::iter::once(0).chain(ends.iter().copied());
        starts.zip(&ends).map(|(start, end)| start..*end).collect()
    }

    /// This rank's share, see [`Ranks::shares`].
    #[must_use]
    pub(crate) fn share(&self, costs: &[usize]) -> Range<usize> {
        self.shares(costs).swap_remove(self.rank())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_on_its_own_has_all_the_work() {
        let ranks = Ranks::default();
        assert_eq!((ranks.rank(), ranks.size(), ranks.is_first(), ranks.is_alone()), (0, 1, true, true));
        assert_eq!(ranks.share(&[5, 0, 7]), 0..3);
        assert_eq!(ranks.share(&[]), 0..0);
    }
}
