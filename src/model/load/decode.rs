//! Little-endian f32, bf16 and f16 to f32; exact, since f32 holds every number of the other two.

use safetensors::Dtype;

/// What [`decode`] understands.
pub const SUPPORTED: [Dtype; 3] = [Dtype::F32, Dtype::BF16, Dtype::F16];

/// Converts `bytes`, numbers of a [`SUPPORTED`] dtype, into `out` of as many elements.
pub fn decode(dtype: Dtype, bytes: &[u8], out: &mut [f32]) {
    match dtype {
        Dtype::F32 => each(bytes, out, f32::from_le_bytes),
        Dtype::BF16 => each(bytes, out, |pair| bf16_to_f32(u16::from_le_bytes(pair))),
        _ => each(bytes, out, |pair| f16_to_f32(u16::from_le_bytes(pair))),
    }
}

fn each<const N: usize>(bytes: &[u8], out: &mut [f32], convert: impl Fn([u8; N]) -> f32) {
    for (out, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
        *out = convert(*bytes);
    }
}

/// bfloat16 is the upper half of an f32.
fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// 1 sign bit, 5 exponent bits (bias 15), 10 fraction bits.
fn f16_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10) & 0x1f;
    let fraction = u32::from(bits) & 0x3ff;
    let magnitude = match exponent {
        // Subnormal: fraction * 2^-24, which f32 holds as a normal number.
        0 => (fraction as f32 * f32::from_bits((127 - 24) << 23)).to_bits(),
        0x1f => 0x7f80_0000 | fraction << 13,
        _ => (exponent + 127 - 15) << 23 | fraction << 13,
    };
    f32::from_bits(sign | magnitude)
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

    #[test]
    fn known_f16_numbers() {
        let known = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 2f32.powi(-24)),
            (0x7c00, f32::INFINITY),
        ];
        for (bits, expected) in known {
            assert_eq!(f16_to_f32(bits), expected);
        }
        assert!(f16_to_f32(0x8000).is_sign_negative());
    }
}
