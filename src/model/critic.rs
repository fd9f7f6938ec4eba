//! The critic: a network whose output layer gives one number per token, the reward that is still to come.
//!
//! ```text
//! V_t = w . h + b       h the hidden state that predicts token t, so that V_t knows the tokens before t
//! ```
//!
//! It is saved as what transformers loads as a model for token classification with one label.

use anyhow::{Context, Result};
use tch::{Kind, Tensor};

use super::device::Placement;
use super::gradient::Gradient;
use super::layout::{Layout, Output, Slot};
use super::network::Network;
use super::{ModelConfig, Policy};

/// A language model that judges.
pub(crate) struct Critic {
    /// All but the output layer.
    pub network: Network,
    weight: Slot, // [1, E]
    bias: Slot,   // [1]
    /// The output layer's masters, which another rank may own: weight and bias.
    output: [Tensor; 2],
}

impl Critic {
    /// A critic over `master`, the flat f32 parameters in the order of [`Layout::of_critic`].
    ///
    /// # Errors
    /// If the buffer does not have the length of the layout.
    pub(crate) fn new(config: ModelConfig, master: Tensor, placement: Placement) -> Result<Self> {
        let layout = Layout::of_critic(&config);
        let Output::Value { weight, bias } = layout.output.clone() else {
            anyhow::bail!("the layout of a critic has no value head");
        };
        let network = Network::new(config, layout, master, placement)?;
        let mut critic = Self { network, weight, bias, output: [Tensor::new(), Tensor::new()] };
        critic.refresh()?;
        Ok(critic)
    }

    /// Takes the output layer's masters over, from whichever rank has them, behind every change of the weights.
    ///
    /// # Errors
    /// If a rank is lost.
    pub(crate) fn refresh(&mut self) -> Result<()> {
        let read = |slot: &Slot| {
            let flat = self
                .network
                .pieces()
                .read(self.network.master(), slot.start..slot.start + slot.n_elements())?;
            Ok::<_, anyhow::Error>(flat.view(slot.shape.as_slice()).detach())
        };
        self.output = [read(&self.weight)?, read(&self.bias)?];
        Ok(())
    }

    /// A critic with the weights of `policy` up to its output layer, that expects nothing: all its values are 0. All its weights
    /// learn, also where those of the policy stay and adapters learn.
    ///
    /// # Errors
    /// If a parameter of the policy has no place in the critic.
    pub(crate) fn of_policy(policy: &Policy) -> Result<Self> {
        let layout = Layout::of_critic(&policy.network.config);
        let _guard = tch::no_grad_guard();
        // Of several ranks each reads all of it, and keeps its piece where the critic joins them.
        let whole = policy.network.whole()?;
        let master = Tensor::zeros([layout.n_params()], (Kind::Float, policy.network.placement.device));
        for entry in layout.entries().iter().filter(|entry| !entry.name.starts_with("score.")) {
            let place = policy.network.layout.find(&entry.name).filter(|place| place.shape == entry.shape);
            let place = place.with_context(|| format!("the critic has {}, the policy not", entry.name))?;
            let n = entry.n_elements();
            master.narrow(0, entry.start, n).copy_(&whole.narrow(0, place.start, n));
        }
        Self::new(policy.network.config.clone(), master, policy.network.placement)
    }

    /// The output layer, in f32 whatever the precision of the rest: bf16 tells values apart to 1 in 256 only.
    #[must_use]
    pub(crate) fn head(&self) -> ValueHead {
        let [weight, bias] = self.output.each_ref().map(Tensor::shallow_clone);
        ValueHead { weight, bias, places: [self.weight.clone(), self.bias.clone()] }
    }
}

impl AsRef<Network> for Critic {
    fn as_ref(&self) -> &Network {
        &self.network
    }
}

impl AsMut<Network> for Critic {
    fn as_mut(&mut self) -> &mut Network {
        &mut self.network
    }
}

/// From hidden states to values, and back.
pub(crate) struct ValueHead {
    weight: Tensor, // (1, E), f32
    bias: Tensor,   // (1), f32
    /// Of weight and bias in the critic's gradient.
    places: [Slot; 2],
}

impl ValueHead {
    /// The values under `hidden` `[N, E]`, f32 `[N]`, without gradient.
    pub(crate) fn values(&self, hidden: &Tensor) -> Tensor {
        let _guard = tch::no_grad_guard();
        (hidden.to_kind(Kind::Float).mm(&self.weight.transpose(0, 1)) + &self.bias).squeeze_dim(1)
    }

    /// Pulls the derivative with respect to the values, `[N]`, back: gives that with respect to `hidden` `[N, E]` and adds
    /// those of weight and bias to `gradient`, the critic's.
    pub(crate) fn backward(&self, hidden: &Tensor, d_values: &Tensor, gradient: &mut Gradient) -> Tensor {
        let _guard = tch::no_grad_guard();
        let d_values = d_values.unsqueeze(1); // (N, 1)
        let [weight, bias] = &self.places;
        gradient.part(weight).add(&d_values.transpose(0, 1).mm(&hidden.to_kind(Kind::Float)));
        gradient.part(bias).add(&d_values.sum_dim_intlist([0i64].as_slice(), false, None));
        d_values.mm(&self.weight).to_kind(hidden.kind())
    }
}
