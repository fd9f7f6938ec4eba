//! A network: configuration, parameters, and what passes over it need; all but its output layer.

use anyhow::{Result, ensure};
use tch::{Kind, Tensor};

use super::backend::{Backend, Decoder, Forward, Tap};
use super::config::ModelConfig;
use super::device::Placement;
use super::gradient::Gradient;
use super::inputs::Inputs;
use super::kv_cache::{AttentionTap, KvCache};
use super::layout::Layout;
use super::rope::Rope;
use super::scale_heads::HeadScales;
use super::weights::Weights;

/// A model with f32 master weights in one flat buffer and a copy in the compute precision.
///
/// In f32 the copy and the masters are the same memory.
pub(crate) struct Network {
    /// Shape of the model.
    pub config: ModelConfig,
    /// Where each parameter lies in the flat buffers.
    pub layout: Layout,
    /// Device, compute precision and wish for an engine.
    pub placement: Placement,
    /// What computes.
    pub backend: Backend,
    master: Tensor,  // [n_params] f32
    compute: Tensor, // [n_params] in the compute precision
    pub(super) weights: Weights,
    rope: Rope,
    /// Heads that were scaled.
    scales: HeadScales,
}

impl Network {
    /// A network over `master`, the flat f32 parameters in the order of `layout`.
    ///
    /// # Errors
    /// If the buffer does not have the length of the layout.
    pub(crate) fn new(
        config: ModelConfig,
        layout: Layout,
        master: Tensor,
        placement: Placement,
    ) -> Result<Self> {
        ensure!(
            master.size() == [layout.n_params()],
            "parameters: got a buffer {:?}, expected [{}]",
            master.size(),
            layout.n_params()
        );
        let master = master.to_kind(Kind::Float).to_device(placement.device);
        let compute = master.to_kind(placement.kind);
        let weights = Weights::new(&layout, &compute);
        let rope = Rope::new(&config, placement.kind, placement.device);
        let backend = Backend::choose(&config, placement);
        let scales = HeadScales::default();
        Ok(Self { config, layout, placement, backend, master, compute, weights, rope, scales })
    }

    /// The master weights, f32 `[n_params]`.
    pub(crate) fn master(&self) -> &Tensor {
        &self.master
    }

    /// Lets `change` alter the master weights in place, then brings the compute copy up to date.
    pub(crate) fn update<R>(&mut self, change: impl FnOnce(&mut Tensor) -> R) -> R {
        let _guard = tch::no_grad_guard();
        let result = change(&mut self.master);
        if self.placement.kind != Kind::Float {
            self.compute.copy_(&self.master);
        }
        result
    }

    /// Overwrites all weights.
    ///
    /// # Errors
    /// If the lengths differ.
    pub(crate) fn set_master(&mut self, values: &Tensor) -> Result<()> {
        ensure!(
            values.size() == self.master.size(),
            "parameters: got {:?}, expected {:?}",
            values.size(),
            self.master.size()
        );
        self.update(|master| master.copy_(values));
        Ok(())
    }

    /// Takes over from `other`, whose weights these are, which heads learn nothing.
    pub(super) fn keep_silent(&mut self, other: &Self) {
        self.scales.clone_from(&other.scales);
    }

    /// Multiplies what some heads write, from now on; where that is by 0, [`Network::backward`] finds no gradient that would bring
    /// them back.
    ///
    /// # Errors
    /// If the model lacks one of the heads.
    pub(crate) fn scale_heads(&mut self, scales: &HeadScales) -> Result<()> {
        scales.check(&self.config)?;
        let (config, layout) = (self.config.clone(), self.layout.clone());
        self.update(|master| scales.apply(&config, &layout, master));
        self.scales = scales.clone();
        Ok(())
    }

    /// The decoder over the present weights.
    #[must_use]
    pub(crate) fn decoder(&self) -> Decoder<'_> {
        Decoder { config: &self.config, weights: &self.weights, rope: &self.rope }
    }

    /// A cache of this network's keys and values for rows whose contexts have the lengths `context_lens`, with room for `n_new`
    /// more tokens each.
    #[must_use]
    pub(crate) fn cache(&self, context_lens: &[i64], n_new: i64) -> KvCache {
        KvCache::new(&self.config, context_lens, n_new, self.placement, self.backend.engine().key_block())
    }

    /// Final hidden states of `inputs`, `[N, E]`, without gradient. `tap` sees the layers go by.
    ///
    /// # Errors
    /// If the weights are not where their placement says.
    pub(crate) fn hidden(&self, inputs: &Inputs, tap: Option<Tap<'_>>) -> Result<Tensor> {
        tch::no_grad(|| self.backend.engine().hidden(&self.decoder(), inputs, tap))
    }

    /// Shows `tap` the layers up to `last`, and computes nothing behind what that one attends with.
    ///
    /// # Errors
    /// As [`Network::hidden`].
    pub(crate) fn read_until(&self, inputs: &Inputs, last: usize, tap: Tap<'_>) -> Result<()> {
        tch::no_grad(|| self.backend.engine().read_until(&self.decoder(), inputs, last, tap))
    }

    /// One decoding step: the next token of every row of `cache`, int64 `[B]`, to the final hidden states, `[B, E]`, without
    /// gradient. `tap` sees the attention of the layers that it names.
    ///
    /// # Errors
    /// As [`Network::hidden`].
    pub(crate) fn step(
        &self,
        tokens: &Tensor,
        cache: &mut KvCache,
        tap: Option<&mut dyn AttentionTap>,
    ) -> Result<Tensor> {
        tch::no_grad(|| self.backend.engine().step(&self.decoder(), tokens, cache, tap))
    }

    /// The forward pass with everything kept that [`Network::backward`] needs; with `recompute` the layers' inputs alone, from
    /// which it computes the layers again.
    ///
    /// # Errors
    /// As [`Network::hidden`].
    pub(crate) fn forward(&self, inputs: &Inputs, recompute: bool) -> Result<Forward> {
        self.backend.engine().forward(&self.decoder(), inputs, recompute)
    }

    /// Adds to `gradient` what a loss whose derivative with respect to `forward.hidden` is `d_hidden` `[N, E]` gives the
    /// parameters. The output layer's own share is its affair.
    ///
    /// # Errors
    /// As [`Network::hidden`].
    pub(crate) fn backward(
        &self,
        inputs: &Inputs,
        forward: Forward,
        d_hidden: &Tensor,
        gradient: &mut Gradient,
    ) -> Result<()> {
        forward.tape.pull_back(&self.decoder(), &self.layout, inputs, d_hidden, gradient)?;
        self.scales.silence(&self.config, &self.layout, gradient);
        Ok(())
    }

    /// A gradient buffer of zeros.
    #[must_use]
    pub(crate) fn zero_gradient(&self) -> Gradient {
        Gradient::zeros(self.layout.n_params(), self.placement.device)
    }
}
