//! The gradient of all parameters that learn: one flat buffer, lent out in parts that do not overlap.
//!
//! Where adapters learn, the gradient of a matrix is never held: what is to be added to it goes on to its adapters at once, and what
//! is to be added to a parameter without any is dropped. Where ranks share gradients, what is added goes to the rank that owns it.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::Range;

use anyhow::{Result, ensure};
use tch::{Device, Kind, Tensor};

use super::layout::Slot;
use super::outbox::Outbox;
use super::pieces::Pieces;
use crate::kernel::view_mut;

/// The gradient of all parameters that learn, f32, in the order of their buffer.
pub(crate) struct Gradient {
    /// All of it, or the piece of this rank where the others get theirs at once.
    flat: Tensor,
    /// Where ranks share it: what is sent to them.
    outbox: Option<Outbox>,
    /// Where adapters learn: those of each matrix, by where it begins among all parameters.
    adapters: Option<BTreeMap<i64, Vec<Adapter>>>,
}

/// An adapter of some rows of a matrix: `W = W0 + scale B A` there.
pub(super) struct Adapter {
    /// The first of the rows.
    pub first: i64,
    /// How many there are.
    pub rows: i64,
    /// What the product is multiplied by.
    pub scale: f64,
    /// A, `[rank, in]`.
    pub a: Placed,
    /// B, `[out, rank]`.
    pub b: Placed,
}

/// A part of the buffer of adapters.
pub(super) struct Placed {
    /// Where it lies.
    pub slot: Slot,
    /// Its numbers, in the memory that the optimiser changes.
    pub numbers: Tensor,
}

/// The gradient of one parameter, or of several fused ones, lent from a [`Gradient`] to add to.
pub(crate) struct GradientPart<'g> {
    goal: Goal<'g>,
}

/// Where what is added goes.
enum Goal<'g> {
    /// To its own place.
    Place(Tensor, PhantomData<&'g mut Gradient>),
    /// To the ranks that own it, once the part is given back: numbers that are added to so far.
    Ranks { numbers: Tensor, slot: Slot, outbox: &'g mut Outbox },
    /// To the places in `flat` of the adapters of the matrix.
    Adapters { adapters: &'g [Adapter], flat: &'g Tensor },
    /// Nowhere. Who must write somewhere gets a place of this shape.
    Nowhere(Vec<i64>, Option<Tensor>),
}

/// The adapter of some rows, and the gradients of its two matrices to add to.
pub(super) struct AdapterPart<'g> {
    /// The first of the rows.
    pub first: i64,
    /// How many there are.
    pub rows: i64,
    /// A times what the product is multiplied by, f32.
    pub a: Tensor,
    /// B times that, f32.
    pub b: Tensor,
    /// The gradient of A.
    pub d_a: GradientPart<'g>,
    /// The gradient of B.
    pub d_b: GradientPart<'g>,
}

impl Gradient {
    /// Zeros for `n_params` parameters that all learn.
    #[must_use]
    pub(crate) fn zeros(n_params: i64, device: Device) -> Self {
        Self { flat: Tensor::zeros([n_params], (Kind::Float, device)), outbox: None, adapters: None }
    }

    /// Zeros that ranks share by `outbox`.
    #[must_use]
    pub(super) fn shared(outbox: Outbox) -> Self {
        Self { flat: outbox.own().shallow_clone(), outbox: Some(outbox), adapters: None }
    }

    /// Zeros for `n_params` parameters of `adapters`, which alone learn.
    #[must_use]
    pub(super) fn of_adapters(n_params: i64, device: Device, adapters: BTreeMap<i64, Vec<Adapter>>) -> Self {
        Self { adapters: Some(adapters), ..Self::zeros(n_params, device) }
    }

    /// Whether what would be added to the part at `slot` counts.
    pub(super) fn wants(&self, slot: &Slot) -> bool {
        self.adapters.as_ref().is_none_or(|adapters| adapters.contains_key(&slot.start))
    }

    /// The part at `slot`, a place among all parameters.
    pub(crate) fn part(&mut self, slot: &Slot) -> GradientPart<'_> {
        if let Some(outbox) = &mut self.outbox {
            let goal = match outbox.small(slot) {
                Some(place) => Goal::Place(place, PhantomData),
                None => {
                    let numbers = Tensor::zeros(slot.shape.as_slice(), (Kind::Float, self.flat.device()));
                    Goal::Ranks { numbers, slot: slot.clone(), outbox }
                }
            };
            return GradientPart { goal };
        }
        let goal = match &self.adapters {
            None => Goal::Place(slot.of(&self.flat), PhantomData),
            Some(adapters) => match adapters.get(&slot.start) {
                Some(adapters) => Goal::Adapters { adapters, flat: &self.flat },
                None => Goal::Nowhere(slot.shape.clone(), None),
            },
        };
        GradientPart { goal }
    }

    /// Sets everything to zero.
    pub(crate) fn clear(&mut self) {
        let _ = self.flat.zero_();
    }

    /// All numbers, to read while nothing adds to them; where ranks share them, this rank's.
    pub(crate) fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// Whether what is added goes to the ranks that own it.
    pub(crate) fn is_shared(&self) -> bool {
        self.outbox.is_some()
    }

    /// Behind each micro-batch: waits until what ranks share has arrived.
    ///
    /// # Errors
    /// If a rank is lost.
    pub(crate) fn deliver(&mut self) -> Result<()> {
        self.outbox.as_mut().map_or(Ok(()), Outbox::deliver)
    }

    /// Behind the last micro-batch: sums it up over the ranks of `pieces`, as far as that is not done. Gives this rank's piece of it.
    ///
    /// # Errors
    /// If a rank is lost.
    pub(crate) fn reduce(&self, pieces: &Pieces) -> Result<Tensor> {
        if self.is_shared() {
            return Ok(self.flat.shallow_clone());
        }
        pieces.reduce(&self.flat)?;
        Ok(pieces.cut(&self.flat))
    }

    /// A copy of all numbers, `[n_params]`.
    #[cfg(test)]
    pub(crate) fn to_tensor(&self) -> Tensor {
        self.flat.copy()
    }
}

impl GradientPart<'_> {
    /// Whether what is added counts.
    pub(super) fn is_wanted(&self) -> bool {
        !matches!(self.goal, Goal::Nowhere(..))
    }

    /// Adds `share`, of the part's shape and of any float kind. The adapters of a matrix get `dB = s dW A^T` and `dA = s B^T dW`.
    pub(crate) fn add(&mut self, share: &Tensor) {
        if let Goal::Place(place, _) | Goal::Ranks { numbers: place, .. } = &mut self.goal {
            let _ = place.g_add_(share);
        }
        for mut adapter in self.adapters().unwrap_or_default() {
            let share = share.narrow(0, adapter.first, adapter.rows).to_kind(Kind::Float);
            adapter.d_b.add(&share.mm(&adapter.a.tr()));
            adapter.d_a.add(&adapter.b.tr().mm(&share));
        }
    }

    /// Those that what is added to the matrix goes on to, where it has some.
    pub(super) fn adapters(&mut self) -> Option<Vec<AdapterPart<'_>>> {
        let Goal::Adapters { adapters, flat } = &self.goal else { return None };
        let part = |placed: &Placed| GradientPart { goal: Goal::Place(placed.slot.of(flat), PhantomData) };
        let of = |adapter: &Adapter| {
            let Adapter { first, rows, scale, a, b } = adapter;
            let (scaled_a, scaled_b) = (&a.numbers * *scale, &b.numbers * *scale);
            AdapterPart { first: *first, rows: *rows, a: scaled_a, b: scaled_b, d_a: part(a), d_b: part(b) }
        };
        Some(adapters.iter().map(of).collect())
    }

    /// Sets `columns` of a matrix to zero: then its adapters will not write to them.
    pub(super) fn clear_columns(&mut self, columns: Range<i64>) {
        if let Goal::Place(place, _) = &mut self.goal {
            let _ = place.narrow(1, columns.start, columns.end - columns.start).zero_();
        }
        for mut adapter in self.adapters().unwrap_or_default() {
            adapter.d_a.clear_columns(columns.clone());
        }
    }

    /// Its numbers, row-major; what is written to those of a part that is not wanted is dropped with it.
    ///
    /// # Errors
    /// If they are not in main memory, or what is added to them goes on to adapters.
    #[expect(unsafe_code, reason = "the tensor is seen as a slice")]
    pub(super) fn numbers(&mut self) -> Result<&mut [f32]> {
        ensure!(
            !matches!(self.goal, Goal::Adapters { .. }),
            "a matrix with adapters has no gradient of its own"
        );
        let place = match &mut self.goal {
            Goal::Nowhere(shape, place) => {
                place.insert(Tensor::zeros(shape.as_slice(), (Kind::Float, Device::Cpu)))
            }
            Goal::Place(place, _) | Goal::Ranks { numbers: place, .. } => place,
            Goal::Adapters { .. } => unreachable!("refused above"),
        };
        // SAFETY: no tensor on the gradient's memory leaves this file but by `flat`, whose borrow ends before one of a part
        // begins; and parts that live at one time, as those of A and B of an adapter, do not overlap.
        unsafe { view_mut(place) }
    }

    /// A copy of its numbers, in its shape.
    #[cfg(test)]
    pub(crate) fn to_tensor(&self) -> Tensor {
        match &self.goal {
            Goal::Place(place, _) | Goal::Ranks { numbers: place, .. } => place.copy(),
            Goal::Adapters { .. } | Goal::Nowhere(..) => Tensor::new(),
        }
    }
}

impl Drop for GradientPart<'_> {
    /// What was added to a part that ranks share is sent off.
    fn drop(&mut self) {
        if let Goal::Ranks { numbers, slot, outbox } = &mut self.goal {
            outbox.send(slot, numbers);
        }
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

    /// By hand: A (3 4), B (5 6)^T, of rows 1 and 2 of a matrix 3 x 2.
    #[test]
    fn what_a_matrix_gets_goes_on_to_its_adapters() {
        let placed = |start, shape: &[i64], numbers: &[f32]| Placed {
            slot: Slot { start, shape: shape.to_vec() },
            numbers: Tensor::from_slice(numbers).view(shape),
        };
        let (a, b) = (placed(0, &[1, 2], &[3.0, 4.0]), placed(2, &[2, 1], &[5.0, 6.0]));
        let adapters = BTreeMap::from([(10, vec![Adapter { first: 1, rows: 2, scale: 2.0, a, b }])]);
        let mut gradient = Gradient::of_adapters(4, Device::Cpu, adapters);
        let (matrix, other) = (Slot { start: 10, shape: vec![3, 2] }, Slot { start: 0, shape: vec![2] });
        assert!(gradient.wants(&matrix) && !gradient.wants(&other));
        let share = Tensor::from_slice(&[9f32, 9.0, 1.0, 0.0, 0.0, 1.0]).view([3, 2]);
        for _ in 0..2 {
            gradient.part(&matrix).add(&share);
        }
        assert_eq!(gradient.to_tensor(), Tensor::from_slice(&[20f32, 24.0, 12.0, 16.0]));
        gradient.part(&matrix).clear_columns(0..1);
        assert_eq!(gradient.to_tensor(), Tensor::from_slice(&[0f32, 24.0, 12.0, 16.0]));
        gradient.part(&other).add(&Tensor::from_slice(&[1f32, 1.0]));
        gradient.part(&other).numbers().unwrap()[0] = 1.0;
        assert_eq!(gradient.to_tensor(), Tensor::from_slice(&[0f32, 24.0, 12.0, 16.0]));
        assert!(gradient.part(&matrix).numbers().is_err());
    }
}
