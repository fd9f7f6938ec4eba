//! A network: configuration, parameters, and what passes over it need; all but its output layer.

use anyhow::{Result, ensure};
use tch::{Device, Kind, Tensor};

use super::config::ModelConfig;
use super::cpu_pass;
use super::decoder::{Decoder, Tap};
use super::device::Placement;
use super::inputs::Inputs;
use super::layout::{Layout, Slot};
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
    /// Final hidden states, `[N, E]`, without gradient.
    pub hidden: Tensor,
    tape: PassTape,
}

/// What the gradient needs of a pass.
enum PassTape {
    /// The kernels'.
    Cpu(cpu_pass::Tape),
    /// Autograd's: the embeddings `[N, E]`, a leaf, and the hidden states that came of them.
    Graph { embedded: Tensor, hidden: Tensor },
    /// The residual stream `[N, E]` before each layer and behind the last one, leaves, to compute again from.
    Inputs(Vec<Tensor>),
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
        let rope = Rope::new(&config, placement.kind, placement.device);
        Ok(Self { config, layout, placement, master, compute, weights, rope })
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

    /// Final hidden states of `inputs`, `[N, E]`, without gradient. `tap` sees the layers go by.
    ///
    /// # Errors
    /// If the weights are not where their placement says.
    pub fn hidden(&self, inputs: &Inputs, tap: Option<Tap<'_>>) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        let decoder = self.decoder();
        match self.placement.device {
            Device::Cpu => decoder.hidden_on_cpu(inputs, tap),
            _ => Ok(decoder.hidden(inputs, decoder.embed(&inputs.tokens), tap)),
        }
    }

    /// Shows `tap` the layers up to `last`, and computes nothing behind what that one attends with.
    ///
    /// # Errors
    /// As [`Network::hidden`].
    pub fn read_until(&self, inputs: &Inputs, last: usize, tap: Tap<'_>) -> Result<()> {
        let _guard = tch::no_grad_guard();
        let decoder = self.decoder();
        match self.placement.device {
            Device::Cpu => decoder.read_on_cpu(inputs, last, tap),
            _ => {
                decoder.read_until(inputs, decoder.embed(&inputs.tokens), last, tap);
                Ok(())
            }
        }
    }

    /// The forward pass with everything kept that [`Network::backward`] needs; with `recompute` the layers' inputs alone, from
    /// which it computes the layers again.
    ///
    /// # Errors
    /// As [`Network::hidden`].
    pub fn forward(&self, inputs: &Inputs, recompute: bool) -> Result<Forward> {
        match self.placement.device {
            Device::Cpu => {
                let _guard = tch::no_grad_guard();
                let (hidden, tape) = self.decoder().forward_on_cpu(inputs, recompute)?;
                Ok(Forward { hidden, tape: PassTape::Cpu(tape) })
            }
            _ => Ok(self.forward_by_operations(inputs, recompute)),
        }
    }

    /// [`Network::forward`] by libtorch's operations and autograd, on any device.
    #[must_use]
    pub fn forward_by_operations(&self, inputs: &Inputs, recompute: bool) -> Forward {
        let decoder = self.decoder();
        let leaf = |x: Tensor| x.detach().set_requires_grad(true);
        let mut starts = vec![leaf(tch::no_grad(|| decoder.embed(&inputs.tokens)))];
        let mut x = starts[0].shallow_clone();
        if recompute {
            let _guard = tch::no_grad_guard();
            let rotation = decoder.rotation(inputs);
            for l in 0..self.weights.layers.len() {
                x = decoder.layer(inputs, &rotation, l, x, &mut None);
                starts.push(leaf(x.shallow_clone()));
            }
            let hidden = decoder.norm(&x, &self.weights.final_norm);
            return Forward { hidden, tape: PassTape::Inputs(starts) };
        }
        let hidden = decoder.hidden(inputs, x, None);
        Forward { hidden: hidden.detach(), tape: PassTape::Graph { embedded: starts.swap_remove(0), hidden } }
    }

    /// Adds to `gradient` what a loss whose derivative with respect to `forward.hidden` is `d_hidden` `[N, E]` gives the
    /// parameters. The output layer's own share is its affair.
    ///
    /// # Errors
    /// As [`Network::hidden`].
    pub fn backward(
        &self,
        inputs: &Inputs,
        forward: Forward,
        d_hidden: &Tensor,
        gradient: &Gradient,
    ) -> Result<()> {
        let d_embedded = match forward.tape {
            PassTape::Cpu(tape) => {
                let _guard = tch::no_grad_guard();
                return self.decoder().backward_on_cpu(inputs, tape, d_hidden, &self.layout, gradient);
            }
            PassTape::Graph { embedded, hidden } => {
                pull_back(&hidden, d_hidden, &embedded, &self.weights.inner(&self.layout), gradient)
            }
            PassTape::Inputs(starts) => self.pull_back_by_layers(inputs, &starts, d_hidden, gradient),
        };
        let _guard = tch::no_grad_guard();
        let d_rows = d_embedded.to_kind(Kind::Float);
        let d_embed =
            Tensor::embedding_dense_backward(&d_rows, &inputs.tokens, self.config.vocab_size, -1, false);
        let _ = gradient.at(&self.layout.embed).g_add_(&d_embed);
        Ok(())
    }

    /// Computes layer after layer again, the last one first, and pulls the gradient back through each.
    fn pull_back_by_layers(
        &self,
        inputs: &Inputs,
        starts: &[Tensor],
        d_hidden: &Tensor,
        gradient: &Gradient,
    ) -> Tensor {
        let decoder = self.decoder();
        let rotation = decoder.rotation(inputs);
        let mut d = d_hidden.shallow_clone();
        for (l, start) in starts.iter().enumerate().rev() {
            let x = start.shallow_clone();
            let (out, leaves) = match self.weights.layers.get(l) {
                None => (decoder.norm(&x, &self.weights.final_norm), self.weights.final_leaf(&self.layout)),
                Some(_) => {
                    let out = decoder.layer(inputs, &rotation, l, x, &mut None);
                    (out, self.weights.layer_leaves(&self.layout, l))
                }
            };
            d = pull_back(&out, &d, start, &leaves, gradient);
        }
        d
    }

    /// A gradient buffer of zeros.
    #[must_use]
    pub fn zero_gradient(&self) -> Gradient {
        Gradient { flat: self.master.zeros_like() }
    }
}

/// Autograd's way from `y`, whose gradient is `d`, back to `leaves`, whose gradients it adds to `gradient`, and to `x`.
fn pull_back(y: &Tensor, d: &Tensor, x: &Tensor, leaves: &[(Slot, Tensor)], gradient: &Gradient) -> Tensor {
    let inputs: Vec<&Tensor> = std::iter::once(x).chain(leaves.iter().map(|(_, leaf)| leaf)).collect();
    // The inner product's derivative with respect to `y` is exactly `d`; its value does not matter.
    let product = (y * d).sum(None);
    let mut grads = Tensor::run_backward(&[product], &inputs, false, false).into_iter();
    let d_x = grads.next().unwrap_or_else(|| x.zeros_like());
    let _guard = tch::no_grad_guard();
    for ((slot, _), grad) in leaves.iter().zip(grads) {
        let _ = gradient.at(slot).g_add_(&grad);
    }
    d_x
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
