//! Whose is which part of a flat buffer: neighbouring pieces of equal length, one for each rank (ZeRO).
//!
//! ```text
//! | piece of rank 0 | piece of rank 1 | ... | piece of the last, perhaps shorter |
//! |<------------------------------- n elements ------------------------------->|
//! ```
//!
//! Pieces go by the buffer alone, whatever the layers, so that any number of ranks can cut anew what others have saved.

use std::ops::Range;

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use crate::ranks::{BUCKET, Ranks, Shard};

/// Elements that a piece is a multiple of, so that it begins where a line of the processor's cache does.
const GRAIN: i64 = 64;

/// How the ranks share the flat buffers of a network.
#[derive(Clone)]
pub(crate) struct Pieces {
    ranks: Ranks,
    n: i64,
    /// Elements of every piece but perhaps the last ones; `None` where each rank holds all.
    length: Option<i64>,
    /// Whether gradients are cut as well.
    sends: bool,
}

impl Pieces {
    /// All `n` elements on every one of `ranks`, or shares of what `shard` says.
    #[must_use]
    pub(crate) fn new(n: i64, ranks: Ranks, shard: Shard) -> Self {
        let size = ranks.size() as i64;
        let is_cut = !ranks.is_alone() && shard != Shard::None;
        let length = is_cut.then(|| Self::length(n, size));
        Self { ranks, n, length, sends: is_cut && shard == Shard::Gradients }
    }

    /// Elements of a piece of `n` that `size` ranks share.
    #[must_use]
    pub(crate) const fn length(n: i64, size: i64) -> i64 {
        ((n + size - 1) / size + GRAIN - 1) / GRAIN * GRAIN
    }

    /// The ranks.
    #[must_use]
    pub(crate) fn ranks(&self) -> &Ranks {
        &self.ranks
    }

    /// Elements of the buffer.
    #[must_use]
    pub(crate) fn n(&self) -> i64 {
        self.n
    }

    /// Whether there are pieces at all.
    #[must_use]
    pub(crate) fn is_cut(&self) -> bool {
        self.length.is_some()
    }

    /// Whether gradients go to their owners at once.
    #[must_use]
    pub(crate) fn sends_gradients(&self) -> bool {
        self.sends
    }

    /// The piece of `rank`; everything where each rank holds all.
    #[must_use]
    pub(crate) fn of(&self, rank: usize) -> Range<i64> {
        let Some(length) = self.length else { return 0..self.n };
        let at = |rank: usize| (length * rank as i64).min(self.n);
        at(rank)..at(rank + 1)
    }

    /// The piece of this rank.
    #[must_use]
    pub(crate) fn own(&self) -> Range<i64> {
        self.of(self.ranks.rank())
    }

    /// What the piece of `rank` and the elements `range` have in common; begins where it ends if that is nothing.
    #[must_use]
    pub(crate) fn overlap(&self, rank: usize, range: &Range<i64>) -> Range<i64> {
        let piece = self.of(rank);
        let start = piece.start.max(range.start);
        start..piece.end.min(range.end).max(start)
    }

    /// The own piece of `flat`, a buffer of all elements.
    pub(crate) fn cut(&self, flat: &Tensor) -> Tensor {
        let own = self.own();
        flat.narrow(0, own.start, own.end - own.start)
    }

    /// Lets every rank have all of `flat`, of which each has its own piece.
    ///
    /// # Errors
    /// If a rank is lost.
    pub(crate) fn gather(&self, flat: &Tensor) -> Result<()> {
        if !self.is_cut() {
            return Ok(());
        }
        let pieces: Vec<Range<i64>> = (0..self.ranks.size()).map(|rank| self.of(rank)).collect();
        self.ranks.gather(flat, &pieces)
    }

    /// Sums `flat` up over the ranks: the own piece of each, or everything where each rank holds all.
    ///
    /// # Errors
    /// If a rank is lost.
    pub(crate) fn reduce(&self, flat: &Tensor) -> Result<()> {
        if !self.is_cut() {
            return self.ranks.sum(flat);
        }
        let mut works = Vec::new();
        for rank in 0..self.ranks.size() {
            let piece = self.of(rank);
            for start in piece.clone().step_by(BUCKET as usize) {
                let length = BUCKET.min(piece.end - start);
                works.extend(self.ranks.begin_sum_for(rank, &flat.narrow(0, start, length))?);
            }
        }
        for work in works {
            work.wait()?;
        }
        Ok(())
    }

    /// The elements `range` as their owners have them in `own`, their pieces: on every rank, of the kind of `own`.
    ///
    /// # Errors
    /// If a rank is lost.
    pub(crate) fn read(&self, own: &Tensor, range: Range<i64>) -> Result<Tensor> {
        if !self.is_cut() {
            return Ok(own.narrow(0, range.start, range.end - range.start));
        }
        let _guard = tch::no_grad_guard();
        let found = Tensor::zeros([range.end - range.start], (own.kind(), own.device()));
        let mine = self.overlap(self.ranks.rank(), &range);
        let (length, place) = (mine.end - mine.start, self.own().start);
        if length > 0 {
            found.narrow(0, mine.start - range.start, length).copy_(&own.narrow(
                0,
                mine.start - place,
                length,
            ));
        }
        let within = |rank| {
            let Range { start, end } = self.overlap(rank, &range);
            start - range.start..end - range.start
        };
        self.ranks.gather(&found, &(0..self.ranks.size()).map(within).collect::<Vec<_>>())?;
        Ok(found)
    }

    /// All elements of `own`, the pieces of all ranks, f32 on the host of rank 0, in the memory of `own` where that is there; `None` on
    /// the others.
    ///
    /// # Errors
    /// If a rank is lost.
    pub(crate) fn to_first(&self, own: &Tensor) -> Result<Option<Tensor>> {
        let _guard = tch::no_grad_guard();
        let is_first = self.ranks.is_first();
        if !self.is_cut() {
            return Ok(is_first.then(|| own.to_device(Device::Cpu).to_kind(Kind::Float)));
        }
        let all = Tensor::empty([if is_first { self.n } else { 0 }], (Kind::Float, Device::Cpu));
        for start in (0..self.n).step_by(BUCKET as usize) {
            let part = self.read(own, start..(start + BUCKET).min(self.n))?;
            if is_first {
                all.narrow(0, start, part.size1()?).copy_(&part);
            }
        }
        Ok(is_first.then_some(all))
    }
}
