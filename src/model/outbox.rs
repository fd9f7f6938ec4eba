//! Gradients on their way to the ranks that own them, while the backward pass goes on (ZeRO-2).
//!
//! What a micro-batch adds to a matrix is sent off as soon as it is known, and forgotten; a rank keeps the sums of its own piece alone.
//! Biases and gains are small and wait for the end of the micro-batch. All ranks send the same parts in the same order.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use anyhow::{Error, Result};
use distributed::Work;
use tch::{Device, Kind, Tensor};

use super::layout::Slot;
use super::pieces::Pieces;

/// Parts that may be under way at a time: more would only take memory, since one link carries them all.
pub(crate) const MOST_UNDER_WAY: usize = 8;

/// Columns of matrices, by where these begin.
pub(super) type Columns = BTreeMap<i64, Vec<Range<i64>>>;

/// Where the parts of a gradient are put to be sent.
pub(super) struct Outbox {
    pieces: Pieces,
    /// Sums of what all ranks have sent for this one's piece, f32.
    own: Tensor,
    /// What the present micro-batch has for the parameters without weight decay, f32, which lie behind all others.
    small: Tensor,
    /// Where those begin.
    n_decayed: i64,
    /// What is not to be learnt.
    silent: Columns,
    under_way: VecDeque<Sent>,
    /// Why a part could not be sent, until somebody asks.
    trouble: Option<Error>,
}

/// A part under way.
struct Sent {
    works: Vec<Work>,
    /// Its first element among all.
    start: i64,
    numbers: Tensor,
}

impl Outbox {
    /// For gradients in the order of `pieces`, of which the first `n_decayed` are those of matrices; those of the columns `silent`
    /// count for nothing.
    pub(super) fn new(pieces: Pieces, n_decayed: i64, silent: Columns, device: Device) -> Self {
        let zeros = |n| Tensor::zeros([n], (Kind::Float, device));
        let (own, small) = (pieces.own(), pieces.n() - n_decayed);
        Self {
            own: zeros(own.end - own.start),
            small: zeros(small),
            pieces,
            n_decayed,
            silent,
            under_way: VecDeque::new(),
            trouble: None,
        }
    }

    /// The sums, in the memory that they are gathered in.
    pub(super) fn own(&self) -> &Tensor {
        &self.own
    }

    /// The place of what is small, if the part at `slot` is.
    pub(super) fn small(&self, slot: &Slot) -> Option<Tensor> {
        let start = slot.start - self.n_decayed;
        (start >= 0).then(|| self.small.narrow(0, start, slot.n_elements()).view(slot.shape.as_slice()))
    }

    /// Sends what a micro-batch adds at `slot`, of its shape.
    pub(super) fn send(&mut self, slot: &Slot, numbers: &Tensor) {
        for columns in self.silent.get(&slot.start).into_iter().flatten() {
            let _ = numbers.narrow(1, columns.start, columns.end - columns.start).zero_();
        }
        self.send_flat(slot.start, &numbers.view([-1]));
    }

    fn send_flat(&mut self, start: i64, numbers: &Tensor) {
        let begun = self.begin(start, numbers);
        let sent = begun.and_then(|sent| {
            self.under_way.push_back(sent);
            if self.under_way.len() > MOST_UNDER_WAY { self.settle() } else { Ok(()) }
        });
        if let Err(error) = sent {
            self.trouble.get_or_insert(error);
        }
    }

    fn begin(&self, start: i64, numbers: &Tensor) -> Result<Sent> {
        let range = start..start + numbers.numel() as i64;
        let mut works = Vec::new();
        for rank in 0..self.pieces.ranks().size() {
            let Range { start: from, end: until } = self.pieces.overlap(rank, &range);
            if from < until {
                let part = numbers.narrow(0, from - start, until - from);
                works.extend(self.pieces.ranks().begin_sum_for(rank, &part)?);
            }
        }
        Ok(Sent { works, start, numbers: numbers.shallow_clone() })
    }

    /// Waits for the part that was sent first.
    fn settle(&mut self) -> Result<()> {
        let Some(Sent { works, start, numbers }) = self.under_way.pop_front() else { return Ok(()) };
        for work in works {
            work.wait()?;
        }
        let own = self.pieces.own();
        let range = start..start + numbers.numel() as i64;
        let Range { start: from, end: until } = self.pieces.overlap(self.pieces.ranks().rank(), &range);
        if from < until {
            let _guard = tch::no_grad_guard();
            let part = numbers.narrow(0, from - start, until - from);
            let _ = self.own.narrow(0, from - own.start, until - from).g_add_(&part);
        }
        Ok(())
    }

    /// Sends what is left of a micro-batch, and waits until all of it has arrived.
    ///
    /// # Errors
    /// If a rank is lost.
    pub(super) fn deliver(&mut self) -> Result<()> {
        if self.small.numel() > 0 {
            let small = self.small.copy();
            let _ = self.small.zero_();
            self.send_flat(self.n_decayed, &small);
        }
        while !self.under_way.is_empty() && self.trouble.is_none() {
            self.settle()?;
        }
        self.trouble.take().map_or(Ok(()), Err)
    }
}
