//! The gradient of all parameters: one flat buffer, lent out in parts that do not overlap.

use std::marker::PhantomData;
use std::ops::Range;

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use super::layout::Slot;
use crate::kernel::view_mut;

/// The gradient of all parameters, f32 `[n_params]` in the order of the layout.
pub(crate) struct Gradient {
    flat: Tensor,
}

/// The gradient of one parameter, or of several fused ones, lent from a [`Gradient`] to add to.
pub(crate) struct GradientPart<'g> {
    place: Tensor,
    lent: PhantomData<&'g mut Gradient>,
}

impl Gradient {
    /// Zeros for `n_params` parameters.
    #[must_use]
    pub(crate) fn zeros(n_params: i64, device: Device) -> Self {
        Self { flat: Tensor::zeros([n_params], (Kind::Float, device)) }
    }

    /// The part at `slot`.
    pub(crate) fn part(&mut self, slot: &Slot) -> GradientPart<'_> {
        GradientPart { place: slot.of(&self.flat), lent: PhantomData }
    }

    /// Sets everything to zero.
    pub(crate) fn clear(&mut self) {
        let _ = self.flat.zero_();
    }

    /// All numbers, to read while nothing adds to them.
    pub(crate) fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// A copy of all numbers, `[n_params]`.
    #[cfg(test)]
    pub(crate) fn to_tensor(&self) -> Tensor {
        self.flat.copy()
    }
}

impl GradientPart<'_> {
    /// Adds `share`, of the part's shape and of any float kind.
    pub(crate) fn add(&mut self, share: &Tensor) {
        let _ = self.place.g_add_(share);
    }

    /// Sets `columns` of a matrix to zero.
    pub(super) fn clear_columns(&mut self, columns: Range<i64>) {
        let _ = self.place.narrow(1, columns.start, columns.end - columns.start).zero_();
    }

    /// Its numbers, row-major.
    ///
    /// # Errors
    /// If they are not in main memory.
    #[expect(unsafe_code, reason = "the tensor is seen as a slice")]
    pub(super) fn numbers(&mut self) -> Result<&mut [f32]> {
        // SAFETY: no tensor on the gradient's memory leaves this file but by `flat`, whose borrow ends before one of a part
        // begins; and the part is the only one as long as it lives.
        unsafe { view_mut(&mut self.place) }
    }

    /// A copy of its numbers, in its shape.
    #[cfg(test)]
    pub(crate) fn to_tensor(&self) -> Tensor {
        self.place.copy()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_part_adds_to_its_own_place_alone() {
        let mut gradient = Gradient::zeros(7, Device::Cpu);
        let slot = Slot { start: 2, shape: vec![2, 2] };
        gradient.part(&slot).add(&Tensor::ones([2, 2], (Kind::BFloat16, Device::Cpu)));
        gradient.part(&slot).numbers().unwrap()[3] += 4.0;
        assert_eq!(gradient.to_tensor(), Tensor::from_slice(&[0f32, 0.0, 1.0, 1.0, 1.0, 5.0, 0.0]));
        assert_eq!(gradient.part(&slot).to_tensor().size(), [2, 2]);
        gradient.clear();
        assert_eq!(gradient.to_tensor().abs().sum(None).double_value(&[]), 0.0);
    }
}
