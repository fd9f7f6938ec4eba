//! Against plain operations.

use tch::{Device, Kind, Tensor};

use super::super::rope::HeadNorm;
use super::super::{Bf16, Owned, view};
use super::*;
use crate::tests::Draws;

fn wide_of(t: &Tensor) -> Tensor {
    t.to_kind(Kind::Float)
}

/// Rows that start at different columns, grouped queries, with and without norms: against plain operations.
fn check<T: Number>(normed: bool, tolerance: f64) {
    let (b, h, k, d, c) = (5i64, 10i64, 2i64, 42i64, 96i64);
    let (column, starts) = (69i64, [0i64, 33, 64, 69, 7]);
    let options = (Kind::Float, Device::Cpu);
    let draws = Draws::new(6);
    let normal = |shape: &[i64]| draws.normal(shape).to_kind(T::KIND);
    let (qkv, q_gain, k_gain) = (normal(&[(h + 2 * k) * d, b]), normal(&[d]), normal(&[d]));
    let block = KEY_BLOCK as i64;
    let (keys, values) = (normal(&[b, k, c / block, d, block]), normal(&[b, k, c, d]));
    let in_line = |keys: &Tensor| wide_of(keys).permute([0, 1, 3, 2, 4]).reshape([b, k, d, c]);
    let angles = draws.normal(&[c, d / 2]);
    let (cos, sin) = (angles.cos().to_kind(T::KIND), angles.sin().to_kind(T::KIND));

    let wide = wide_of;
    let heads = wide(&qkv).view([h + 2 * k, d, b]).permute([2, 0, 1]); // (B, H + 2K, D)
    let turn = |x: &Tensor, gain: &Tensor| {
        let norm = (x.square().mean_dim([-1i64].as_slice(), true, None) + 1e-5).rsqrt();
        let x = if normed { x * norm * wide(gain) } else { x.shallow_clone() };
        let positions = Tensor::from_slice(&starts.map(|s| column - s));
        let at = |t: &Tensor| wide(t).index_select(0, &positions).unsqueeze(1); // (B, 1, D / 2)
        let halves = x.chunk(2, -1);
        let (x, y, cos, sin) = (&halves[0], &halves[1], at(&cos), at(&sin));
        Tensor::cat(&[x * &cos - y * &sin, y * &cos + x * &sin], -1)
    };
    let q = turn(&heads.narrow(1, 0, h), &q_gain);
    let new_key = turn(&heads.narrow(1, h, k), &k_gain); // (B, K, D)
    let (all_keys, all_values) = (in_line(&keys), wide(&values));
    all_keys.narrow(3, column, 1).copy_(&new_key.unsqueeze(3));
    all_values.narrow(2, column, 1).copy_(&heads.narrow(1, h + k, k).unsqueeze(2));
    let columns = Tensor::arange(c, (Kind::Int64, Device::Cpu));
    let hidden = columns.lt_tensor(&Tensor::from_slice(&starts).unsqueeze(1)).logical_or(&columns.gt(column));
    let scores = q.view([b, k, h / k, d]).matmul(&all_keys) * (d as f64).powf(-0.5); // (B, K, H / K, C)
    let hidden = hidden.view([b, 1, 1, c]);
    let weights = scores.masked_fill(&hidden, f64::NEG_INFINITY).softmax(-1, None);
    let expected = weights.matmul(&all_values).view([b, h * d]);

    let mut out = Owned::zeros(&[b, h * d], T::KIND);
    let (mut keys, mut values) = (Owned::copy(&keys), Owned::copy(&values));
    // Columns that no row of these receives from, and room to spare, stay as they are.
    let sums = [&[b, h][..], &[b, h, c], &[b, h, c]].map(|shape| Tensor::ones(shape, options));
    let mut sums = sums.map(|sums| Owned::copy(&sums));
    let counted = [1.0, 0.0, 1.0, 1.0, 1.0f32];
    let step = AttendStep {
        n_heads: h as usize,
        n_kv_heads: k as usize,
        head_dim: d as usize,
        qkv: view::<T>(&qkv).unwrap(),
        norms: normed.then(|| HeadNorms {
            q: HeadNorm { gain: view(&q_gain).unwrap(), eps: 1e-5 },
            k: HeadNorm { gain: view(&k_gain).unwrap(), eps: 1e-5 },
        }),
        rope: Angles { cos: view(&cos).unwrap(), sin: view(&sin).unwrap() },
        starts: &starts,
        column: column as usize,
        capacity: c as usize,
    };
    let [span, waad, fai] = &mut sums;
    let look = LookBack {
        span: span.numbers().unwrap(),
        waad: waad.numbers().unwrap(),
        fai: fai.numbers().unwrap(),
        counted: &counted,
        window: 4,
        horizon: [2, 50],
    };
    let mut attend = |look: Option<LookBack<'_>>| {
        let (keys, values) = (keys.numbers::<T>().unwrap(), values.numbers().unwrap());
        attend_step(&step, keys, values, out.numbers().unwrap(), look);
        out.view::<T>().unwrap().iter().map(|number| number.to_f32()).collect::<Vec<f32>>()
    };
    let seen = attend(Some(look));
    assert!(seen == attend(None), "nobody looks on");
    let [out, keys, values] = [out, keys, values].map(Owned::into_tensor);
    let sums = sums.map(Owned::into_tensor);
    let close = |got: &Tensor, expected: &Tensor, what: &str| {
        let gap = (wide(got) - expected).abs().max().double_value(&[]);
        assert!(gap < tolerance, "{what}: off by {gap}");
    };
    close(&out, &expected, "out");
    close(&in_line(&keys), &all_keys, "keys");
    close(&values, &all_values, "values");
    let weights = weights.view([b, h, c]);
    let distance = (columns.neg() + column).to_kind(Kind::Float).clamp_min(0.0);
    let counted = Tensor::from_slice(&counted).view([b, 1]);
    let total = |distance: &Tensor| (&weights * distance).sum_dim_intlist([2i64].as_slice(), false, None);
    let most = column as f64;
    close(&(&sums[0] / most), &((total(&distance) * &counted + 1.0) / most), "span");
    let own = Tensor::ones([b, h, c], options);
    own.select(2, column).copy_(&total(&distance.clamp_max(4.0)));
    close(&(&sums[1] / 4.0), &(own / 4.0), "waad");
    let within = distance.ge(2.0).logical_and(&distance.le(50.0)).to_kind(Kind::Float);
    close(&sums[2], &(&weights * within * counted.unsqueeze(2) + 1.0), "fai");
}

#[test]
fn a_step_is_norm_rotation_cache_and_attention() {
    for normed in [false, true] {
        check::<f32>(normed, 1e-5);
        check::<Bf16>(normed, 0.05);
    }
}
