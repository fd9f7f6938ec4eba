//! Exact rationals on checked 128-bit integers.
//!
//! An expression over n positive integers k_1 ... k_n has numerators and denominators of at most 2^(n-1) k_1 ... k_n on
//! the way to its value, so that nothing overflows while this stays below 2^127: ten numbers up to 1000, say.

use std::fmt;

/// Why a result does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArithmeticError {
    /// A division by zero.
    DivisionByZero,
    /// A numerator or denominator that needs more than 127 bits.
    Overflow,
}

impl fmt::Display for ArithmeticError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DivisionByZero => "division by zero",
            Self::Overflow => "an exact intermediate result needs more than 127 bits",
        })
    }
}

impl std::error::Error for ArithmeticError {}

/// A fraction in lowest terms with a positive denominator, so that equal values are equal structures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rational {
    numerator: i128,
    denominator: i128,
}

impl fmt::Display for Rational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.denominator {
            1 => write!(f, "{}", self.numerator),
            denominator => write!(f, "{}/{denominator}", self.numerator),
        }
    }
}

impl From<u32> for Rational {
    fn from(value: u32) -> Self {
        Self { numerator: value.into(), denominator: 1 }
    }
}

impl Rational {
    /// `numerator / denominator` in lowest terms.
    ///
    /// # Errors
    /// Where the denominator is zero or the reduced fraction does not fit.
    pub fn new(numerator: i128, denominator: i128) -> Result<Self, ArithmeticError> {
        if denominator == 0 {
            return Err(ArithmeticError::DivisionByZero);
        }
        let divisor = gcd(numerator.unsigned_abs(), denominator.unsigned_abs());
        let negative = (numerator < 0) != (denominator < 0);
        let part =
            |value: i128| i128::try_from(value.unsigned_abs() / divisor).or(Err(ArithmeticError::Overflow));
        let (numerator, denominator) = (part(numerator)?, part(denominator)?);
        Ok(Self { numerator: if negative { -numerator } else { numerator }, denominator })
    }

    /// `self + other`.
    ///
    /// # Errors
    /// On overflow.
    pub fn checked_add(self, other: Self) -> Result<Self, ArithmeticError> {
        self.combine(other, i128::checked_add)
    }

    /// `self - other`.
    ///
    /// # Errors
    /// On overflow.
    pub fn checked_sub(self, other: Self) -> Result<Self, ArithmeticError> {
        self.combine(other, i128::checked_sub)
    }

    /// `self * other`.
    ///
    /// # Errors
    /// On overflow.
    pub fn checked_mul(self, other: Self) -> Result<Self, ArithmeticError> {
        // Cancelling crosswise first keeps the products as small as the result.
        let left = Self::new(self.numerator, other.denominator)?;
        let right = Self::new(other.numerator, self.denominator)?;
        Self::new(product(left.numerator, right.numerator)?, product(left.denominator, right.denominator)?)
    }

    /// `self / other`.
    ///
    /// # Errors
    /// Where `other` is zero, and on overflow.
    pub fn checked_div(self, other: Self) -> Result<Self, ArithmeticError> {
        self.checked_mul(Self::new(other.denominator, other.numerator)?)
    }

    fn combine(self, other: Self, op: fn(i128, i128) -> Option<i128>) -> Result<Self, ArithmeticError> {
        let shared = gcd(self.denominator.unsigned_abs(), other.denominator.unsigned_abs()) as i128;
        let scale = other.denominator / shared;
        let left = product(self.numerator, scale)?;
        let right = product(other.numerator, self.denominator / shared)?;
        Self::new(op(left, right).ok_or(ArithmeticError::Overflow)?, product(self.denominator, scale)?)
    }
}

fn product(left: i128, right: i128) -> Result<i128, ArithmeticError> {
    left.checked_mul(right).ok_or(ArithmeticError::Overflow)
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn rational(numerator: i128, denominator: i128) -> Rational {
        Rational::new(numerator, denominator).unwrap()
    }

    #[test]
    fn equal_values_are_equal() {
        assert_eq!(rational(2, -4), rational(-1, 2));
        assert_eq!(rational(0, -7), Rational::from(0));
        assert_eq!(rational(i128::MIN, i128::MIN), Rational::from(1));
    }

    #[test]
    fn arithmetic_is_exact() {
        let (a, b) = (rational(5, 6), rational(-3, 4));
        assert_eq!(a.checked_add(b), Rational::new(1, 12));
        assert_eq!(a.checked_sub(b), Rational::new(19, 12));
        assert_eq!(a.checked_mul(b), Rational::new(-5, 8));
        assert_eq!(a.checked_div(b), Rational::new(-10, 9));
        // Cancelling before multiplying: the plain products would need 200 bits.
        let huge = rational(1 << 100, 3);
        assert_eq!(huge.checked_mul(rational(3, 1 << 100)), Ok(Rational::from(1)));
        assert_eq!(huge.checked_div(huge), Ok(Rational::from(1)));
        assert_eq!(huge.checked_sub(huge), Ok(Rational::from(0)));
    }

    #[test]
    fn what_does_not_exist_or_fit_is_an_error() {
        let zero = Rational::from(0);
        assert_eq!(Rational::new(1, 0), Err(ArithmeticError::DivisionByZero));
        assert_eq!(zero.checked_div(zero), Err(ArithmeticError::DivisionByZero));
        let largest = rational(i128::MAX, 1);
        let overflow = Err(ArithmeticError::Overflow);
        assert_eq!(Rational::new(i128::MIN, 1), overflow);
        assert_eq!(largest.checked_add(largest), overflow);
        assert_eq!(largest.checked_mul(largest), overflow);
        assert_eq!(rational(1, i128::MAX).checked_div(largest), overflow);
    }
}
