//! A network: configuration, parameters, and what passes over it need; all but its output layer.

mod answering;
mod read;
mod shared;
mod stamp;

use anyhow::{Result, ensure};
use tch::{Kind, Tensor};

use super::backend::{Backend, Decoder, Forward, Tap};
use super::config::ModelConfig;
use super::device::Placement;
use super::gradient::Gradient;
use super::inputs::Inputs;
use super::kv_cache::{AttentionTap, KvCache};
use super::layout::Layout;
use super::lora::{Adapters, LoraLayout};
use super::outbox::Outbox;
use super::pieces::Pieces;
use super::rope::Rope;
use super::scale_heads::HeadScales;
use super::trainable::Trainable;
use super::weights::Weights;
use crate::ranks::{Ranks, Shard};
pub(crate) use stamp::Stamp;

/// A model whose parameters that learn are one flat f32 buffer, and its weights in the compute precision.
///
/// All parameters learn, or adapters alone beside weights that stay ([`super::LoraLayout`]). In f32 the weights of the first kind
/// and what learns are the same memory. Where ranks share what learns, each has a piece of it, and all have the whole weights.
pub(crate) struct Network {
    /// Shape of the model.
    pub config: ModelConfig,
    /// Where each parameter of the model lies among all of them.
    pub layout: Layout,
    /// Device, compute precision and wish for an engine.
    pub placement: Placement,
    /// What computes.
    pub backend: Backend,
    /// What of all that learns is this rank's.
    pieces: Pieces,
    master: Tensor, // what learns, f32: `[n_params]`, or the own piece
    frozen: Frozen,
    pub(super) weights: Weights,
    rope: Rope,
    /// Heads that were scaled.
    scales: HeadScales,
    stamp: Stamp,
}

/// What weights are made of besides what learns.
enum Frozen {
    /// Nothing: they are a copy of it, `[n_params]` in the compute precision.
    Nothing { compute: Tensor },
    /// Weights that stay, beside which adapters learn.
    Base(Adapters),
}

impl Network {
    /// A network over `master`, the flat f32 parameters in the order of `layout`, which all learn.
    ///
    /// # Errors
    /// If the buffer does not have the length of the layout.
    pub(crate) fn new(
        config: ModelConfig,
        layout: Layout,
        master: Tensor,
        placement: Placement,
    ) -> Result<Self> {
        check_length(&master, layout.n_params())?;
        let master = master.to_kind(Kind::Float).to_device(placement.device);
        let compute = master.to_kind(placement.kind);
        let weights = Weights::new(&layout, &compute);
        Ok(Self::over(config, layout, placement, master, Frozen::Nothing { compute }, weights))
    }

    fn over(
        config: ModelConfig,
        layout: Layout,
        placement: Placement,
        master: Tensor,
        frozen: Frozen,
        weights: Weights,
    ) -> Self {
        let rope = Rope::new(&config, placement.kind, placement.device);
        let backend = Backend::choose(&config, placement);
        let scales = HeadScales::default();
        let pieces = Pieces::new(master.size()[0], Ranks::default(), Shard::None);
        let stamp = Stamp::fresh();
        Self { config, layout, placement, backend, pieces, master, frozen, weights, rope, scales, stamp }
    }

    /// Its weights as they are, and beside them the adapters `master` of `adapters`, f32, which alone learn.
    ///
    /// # Errors
    /// If the buffer does not have the length of the layout.
    pub(crate) fn adapted(&self, adapters: LoraLayout, master: &Tensor) -> Result<Self> {
        check_length(master, adapters.n_params())?;
        let _guard = tch::no_grad_guard();
        let mut frozen = Adapters::new(adapters, self.base().shallow_clone());
        let master = master.to_kind(Kind::Float).to_device(self.placement.device);
        frozen.merge(&master);
        let weights = frozen.weights(&self.layout);
        let (config, layout) = (self.config.clone(), self.layout.clone());
        let mut own = Self::over(config, layout, self.placement, master, Frozen::Base(frozen), weights);
        own.keep_silent(self);
        Ok(own)
    }

    /// The same network on its own, to learn by itself; weights that stay are shared. Of one that ranks share, its weights as they
    /// compute.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub(crate) fn copy(&self) -> Result<Self> {
        let (config, layout) = (self.config.clone(), self.layout.clone());
        let mut own = match &self.frozen {
            Frozen::Nothing { compute } => {
                let learns = if self.pieces.is_cut() { compute } else { &self.master };
                let _guard = tch::no_grad_guard();
                Self::new(config, layout, learns.totype(Kind::Float).copy(), self.placement)?
            }
            Frozen::Base(adapters) => {
                let (adapters, master) = (adapters.copy(), self.master.copy());
                let weights = adapters.weights(&layout);
                Self::over(config, layout, self.placement, master, Frozen::Base(adapters), weights)
            }
        };
        own.keep_silent(self);
        Ok(own)
    }

    /// What learns on this rank, f32 `[n_params]` in the order of [`Network::trainable`], or its piece.
    pub(crate) fn master(&self) -> &Tensor {
        &self.master
    }

    /// All weights in the compute precision, without what adapters add to them.
    pub(super) fn base(&self) -> &Tensor {
        match &self.frozen {
            Frozen::Nothing { compute } => compute,
            Frozen::Base(adapters) => adapters.base(),
        }
    }

    /// What its present weights are told from others by.
    #[must_use]
    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// What the numbers that learn are.
    #[must_use]
    pub(crate) fn trainable(&self) -> Trainable<'_> {
        match &self.frozen {
            Frozen::Nothing { .. } => Trainable::Whole(&self.layout),
            Frozen::Base(adapters) => Trainable::Adapters(&adapters.layout),
        }
    }

    /// Lets `change` alter what learns on this rank in place, then brings the weights up to date, on all ranks.
    ///
    /// # Errors
    /// If a rank is lost.
    pub(crate) fn update<R>(&mut self, change: impl FnOnce(&mut Tensor) -> R) -> Result<R> {
        let _guard = tch::no_grad_guard();
        let result = change(&mut self.master);
        self.stamp = Stamp::fresh();
        match &mut self.frozen {
            Frozen::Nothing { compute } => {
                if self.placement.kind != Kind::Float {
                    self.pieces.cut(compute).copy_(&self.master);
                }
                self.pieces.gather(compute)?;
            }
            Frozen::Base(adapters) => adapters.merge(&self.master),
        }
        Ok(result)
    }

    /// Overwrites all that learns with `values`, `[n_params]`, which every rank has.
    ///
    /// # Errors
    /// If the lengths differ.
    pub(crate) fn set_master(&mut self, values: &Tensor) -> Result<()> {
        check_length(values, self.trainable().n_params())?;
        let _guard = tch::no_grad_guard();
        self.master.copy_(&self.pieces.cut(values));
        self.stamp = Stamp::fresh();
        match &mut self.frozen {
            Frozen::Nothing { compute } => compute.copy_(values),
            Frozen::Base(adapters) => adapters.merge(&self.master),
        }
        Ok(())
    }

    /// All parameters of the model, f32 in the order of its layout: what learns itself where that is all of it, else weights and
    /// adapters in one. Ranks that share them read them together.
    ///
    /// # Errors
    /// If a rank is lost.
    pub(crate) fn whole(&self) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        match &self.frozen {
            Frozen::Nothing { .. } => self.pieces.read(&self.master, 0..self.pieces.n()),
            Frozen::Base(adapters) => Ok(adapters.whole(&self.master)),
        }
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
        if *scales == HeadScales::default() {
            return Ok(());
        }
        let _guard = tch::no_grad_guard();
        let o = |l: usize| &self.layout.layers[l].o;
        match &mut self.frozen {
            Frozen::Nothing { .. } => scales.apply(&self.config, |l| Some(o(l).of(&self.master))),
            Frozen::Base(adapters) => {
                // (W0 + s B A) D = W0 D + s B (A D): of adapters A has the columns.
                adapters.change_base(|base| scales.apply(&self.config, |l| Some(o(l).of(base))));
                scales.apply(&self.config, |l| adapters.layout.read_by(o(l)).map(|a| a.of(&self.master)));
                // What has no adapters is read where the base lies.
                self.weights = adapters.weights(&self.layout);
            }
        }
        self.update(|_| ())?;
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

    /// Adds to `gradient` what a loss whose derivative with respect to `forward.hidden` is `d_hidden` `[N, E]` gives what
    /// learns. The output layer's own share is its affair.
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
        // What ranks share has gone by then, without what is silent.
        if !gradient.is_shared() {
            self.scales.silence(&self.config, &self.layout, gradient);
        }
        Ok(())
    }

    /// A gradient buffer of zeros, for what learns.
    #[must_use]
    pub(crate) fn zero_gradient(&self) -> Gradient {
        let (n_params, device) = (self.trainable().n_params(), self.placement.device);
        match &self.frozen {
            Frozen::Nothing { .. } if self.pieces.sends_gradients() => {
                let silent = self.scales.silent(&self.config, &self.layout);
                let n_decayed = self.trainable().n_decayed();
                Gradient::shared(Outbox::new(self.pieces.clone(), n_decayed, silent, device))
            }
            Frozen::Nothing { .. } => Gradient::zeros(n_params, device),
            Frozen::Base(adapters) => {
                Gradient::of_adapters(n_params, device, adapters.receivers(&self.master))
            }
        }
    }
}

/// That a buffer has as many numbers as there are parameters.
fn check_length(buffer: &Tensor, n_params: i64) -> Result<()> {
    ensure!(
        buffer.size() == [n_params],
        "parameters: got a buffer {:?}, expected [{n_params}]",
        buffer.size()
    );
    Ok(())
}
