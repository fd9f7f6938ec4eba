//! How long a step takes, as far as arithmetic and memory say. Estimates, and meant to be low rather than high: of a GPU a share of what
//! its data sheet says is reckoned with that most programs reach.
//!
//! ```text
//! generate   steps x max(bytes of weights and half the cache / bandwidth, operations / peak), all responses as long as they may be
//! measure    passes x operations of a forward pass / peak
//! update     epochs x operations of a pass forward and back / peak; a third more where layers are computed again
//! ```

use serde::Serialize;

use super::gpu::Gpu;
use super::passes::cache_per_response;
use super::subject::Subject;
use crate::model::{Arithmetic, Layout};

/// What a rank computes with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Speed {
    /// Operations per second of the fastest products.
    pub peak: f64,
    /// Bytes per second of memory, where decoding waits for it.
    pub bandwidth: Option<f64>,
    /// Share of the peak that generating reaches.
    pub generate: f64,
    /// Share of the peak that passes over whole sequences reach.
    pub train: f64,
}

impl Speed {
    /// That of a GPU: 35 % of its peak in training, 60 % of its bandwidth in decoding.
    pub(crate) fn of_gpu(gpu: &Gpu) -> Self {
        Self { peak: gpu.flops, bandwidth: Some(0.6 * gpu.bandwidth), generate: 0.3, train: 0.35 }
    }

    /// That of processors whose fastest product reaches `peak`, by the shares that `docs/performance.md` has.
    pub(crate) fn of_processor(peak: f64) -> Self {
        Self { peak, bandwidth: None, generate: 0.55, train: 0.65 }
    }
}

/// Seconds of a step, phase by phase.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Times {
    /// Of generating.
    pub generate: f64,
    /// Of measuring.
    pub measure: f64,
    /// Of the update.
    pub update: f64,
}

impl Times {
    /// Of all of it.
    pub(crate) fn step(&self) -> f64 {
        self.generate + self.measure + self.update
    }
}

/// What a step of `subject` takes a rank at `speed`.
pub(crate) fn times(subject: &Subject, speed: &Speed) -> Times {
    let (p, r) = (subject.prompt() as f64, subject.response() as f64);
    let layout = Layout::new(&subject.model);
    let flops = Arithmetic::new(&subject.model, &layout, p + r);
    let ranks = subject.ranks as f64;
    let responses = subject.responses() as f64 / ranks;
    let (new, read) = (responses * r, (subject.prompts() as f64 / ranks) * p + responses * r);
    let rows = (subject.rows() as f64).min(responses).max(1.0);
    let weights = subject.shape().w * subject.n_params() as f64;
    let steps = (responses / rows).ceil() * r;
    let waited = speed
        .bandwidth
        .map_or(0.0, |bandwidth| steps * (weights + rows * cache_per_response(subject) / 2.0) / bandwidth);
    let computed = flops.forward(read, new) / (speed.peak * speed.generate);
    let forward = flops.forward(read, new) / (speed.peak * speed.train);
    let recipe = &subject.recipe;
    let again = if recipe.batch.gradient_checkpointing { 4.0 / 3.0 } else { 1.0 };
    let trained = 3.0 * again * forward * recipe.batch.epochs as f64;
    let critic = recipe.critic.map_or(0.0, |_| 1.0);
    let of_own = f64::from(u8::from(recipe.batch.minibatches * recipe.batch.epochs > 1));
    let of_reference = recipe.loss.kl().map_or(0.0, |_| 1.0);
    Times {
        generate: if subject.is_remote() { 0.0 } else { waited.max(computed) },
        measure: (of_own + of_reference + critic) * forward,
        update: trained * (1.0 + critic),
    }
}
