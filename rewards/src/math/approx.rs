//! The numeric value of a formula at one point, with a bound of its rounding error.
//!
//! Every node gives (v, δ): the computed value, and about how far rounding may have moved it,
//!
//! ```text
//! sum       δ = Σ δ_k + ε Σ |v_k|
//! product   δ = Π (|v_k| + δ_k) - Π |v_k| + n ε Π |v_k|
//! f(v)      δ = |f(v + δ) - f(v)| + ε |f(v)|
//! ```
//!
//! so that what cancels is known to be uncertain, instead of equal to anything close. A term that is not far above the δ
//! of its sum is lost, and so are digits that a float does not hold: π + 10^-20 and π agree, which says nothing.

use std::{cell::Cell, collections::BTreeMap};

use num_complex::Complex64;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::{
    exact::{self, Work, exact},
    function::{Function, real},
    tree::{Constant, Node},
};

/// Rounding of one operation, relative, with some room.
const EPSILON: f64 = 1e-15;
/// How often the error of its sum a term must be to count.
const VISIBLE: f64 = 1e3;

/// A number known up to an error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Approx {
    pub value: Complex64,
    pub error: f64,
}

impl Approx {
    fn rounded(value: Complex64) -> Option<Self> {
        Self { value, error: EPSILON * value.norm() }.finite()
    }

    fn finite(self) -> Option<Self> {
        (self.value.is_finite() && self.error.is_finite()).then_some(self)
    }

    pub(super) fn real(self) -> Option<f64> {
        real(self.value)
    }
}

/// Values of the variables, and what happened on the way.
pub(super) struct Point<'a> {
    pub values: BTreeMap<&'a str, f64>,
    pub work: &'a Work,
    /// Set when a root, power, logarithm or inverse function took a real number to one that is not.
    pub left_reals: Cell<bool>,
    /// Set when something written had no part in a value: agreement with another proves nothing then.
    pub lost: Cell<bool>,
}

impl<'a> Point<'a> {
    pub(super) fn new(values: BTreeMap<&'a str, f64>, work: &'a Work) -> Self {
        Self { values, work, left_reals: Cell::new(false), lost: Cell::new(false) }
    }

    /// The value of `node` here; none where it has none, is not finite, or the work has run out.
    pub(super) fn value(&self, node: &Node) -> Option<Approx> {
        self.work.spend(3)?;
        match node {
            Node::Number(value) => self.rational(value),
            Node::Constant(constant) => Approx::rounded(constant_value(*constant)?),
            Node::Variable(name) => {
                Some(Approx { value: (*self.values.get(name.as_str())?).into(), error: 0.0 })
            }
            Node::Sum(parts) => self.sum(parts),
            Node::Product(parts) => self.product(parts),
            Node::Power(pair) => self.power(&pair.0, &pair.1),
            Node::Call(function, arguments) => self.call(*function, arguments),
        }
    }

    fn sum(&self, parts: &[Node]) -> Option<Approx> {
        let parts = parts.iter().map(|part| self.value(part)).collect::<Option<Vec<_>>>()?;
        let mut sum = Approx { value: Complex64::zero(), error: 0.0 };
        for part in &parts {
            sum.value += part.value;
            sum.error += part.error + EPSILON * part.value.norm();
        }
        let is_lost = |part: &Approx| {
            let size = part.value.norm();
            size > 4.0 * part.error && size < VISIBLE * sum.error
        };
        self.lost.set(self.lost.get() || parts.iter().any(is_lost));
        sum.finite()
    }

    /// The value of a number, of whose digits floats hold some sixteen.
    fn rational(&self, value: &BigRational) -> Option<Approx> {
        let approx = from_rational(value)?;
        let held = || BigRational::from_float(approx.value.re);
        let is_lost = value.is_integer() && approx.error > 0.0 && held().as_ref() != Some(value);
        self.lost.set(self.lost.get() || is_lost);
        Some(approx)
    }

    fn product(&self, parts: &[Node]) -> Option<Approx> {
        let (mut value, mut highest, mut rounding, mut zero) = (Complex64::one(), 1.0, 0.0, false);
        for part in parts {
            let part = self.value(part)?;
            zero |= part.value.is_zero();
            value *= part.value;
            highest *= part.value.norm() + part.error;
            rounding += EPSILON;
        }
        // What underflows is not zero, but unknown.
        let norm = value.norm();
        if !norm.is_normal() && !zero {
            return None;
        }
        Approx { value, error: (highest - norm).max(0.0) + rounding * norm }.finite()
    }

    fn power(&self, base: &Node, exponent: &Node) -> Option<Approx> {
        let (x, y) = (self.value(base)?, self.value(exponent)?);
        // Zero has powers of positive exponents only, and a base that may be zero no sure power at all.
        if x.value.norm() <= 4.0 * x.error {
            return (x.error == 0.0 && y.value.re > 0.0).then_some(x);
        }
        let rational = exact(exponent, self.work);
        let raise = |x: Complex64, y: Complex64| match (&rational, real(x)) {
            (Some(n), Some(x)) if n.is_integer() => x.powf(y.re).into(),
            (Some(n), None) if n.is_integer() => n.to_i32().map_or_else(|| x.powc(y), |n| x.powi(n)),
            // An odd root of a negative number is negative, as schools have it.
            (Some(n), Some(x)) if x < 0.0 && odd_root(n) => {
                let sign = if (n.numer() % 2u32).is_zero() { 1.0 } else { -1.0 };
                (sign * (-x).powf(y.re)).into()
            }
            (_, Some(x)) if x > 0.0 && y.im == 0.0 => x.powf(y.re).into(),
            _ => x.powc(y),
        };
        let value = raise(x.value, y.value);
        if !value.norm().is_normal() {
            return None;
        }
        self.note(&[x, y], value);
        let moved = raise(x.value * (1.0 + x.error / x.value.norm()), y.value + y.error);
        Approx { value, error: (moved - value).norm() + EPSILON * value.norm() }.finite()
    }

    fn call(&self, function: Function, arguments: &[Node]) -> Option<Approx> {
        if function.is_discrete() {
            let exactly: Option<Vec<_>> = arguments.iter().map(|node| exact(node, self.work)).collect();
            if let Some(value) = exactly.and_then(|exactly| exact::call(function, &exactly, self.work)) {
                return self.rational(&value);
            }
        }
        let arguments = arguments.iter().map(|node| self.value(node)).collect::<Option<Vec<_>>>()?;
        let at = |shift: f64| {
            let shifted: Vec<_> = arguments.iter().map(|a| a.value + shift * a.error).collect();
            function.value(&shifted)
        };
        let (value, above, below) = (at(0.0)?, at(1.0)?, at(-1.0)?);
        if matches!(function, Function::Floor | Function::Ceil) && above != below {
            return None;
        }
        self.note(&arguments, value);
        let error = (above - value).norm().max((below - value).norm()) + EPSILON * value.norm();
        Approx { value, error }.finite()
    }

    fn note(&self, from: &[Approx], to: Complex64) {
        if to.im != 0.0 && from.iter().all(|a| a.value.im == 0.0) {
            self.left_reals.set(true);
        }
    }
}

fn odd_root(exponent: &BigRational) -> bool {
    !(exponent.denom() % 2u32).is_zero()
}

fn from_rational(value: &BigRational) -> Option<Approx> {
    let rounded = value.to_f64()?;
    // Below the smallest float a number is not zero, but unknown.
    let lost = !value.is_zero() && (rounded == 0.0 || !rounded.is_normal());
    let exact = value.is_integer() && value.abs().to_u64().is_some_and(|whole| whole < 1 << 53);
    let approx = Approx::rounded(rounded.into())?;
    (!lost).then_some(Approx { error: if exact { 0.0 } else { approx.error }, ..approx })
}

fn constant_value(constant: Constant) -> Option<Complex64> {
    Some(match constant {
        Constant::Pi => std::f64::consts::PI.into(),
        Constant::E => std::f64::consts::E.into(),
        Constant::I => Complex64::i(),
        Constant::Degree => 1f64.to_radians().into(),
        Constant::Percent => 0.01.into(),
        Constant::Infinity => return None,
    })
}
