//! Little-endian f32, bf16 and f16 to f32; exact, since f32 holds every number of the other two.

use half::{bf16, f16};
use safetensors::Dtype;

/// What [`decode`] understands.
pub(super) const SUPPORTED: [Dtype; 3] = [Dtype::F32, Dtype::BF16, Dtype::F16];

/// Converts `bytes`, numbers of a [`SUPPORTED`] dtype, into `out` of as many elements.
pub(super) fn decode(dtype: Dtype, bytes: &[u8], out: &mut [f32]) {
    match dtype {
        Dtype::F32 => each(bytes, out, f32::from_le_bytes),
        Dtype::BF16 => each(bytes, out, |pair| bf16::from_le_bytes(pair).to_f32()),
        _ => each(bytes, out, |pair| f16::from_le_bytes(pair).to_f32()),
    }
}

fn each<const N: usize>(bytes: &[u8], out: &mut [f32], convert: impl Fn([u8; N]) -> f32) {
    for (out, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
        *out = convert(*bytes);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use tch::{Kind, Tensor};

    /// Against libtorch's conversion, over every bit pattern.
    #[test]
    fn all_65536_patterns_of_both_halves_agree_with_libtorch() {
        let patterns: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        for (dtype, kind) in [(Dtype::BF16, Kind::BFloat16), (Dtype::F16, Kind::Half)] {
            let mut got = vec![0.0; 1 << 16];
            decode(dtype, &patterns, &mut got);
            let expected = Tensor::from_data_size(&patterns, &[1 << 16], kind).to_kind(Kind::Float);
            let expected = Vec::<f32>::try_from(expected).unwrap();
            for (bits, (got, expected)) in got.iter().zip(&expected).enumerate() {
                let same = got.to_bits() == expected.to_bits() || (got.is_nan() && expected.is_nan());
                assert!(same, "{dtype} {bits:#06x}: got {got:e}, expected {expected:e}");
            }
        }
    }
}
