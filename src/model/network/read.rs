//! The weights that a network computes with, as others read them.

use tch::{Kind, Tensor};

use super::{Frozen, Network};
use crate::model::layout::Entry;

impl Network {
    /// The weights of the parameter `entry` that it computes with, those of adapters in them, in a row; on every rank.
    pub(in crate::model) fn computed(&self, entry: &Entry) -> Tensor {
        match &self.frozen {
            Frozen::Nothing { compute } => compute.narrow(0, entry.start, entry.n_elements()),
            Frozen::Base(adapters) => adapters.computed(entry),
        }
    }

    /// Sums of the bits of the weights, without what adapters add to them, by parts: what differs in them differs in some weight.
    #[must_use]
    pub(crate) fn digest(&self) -> Vec<i64> {
        /// Numbers of a part.
        const PART: i64 = 1 << 22;
        let base = self.base();
        let bits = base.view_dtype(if base.kind() == Kind::Float { Kind::Int } else { Kind::Int16 });
        // Numbers, not tensors: those would lie between the copies that sums make, whose memory could not be taken again.
        bits.split(PART, 0).iter().map(|part| part.sum(Kind::Int64).int64_value(&[])).collect()
    }
}
