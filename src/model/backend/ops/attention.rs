//! Causal attention over sequences side by side, by libtorch's operations: plain products, or its fused kernel.

use tch::Tensor;

use crate::model::Attention;

/// Sequences above this length are attended to by the fused kernel on a CPU too: plain products would hold maps of T x T.
const LONG: i64 = 512;

/// `q` `[B, T, H, D]`, `k` and `v` `[B, K, T, D]` to `[B, T, H * D]`, in the way that their device is fast at.
///
/// For the short sequences of a rollout, plain products beat the fused kernel's backward pass on a CPU several times over; and
/// there that kernel takes no groups of heads. It knows neither soft limits nor windows.
pub(super) fn causal_attention(q: &Tensor, k: &Tensor, v: &Tensor, by: Attention) -> Tensor {
    let t = q.size()[1];
    if by.softcap.is_some() || by.window.is_some_and(|window| window < t) {
        return plain(q, k, v, by);
    }
    if q.device().is_cuda() {
        return fused(q, k, v, by.scale);
    }
    if t <= LONG {
        return plain(q, k, v, by);
    }
    let group = q.size()[2] / k.size()[1];
    let for_all_heads = |x: &Tensor| x.repeat_interleave_self_int(group, 1, None); // (B, H, T, D)
    fused(q, &for_all_heads(k), &for_all_heads(v), by.scale)
}

/// By products and a softmax.
fn plain(q: &Tensor, k: &Tensor, v: &Tensor, by: Attention) -> Tensor {
    let (b, t, h, d) = q.size4().unwrap_or((0, 0, 0, 0));
    let n_kv = k.size()[1];
    let group = h / n_kv;
    let mask = by.mask(0, t, (q.kind(), q.device()));
    let flat = |x: &Tensor, rows: i64| x.reshape([b * n_kv, rows, d]);
    let q = flat(&(q * by.scale).transpose(1, 2), group * t); // (B * K, H/K * T, D)
    let scores = q.bmm(&flat(k, t).transpose(1, 2)); // (B * K, H/K * T, T)
    let scores = by.limited(scores).view([b * n_kv, group, t, t]) + mask;
    let weights = scores.softmax(-1, None).view([b * n_kv, group * t, t]);
    let out = weights.bmm(&flat(v, t)); // (B * K, H/K * T, D)
    out.view([b, h, t, d]).transpose(1, 2).reshape([b, t, h * d])
}

/// In memory that grows with the length rather than its square; H query heads share K key/value heads.
fn fused(q: &Tensor, k: &Tensor, v: &Tensor, scale: f64) -> Tensor {
    let (b, t, h, d) = q.size4().unwrap_or((0, 0, 0, 0));
    let is_grouped = k.size()[1] != h;
    let q = q.transpose(1, 2);
    let out = Tensor::scaled_dot_product_attention::<Tensor>(&q, k, v, None, 0.0, true, scale, is_grouped);
    out.transpose(1, 2).reshape([b, t, h * d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Draws;

    #[test]
    fn the_fused_kernel_attends_as_the_plain_products_do() {
        let draws = Draws::new(2);
        let normal = |shape: &[i64]| draws.normal(shape);
        for (t, h, k) in [(37, 6, 2), (37, 4, 4), (LONG + 1, 4, 2)] {
            let (b, d) = (2, 8);
            let (q, keys, values) = (normal(&[b, t, h, d]), normal(&[b, k, t, d]), normal(&[b, k, t, d]));
            let by = Attention { scale: 0.3, ..Attention::plain(d) };
            let expected = plain(&q, &keys, &values, by);
            for got in [fused(&q, &keys, &values, by.scale), causal_attention(&q, &keys, &values, by)] {
                assert!(got.allclose(&expected, 1e-5, 1e-5, false), "{t} tokens, {h} and {k} heads");
            }
        }
    }
}
