//! Products of two matrices: of bf16 by [`kernel::product`] where the processor has it, else by libtorch.
//!
//! Tensors lie in memory row by row or column by column; none asks for a gradient.

use anyhow::Result;
use tch::{Kind, Tensor};

use crate::kernel::{self, Matrix, Out, Owned, has_products};
use crate::model::gradient::{AdapterPart, GradientPart};

/// For every new number of rows oneDNN writes new machine code, half a millisecond per product, which of a small model is a
/// tenth of all time; so rows are filled up to a multiple of this. A row that is filling reads token 0, attends to nothing,
/// and has a gradient of zeros.
const ROWS: i64 = 64;

/// How many rows should fill `n` up where products are of numbers of `kind`.
pub(super) fn filling(n: i64, kind: Kind) -> i64 {
    if by_kernel(kind) { 0 } else { (ROWS - n % ROWS) % ROWS }
}

/// `x W^T` of rows `x` `[N, I]` and a weight `[O, I]`: `[N, O]`.
///
/// # Errors
/// If the rows of one of them have gaps.
pub(super) fn linear(x: &Tensor, weight: &Tensor) -> Result<Owned> {
    match by_kernel(x.kind()) {
        true => new(Matrix::new(x)?, Matrix::new(weight)?.t(), [x.size()[0], weight.size()[0]]),
        false => Ok(Owned::linear(x, weight)),
    }
}

/// `A B` of `[M, K]` and `[K, N]`.
///
/// # Errors
/// As [`linear`].
pub(super) fn mm(a: &Tensor, b: &Tensor) -> Result<Owned> {
    match by_kernel(a.kind()) {
        true => new(Matrix::new(a)?, Matrix::new(b)?, [a.size()[0], b.size()[1]]),
        false => Ok(Owned::mm(a, b)),
    }
}

/// Adds `d^T x` of rows `d` `[N, O]` and `x` `[N, I]` to `sum` `[O, I]`, f32: the gradient of a weight. To its adapters, where it
/// has some, goes `dB = d^T (x A^T)` and `dA = (d B)^T x`, and no product of the size of the weight is made.
///
/// # Errors
/// As [`linear`].
pub(super) fn add_outer(sum: &mut GradientPart<'_>, d: &Tensor, x: &Tensor) -> Result<()> {
    if !sum.is_wanted() {
        return Ok(());
    }
    let Some(adapters) = sum.adapters() else { return add_product(sum, d, x) };
    for AdapterPart { first, rows, a, b, mut d_a, mut d_b } in adapters {
        let d = d.narrow(1, first, rows).contiguous();
        let read = linear(x, &a.to_kind(x.kind()))?.into_tensor(); // (N, rank)
        add_product(&mut d_b, &d, &read)?;
        let d_read = mm(&d, &b.to_kind(d.kind()))?.into_tensor(); // (N, rank)
        add_product(&mut d_a, &d_read, x)?;
    }
    Ok(())
}

fn add_product(sum: &mut GradientPart<'_>, d: &Tensor, x: &Tensor) -> Result<()> {
    match by_kernel(d.kind()) {
        true => kernel::product(Matrix::new(d)?.t(), Matrix::new(x)?, Out::Add(sum.numbers()?)),
        false => {
            sum.add(&d.transpose(0, 1).mm(x));
            Ok(())
        }
    }
}

fn by_kernel(kind: Kind) -> bool {
    kind == Kind::BFloat16 && has_products()
}

fn new(a: Matrix<'_>, b: Matrix<'_>, shape: [i64; 2]) -> Result<Owned> {
    let mut out = Owned::empty(&shape, Kind::BFloat16);
    kernel::product(a, b, Out::Set(out.numbers()?))?;
    Ok(out)
}
