//! Reading attention while responses are written: each new token's attention exists anyway, so that its statistics cost next
//! to nothing.

use anyhow::{Context, Result};
use tch::{Kind, Tensor};

use super::config::{Row, SignalConfig};
use super::stream::{Extent, HeadSums};
use crate::kernel::LookBack;
use crate::model::{AttentionTap, KvCache, ModelConfig, Policy};
use crate::types::HeadSignals;

/// Which attention a sampler reads.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DecodePlan {
    config: SignalConfig,
    layers: Vec<usize>,
}

impl DecodePlan {
    /// What to read in `model`; `None` where the rows that count begin in the prompt, which no decoding step computes.
    #[must_use]
    pub(crate) fn new(config: &SignalConfig, model: &ModelConfig) -> Option<Self> {
        let layers = config.layers_of(model.n_layers as usize);
        (config.row == Row::Token).then(|| Self { config: config.clone(), layers })
    }
}

/// The sums of one batch of rows. All prompts end in one column, so that all responses begin in one.
pub(crate) struct DecodeReader<'a> {
    plan: &'a DecodePlan,
    sums: Vec<HeadSums>, // one per layer of the plan
    start: i64,
    counted: Tensor, // (B), f32: 1 where the row of this step counts
}

impl<'a> DecodeReader<'a> {
    /// For the rows of `cache`, which holds their prompts and nothing more.
    pub(crate) fn new(plan: &'a DecodePlan, policy: &Policy, cache: &KvCache) -> Self {
        let (b, device) = (cache.n_rows(), policy.network.placement.device);
        let sums =
            |_| HeadSums::new(&plan.config, b, policy.network.config.n_heads, cache.capacity(), device);
        let counted = Tensor::ones([b], (Kind::Float, device));
        Self { plan, sums: plan.layers.iter().map(sums).collect(), start: cache.n_columns(), counted }
    }

    /// Says for each row whether the token fed next is one of its response.
    pub(crate) fn count(&mut self, rows: &[bool]) {
        let values: Vec<f32> = rows.iter().map(|counts| f32::from(u8::from(*counts))).collect();
        let device = self.counted.device();
        self.counted = Tensor::from_slice(&values).to_device(device);
    }

    /// Place of `layer` among those that are read.
    fn place(&self, layer: usize) -> Option<usize> {
        self.plan.layers.iter().position(|read| *read == layer)
    }

    /// The signals of the rows at `places`, whose responses have `lens` tokens, all of them seen.
    ///
    /// # Errors
    /// If they cannot be copied to the host.
    pub(crate) fn take(&self, places: &[i64], lens: &[usize]) -> Result<Vec<HeadSignals>> {
        let index = Tensor::from_slice(places);
        let extents: Vec<Extent> =
            lens.iter().map(|n| Extent { start: self.start as usize, n: *n, shift: 0 }).collect();
        let mut taken = vec![HeadSignals { heads: Vec::new() }; places.len()];
        for (layer, sums) in self.plan.layers.iter().zip(&self.sums) {
            let found = sums.rows(&index).finish(*layer, &extents)?;
            taken.iter_mut().zip(found).for_each(|(all, heads)| all.heads.extend(heads));
        }
        Ok(taken)
    }

    /// Keeps the rows at `places`, in that order.
    pub(crate) fn keep_rows(&mut self, places: &[i64]) {
        let index = Tensor::from_slice(places);
        self.sums.iter_mut().for_each(|sums| *sums = sums.rows(&index));
    }
}

impl AttentionTap for DecodeReader<'_> {
    fn wants(&self, layer: usize) -> bool {
        self.place(layer).is_some()
    }

    fn see(&mut self, layer: usize, attention: &Tensor) {
        if let Some(i) = self.place(layer) {
            let first = attention.size()[2] - 1;
            self.sums[i].add(&attention.unsqueeze(2), first, &self.counted.view([-1, 1, 1, 1]));
        }
    }

    fn look_back(&mut self, layer: usize) -> Result<LookBack<'_>> {
        let i = self.place(layer).with_context(|| format!("layer {layer} is not read"))?;
        self.sums[i].look_back(&self.counted)
    }
}
