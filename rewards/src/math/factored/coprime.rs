//! Whole numbers: primes, coprime bases, and long products.

use num_bigint::{BigInt, BigUint};
use num_rational::BigRational;
use num_traits::{One, Zero};

use crate::math::{
    exact::Work,
    number::{self, MAX_BITS, divided_out},
};

/// The product of `factors`, where it is not too long: those of equal length by each other, which is fastest.
pub(super) fn multiplied(mut factors: Vec<BigUint>, work: &Work) -> Option<BigUint> {
    if factors.iter().map(BigUint::bits).sum::<u64>() > 2 * MAX_BITS {
        return None;
    }
    while factors.len() > 1 {
        let mut halves = Vec::new();
        for pair in factors.chunks(2) {
            let product: BigUint = pair.iter().product();
            work.spend(number::whole_cost(product.bits()))?;
            halves.push(product);
        }
        factors = halves;
    }
    factors.pop().or_else(|| Some(BigUint::one())).filter(|product| product.bits() <= MAX_BITS)
}

/// The primes up to `most`.
pub(super) fn primes(most: usize) -> Vec<u64> {
    let mut composite = vec![false; most + 1];
    let mut primes = Vec::new();
    for n in 2..=most {
        if !composite.get(n).copied().unwrap_or(true) {
            primes.push(n as u64);
            composite.iter_mut().skip(n * n).step_by(n).for_each(|is| *is = true);
        }
    }
    primes
}

/// How often `prime` divides n!.
pub(super) fn multiplicity(prime: u64, n: u64) -> u64 {
    std::iter::successors(Some(n / prime), |rest| Some(rest / prime)).take_while(|rest| *rest > 0).sum()
}

/// The product of the powers with coprime bases above 1.
pub(super) fn refined(
    bases: Vec<(BigUint, BigRational)>,
    work: &Work,
) -> Option<Vec<(BigUint, BigRational)>> {
    let mut coprime: Vec<(BigUint, BigRational)> = Vec::new();
    let mut open = bases;
    while let Some((mut base, exponent)) = open.pop() {
        let mut at = 0;
        while base.bits() > 1 && at < coprime.len() {
            let Some((other, raised)) = coprime.get(at) else { break };
            work.spend(number::divisor_cost(&base, other))?;
            let common = number::common_divisor(&base, other)?;
            if common.is_one() {
                at += 1;
                continue;
            }
            // a^e b^f = (a/g^m)^e (b/g^n)^f g^(me+nf)
            let ((left, m), (rest, n)) = (divided_out(&base, &common), divided_out(other, &common));
            let sum = &exponent * BigInt::from(m) + raised * BigInt::from(n);
            let raised = raised.clone();
            coprime.swap_remove(at);
            base = left;
            open.extend((!rest.is_one()).then_some((rest, raised)));
            open.extend((!sum.is_zero()).then_some((common, sum)));
            at = 0;
        }
        if base.bits() > 1 {
            coprime.push((base, exponent));
        }
    }
    Some(coprime)
}
