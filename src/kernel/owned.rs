//! Tensors that nobody else holds, so that kernels may write to them.

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use super::Number;
use super::view::{view, view_mut};

/// A tensor in main memory on its way: it is made here, written as a slice of numbers, and then given away once and for all.
///
/// It never lends the tensor, since whoever clones that shares its memory.
#[derive(Debug)]
pub(crate) struct Owned(Tensor);

impl Owned {
    /// A row-major tensor of any numbers.
    #[must_use]
    pub(crate) fn empty(shape: &[i64], kind: Kind) -> Self {
        Self(Tensor::empty(shape, (kind, Device::Cpu)))
    }

    /// A row-major tensor of zeros.
    #[must_use]
    pub(crate) fn zeros(shape: &[i64], kind: Kind) -> Self {
        Self(Tensor::zeros(shape, (kind, Device::Cpu)))
    }

    /// The numbers of `x`, row-major.
    #[must_use]
    pub(crate) fn copy(x: &Tensor) -> Self {
        let mut own = Self::empty(&x.size(), x.kind());
        own.0.copy_(x);
        own
    }

    /// `x W^T` of `[N, I]` and `[O, I]` by libtorch.
    #[must_use]
    pub(crate) fn linear(x: &Tensor, weight: &Tensor) -> Self {
        Self(x.linear::<Tensor>(weight, None))
    }

    /// `A B` of `[M, K]` and `[K, N]` by libtorch.
    #[must_use]
    pub(crate) fn mm(a: &Tensor, b: &Tensor) -> Self {
        Self(a.mm(b))
    }

    /// `A B` of `[B, M, K]` and `[B, K, N]` by libtorch.
    #[must_use]
    pub(crate) fn bmm(a: &Tensor, b: &Tensor) -> Self {
        Self(a.bmm(b))
    }

    /// Sets what stands at the rows `index`, int64, of dimension `dim` to `value`.
    pub(crate) fn fill_at(&mut self, dim: i64, index: &Tensor, value: f64) {
        let _ = self.0.index_fill_(dim, index, value);
    }

    /// Sizes, row-major.
    #[must_use]
    pub(crate) fn size(&self) -> Vec<i64> {
        self.0.size()
    }

    /// Kind of its numbers.
    #[must_use]
    pub(crate) fn kind(&self) -> Kind {
        self.0.kind()
    }

    /// The numbers, row-major.
    ///
    /// # Errors
    /// As [`view`].
    pub(crate) fn view<T: Number>(&self) -> Result<&[T]> {
        view(&self.0)
    }

    /// The numbers, row-major, to write to.
    ///
    /// # Errors
    /// As [`view`].
    pub(crate) fn numbers<T: Number>(&mut self) -> Result<&mut [T]> {
        // SAFETY: every constructor has libtorch allocate the memory, and no tensor on it leaves before `into_tensor`.
        unsafe { view_mut(&mut self.0) }
    }

    /// The tensor, for anybody to share.
    pub(crate) fn into_tensor(self) -> Tensor {
        self.0
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_its_own() {
        let column = Tensor::from_slice(&[1f32, 2.0, 3.0, 4.0, 5.0, 6.0]).view([2, 3]).transpose(0, 1);
        for x in [&column, &column.narrow(1, 0, 1)] {
            let mut own = Owned::copy(x);
            own.numbers::<f32>().unwrap().iter_mut().for_each(|number| *number *= 10.0);
            assert_eq!(own.into_tensor(), x * 10.0);
            assert_eq!(column.double_value(&[1, 1]), 5.0);
        }
        assert!(Owned::zeros(&[2], Kind::Double).numbers::<f32>().is_err(), "of another kind");
    }
}
