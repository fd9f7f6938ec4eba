//! Products of powers, factorials and what is not taken apart.

use std::collections::BTreeMap;

use num_bigint::{BigInt, BigUint};
use num_integer::Integer;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::coprime::{multiplicity, multiplied, primes, refined};
use crate::math::{
    exact::{Work, exact},
    function::Function,
    number::divided_out,
    tree::{Constant, Node},
};

/// Largest number whose factorial is taken apart into primes.
const MAX_SIEVED: u64 = 100_000;
/// Longest run of whole numbers that is multiplied out.
const MAX_RUN: u64 = 256;
/// Sizes of logarithms whose rounding errors together stay below [`ROUNDING`].
const MAX_ROUNDED: f64 = 1e9;
const ROUNDING: f64 = 1e-3;

/// A product as the module describes it.
#[derive(Default)]
pub(super) struct Product<'a> {
    /// Whether a factor is zero.
    pub zero: bool,
    pub negative: bool,
    powers: Vec<(BigUint, BigRational)>,
    factorials: BTreeMap<u64, BigRational>,
    pub others: Vec<(&'a Node, BigRational)>,
}

impl<'a> Product<'a> {
    /// The factors of `node`; none where one is undefined.
    pub(super) fn from_node(node: &'a Node, work: &Work) -> Option<Self> {
        work.spend(8)?;
        let mut product = Self::default();
        match node {
            Node::Number(value) => product.multiply_number(value),
            Node::Constant(Constant::Percent) => {
                product.multiply_number(&BigRational::new(1.into(), 100.into()));
            }
            Node::Product(parts) => {
                for part in parts {
                    product = product.times(Self::from_node(part, work)?);
                }
            }
            Node::Power(pair) => match exact(&pair.1, work) {
                Some(exponent) => {
                    let base = Self::from_node(&pair.0, work)?;
                    if base.zero && !exponent.is_positive() {
                        return None;
                    }
                    match base.raised(&exponent) {
                        Some(power) => product = power,
                        None => product.others.push((&pair.0, exponent)),
                    }
                }
                None => product.others.push((node, BigRational::one())),
            },
            Node::Call(Function::Factorial, arguments) => {
                product.multiply_factorial(whole(arguments.first()?, work)?, BigRational::one());
            }
            Node::Call(Function::Binomial, arguments) => {
                let (n, k) = (whole(arguments.first()?, work)?, whole(arguments.get(1)?, work)?);
                product.zero = k > n;
                if let Some(rest) = n.checked_sub(k) {
                    product.multiply_factorial(n, BigRational::one());
                    product.multiply_factorial(k, -BigRational::one());
                    product.multiply_factorial(rest, -BigRational::one());
                }
            }
            other => match exact(other, work) {
                Some(value) => product.multiply_number(&value),
                None => product.others.push((other, BigRational::one())),
            },
        }
        Some(product)
    }

    fn multiply_number(&mut self, value: &BigRational) {
        if value.is_zero() {
            self.zero = true;
            return;
        }
        self.negative ^= value.is_negative();
        for (part, exponent) in [(value.numer(), BigRational::one()), (value.denom(), -BigRational::one())] {
            if !part.magnitude().is_one() {
                self.powers.push((part.magnitude().clone(), exponent));
            }
        }
    }

    fn multiply_factorial(&mut self, n: u64, exponent: BigRational) {
        if n > 1 {
            *self.factorials.entry(n).or_default() += exponent;
        }
    }

    fn times(mut self, other: Self) -> Self {
        self.zero |= other.zero;
        self.negative ^= other.negative;
        self.powers.extend(other.powers);
        self.others.extend(other.others);
        for (n, exponent) in other.factorials {
            self.multiply_factorial(n, exponent);
        }
        self
    }

    /// The quotient, without the factors that are no numbers.
    pub(super) fn over(self, mut other: Self) -> Self {
        other.powers.iter_mut().for_each(|(_, exponent)| *exponent = -exponent.clone());
        other.factorials.values_mut().for_each(|exponent| *exponent = -exponent.clone());
        other.others.clear();
        Self { others: Vec::new(), ..self }.times(other)
    }

    /// The power, where it is that of each factor: of others and negative numbers only whole powers are.
    fn raised(mut self, exponent: &BigRational) -> Option<Self> {
        if !exponent.is_integer() && (self.negative || !self.others.is_empty()) {
            return None;
        }
        self.negative &= exponent.numer().is_odd();
        let exponents = self.powers.iter_mut().map(|(_, e)| e).chain(self.others.iter_mut().map(|(_, e)| e));
        exponents.chain(self.factorials.values_mut()).for_each(|e| *e *= exponent);
        Some(self)
    }

    /// The logarithm of its numbers to base 2, and the sum of the absolute values that it is rounded from.
    pub(super) fn log2(&self) -> Option<(f64, f64)> {
        let powers = self.powers.iter().map(|(base, exponent)| Some(log2(base)? * exponent.to_f64()?));
        let factorials = self.factorials.iter().map(|(n, exponent)| {
            Some(libm::lgamma(n.to_f64()? + 1.0) / std::f64::consts::LN_2 * exponent.to_f64()?)
        });
        let mut logs = powers.chain(factorials);
        logs.try_fold((0.0, 0.0), |(sum, size), log| Some((sum + log?, size + log?.abs())))
    }

    pub(super) fn equals_one(self, work: &Work) -> Option<bool> {
        let (log2, size) = self.log2()?;
        let is_other = size <= MAX_ROUNDED && log2.abs() > ROUNDING;
        Some(!self.negative && !is_other && self.coprime(work)?.is_empty())
    }

    /// Its numbers as powers of coprime bases above 1, none of them to the power of 0.
    pub(super) fn coprime(mut self, work: &Work) -> Option<Vec<(BigUint, BigRational)>> {
        self.factorials.retain(|_, exponent| !exponent.is_zero());
        let mut primes = if self.multiplies_runs(work)? { Vec::new() } else { self.primes(work)? };
        let mut bases = Vec::new();
        for (mut base, exponent) in self.powers {
            for (prime, raised) in &mut primes {
                work.spend(4 + base.bits() / 128)?;
                if base.bits() > 1 && (&base % *prime).is_zero() {
                    work.spend(base.bits() / 64)?;
                    let (rest, n) = divided_out(&base, &(*prime).into());
                    base = rest;
                    *raised += &exponent * BigInt::from(n);
                }
            }
            bases.push((base, exponent));
        }
        let primes = primes.into_iter().map(|(prime, exponent)| (BigUint::from(prime), exponent));
        let coprime = primes.chain(refined(bases, work)?);
        Some(coprime.filter(|(_, exponent)| !exponent.is_zero()).collect())
    }

    /// Multiplies the factors out that are left of factorials, where each run of them with the same exponent is short.
    fn multiplies_runs(&mut self, work: &Work) -> Option<bool> {
        let (mut runs, mut exponent, mut high) = (Vec::new(), BigRational::zero(), 1);
        for (n, raised) in self.factorials.iter().rev() {
            if !exponent.is_zero() {
                runs.push((*n, high, exponent.clone()));
            }
            (exponent, high) = (exponent + raised, *n);
        }
        runs.extend((!exponent.is_zero()).then_some((1, high, exponent)));
        if runs.iter().any(|(low, high, _)| high - low > MAX_RUN) {
            return Some(false);
        }
        for (low, high, exponent) in runs {
            let run = multiplied((low + 1..=high).map(BigUint::from).collect(), work)?;
            self.powers.push((run, exponent));
        }
        Some(true)
    }

    /// The primes of its factorials with their exponents.
    fn primes(&self, work: &Work) -> Option<Vec<(u64, BigRational)>> {
        let most = self.factorials.keys().next_back().copied().filter(|n| *n <= MAX_SIEVED)?;
        let n_factorials = u64::try_from(self.factorials.len()).ok()?;
        work.spend(most / 4 * (1 + n_factorials))?;
        let mut exponents = Vec::new();
        for (n, exponent) in &self.factorials {
            exponents.push((*n, exponent.is_integer().then(|| exponent.to_integer().to_i64())??));
        }
        let primes = primes(usize::try_from(most).ok()?).into_iter().map(|prime| {
            let raised = exponents
                .iter()
                .map(|(n, exponent)| i128::from(multiplicity(prime, *n)) * i128::from(*exponent));
            (prime, raised.sum::<i128>())
        });
        let some = primes.filter(|(_, raised)| *raised != 0);
        Some(some.map(|(prime, raised)| (prime, BigRational::from_integer(raised.into()))).collect())
    }
}

fn log2(base: &BigUint) -> Option<f64> {
    let dropped = base.bits().saturating_sub(64);
    Some((base >> dropped).to_f64()?.log2() + dropped.to_f64()?)
}

fn whole(node: &Node, work: &Work) -> Option<u64> {
    exact(node, work).filter(BigRational::is_integer)?.to_integer().to_u64()
}
