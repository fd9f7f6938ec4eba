//! Policy and critic: decoders whose parameters are views of one flat f32 buffer.
//!
//! | file | what |
//! |---|---|
//! | `config`, `load`, `save` | Hugging Face folders in and out |
//! | `layout` | which parameter lies where in the flat buffer |
//! | `inputs` | what a pass reads: tokens, and the sequences that run through them |
//! | `weights`, `rope`, `kv_cache` | what a decoder reads: parameters, rotations, keys and values so far |
//! | `backend` | what computes it, whole sequences with their gradient or token by token: by libtorch's operations or by kernels |
//! | `attention` | how scores become weights |
//! | `gradient` | the gradient of all parameters |
//! | `network` | masters, compute copy, forward and backward passes up to the output layer |
//! | `policy`, `head` | the output layer over the vocabulary: hidden states to log-probabilities and back, in chunks |
//! | `critic` | the output layer of one number per token |
//! | `device` | where to compute, in which precision, and by what |
//! | `arithmetic` | what a pass costs, and what the machine can do |
//!
//! Shapes: **B** rows, **T** tokens, **V** vocabulary, **E** width, **F** inner width of the MLP, **L** layers,
//! **H** query heads, **K** key/value heads, **D** head size, **N** tokens of a pass or some of them, **S** slots.

mod arithmetic;
mod attention;
mod backend;
pub mod config;
mod critic;
pub mod device;
mod gradient;
pub mod head;
mod inputs;
pub(crate) mod json;
mod kv_cache;
pub mod layout;
pub mod load;
mod network;
mod policy;
mod preset;
mod rope;
pub mod save;
mod settings;
mod weights;

pub use arithmetic::{Arithmetic, matmul_peak};
pub use attention::Attention;
pub use backend::{Backend, Decoder, Forward, Tap, Tapped};
pub use config::ModelConfig;
pub use critic::{Critic, ValueHead};
pub use device::{FreeMemory, Placement};
pub use gradient::{Gradient, GradientPart};
pub use head::{Head, Scored, StatsGrad, TokenStats, Truncation};
pub use inputs::{Inputs, gather_rows, scatter_add_rows};
pub use kv_cache::{AttentionTap, KvCache};
pub use layout::{Layout, Output, Slot};
pub use network::Network;
pub use policy::Policy;
pub use settings::{BackendChoice, DeviceChoice, Dtype, ModelSettings, Preset};
