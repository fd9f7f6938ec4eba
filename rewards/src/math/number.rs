//! Exact rationals as literals write them, and the arithmetic that stays within bounds.
//!
//! A result of more than [`MAX_BITS`] bits is not computed: `9^{9^9}` has no exact value here. Nor are fractions reduced
//! whose parts are both long.

use num_bigint::{BigInt, BigUint};
use num_integer::Integer;
use num_rational::BigRational;
use num_traits::{One, Pow, Signed, ToPrimitive, Zero};

/// Longest numerator or denominator: enough for 2^100000 and 10000!.
pub(super) const MAX_BITS: u64 = 1 << 17;
/// Longest number that is looked for roots, and of which common divisors with longer ones are looked for.
const MAX_DIVIDED_BITS: u64 = 8192;
/// Largest exponent of ten of a literal.
const MAX_EXPONENT: i32 = 800;
/// Most characters of a literal that is not whole.
const MAX_DIGITS: usize = 400;
/// Highest root that is looked for.
const MAX_ROOT: u32 = 64;
/// Largest number whose factorial is multiplied out factor by factor.
pub(super) const MAX_FACTORIAL: u32 = 800;
/// Most factors that a binomial coefficient is multiplied out of.
const MAX_CHOSEN: u32 = 400;

/// The value of `12`, `0.5`, `.5`, `1.`, `1e-6`, or `0.1(6)` with the repeated digits in parentheses.
pub(super) fn literal(text: &str) -> Option<BigRational> {
    if text.len() > MAX_DIGITS && text.contains(|c: char| !c.is_ascii_digit()) {
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
pub(super) fn add(a: BigRational, b: BigRational) -> Option<BigRational> {
    if a.is_integer() && b.is_integer() {
        return Some(BigRational::from_integer(a.numer() + b.numer()));
    }
    if is_short(&a) && is_short(&b) {
        return Some(a + b);
    }
    if a.is_integer() || b.is_integer() {
        // With the denominator of the other it stays in lowest terms.
        let (whole, part) = if a.is_integer() { (a, b) } else { (b, a) };
        return Some(BigRational::new_raw(whole.numer() * part.denom() + part.numer(), part.denom().clone()));
    }
    let numerator = a.numer() * b.denom() + b.numer() * a.denom();
    reduced(numerator, a.denom() * b.denom())
}

/// `a * b`, of whole numbers without looking for a common divisor.
pub(super) fn multiply(a: BigRational, b: BigRational) -> Option<BigRational> {
    if a.is_integer() && b.is_integer() {
        return Some(BigRational::from_integer(a.numer() * b.numer()));
    }
    if is_short(&a) && is_short(&b) {
        return Some(a * b);
    }
    let (left, right) =
        (reduced(a.numer().clone(), b.denom().clone())?, reduced(b.numer().clone(), a.denom().clone())?);
    Some(BigRational::new_raw(left.numer() * right.numer(), left.denom() * right.denom()))
}

fn is_short(value: &BigRational) -> bool {
    bits(value) <= MAX_DIVIDED_BITS
}

/// `numerator / denominator` in lowest terms, the denominator positive; none where both are too long.
fn reduced(numerator: BigInt, denominator: BigInt) -> Option<BigRational> {
    let divisor = BigInt::from(common_divisor(numerator.magnitude(), denominator.magnitude())?);
    Some(BigRational::new_raw(numerator / &divisor, denominator / &divisor))
}

/// The greatest common divisor of positive numbers, where without their factors of two one is short or divides the other.
pub(super) fn common_divisor(a: &BigUint, b: &BigUint) -> Option<BigUint> {
    if a.is_zero() || b.is_zero() {
        return Some(a + b);
    }
    let twos = |n: &BigUint| n.trailing_zeros().unwrap_or(0);
    let (odd_a, odd_b) = (a >> twos(a), b >> twos(b));
    let (short, long) = if odd_a < odd_b { (odd_a, odd_b) } else { (odd_b, odd_a) };
    let rest = long % &short;
    let odd =
        if rest.is_zero() { short } else { (short.bits() <= MAX_DIVIDED_BITS).then(|| short.gcd(&rest))? };
    Some(odd << twos(a).min(twos(b)))
}

/// `number` without its factors `divisor` above 1, and how many they are.
pub(super) fn divided_out(number: &BigUint, divisor: &BigUint) -> (BigUint, u64) {
    let (quotient, rest) = number.div_rem(divisor);
    if !rest.is_zero() {
        return (number.clone(), 0);
    }
    // Of the quotient by pairs.
    let (left, pairs) = divided_out(&quotient, &(divisor * divisor));
    let (quotient, rest) = left.div_rem(divisor);
    if rest.is_zero() { (quotient, 2 * pairs + 2) } else { (left, 2 * pairs + 1) }
}

/// The greatest common divisor of whole numbers; none where both are long.
pub(super) fn gcd(a: &BigRational, b: &BigRational) -> Option<BigRational> {
    Some(BigInt::from(common_divisor(a.numer().magnitude(), b.numer().magnitude())?).into())
}

/// The least common multiple of whole numbers; none where both are long.
pub(super) fn lcm(a: &BigRational, b: &BigRational) -> Option<BigRational> {
    let divisor = gcd(a, b).filter(|divisor| !divisor.is_zero())?;
    Some(((a.numer() / divisor.numer()) * b.numer()).abs().into())
}

/// What arithmetic with `a` and `b` costs, in some ten nanoseconds: more than their length, and of fractions much more for
/// the greatest common divisors.
pub(super) fn cost(a: &BigRational, b: &BigRational) -> u64 {
    let n_bits = bits(a) + bits(b);
    if a.is_integer() && b.is_integer() {
        return whole_cost(n_bits);
    }
    if is_short(a) && is_short(b) {
        return 1 + 8 * (n_bits / 64).pow(2);
    }
    let shorter = |a: &BigInt, b: &BigInt| 8 * (a.bits().min(b.bits()) / 64).pow(2);
    let divisors =
        shorter(a.numer(), b.denom()) + shorter(b.numer(), a.denom()) + shorter(a.denom(), b.denom());
    2 * whole_cost(n_bits) + divisors
}

/// What the greatest common divisor of `a` and `b` and dividing by it costs.
pub(super) fn divisor_cost(a: &BigUint, b: &BigUint) -> u64 {
    let words = |n: &BigUint| (n.bits() - n.trailing_zeros().unwrap_or(0)) / 64;
    let (short, long) = (words(a).min(words(b)), words(a).max(words(b)));
    4 + long + long * short / 8 + 8 * short.min(MAX_DIVIDED_BITS / 64).pow(2)
}

/// What the product of whole numbers costs that has as many bits.
pub(super) fn whole_cost(n_bits: u64) -> u64 {
    let words = n_bits / 64;
    1 + words * words.min(32) / 2
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
        _ if !is_short(base) => return None,
        _ => BigRational::new(exact_root(base.numer(), root)?, exact_root(base.denom(), root)?),
    };
    if base.abs().is_one() {
        let odd = (exponent.numer() % 2u32) != BigInt::zero();
        return Some(if odd { base } else { BigRational::one() });
    }
    let exponent = exponent.numer().to_i32()?;
    // A number of b bits has a power of at least (b - 1) n bits.
    let shortest = (bits(&base) - 1).checked_mul(exponent.unsigned_abs().into())?;
    (shortest <= MAX_BITS).then(|| base.pow(exponent)).and_then(bounded)
}

/// What [`power`] costs, where it is one of whole numbers to a whole power that is not too long.
pub(super) fn power_cost(base: &BigRational, exponent: &BigRational) -> u64 {
    let times = exponent.numer().magnitude().to_u64().filter(|times| *times <= MAX_BITS).unwrap_or(0);
    let n_bits = bits(base) * times;
    if n_bits <= 2 * MAX_BITS { whole_cost(n_bits) } else { 1 }
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

/// n over k for whole n and k, one of k and n - k up to 400; 0 where k is above n.
pub(super) fn binomial(n: &BigRational, k: &BigRational) -> Option<BigRational> {
    if k > n && n.is_integer() && k.is_integer() && !n.is_negative() {
        return Some(BigRational::zero());
    }
    let n_factors = n_chosen(n, k)?;
    let n = n.to_integer();
    let step = |chosen: BigInt, i: u32| chosen * (&n - i) / (i + 1);
    Some(BigRational::from_integer((0..n_factors).fold(BigInt::one(), step)))
}

/// How many factors n over k is multiplied out of; none where it is not, or above 8,192 bits.
pub(super) fn n_chosen(n: &BigRational, k: &BigRational) -> Option<u32> {
    if k.is_negative() || !k.is_integer() {
        return None;
    }
    let n_factors = small(k, MAX_CHOSEN).or_else(|| small(&(n - k), MAX_CHOSEN))?;
    let n_bits = n.numer().bits() * u64::from(n_factors);
    (n.is_integer() && n >= k && n_bits <= MAX_DIVIDED_BITS).then_some(n_factors)
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
        assert_eq!(binomial(&rational(2024, 1), &rational(2022, 1)), Some(rational(1012 * 2023, 1)));
        assert_eq!(binomial(&rational(1, 2), &rational(4, 1)), None);
        assert_eq!(binomial(&rational(1, 2), &rational(1, 2)), None);
        assert_eq!(binomial(&rational(-5, 1), &rational(2, 1)), None);
        assert_eq!(binomial(&rational(5, 1), &rational(-2, 1)), None);
        assert_eq!(binomial(&rational(4000, 1), &rational(2000, 1)), None);
    }
}
