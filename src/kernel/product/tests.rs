use tch::{Device, Kind, Tensor};

use super::super::Owned;
use super::*;
use crate::tests::Draws;

const NEEDED: &str = "the processor has no dot products of bf16 pairs, or multiplies tiles";

/// Sides below, at and above those of tiles, panels and blocks; even and odd.
const SHAPES: [(i64, i64, i64); 10] = [
    (1, 1, 1),
    (6, 64, 64),
    (7, 5, 9),
    (13, 70, 65),
    (20, 31, 100),
    (3, 2, 1_030),
    (50, 3_100, 33),
    (97, 1_537, 130),
    (300, 96, 16),
    (1_000, 4_100, 70),
];

fn random(draws: &Draws, rows: i64, columns: i64) -> Tensor {
    draws.normal(&[rows, columns]).to_kind(Kind::BFloat16)
}

/// `t`, in memory row by row or column by column.
fn laid_out(t: &Tensor, transposed: bool) -> Tensor {
    if transposed { t.transpose(0, 1).contiguous().transpose(0, 1) } else { t.shallow_clone() }
}

fn matrix(t: &Tensor) -> Matrix<'_> {
    Matrix::new(t).unwrap()
}

#[test]
fn products_are_those_of_libtorch_whatever_the_shape_and_the_layout() {
    if !has_products() {
        return println!("skipped: {NEEDED}");
    }
    let draws = Draws::new(6);
    for (m, k, n) in SHAPES {
        let (a, b) = (random(&draws, m, k), random(&draws, k, n));
        let expected = a.to_kind(Kind::Float).mm(&b.to_kind(Kind::Float));
        let scale = (k as f64).sqrt();
        for (a_t, b_t) in [(false, false), (false, true), (true, false), (true, true)] {
            let (a, b) = (laid_out(&a, a_t), laid_out(&b, b_t));
            let before = draws.normal(&[m, n]);
            let mut sum = Owned::copy(&before);
            product(matrix(&a), matrix(&b), Out::Add(sum.numbers().unwrap())).unwrap();
            let off = (sum.into_tensor() - &before - &expected).abs().max().double_value(&[]);
            assert!(off < 2e-5 * scale, "[{m}, {k}] x [{k}, {n}], transposed {a_t} {b_t}: {off}");
            let sevens = Tensor::full([m, n], 7.0, (Kind::BFloat16, Device::Cpu));
            let mut set = Owned::copy(&sevens);
            product(matrix(&a), matrix(&b), Out::Set(set.numbers().unwrap())).unwrap();
            assert!(
                set.into_tensor().to_kind(Kind::Float).allclose(&expected, 8e-3, 2e-5 * scale, false),
                "[{m}, {k}] x [{k}, {n}], transposed {a_t} {b_t}"
            );
        }
    }
}

#[test]
fn a_row_is_the_same_in_any_company() {
    if !has_products() {
        return println!("skipped: {NEEDED}");
    }
    let draws = Draws::new(7);
    let (a, b) = (random(&draws, 64, 1_600), random(&draws, 1_600, 70));
    let of = |a: &Tensor, b: &Tensor| {
        let mut out = Owned::empty(&[a.size()[0], b.size()[1]], Kind::BFloat16);
        product(matrix(a), matrix(b), Out::Set(out.numbers().unwrap())).unwrap();
        out.into_tensor()
    };
    let whole = of(&a, &b);
    for row in [0, 5, 63] {
        assert_eq!(of(&a.narrow(0, row, 1), &b), whole.narrow(0, row, 1));
    }
    assert_eq!(of(&a, &b.narrow(1, 3, 20).contiguous()), whole.narrow(1, 3, 20));
}

#[test]
fn of_nothing_a_product_is_zeros() {
    if !has_products() {
        return println!("skipped: {NEEDED}");
    }
    let (draws, mut out) = (Draws::new(8), [Bf16(7); 6]);
    product(matrix(&random(&draws, 2, 0)), matrix(&random(&draws, 0, 3)), Out::Set(&mut out)).unwrap();
    assert_eq!(out, [Bf16(0); 6]);
}
