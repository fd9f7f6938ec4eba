//! Tensors as slices.

use anyhow::{Result, ensure};
use tch::{Device, Tensor};

use super::Number;

/// The numbers of a contiguous tensor in main memory, row-major.
///
/// # Errors
/// If the tensor is elsewhere, of another kind, or not contiguous.
pub(crate) fn view<T: Number>(tensor: &Tensor) -> Result<&[T]> {
    check::<T>(tensor)?;
    if tensor.numel() == 0 {
        return Ok(&[]);
    }
    // SAFETY: a contiguous tensor of this kind on the CPU is `numel` such numbers in a row, which live as long as it does.
    Ok(unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<T>(), tensor.numel()) })
}

/// The numbers of a matrix in main memory, and whether they lie there column by column.
///
/// # Errors
/// As [`view`], but for the transpose of a contiguous tensor.
pub(super) fn view_matrix<T: Number>(tensor: &Tensor) -> Result<(&[T], bool)> {
    if tensor.is_contiguous() {
        return Ok((view(tensor)?, false));
    }
    ensure!(tensor.dim() == 2, "kernel: got a tensor {:?} with gaps, expected a matrix", tensor.size());
    let transpose = tensor.transpose(0, 1);
    let numbers: *const [T] = view(&transpose)?;
    // SAFETY: the transpose shares the memory of `tensor`, which lives as long as the result.
    Ok((unsafe { &*numbers }, true))
}

/// As [`view`], to write to.
///
/// # Errors
/// As [`view`].
///
/// # Safety
/// As long as the slice lives, no other tensor that shares the memory is read or written.
pub(crate) unsafe fn view_mut<T: Number>(tensor: &mut Tensor) -> Result<&mut [T]> {
    check::<T>(tensor)?;
    if tensor.numel() == 0 {
        return Ok(&mut []);
    }
    // SAFETY: as above; the caller vouches for others on the same memory.
    Ok(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<T>(), tensor.numel()) })
}

fn check<T: Number>(tensor: &Tensor) -> Result<()> {
    ensure!(
        tensor.device() == Device::Cpu && tensor.kind() == T::KIND && tensor.is_contiguous(),
        "kernel: got a tensor {:?} of {:?} on {:?}{}, expected a contiguous one of {:?} on the CPU",
        tensor.size(),
        tensor.kind(),
        tensor.device(),
        if tensor.is_contiguous() { "" } else { ", not contiguous" },
        T::KIND
    );
    Ok(())
}
