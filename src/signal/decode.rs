//! Reading attention while responses are written: each new token's attention exists anyway, so that its statistics cost next
//! to nothing.

use anyhow::Result;
use tch::{Kind, Tensor};

use super::config::{Row, SignalConfig};
use super::stream::{Extent, HeadSums};
use crate::model::{KvCache, ModelConfig, Policy};
use crate::types::HeadSignals;

/// Which attention a sampler reads.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodePlan {
    config: SignalConfig,
    layers: Vec<usize>,
}

impl DecodePlan {
    /// What to read in `model`; `None` where the rows that count begin in the prompt, which no decoding step computes.
    #[must_use]
    pub fn new(config: &SignalConfig, model: &ModelConfig) -> Option<Self> {
        let layers = config.layers.of(model.n_layers as usize);
        (config.row == Row::Token).then(|| Self { config: config.clone(), layers })
    }
}

/// The sums of one batch of rows. All prompts end in one column, so that all responses begin in one.
pub(crate) struct DecodeReader<'a> {
    plan: &'a DecodePlan,
    sums: Vec<HeadSums>, // one per layer of the plan
    start: i64,
    counted: Tensor, // (B, 1, 1, 1), f32: 1 where the row of this step counts
}

impl<'a> DecodeReader<'a> {
    /// For the rows of `cache`, which holds their prompts and nothing more.
    pub fn new(plan: &'a DecodePlan, policy: &Policy, cache: &KvCache) -> Self {
        let (b, device) = (cache.n_rows(), policy.placement.device);
        let sums = |_| HeadSums::new(&plan.config, b, policy.config.n_heads, cache.capacity(), device);
        let counted = Tensor::ones([b, 1, 1, 1], (Kind::Float, device));
        Self { plan, sums: plan.layers.iter().map(sums).collect(), start: cache.n_columns(), counted }
    }

    /// Says for each row whether the token fed next is one of its response.
    pub fn count(&mut self, rows: &[bool]) {
        let values: Vec<f32> = rows.iter().map(|counts| f32::from(u8::from(*counts))).collect();
        let device = self.counted.device();
        self.counted = Tensor::from_slice(&values).view([-1, 1, 1, 1]).to_device(device);
    }

    /// The layers to be shown.
    pub fn layers(&self) -> &'a [usize] {
        &self.plan.layers
    }

    /// Takes in the attention of layer `layer`, f32 `[B, H, C]`, over the C columns up to the token fed.
    pub fn see(&mut self, layer: usize, attention: &Tensor) {
        if let Some(i) = self.plan.layers.iter().position(|read| *read == layer) {
            let first = attention.size()[2] - 1;
            self.sums[i].add(&attention.unsqueeze(2), first, &self.counted);
        }
    }

    /// The signals of the rows at `places`, whose responses have `lens` tokens, all of them seen.
    ///
    /// # Errors
    /// If they cannot be copied to the host.
    pub fn take(&self, places: &[i64], lens: &[usize]) -> Result<Vec<HeadSignals>> {
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
    pub fn keep_rows(&mut self, places: &[i64]) {
        let index = Tensor::from_slice(places);
        self.sums.iter_mut().for_each(|sums| *sums = sums.rows(&index));
    }
}
