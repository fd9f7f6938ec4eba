//! Networks that answer beside one that learns: they hold the weights that compute, and nothing that would learn.

use anyhow::Result;
use tch::{Kind, Tensor};

use super::{Frozen, Network};
use crate::model::weights::Weights;

impl Network {
    /// The same weights, which learn no more: in bf16 a third of the memory.
    #[must_use]
    pub(crate) fn answering(mut self) -> Self {
        if matches!(self.frozen, Frozen::Nothing { .. }) && self.placement.kind != Kind::Float {
            self.master = self.nothing();
        }
        self
    }

    /// A copy that answers while this one learns on.
    ///
    /// # Errors
    /// As [`Network::copy`].
    pub(crate) fn copy_to_answer(&self) -> Result<Self> {
        let Frozen::Nothing { compute } = &self.frozen else { return self.copy() };
        let _guard = tch::no_grad_guard();
        let compute = compute.copy();
        let weights = Weights::new(&self.layout, &compute);
        let (config, layout) = (self.config.clone(), self.layout.clone());
        let frozen = Frozen::Nothing { compute };
        let mut own = Self::over(config, layout, self.placement, self.nothing(), frozen, weights);
        own.keep_silent(self);
        Ok(own)
    }

    /// What learns where nothing does.
    fn nothing(&self) -> Tensor {
        Tensor::zeros([0], (Kind::Float, self.placement.device))
    }
}
