//! Exact rationals on checked 128-bit integers.

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

impl From<u32> for Rational {
    fn from(value: u32) -> Self {
        Self {
            numerator: value.into(),
            denominator: 1,
        }
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
        let part = |value: i128| {
            i128::try_from(value.unsigned_abs() / divisor).or(Err(ArithmeticError::Overflow))
        };
        let (numerator, denominator) = (part(numerator)?, part(denominator)?);
        Ok(Self {
            numerator: if negative { -numerator } else { numerator },
            denominator,
        })
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
        Self::new(
            product(left.numerator, right.numerator)?,
            product(left.denominator, right.denominator)?,
        )
    }

    /// `self / other`.
    ///
    /// # Errors
    /// Where `other` is zero, and on overflow.
    pub fn checked_div(self, other: Self) -> Result<Self, ArithmeticError> {
        self.checked_mul(Self::new(other.denominator, other.numerator)?)
    }

    fn combine(
        self,
        other: Self,
        op: fn(i128, i128) -> Option<i128>,
    ) -> Result<Self, ArithmeticError> {
        let shared = gcd(
            self.denominator.unsigned_abs(),
            other.denominator.unsigned_abs(),
        ) as i128;
        let scale = other.denominator / shared;
        let left = product(self.numerator, scale)?;
        let right = product(other.numerator, self.denominator / shared)?;
        Self::new(
            op(left, right).ok_or(ArithmeticError::Overflow)?,
            product(self.denominator, scale)?,
        )
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
