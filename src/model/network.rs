//! A network: configuration, parameters, and what passes over it need; all but its output layer.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use tch::{Kind, Tensor};

use super::config::ModelConfig;
use super::decoder::{Decoder, Tap};
use super::device::Placement;
use super::layout::{Layout, Slot};
use super::load;
use super::rope::Rope;
use super::weights::Weights;

/// A model with f32 master weights in one flat buffer and a copy in the compute precision.
///
/// In f32 the copy and the masters are the same memory.
pub struct Network {
    /// Shape of the model.
    pub config: ModelConfig,
    /// Where each parameter lies in the flat buffers.
    pub layout: Layout,
    /// Device and compute precision.
    pub placement: Placement,
    master: Tensor,  // [n_params] f32
    compute: Tensor, // [n_params] in the compute precision
    pub(super) weights: Weights,
    rope: Rope,
}

/// A forward pass that gradients will be asked of.
pub struct Forward {
    /// Token ids, `[B, T]`.
    pub tokens: Tensor,
    embedded: Tensor, // [B, T, E], leaf
    /// Final hidden states, `[B, T, E]`, in the autograd graph.
    pub hidden: Tensor,
}

impl Network {
    /// A network over `master`, the flat f32 parameters in the order of `layout`.
    ///
    /// # Errors
    /// If the buffer does not have the length of the layout.
    pub fn new(config: ModelConfig, layout: Layout, master: Tensor, placement: Placement) -> Result<Self> {
        ensure!(
            master.size() == [layout.n_params()],
            "parameters: got a buffer {:?}, expected [{}]",
            master.size(),
            layout.n_params()
        );
        let master = master.to_kind(Kind::Float).to_device(placement.device);
        let compute = master.to_kind(placement.kind);
        let weights = Weights::new(&layout, &compute);
        let rope = Rope::new(&config, config.max_position_embeddings, placement.kind, placement.device);
        Ok(Self { config, layout, placement, master, compute, weights, rope })
    }

    /// Loads the weights of a Hugging Face folder whose configuration is `config`.
    ///
    /// # Errors
    /// If weights are missing, damaged or do not fit `layout`.
    pub fn load(dir: &Path, config: ModelConfig, layout: Layout, placement: Placement) -> Result<Self> {
        let mut flat = vec![0f32; usize::try_from(layout.n_params())?];
        load::load_into(dir, &layout, &mut flat).with_context(|| format!("loading {}", dir.display()))?;
        Self::new(config, layout, Tensor::from_slice(&flat), placement)
    }

    /// The master weights, f32 `[n_params]`.
    pub fn master(&self) -> &Tensor {
        &self.master
    }

    /// Lets `change` alter the master weights in place, then brings the compute copy up to date.
    pub fn update<R>(&mut self, change: impl FnOnce(&mut Tensor) -> R) -> R {
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
    pub fn set_master(&mut self, values: &Tensor) -> Result<()> {
        ensure!(
            values.size() == self.master.size(),
            "parameters: got {:?}, expected {:?}",
            values.size(),
            self.master.size()
        );
        self.update(|master| master.copy_(values));
        Ok(())
    }

    /// The forward pass.
    #[must_use]
    pub fn decoder(&self) -> Decoder<'_> {
        Decoder { config: &self.config, weights: &self.weights, rope: &self.rope }
    }

    /// Final hidden states of `tokens` `[B, T]` (int64), without gradient: `[B, T, E]`. `tap` sees the layers go by.
    pub fn hidden(&self, tokens: &Tensor, tap: Option<Tap<'_>>) -> Tensor {
        let _guard = tch::no_grad_guard();
        let decoder = self.decoder();
        decoder.hidden(decoder.embed(tokens), tap)
    }

    /// The forward pass with everything kept that [`Policy::backward`] needs.
    #[must_use]
    pub fn forward(&self, tokens: Tensor) -> Forward {
        let decoder = self.decoder();
        let embedded = tch::no_grad(|| decoder.embed(&tokens)).set_requires_grad(true);
        let hidden = decoder.hidden(embedded.shallow_clone(), None);
        Forward { tokens, embedded, hidden }
    }

    /// Adds to `gradient` what a loss whose derivative with respect to `picked` is `d_picked` gives the parameters.
    ///
    /// `picked` is `[N, E]`, computed from `forward.hidden`. The output layer's own share is its affair.
    pub fn backward(&self, forward: Forward, picked: &Tensor, d_picked: &Tensor, gradient: &Gradient) {
        let inner = self.weights.inner(&self.layout);
        let mut inputs: Vec<&Tensor> = inner.iter().map(|(_, tensor)| tensor).collect();
        inputs.push(&forward.embedded);
        // The inner product's derivative with respect to `picked` is exactly `d_picked`; its value does not matter.
        let product = (picked * d_picked).sum(None);
        let mut grads = Tensor::run_backward(&[product], &inputs, false, false);
        let _guard = tch::no_grad_guard();
        if let Some(d_embedded) = grads.pop() {
            let d_rows = d_embedded.to_kind(Kind::Float);
            let d_embed =
                Tensor::embedding_dense_backward(&d_rows, &forward.tokens, self.config.vocab_size, -1, false);
            let _ = gradient.at(&self.layout.embed).g_add_(&d_embed);
        }
        for ((slot, _), grad) in inner.iter().zip(&grads) {
            let _ = gradient.at(slot).g_add_(grad);
        }
    }

    /// A gradient buffer of zeros.
    #[must_use]
    pub fn zero_gradient(&self) -> Gradient {
        Gradient { flat: self.master.zeros_like() }
    }
}

/// The gradient of all parameters: one flat f32 buffer in the order of the layout.
pub struct Gradient {
    /// `[n_params]`.
    pub flat: Tensor,
}

impl Gradient {
    /// The view at `slot`, in its shape.
    pub fn at(&self, slot: &Slot) -> Tensor {
        slot.of(&self.flat)
    }

    /// Sets everything to zero.
    pub fn clear(&mut self) {
        let _ = self.flat.zero_();
    }
}
