//! The policy: a network whose output layer is a distribution over the vocabulary.

use std::path::Path;

use anyhow::Result;
use tch::{Kind, Tensor};

use super::config::ModelConfig;
use super::device::Placement;
use super::gradient::{Gradient, GradientPart};
use super::head::Head;
use super::layout::{Layout, Output};
use super::load::StoredWeights;
use super::lora::{LoraLayout, ModelSource, StoredAdapter};
use super::network::Network;
use super::trainable::Trainable;
use crate::types::{Purpose, RunRandom, TokenId};

/// A language model that acts.
pub(crate) struct Policy {
    /// All but the output layer.
    pub network: Network,
    /// Rows of the output layer without a token, int64, where there are any.
    without_token: Option<Tensor>,
}

impl Policy {
    /// A policy over `master`, the flat f32 parameters.
    ///
    /// # Errors
    /// If the buffer does not have the length of the layout.
    pub(crate) fn new(config: ModelConfig, master: Tensor, placement: Placement) -> Result<Self> {
        let layout = Layout::new(&config);
        Ok(Self::of(Network::new(config, layout, master, placement)?))
    }

    fn of(network: Network) -> Self {
        let rows = Some(network.config.rows_without_token()).filter(|rows| !rows.is_empty());
        let without_token = rows.map(|rows| Tensor::from_slice(&rows).to_device(network.placement.device));
        Self { network, without_token }
    }

    /// Loads the weights of a Hugging Face folder whose configuration is `config`.
    ///
    /// # Errors
    /// If weights are missing, damaged or do not fit.
    pub(crate) fn load(dir: &Path, config: ModelConfig, placement: Placement) -> Result<Self> {
        let stored = StoredWeights::open(dir)?;
        let master = stored.read(&stored.layout(&config)?)?;
        Self::new(config, master, placement)
    }

    /// Loads the policy of `source`, whose configuration is `config`: a model that learns in all its weights, or adapters that alone
    /// would.
    ///
    /// # Errors
    /// If weights are missing, damaged or do not fit.
    pub(crate) fn of_source(source: &ModelSource, config: ModelConfig, placement: Placement) -> Result<Self> {
        let mut base = Self::load(&source.folder, config, placement)?;
        let Some(folder) = &source.adapter else { return Ok(base) };
        let stored = StoredAdapter::open(folder)?;
        base.network.scale_heads(&stored.base.scales)?;
        let layout = stored.layout(&base.network.config, &base.network.layout)?;
        let flat = stored.read(&layout)?;
        base.adapted(layout, &flat)
    }

    /// The same weights, which stay, and adapters beside them, which learn: `flat`, f32 in the order of `layout`.
    ///
    /// # Errors
    /// If the buffer does not have the length of the layout.
    pub(crate) fn adapted(&self, layout: LoraLayout, flat: &Tensor) -> Result<Self> {
        Ok(Self::of(self.network.adapted(layout, flat)?))
    }

    /// The same weights, which stay, and beside them adapters that have learnt nothing yet.
    ///
    /// # Errors
    /// If the adapters do not fit into memory.
    pub(crate) fn with_fresh_adapters(&self, layout: LoraLayout, random: &RunRandom) -> Result<Self> {
        let flat = Tensor::from_slice(&layout.begin(random)?);
        self.adapted(layout, &flat)
    }

    /// The policy that this one would be with `learnt` in the place of what it has learnt, to answer alone. Beside weights that
    /// stay, adapters that add nothing to them take no memory.
    ///
    /// # Errors
    /// If the buffer does not have the length of what learns.
    pub(crate) fn beside(&self, learnt: &Tensor) -> Result<Self> {
        let network = &self.network;
        match network.trainable() {
            Trainable::Whole(_) => {
                let own = Self::new(network.config.clone(), learnt.shallow_clone(), network.placement)?;
                Ok(Self::of(own.network.answering()))
            }
            Trainable::Adapters(layout) if layout.adds_nothing(learnt) => {
                self.adapted(layout.none(), &learnt.narrow(0, 0, 0))
            }
            Trainable::Adapters(layout) => self.adapted(layout.clone(), learnt),
        }
    }

    /// A copy of it that computes as it does and learns by itself.
    ///
    /// # Errors
    /// As [`Policy::new`].
    #[cfg(test)]
    pub(crate) fn copy(&self) -> Result<Self> {
        Ok(Self::of(self.network.copy()?))
    }

    /// A copy of it that computes as it does, and answers while this one learns on.
    ///
    /// # Errors
    /// As [`Policy::new`].
    pub(crate) fn copy_to_answer(&self) -> Result<Self> {
        Ok(Self::of(self.network.copy_to_answer()?))
    }

    /// A policy with random weights: normal with deviation 0.02, projections into the residual stream scaled down by
    /// `sqrt(2 L)`, what norms multiply by 1, biases 0 (GPT-2's scheme).
    ///
    /// # Errors
    /// As [`Policy::new`].
    pub(crate) fn scratch(config: ModelConfig, random: &RunRandom, placement: Placement) -> Result<Self> {
        let layout = Layout::new(&config);
        let mut flat = vec![0f32; usize::try_from(layout.n_params())?];
        let residual = 0.02 / ((2 * config.n_layers) as f32).sqrt();
        for (i, entry) in layout.entries().iter().enumerate() {
            let place = usize::try_from(entry.start)?..usize::try_from(entry.start + entry.n_elements())?;
            let name = entry.name.as_str();
            if name.ends_with("norm.weight") {
                flat[place].fill(if config.norm_offset { 0.0 } else { 1.0 });
            } else if name.ends_with(".weight") {
                let into_residual = name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight");
                let scale = if into_residual { residual } else { 0.02 };
                fill_normal(&mut flat[place], scale, &mut random.stream(Purpose::Init, &[i as u64]));
            }
        }
        Self::new(config, Tensor::from_slice(&flat), placement)
    }

    /// The same policy, of which all weights learn.
    ///
    /// # Errors
    /// As [`Policy::new`].
    pub(crate) fn merged(&self) -> Result<Self> {
        Self::new(self.network.config.clone(), self.network.whole()?, self.network.placement)
    }

    /// The same weights computed with in single precision, of which all would learn; where they do and are in it already, they are
    /// not copied.
    ///
    /// # Errors
    /// As [`Policy::new`].
    pub(crate) fn in_single_precision(&self) -> Result<Self> {
        self.with(self.network.whole()?)
    }

    /// A copy of it that computes in single precision and learns by itself; heads that are left out stay so.
    ///
    /// # Errors
    /// As [`Policy::new`].
    pub(crate) fn apart(&self) -> Result<Self> {
        let network = &self.network;
        match network.trainable() {
            Trainable::Whole(_) => self.with(network.master().copy()),
            Trainable::Adapters(layout) => self
                .with(network.base().to_kind(Kind::Float))?
                .adapted(layout.clone(), &network.master().copy()),
        }
    }

    /// As it is, with all parameters `whole` that learn, in single precision.
    fn with(&self, whole: Tensor) -> Result<Self> {
        let Network { config, placement, .. } = &self.network;
        let placement = Placement { kind: Kind::Float, ..*placement };
        let mut policy = Self::new(config.clone(), whole, placement)?;
        policy.network.keep_silent(&self.network);
        Ok(policy)
    }

    /// The output layer at `temperature`.
    #[must_use]
    pub(crate) fn head(&self, temperature: f64) -> Head<'_> {
        let weights = &self.network.weights;
        let projection = match &weights.output {
            Output::Vocabulary(projection) => projection,
            Output::Tied | Output::Value { .. } => &weights.embed,
        };
        let head = Head::new(projection, temperature, self.network.backend);
        head.without(self.without_token.as_ref()).limited(self.network.config.logit_softcap)
    }

    /// Rows of the output layer that cannot be drawn where `tokens` may not be either, int64, where the output layer is.
    pub(crate) fn rows_without(&self, tokens: &[TokenId]) -> Tensor {
        let mut rows = self.network.config.rows_without_token();
        rows.extend(tokens.iter().map(|token| i64::from(*token)));
        Tensor::from_slice(&rows).to_device(self.network.placement.device)
    }

    /// Logits of the token behind `hidden` `[.., E]`, f32 `[.., V]`, by libtorch's operations, so that autograd can go back through
    /// them. Those of rows without a token are as low as can be told in differences.
    pub(crate) fn next_logits(&self, hidden: &Tensor) -> Tensor {
        const LOW: f64 = -1e30;
        let logits = self.head(1.0).logits(hidden);
        match &self.without_token {
            Some(rows) => logits.index_fill(-1, rows, LOW),
            None => logits,
        }
    }

    /// Where the output projection's gradient goes: a part of `gradient`, `[V, E]`.
    pub(crate) fn head_gradient<'g>(&self, gradient: &'g mut Gradient) -> GradientPart<'g> {
        let layout = &self.network.layout;
        gradient.part(match &layout.output {
            Output::Vocabulary(slot) => slot,
            Output::Tied | Output::Value { .. } => &layout.embed,
        })
    }
}

impl AsRef<Network> for Policy {
    fn as_ref(&self) -> &Network {
        &self.network
    }
}

impl AsMut<Network> for Policy {
    fn as_mut(&mut self) -> &mut Network {
        &mut self.network
    }
}

/// Normal numbers by Box and Muller, two from each pair of uniform ones.
fn fill_normal(out: &mut [f32], scale: f32, rng: &mut impl rand::RngExt) {
    for pair in out.chunks_mut(2) {
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        let angle = 2.0 * std::f64::consts::PI * rng.random::<f64>();
        for (slot, value) in pair.iter_mut().zip([radius * angle.cos(), radius * angle.sin()]) {
            *slot = value as f32 * scale;
        }
    }
}
