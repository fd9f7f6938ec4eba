//! Policy and critic: decoders whose parameters that learn are one flat f32 buffer.
//!
//! | file | what |
//! |---|---|
//! | `config`, `load`, `save` | Hugging Face folders in and out |
//! | `layout` | which parameter lies where in the flat buffer |
//! | `inputs` | what a pass reads: tokens, and the sequences that run through them |
//! | `weights`, `rope`, `kv_cache` | what a decoder reads: parameters, rotations, keys and values so far |
//! | `backend` | what computes it, whole sequences with their gradient or token by token: by libtorch's operations or by kernels |
//! | `attention` | how scores become weights |
//! | `lora` | adapters that learn in the place of all parameters |
//! | `trainable`, `gradient` | what learns, and its gradient |
//! | `pieces`, `outbox` | which rank keeps what of a flat buffer, and how gradients get there |
//! | `network` | what learns, weights of it, forward and backward passes up to the output layer |
//! | `policy`, `head` | the output layer over the vocabulary: hidden states to log-probabilities and back, in chunks |
//! | `scale_heads` | heads whose writes are multiplied by a number |
//! | `critic` | the output layer of one number per token |
//! | `device` | where to compute, in which precision, and by what |
//! | `arithmetic` | what a pass costs, and what the machine can do |
//!
//! Shapes: **B** rows, **T** tokens, **V** vocabulary, **E** width, **F** inner width of the MLP, **L** layers,
//! **H** query heads, **K** key/value heads, **D** head size, **N** tokens of a pass or some of them, **S** slots.

mod arithmetic;
mod attention;
mod backend;
pub(crate) mod config;
mod critic;
pub(crate) mod device;
mod gradient;
pub(crate) mod head;
mod hub_name;
mod inputs;
pub(crate) mod json;
mod kv_cache;
pub(crate) mod layout;
pub(crate) mod load;
mod lora;
mod network;
mod outbox;
mod pieces;
mod policy;
mod preset;
mod rope;
pub(crate) mod save;
mod scale_heads;
mod settings;
mod trainable;
mod weights;

pub(crate) use arithmetic::{Arithmetic, matmul_peak};
pub(crate) use attention::Attention;
pub(crate) use backend::{Backend, Decoder, Readers, Tapped};
pub(crate) use config::ModelConfig;
pub(crate) use critic::Critic;
pub(crate) use device::{FreeMemory, Placement};
pub(crate) use gradient::Gradient;
pub(crate) use head::{Head, MAX_LOGITS, StatsGrad, TokenStats, Truncation};
pub(crate) use hub_name::{HubModel, is_commit};
pub(crate) use inputs::{Inputs, gather_rows, scatter_add_rows};
pub(crate) use kv_cache::{AttentionTap, KvCache};
pub(crate) use layout::Layout;
#[cfg(test)]
pub(crate) use layout::{Output, Slot};
pub(crate) use lora::{LoraBase, LoraLayout, LoraSettings, ModelSource, StoredAdapter, is_adapter};
pub(crate) use network::{Network, Stamp};
pub(crate) use outbox::MOST_UNDER_WAY;
pub(crate) use pieces::Pieces;
pub(crate) use policy::Policy;
pub(crate) use save::StoredDtype;
pub(crate) use scale_heads::HeadScales;
pub(crate) use settings::{BackendChoice, DeviceChoice, Dtype, ModelSettings, Preset};
pub(crate) use trainable::Trainable;
