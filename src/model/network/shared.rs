//! A network that several ranks train.

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use super::{Frozen, Network};
use crate::model::pieces::Pieces;
use crate::ranks::{Ranks, Shard};

impl Network {
    /// From now on `ranks`, which all have this network, train it together, and of what `shard` says this one keeps its piece alone.
    /// Adapters are small: every rank has all of them.
    pub(crate) fn join(&mut self, ranks: &Ranks, shard: Shard) {
        let _guard = tch::no_grad_guard();
        let Frozen::Nothing { compute } = &self.frozen else {
            self.pieces = Pieces::new(self.pieces.n(), ranks.clone(), Shard::None);
            return;
        };
        self.pieces = Pieces::new(self.pieces.n(), ranks.clone(), shard);
        if self.placement.kind == Kind::Float {
            self.master = self.pieces.cut(compute);
        } else if self.pieces.is_cut() {
            // A copy, so that the memory of the others is free.
            self.master = self.pieces.cut(&self.master).copy();
        }
    }

    /// What of all that learns is whose.
    pub(crate) fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    /// All that learns, f32 on the host of rank 0 and until the next update; `None` on the others. Ranks that share it read it together.
    ///
    /// # Errors
    /// If a rank is lost.
    pub(crate) fn to_first(&self) -> Result<Option<Tensor>> {
        self.pieces.to_first(&self.master)
    }

    /// All that learns, f32 on the host of every rank, in memory of its own.
    ///
    /// # Errors
    /// If a rank is lost.
    pub(crate) fn to_all(&self) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        Ok(self.pieces.read(&self.master, 0..self.pieces.n())?.to_device(Device::Cpu).copy())
    }
}
