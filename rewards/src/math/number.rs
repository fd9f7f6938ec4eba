//! Exact rationals as literals write them, and the arithmetic that stays within bounds.
//!
//! A result of more than [`MAX_BITS`] bits is not computed: `9^{9^9}` has no exact value here.

use num_bigint::BigInt;
use num_integer::Integer;
use num_rational::BigRational;
use num_traits::{One, Pow, Signed, ToPrimitive, Zero};

/// Longest numerator or denominator: enough for 2^5000 and 800!.
const MAX_BITS: u64 = 8192;
/// Largest exponent of ten of a literal.
const MAX_EXPONENT: i32 = 800;
/// Most characters of a literal.
const MAX_DIGITS: usize = 400;
/// Highest root that is looked for.
const MAX_ROOT: u32 = 64;
/// Largest number whose factorial is multiplied out.
pub(super) const MAX_FACTORIAL: u32 = 800;

/// The value of `12`, `0.5`, `.5`, `1.`, `1e-6`, or `0.1(6)` with the repeated digits in parentheses.
pub(super) fn literal(text: &str) -> Option<BigRational> {
    if text.len() > MAX_DIGITS {
        return None;
    }
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
        None => (text, 0_i32),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (fraction, repeated) = fraction.split_once('(').unwrap_or((fraction, ""));
    let repeated = repeated.trim_end_matches(')');
    let n_digits = |digits: &str| i32::try_from(digits.len()).ok();
    let shift = exponent.checked_sub(n_digits(fraction)?)?;
    let scale = ten_to(shift.checked_abs()?)?;
    let shifted = |digits: BigInt| match shift.is_negative() {
        true => quotient(digits, &scale),
        false => BigRational::from_integer(digits * &scale),
    };
    let value = shifted(digits(&[whole, fraction])?);
    if repeated.is_empty() {
        return Some(value);
    }
    // Repeated for ever, r digits are worth their number over 10^r - 1.
    let period = ten_to(n_digits(repeated)?)? - 1;
    Some(value + shifted(digits(&[repeated])?) / period)
}

/// `numerator / denominator`. The remainder first makes the rest of the search for a common divisor short.
fn quotient(numerator: BigInt, denominator: &BigInt) -> BigRational {
    if numerator.is_zero() {
        return BigRational::zero();
    }
    let divisor = numerator.gcd(&(denominator % &numerator));
    BigRational::new_raw(numerator / &divisor, denominator / &divisor)
}

fn digits(parts: &[&str]) -> Option<BigInt> {
    BigInt::parse_bytes(parts.concat().as_bytes(), 10)
}

fn ten_to(exponent: i32) -> Option<BigInt> {
    (exponent <= MAX_EXPONENT).then(|| BigInt::from(10).pow(exponent.unsigned_abs()))
}

/// `a + b`, of whole numbers without looking for a common divisor.
pub(super) fn add(a: BigRational, b: BigRational) -> BigRational {
    if a.is_integer() && b.is_integer() { BigRational::from_integer(a.numer() + b.numer()) } else { a + b }
}

/// `a * b`, of whole numbers without looking for a common divisor.
pub(super) fn multiply(a: BigRational, b: BigRational) -> BigRational {
    if a.is_integer() && b.is_integer() { BigRational::from_integer(a.numer() * b.numer()) } else { a * b }
}

/// What arithmetic that gives `value` costs, in some ten nanoseconds: the square of its length, and more for the
/// greatest common divisor of a fraction.
pub(super) fn cost(value: &BigRational) -> u64 {
    let words = bits(value) / 64;
    let factor = if value.is_integer() { 1 } else { 16 };
    1 + factor * words * words / 2
}

/// Bits of the longer of numerator and denominator.
pub(super) fn bits(value: &BigRational) -> u64 {
    value.numer().bits().max(value.denom().bits())
}

/// The value unless it is too long to go on with.
pub(super) fn bounded(value: BigRational) -> Option<BigRational> {
    (bits(&value) <= MAX_BITS).then_some(value)
}

/// `base^exponent` where that is rational and not too long; 0 to a power that is not positive has no value, and an odd
/// root of a negative number is negative.
pub(super) fn power(base: &BigRational, exponent: &BigRational) -> Option<BigRational> {
    if base.is_zero() {
        return exponent.is_positive().then(BigRational::zero);
    }
    let root = exponent.denom().to_u32().filter(|root| *root <= MAX_ROOT)?;
    let base = match root {
        1 => base.clone(),
        _ => BigRational::new(exact_root(base.numer(), root)?, exact_root(base.denom(), root)?),
    };
    if base.abs().is_one() {
        let odd = (exponent.numer() % 2u32) != BigInt::zero();
        return Some(if odd { base } else { BigRational::one() });
    }
    let exponent = exponent.numer().to_i32()?;
    let length = bits(&base).checked_mul(exponent.unsigned_abs().into())?;
    // A number of b bits has a power of at least (b - 1) n bits.
    (length <= 2 * MAX_BITS).then(|| base.pow(exponent)).and_then(bounded)
}

fn exact_root(value: &BigInt, degree: u32) -> Option<BigInt> {
    if value.is_negative() && degree.is_multiple_of(2) {
        return None;
    }
    let root = value.nth_root(degree);
    (Pow::pow(&root, degree) == *value).then_some(root)
}

/// n! for whole n from 0 to 800.
pub(super) fn factorial(n: &BigRational) -> Option<BigRational> {
    let n = small(n, MAX_FACTORIAL)?;
    Some(BigRational::from_integer((1..=n).fold(BigInt::one(), |product, factor| product * factor)))
}

/// n over k for whole n and k up to 800; 0 where k is above n.
pub(super) fn binomial(n: &BigRational, k: &BigRational) -> Option<BigRational> {
    let (n, k) = (small(n, MAX_FACTORIAL)?, small(k, MAX_FACTORIAL)?);
    if k > n {
        return Some(BigRational::zero());
    }
    let step = |chosen: BigInt, i: u32| chosen * (n - i) / (i + 1);
    Some(BigRational::from_integer((0..k.min(n - k)).fold(BigInt::one(), step)))
}

fn small(value: &BigRational, most: u32) -> Option<u32> {
    let value = value.is_integer().then(|| value.to_integer())?;
    value.to_u32().filter(|value| *value <= most)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn rational(numerator: i64, denominator: i64) -> BigRational {
        BigRational::new(numerator.into(), denominator.into())
    }

    #[test]
    fn literals_are_exact() {
        for (text, value) in [
            ("007", rational(7, 1)),
            (".5", rational(1, 2)),
            ("2.", rational(2, 1)),
            ("1.25e1", rational(25, 2)),
            ("4e-3", rational(1, 250)),
            ("0.(3)", rational(1, 3)),
            ("1.1(6)", rational(7, 6)),
        ] {
            assert_eq!(literal(text), Some(value), "{text}");
        }
        assert_eq!(literal("1e999999999"), None);
    }

    #[test]
    fn powers_are_exact_or_none() {
        let power = |base, exponent| power(&base, &exponent);
        assert_eq!(power(rational(4, 9), rational(-3, 2)), Some(rational(27, 8)));
        assert_eq!(power(rational(-8, 1), rational(1, 3)), Some(rational(-2, 1)));
        assert_eq!(power(rational(-1, 1), rational(1, 2)), None);
        assert_eq!(power(rational(2, 1), rational(1, 2)), None);
        assert_eq!(power(rational(0, 1), rational(0, 1)), None);
        assert_eq!(power(rational(-1, 1), rational(i64::MAX, 1)), Some(rational(-1, 1)));
        assert_eq!(power(rational(9, 1), rational(387_420_489, 1)), None);
        assert_eq!(power(rational(2, 1), rational(1009, 1)).unwrap().numer().bits(), 1010);
    }

    #[test]
    fn counting_functions() {
        assert_eq!(factorial(&rational(5, 1)), Some(rational(120, 1)));
        assert_eq!(factorial(&rational(100_000, 1)), None);
        assert_eq!(binomial(&rational(10, 1), &rational(3, 1)), Some(rational(120, 1)));
        assert_eq!(binomial(&rational(3, 1), &rational(4, 1)), Some(rational(0, 1)));
        assert_eq!(binomial(&rational(1, 2), &rational(4, 1)), None);
    }
}
