//! Causal attention over sequences side by side, by libtorch's operations: plain products, or its fused kernel.

use tch::Tensor;

/// Sequences above this length are attended to by the fused kernel on a CPU too: plain products would hold maps of T x T.
const LONG: i64 = 512;

/// `q` `[B, T, H, D]`, `k` and `v` `[B, K, T, D]` to `[B, T, H * D]`, in the way that their device is fast at.
///
/// For the short sequences of a rollout, plain products beat the fused kernel's backward pass on a CPU several times over; and
/// there that kernel takes no groups of heads.
pub(super) fn causal_attention(q: &Tensor, k: &Tensor, v: &Tensor) -> Tensor {
    if q.device().is_cuda() {
        return fused(q, k, v);
    }
    if q.size()[1] <= LONG {
        return plain(q, k, v);
    }
    let group = q.size()[2] / k.size()[1];
    let for_all_heads = |x: &Tensor| x.repeat_interleave_self_int(group, 1, None); // (B, H, T, D)
    fused(q, &for_all_heads(k), &for_all_heads(v))
}

/// By products and a softmax.
fn plain(q: &Tensor, k: &Tensor, v: &Tensor) -> Tensor {
    let (b, t, h, d) = q.size4().unwrap_or((0, 0, 0, 0));
    let n_kv = k.size()[1];
    let group = h / n_kv;
    let mask = Tensor::full([t, t], f64::NEG_INFINITY, (q.kind(), q.device())).triu(1);
    let flat = |x: &Tensor, rows: i64| x.reshape([b * n_kv, rows, d]);
    let q = flat(&(q * (d as f64).powf(-0.5)).transpose(1, 2), group * t); // (B * K, H/K * T, D)
    let scores = q.bmm(&flat(k, t).transpose(1, 2)); // (B * K, H/K * T, T)
    let scores = scores.view([b * n_kv, group, t, t]) + mask;
    let weights = scores.softmax(-1, None).view([b * n_kv, group * t, t]);
    let out = weights.bmm(&flat(v, t)); // (B * K, H/K * T, D)
    out.view([b, h, t, d]).transpose(1, 2).reshape([b, t, h * d])
}

/// In memory that grows with the length rather than its square; H query heads share K key/value heads.
fn fused(q: &Tensor, k: &Tensor, v: &Tensor) -> Tensor {
    let (b, t, h, d) = q.size4().unwrap_or((0, 0, 0, 0));
    let is_grouped = k.size()[1] != h;
    let q = q.transpose(1, 2);
    let out = Tensor::scaled_dot_product_attention::<Tensor>(&q, k, v, None, 0.0, true, None, is_grouped);
    out.transpose(1, 2).reshape([b, t, h * d])
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn the_fused_kernel_attends_as_the_plain_products_do() {
        tch::manual_seed(2);
        let normal = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
        for (t, h, k) in [(37, 6, 2), (37, 4, 4), (LONG + 1, 4, 2)] {
            let (b, d) = (2, 8);
            let (q, keys, values) = (normal(&[b, t, h, d]), normal(&[b, k, t, d]), normal(&[b, k, t, d]));
            let expected = plain(&q, &keys, &values);
            for got in [fused(&q, &keys, &values), causal_attention(&q, &keys, &values)] {
                assert!(got.allclose(&expected, 1e-5, 1e-5, false), "{t} tokens, {h} and {k} heads");
            }
        }
    }
}
