//! The weights of a model with adapters: those that stay, and those that are made of them and the adapters behind every update.
//!
//! What has no adapters, such as embeddings and norms, is read where the frozen weights lie, which copies of the policy and the
//! policy before training share.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::layout::{Adapted, LoraLayout, Part};
use crate::model::gradient::{Adapter, Placed};
use crate::model::layout::{Entry, Layout, Slot};
use crate::model::weights::Weights;

/// Frozen weights, and the sum of them and the adapters where there are some.
pub(in crate::model) struct Adapters {
    /// The adapters.
    pub layout: LoraLayout,
    base: Tensor,        // [n_params] in the compute precision, never written to
    merged: Vec<Tensor>, // for each matrix with adapters, in its shape and the compute precision
}

impl Adapters {
    /// Over `base`, all parameters in the compute precision; the weights are those of it until [`Adapters::merge`].
    pub(in crate::model) fn new(layout: LoraLayout, base: Tensor) -> Self {
        let merged = layout.matrices.iter().map(|matrix| matrix.slot.of(&base).copy()).collect();
        Self { layout, base, merged }
    }

    /// The same weights, to be changed by themselves; what is frozen is shared.
    pub(in crate::model) fn copy(&self) -> Self {
        let Self { layout, base, merged } = self;
        let merged = merged.iter().map(Tensor::copy).collect();
        Self { layout: layout.clone(), base: base.shallow_clone(), merged }
    }

    /// The frozen weights.
    pub(in crate::model) fn base(&self) -> &Tensor {
        &self.base
    }

    /// The weights that passes read, in the memory that [`Adapters::merge`] writes to.
    pub(in crate::model) fn weights(&self, whole: &Layout) -> Weights {
        Weights::by(whole, |slot| {
            let place = self.layout.matrices.iter().position(|matrix| matrix.slot == *slot);
            place.map_or_else(|| slot.of(&self.base), |place| self.merged[place].shallow_clone())
        })
    }

    /// Brings the weights up to date with `flat`, the adapters.
    pub(in crate::model) fn merge(&mut self, flat: &Tensor) {
        for (matrix, merged) in self.layout.matrices.iter().zip(&self.merged) {
            for part in &matrix.parts {
                part.of(merged).copy_(&self.sum(matrix, part, flat));
            }
        }
    }

    /// The weights of the parameter `entry` as passes read them, in a row.
    pub(in crate::model) fn computed(&self, entry: &Entry) -> Tensor {
        let holds = |slot: &Slot| (slot.start..slot.start + slot.n_elements()).contains(&entry.start);
        let merged = self.layout.matrices.iter().zip(&self.merged).find(|(matrix, _)| holds(&matrix.slot));
        match merged {
            Some((matrix, merged)) => {
                merged.view(-1).narrow(0, entry.start - matrix.slot.start, entry.n_elements())
            }
            None => self.base.narrow(0, entry.start, entry.n_elements()),
        }
    }

    /// All parameters with the adapters `flat` in them, f32 `[n_params]`, in memory of their own.
    pub(in crate::model) fn whole(&self, flat: &Tensor) -> Tensor {
        let whole = self.base.to_dtype(Kind::Float, false, true);
        for matrix in &self.layout.matrices {
            for part in &matrix.parts {
                part.of(&matrix.slot.of(&whole)).copy_(&self.sum(matrix, part, flat));
            }
        }
        whole
    }

    /// `W0 + s B A` of a part, f32.
    fn sum(&self, matrix: &Adapted, part: &Part, flat: &Tensor) -> Tensor {
        let product = (part.b.of(flat) * self.layout.settings.scale()).mm(&part.a.of(flat));
        product.shallow_clone().g_add_(&part.of(&matrix.slot.of(&self.base)))
    }

    /// How the gradient of each matrix becomes that of its adapters, by where the matrix begins.
    pub(in crate::model) fn receivers(&self, flat: &Tensor) -> BTreeMap<i64, Vec<Adapter>> {
        let placed = |slot: &Slot| Placed { slot: slot.clone(), numbers: slot.of(flat) };
        let of_part = |part: &Part| Adapter {
            first: part.first,
            rows: part.rows,
            scale: self.layout.settings.scale(),
            a: placed(&part.a),
            b: placed(&part.b),
        };
        let matrices = self.layout.matrices.iter();
        matrices.map(|matrix| (matrix.slot.start, matrix.parts.iter().map(of_part).collect())).collect()
    }

    /// Changes the frozen weights, which are copied first, since others may share them.
    pub(in crate::model) fn change_base(&mut self, change: impl FnOnce(&mut Tensor)) {
        let mut base = self.base.copy();
        change(&mut base);
        let merged = self.layout.matrices.iter().zip(&self.merged);
        merged.for_each(|(matrix, merged)| merged.shallow_clone().copy_(&matrix.slot.of(&base)));
        self.base = base;
    }
}

impl Part {
    /// Its rows of `matrix`.
    fn of(&self, matrix: &Tensor) -> Tensor {
        matrix.narrow(0, self.first, self.rows)
    }
}
