//! One decoding step on the CPU, with the kernels of [`crate::kernel`]; activations are feature-major, `[features, B]`, but for what
//! attention gives.

use anyhow::Result;
use tch::{Kind, Tensor};

use super::decoder::Decoder;
use super::kv_cache::{AttentionTap, KvCache};
use super::product::mm;
use super::rope::Tables;
use super::weights::LayerWeights;
use crate::kernel::{AttendStep, Bf16, Number, add_rms_norm, attend_step, gate, view, view_mut};

impl Decoder<'_> {
    /// As [`Decoder::step_by_operations`], but for the layout of its result: the final hidden states, `[E, B]`.
    ///
    /// # Errors
    /// If weights or cache are not in main memory.
    pub(super) fn step_on_cpu(
        &self,
        tokens: &Tensor,
        cache: &mut KvCache,
        tap: Option<&mut dyn AttentionTap>,
    ) -> Result<Tensor> {
        let rope = self.rope.tables(cache.n_positions());
        match self.weights.embed.kind() {
            Kind::BFloat16 => CpuStep::<Bf16>::new(self, &rope)?.run(tokens, cache, tap),
            _ => CpuStep::<f32>::new(self, &rope)?.run(tokens, cache, tap),
        }
    }
}

/// A step under way in numbers of kind `T`.
struct CpuStep<'a, T> {
    decoder: &'a Decoder<'a>,
    rope: (&'a [T], &'a [T]),
    eps: f32,
}

impl<'a, T: Number> CpuStep<'a, T> {
    fn new(decoder: &'a Decoder<'a>, rope: &'a Tables) -> Result<Self> {
        let rope = (view(&rope.cos)?, view(&rope.sin)?);
        Ok(Self { decoder, rope, eps: decoder.config.rms_norm_eps as f32 })
    }

    fn run(
        &self,
        tokens: &Tensor,
        cache: &mut KvCache,
        mut tap: Option<&mut dyn AttentionTap>,
    ) -> Result<Tensor> {
        let mut x = self.decoder.embed(tokens).transpose(0, 1).contiguous(); // (E, B)
        let mut delta = None;
        for (l, layer) in self.decoder.weights.layers.iter().enumerate() {
            let normed = self.add_norm(&mut x, delta.as_ref(), &layer.input_norm)?;
            let mut qkv = mm(&layer.qkv, &normed)?;
            if let Some(bias) = &layer.qkv_bias {
                qkv += bias.unsqueeze(1);
            }
            let tap: Option<&mut dyn AttentionTap> = match &mut tap {
                Some(tap) => Some(&mut **tap),
                None => None,
            };
            let attended = self.attend(l, layer, &qkv, cache, tap)?;
            let normed =
                self.add_norm(&mut x, Some(&mm(&layer.o, &attended.transpose(0, 1))?), &layer.post_norm)?;
            let gate_up = mm(&layer.gate_up, &normed)?; // (2F, B)
            let mut gated = Tensor::empty([gate_up.size()[0] / 2, gate_up.size()[1]], (T::KIND, x.device()));
            gate(view::<T>(&gate_up)?, view_mut(&mut gated)?);
            delta = Some(mm(&layer.down, &gated)?);
        }
        cache.advance();
        self.add_norm(&mut x, delta.as_ref(), &self.decoder.weights.final_norm)
    }

    /// Adds `delta` to the residual stream `x` and gives its norm.
    fn add_norm(&self, x: &mut Tensor, delta: Option<&Tensor>, weight: &Tensor) -> Result<Tensor> {
        let mut out = x.empty_like();
        let delta = delta.map(view::<T>).transpose()?.unwrap_or_default();
        add_rms_norm(view_mut(x)?, delta, view::<T>(weight)?, self.eps, view_mut(&mut out)?);
        Ok(out)
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
        let options = |kind| (kind, qkv.device());
        let norms = layer.qk_norm.as_ref();
        let norms = norms.map(|norm| Ok::<_, anyhow::Error>((view(&norm.q)?, view(&norm.k)?, self.eps)));
        let (column, capacity, n_rows) = (cache.n_columns(), cache.capacity(), cache.n_rows());
        let mut out = Tensor::empty([n_rows, config.q_width()], options(T::KIND));
        let look = match tap {
            Some(tap) if tap.wants(l) => Some(tap.look_back(l)?),
            _ => None,
        };
        let (starts, keys, values) = cache.layer(l);
        let step = AttendStep {
            n_heads: config.n_heads as usize,
            n_kv_heads: config.n_kv_heads as usize,
            head_dim: config.head_dim as usize,
            qkv: view::<T>(qkv)?,
            qk_norm: norms.transpose()?,
            rope: self.rope,
            starts,
            column: column as usize,
            capacity: capacity as usize,
        };
        attend_step(&step, view_mut(keys)?, view_mut(values)?, view_mut(&mut out)?, look);
        Ok(out)
    }
}
