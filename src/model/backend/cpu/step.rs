//! One decoding step with the kernels of [`crate::kernel`]; activations are feature-major, `[features, B]`, but for what
//! attention gives.

use anyhow::Result;
use tch::Tensor;

use super::super::Decoder;
use super::product::mm;
use super::{head_norms, in_kind};
use crate::kernel::{Angles, AttendStep, Number, Owned, add_rms_norm, attend_step, gate, view};
use crate::model::kv_cache::{AttentionTap, KvCache};
use crate::model::rope::Tables;
use crate::model::weights::LayerWeights;

pub(super) fn step(
    decoder: &Decoder<'_>,
    tokens: &Tensor,
    cache: &mut KvCache,
    tap: Option<&mut dyn AttentionTap>,
) -> Result<Tensor> {
    let rope = decoder.rope.tables(cache.n_positions());
    let hidden = in_kind!(decoder.weights.embed.kind(), T => {
        CpuStep::<T>::new(decoder, &rope)?.run(tokens, cache, tap)?
    }); // (E, B)
    Ok(hidden.transpose(0, 1))
}

/// A step under way in numbers of kind `T`.
struct CpuStep<'a, T> {
    decoder: &'a Decoder<'a>,
    rope: Angles<'a, T>,
    eps: f32,
}

impl<'a, T: Number> CpuStep<'a, T> {
    fn new(decoder: &'a Decoder<'a>, rope: &'a Tables) -> Result<Self> {
        let rope = Angles { cos: view(&rope.cos)?, sin: view(&rope.sin)? };
        Ok(Self { decoder, rope, eps: decoder.config.rms_norm_eps as f32 })
    }

    /// The final hidden states, `[E, B]`.
    fn run(
        &self,
        tokens: &Tensor,
        cache: &mut KvCache,
        mut tap: Option<&mut dyn AttentionTap>,
    ) -> Result<Tensor> {
        let mut x = Owned::copy(&self.decoder.embed(tokens).transpose(0, 1)); // (E, B)
        let mut delta = None;
        for (l, layer) in self.decoder.weights.layers.iter().enumerate() {
            let normed = self.add_norm(&mut x, delta.as_ref(), &layer.input_norm)?;
            let mut qkv = mm(&layer.qkv, &normed)?.into_tensor();
            if let Some(bias) = &layer.qkv_bias {
                qkv += bias.unsqueeze(1);
            }
            let tap: Option<&mut dyn AttentionTap> = match &mut tap {
                Some(tap) => Some(&mut **tap),
                None => None,
            };
            let attended = self.attend(l, layer, &qkv, cache, tap)?;
            let out = mm(&layer.o, &attended.transpose(0, 1))?;
            let normed = self.add_norm(&mut x, Some(&out), &layer.post_norm)?;
            let gate_up = mm(&layer.gate_up, &normed)?; // (2F, B)
            let mut gated = Owned::empty(&[gate_up.size()[0] / 2, gate_up.size()[1]], T::KIND);
            gate(gate_up.view::<T>()?, gated.numbers()?);
            delta = Some(mm(&layer.down, &gated.into_tensor())?);
        }
        cache.advance();
        self.add_norm(&mut x, delta.as_ref(), &self.decoder.weights.final_norm)
    }

    /// Adds `delta` to the residual stream `x` and gives its norm.
    fn add_norm(&self, x: &mut Owned, delta: Option<&Owned>, weight: &Tensor) -> Result<Tensor> {
        let mut out = Owned::empty(&x.size(), T::KIND);
        let delta = delta.map(Owned::view::<T>).transpose()?.unwrap_or_default();
        add_rms_norm(x.numbers()?, delta, view::<T>(weight)?, self.eps, out.numbers()?);
        Ok(out.into_tensor())
    }

    /// `qkv` `[(H + 2K) D, B]` of layer `l` to what its attention gives, `[B, H D]`.
    fn attend(
        &self,
        l: usize,
        layer: &LayerWeights,
        qkv: &Tensor,
        cache: &mut KvCache,
        tap: Option<&mut dyn AttentionTap>,
    ) -> Result<Tensor> {
        let config = self.decoder.config;
        let norms = layer.qk_norm.as_ref().map(|norms| head_norms(norms, self.eps)).transpose()?;
        let (column, capacity, n_rows) = (cache.n_columns(), cache.capacity(), cache.n_rows());
        let mut out = Owned::empty(&[n_rows, config.q_width()], T::KIND);
        let look = match tap {
            Some(tap) if tap.wants(l) => Some(tap.look_back(l)?),
            _ => None,
        };
        let (starts, keys, values) = cache.numbers(l)?;
        let step = AttendStep {
            n_heads: config.n_heads as usize,
            n_kv_heads: config.n_kv_heads as usize,
            head_dim: config.head_dim as usize,
            qkv: view::<T>(qkv)?,
            norms,
            rope: self.rope,
            starts,
            column: column as usize,
            capacity: capacity as usize,
        };
        attend_step(&step, keys, values, out.numbers()?, look);
        Ok(out.into_tensor())
    }
}
