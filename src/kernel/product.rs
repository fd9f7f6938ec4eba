//! Products of bf16 matrices by the processor's own dot products of pairs (AVX512-BF16), summed in f32.
//!
//! ```text
//! C = A B   or   C += A B        A (M, K), B (K, N), C (M, N)
//! ```
//!
//! After Goto and van de Geijn: blocks of `B` are laid out so that the innermost loop, a tile of C in the registers, runs
//! along memory. Of `A` it broadcasts pairs of neighbours in K, which needs no other layout unless it is given transposed, or K is odd.
//! oneDNN lays out both anew for every product; with few columns, as in decoding, that costs as much as the product.
//!
//! Every number of C is the same sum in the same order whatever M, N and the number of threads.

#[cfg(target_arch = "x86_64")]
mod blocks;
#[cfg(target_arch = "x86_64")]
mod pack;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
#[cfg(target_arch = "x86_64")]
mod tile;

use std::sync::OnceLock;

use anyhow::{Result, ensure};
use tch::Tensor;

use super::features::cpu_has;
use super::number::Bf16;
use super::view::view_matrix;

/// A matrix in memory, row-major, or the transpose of one.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    numbers: &'a [Bf16],
    /// Rows and columns.
    shape: (usize, usize),
    /// Numbers from one row in memory to the next.
    line: usize,
    transposed: bool,
}

impl<'a> Matrix<'a> {
    /// A tensor `[rows, columns]` or the transpose of one.
    ///
    /// # Errors
    /// If it is neither, not of bf16, or not in main memory.
    pub(crate) fn new(tensor: &'a Tensor) -> Result<Self> {
        let (numbers, transposed) = view_matrix(tensor)?;
        let (rows, columns) = tensor.size2()?;
        let shape = (usize::try_from(rows)?, usize::try_from(columns)?);
        Ok(Self { numbers, shape, line: if transposed { shape.0 } else { shape.1 }, transposed })
    }

    /// Its transpose.
    #[must_use]
    pub(crate) fn t(self) -> Self {
        let (rows, columns) = self.shape;
        Self { shape: (columns, rows), transposed: !self.transposed, ..self }
    }
}

/// Where a product goes, row-major.
pub(crate) enum Out<'a> {
    /// It replaces what is there.
    Set(&'a mut [Bf16]),
    /// It is added to what is there.
    Add(&'a mut [f32]),
}

/// Whether [`product`] is the fastest way of this processor. Where it multiplies tiles (AMX), oneDNN is.
#[must_use]
pub(crate) fn has_products() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        #[cfg(target_arch = "x86_64")]
        {
            let has_pairs = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512bf16");
            has_pairs && !cpu_has("amx_bf16")
        }
        #[cfg(not(target_arch = "x86_64"))]
        false
    })
}

/// `A B` into `out`.
///
/// # Errors
/// If shapes do not fit, or without [`has_products`].
pub(crate) fn product(a: Matrix<'_>, b: Matrix<'_>, out: Out<'_>) -> Result<()> {
    let ((m, k), (depth, n)) = (a.shape, b.shape);
    let len = match &out {
        Out::Set(out) => out.len(),
        Out::Add(out) => out.len(),
    };
    ensure!(
        k == depth && len == m * n,
        "product of [{m}, {k}] and [{depth}, {n}]: got room for {len} numbers, expected {k} = {depth} and {}",
        m * n
    );
    ensure!(has_products(), "this processor has no dot products of bf16 pairs (AVX512-BF16)");
    #[cfg(target_arch = "x86_64")]
    match out {
        Out::Set(out) => blocks::set(a, b, out),
        Out::Add(out) => blocks::add(a, b, out),
    }
    Ok(())
}
