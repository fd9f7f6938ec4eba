//! The two kinds of numbers that models compute with.

use tch::Kind;

/// A number in memory that is computed with as f32.
pub(crate) trait Number: Copy + Default + Send + Sync + 'static {
    /// What libtorch calls it.
    const KIND: Kind;

    /// As f32; exact.
    fn to_f32(self) -> f32;

    /// The nearest number of this kind, ties to even.
    fn from_f32(x: f32) -> Self;
}

impl Number for f32 {
    const KIND: Kind = Kind::Float;

    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }

    #[inline(always)]
    fn from_f32(x: f32) -> Self {
        x
    }
}

/// The upper half of an f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Bf16(pub u16);

impl Number for Bf16 {
    const KIND: Kind = Kind::BFloat16;

    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }

    #[inline(always)]
    fn from_f32(x: f32) -> Self {
        let bits = x.to_bits();
        // Half a unit, one more where the last bit kept is odd. A NaN whose payload carried over would become an infinity.
        let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
        Self(if x.is_nan() { 0x7fc0 } else { (rounded >> 16) as u16 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Tensor;

    #[test]
    fn rounding_is_that_of_libtorch() {
        let numbers: Vec<f32> = (0..200_000u32)
            .map(|i| f32::from_bits(i.wrapping_mul(21_475).wrapping_add(0x3f00_0000)))
            .chain([0.0, -0.0, 1.0, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 1e-40, -3.4e38])
            .filter(|x| !x.is_nan())
            .collect();
        let theirs = Tensor::from_slice(&numbers).to_kind(Kind::BFloat16).to_kind(Kind::Float);
        let ours: Vec<f32> = numbers.iter().map(|x| Bf16::from_f32(*x).to_f32()).collect();
        assert_eq!(Vec::<f32>::try_from(theirs).ok(), Some(ours));
        assert!(
            Bf16::from_f32(f32::NAN).to_f32().is_nan()
                && Bf16::from_f32(f32::from_bits(0x7f80_0001)).to_f32().is_nan()
        );
    }
}
