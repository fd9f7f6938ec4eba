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
use std::sync::atomic::AtomicU64;

use distributed::{Group, Pulse};

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
    /// Who lives.
    pulse: Arc<Pulse>,
    /// What the team is called, and how often it has come together at leisure.
    name: &'static str,
    n_met: AtomicU64,
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

    /// This rank's share of work that consists of parts of the `costs` given: a run of neighbours, about as costly as the share of every other
    /// rank. Together the shares are all of it.
    #[must_use]
    pub(crate) fn share(&self, costs: &[usize]) -> Range<usize> {
        cut(costs, self.size()).swap_remove(self.rank())
    }
}

/// `size` neighbouring runs of `costs`, all about as costly.
fn cut(costs: &[usize], size: usize) -> Vec<Range<usize>> {
    let total: usize = costs.iter().sum();
    let (mut end, mut spent) = (0, 0);
    let share = |rank: usize| {
        let (start, until) = (end, total * (rank + 1) / size);
        // What lies across a border goes to the side that has more of it.
        while end < costs.len() && (rank + 1 == size || spent + costs[end] / 2 < until) {
            spent += costs[end];
            end += 1;
        }
        start..end
    };
    (0..size).map(share).collect()
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

    #[test]
    fn shares_are_neighbours_about_as_costly_and_nothing_is_left_out() {
        assert_eq!(cut(&[1; 6], 3), [0..2, 2..4, 4..6]);
        // More than half of the long one lies before the middle.
        assert_eq!(cut(&[1, 5, 3, 1], 2), [0..2, 2..4]);
        // More ranks than work, and work that costs nothing.
        assert_eq!(cut(&[7], 3), [0..0, 0..1, 1..1]);
        assert_eq!(cut(&[0, 0], 2).last(), Some(&(0..2)));
        for size in 1..6 {
            for costs in [vec![], vec![3, 9, 1, 1, 4, 4, 2, 30], vec![50, 1, 1, 1, 1]] {
                let shares = cut(&costs, size);
                let ends = shares.iter().fold(0, |end, share| {
                    assert_eq!(share.start, end);
                    share.end
                });
                assert_eq!((shares.len(), ends), (size, costs.len()));
            }
        }
    }
}
