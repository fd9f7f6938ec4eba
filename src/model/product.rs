//! Products of two matrices: of bf16 in main memory by [`kernel::product`] where the processor has it, else by libtorch.
//!
//! Tensors lie in memory row by row or column by column; none asks for a gradient.

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use crate::kernel::{self, Matrix, Out, has_products, view_mut};

/// For every new number of rows oneDNN writes new machine code, half a millisecond per product, which of a small model is a
/// tenth of all time; so rows are filled up to a multiple of this. A row that is filling reads token 0, attends to nothing,
/// and has a gradient of zeros.
const ROWS: i64 = 64;

/// How many rows should fill `n` up where products are of numbers of `kind`.
pub(super) fn filling(n: i64, kind: Kind) -> i64 {
    if by_kernel(kind, Device::Cpu) { 0 } else { (ROWS - n % ROWS) % ROWS }
}

/// `x W^T` of rows `x` `[N, I]` and a weight `[O, I]`: `[N, O]`.
///
/// # Errors
/// If the rows of one of them have gaps.
pub(super) fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    match by_kernel(x.kind(), x.device()) {
        true => new(Matrix::new(x)?, Matrix::new(weight)?.t(), [x.size()[0], weight.size()[0]]),
        false => Ok(x.linear::<Tensor>(weight, None)),
    }
}

/// `A B` of `[M, K]` and `[K, N]`.
///
/// # Errors
/// As [`linear`].
pub(super) fn mm(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    match by_kernel(a.kind(), a.device()) {
        true => new(Matrix::new(a)?, Matrix::new(b)?, [a.size()[0], b.size()[1]]),
        false => Ok(a.mm(b)),
    }
}

/// Adds `d^T x` of rows `d` `[N, O]` and `x` `[N, I]` to `sum` `[O, I]`, f32: the gradient of a weight.
///
/// # Errors
/// As [`linear`].
pub(super) fn add_outer(sum: &mut Tensor, d: &Tensor, x: &Tensor) -> Result<()> {
    match by_kernel(d.kind(), d.device()) {
        true => kernel::product(Matrix::new(d)?.t(), Matrix::new(x)?, Out::Add(view_mut(sum)?)),
        false => {
            let _ = sum.g_add_(&d.transpose(0, 1).mm(x));
            Ok(())
        }
    }
}

fn by_kernel(kind: Kind, device: Device) -> bool {
    kind == Kind::BFloat16 && device == Device::Cpu && has_products()
}

fn new(a: Matrix<'_>, b: Matrix<'_>, shape: [i64; 2]) -> Result<Tensor> {
    let mut out = Tensor::empty(shape, (Kind::BFloat16, Device::Cpu));
    kernel::product(a, b, Out::Set(view_mut(&mut out)?))?;
    Ok(out)
}
