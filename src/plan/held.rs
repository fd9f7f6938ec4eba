//! What a rank holds from the first step to the last, in bytes. P parameters, w bytes of a number in the compute precision (bf16 2,
//! f32 4), P' = P, or P / ranks rounded up where what a rank holds is cut.
//!
//! ```text
//! weights      w P
//! masters      4 P' in bf16; in f32 they are the weights
//! moments      8 P'
//! gradient     4 P; 4 P' where ranks share gradients, and of biases and gains all
//! adapters     in the place of masters, moments and gradient of P: 16 bytes each, and beside w P once more the matrices they stand at
//! reference    w P; nothing beside adapters
//! critic       as a policy that learns in all its weights
//! worker       overlapped: as the reference; of adapters, those and what is made of them
//! ```

use anyhow::Result;

use super::part::Part;
use super::subject::{Adapted, Shape, Subject};
use crate::model::{Layout, MOST_UNDER_WAY};
use crate::pipeline::PipelineConfig;
use crate::ranks::Shard;

/// The process with libtorch, before any model, on a CPU: measured.
const PROCESS: f64 = 0.2e9;
/// What a rank takes to talk to others: Gloo's buffers and threads, what is exchanged; measured.
const TEAM: f64 = 0.15e9;
/// Libraries for a GPU in main memory.
const PROCESS_OF_GPU: f64 = 2.5e9;
/// What the driver, cuBLAS and NCCL take on a GPU.
const CONTEXT: f64 = 1.5e9;

/// What is there before anything is loaded.
pub(super) fn base(subject: &Subject) -> Vec<Part> {
    let mut parts = vec![Part::device("another program", subject.server)];
    if subject.ranks > 1 {
        parts.push(Part::host("talk with other ranks", TEAM));
    }
    if subject.is_cuda() {
        parts.push(Part::host("process", PROCESS_OF_GPU));
        parts.push(Part::device("CUDA context and libraries", CONTEXT));
    } else {
        parts.push(Part::host("process", PROCESS));
    }
    parts
}

/// What a model of `layout` holds that learns in all its weights; bytes of masters, moments and gradient.
fn learnt(subject: &Subject, layout: &Layout) -> [f64; 3] {
    let n = layout.n_params();
    let (all, piece) = (n as f64, subject.piece(n));
    let masters = if subject.is_f32() { 0.0 } else { 4.0 * piece };
    let gradient = match subject.shard() {
        Shard::None | Shard::Optimizer => 4.0 * all,
        Shard::Gradients => 4.0 * (piece + (n - layout.n_decayed()) as f64),
    };
    [masters, 8.0 * piece, gradient]
}

/// The policy's weights alone.
pub(super) fn weights(subject: &Subject, adapted: Option<Adapted>) -> f64 {
    let more = adapted.map_or(0.0, |adapted| adapted.merged as f64);
    subject.shape().w * (subject.n_params() as f64 + more)
}

/// A policy that answers beside the one that learns: weights alone.
pub(super) fn beside(subject: &Subject) -> f64 {
    subject.shape().w * subject.n_params() as f64
}

/// All of it.
///
/// # Errors
/// If the adapters of the recipe do not fit the model.
pub(super) fn held(subject: &Subject) -> Result<Vec<Part>> {
    let adapted = subject.adapted()?;
    let Shape { w, .. } = subject.shape();
    let [masters, moments, gradient] = match adapted {
        None => learnt(subject, &Layout::new(&subject.model)),
        Some(Adapted { n, .. }) => [4.0, 8.0, 4.0].map(|bytes| bytes * n as f64),
    };
    let mut parts = base(subject);
    parts.push(Part::device("weights", weights(subject, adapted)));
    parts.push(Part::device(if adapted.is_some() { "adapters" } else { "masters" }, masters));
    parts.push(Part::device("moments", moments));
    parts.push(Part::device("gradient", gradient));
    if subject.recipe.loss.kl().is_some() {
        parts.push(Part::device("reference", if adapted.is_some() { 0.0 } else { beside(subject) }));
    }
    if subject.recipe.critic.is_some() {
        let layout = Layout::of_critic(&subject.model);
        let learnt: f64 = learnt(subject, &layout).iter().sum();
        parts.push(Part::device("critic", w * layout.n_params() as f64 + learnt));
    }
    if matches!(subject.recipe.pipeline, PipelineConfig::Overlapped(_)) {
        let copy = adapted
            .map_or_else(|| beside(subject), |adapted| w * adapted.merged as f64 + 4.0 * adapted.n as f64);
        parts.push(Part::device("worker's copy", copy));
    }
    Ok(parts)
}

/// Gradients on their way to the ranks that own them: the most that follow each other in a backward pass, f32.
pub(super) fn under_way(subject: &Subject) -> f64 {
    // Those that are sent, and the one that is added to.
    const MOST: usize = MOST_UNDER_WAY + 1;
    if subject.shard() != Shard::Gradients || subject.recipe.model.lora.is_some() {
        return 0.0;
    }
    let layout = Layout::new(&subject.model);
    let embed = layout.embed.n_elements();
    let mut sizes = vec![embed];
    for layer in layout.layers.iter().rev() {
        sizes.extend([&layer.down, &layer.gate_up, &layer.o, &layer.qkv].map(|slot| slot.n_elements()));
    }
    sizes.push(embed);
    let most = sizes.windows(MOST.min(sizes.len())).map(|window| window.iter().sum::<i64>()).max();
    4.0 * most.unwrap_or(0) as f64
}
