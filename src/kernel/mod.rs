//! Hot spots written by hand for the CPU, on plain slices; what they compute is said by libtorch's operations elsewhere.
//!
//! | kernel | in place of |
//! |---|---|
//! | [`attend_step`] | norm, rotation, cache and attention of one decoding step, a dozen operations on small tensors |
//! | [`add_rms_norm`] | residual and RMSNorm |
//! | [`gate`] | `silu(gate) * up` |
//! | [`draw`] | softmax over the vocabulary, its copy to the host and the search for the token |
//! | [`product`] | oneDNN's products of bf16, where the processor has dot products of pairs |
//!
//! A decoding step keeps its activations *feature-major*: `[features, rows]`, one column per row of the batch, but for what
//! attention gives. A product `W x` of a weight `[out, in]` with `[in, rows]` then reads the weight as it is, and loops over the
//! rows of a batch run along memory.
//!
//! Passes over whole sequences have kernels of their own, row-major, each with its gradient: [`add_norm_rows`], [`gate_rows`],
//! [`HeadRows`] (norm, rotation, and where attention finds a head), [`causal_softmax`] and [`token_stats`] over the vocabulary.
//!
//! Every kernel but [`product`] takes f32 and bf16, and all compute in f32. Each has a test against plain operations, [`HeadRows`] in that of
//! the whole pass against autograd.

#![expect(unsafe_code, reason = "tensors are seen as slices here, and threads are libgomp's")]

mod attend;
mod draw;
mod exp;
mod features;
mod gate;
mod look_back;
mod norm;
mod number;
mod owned;
mod parallel;
mod prefetch;
mod product;
mod rope;
mod rows;
mod scratch;
mod softmax;
mod squares;
mod view;

pub(crate) use attend::{AttendStep, KEY_BLOCK, attend_step};
pub(crate) use draw::draw;
pub(crate) use features::{cpu_has, instructions};
pub(crate) use gate::gate;
pub(crate) use look_back::LookBack;
pub(crate) use norm::add_rms_norm;
pub(crate) use number::{Bf16, Number};
pub(crate) use owned::Owned;
pub(crate) use parallel::{n_processors, n_threads, occupy};
pub(crate) use product::{Matrix, Out, has_products, product};
pub(crate) use rope::{Angles, HeadNorm, HeadNorms};
pub(crate) use rows::{
    CausalRows, HeadRows, NormBack, NormGradients, RowGradient, RowStats, SlotGradient, Slots, Targets,
    add_norm_rows, add_rows, causal_softmax, causal_softmax_back, gate_rows, gate_rows_back, norm_rows_back,
    token_stats, token_stats_back,
};
pub(crate) use squares::sum_of_squares;
pub(crate) use view::view;
pub(crate) use view::view_mut;
