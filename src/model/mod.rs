//! Policy and critic: decoders whose parameters are views of one flat f32 buffer.
//!
//! | file | what |
//! |---|---|
//! | `config`, `load`, `save` | Hugging Face folders in and out |
//! | `layout` | which parameter lies where in the flat buffer |
//! | `weights`, `decoder`, `rope`, `kv_cache` | the forward pass, whole sequences or token by token |
//! | `cpu_step` | a decoding step by hand-written kernels |
//! | `network` | masters, compute copy, forward and backward passes up to the output layer |
//! | `policy`, `head` | the output layer over the vocabulary: hidden states to log-probabilities and back, in chunks |
//! | `critic` | the output layer of one number per token |
//! | `device` | where to compute and in which precision |
//! | `arithmetic` | what a pass costs, and what the machine can do |
//!
//! Shapes: **B** rows, **T** tokens, **V** vocabulary, **E** width, **F** inner width of the MLP, **L** layers,
//! **H** query heads, **K** key/value heads, **D** head size, **N** tokens picked from a batch.

mod arithmetic;
pub mod config;
mod cpu_step;
mod critic;
mod decoder;
pub mod device;
pub mod head;
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
pub use config::ModelConfig;
pub use critic::{Critic, ValueHead};
pub use decoder::{Decoder, Tap, Tapped};
pub use device::{FreeMemory, Placement};
pub use head::{Head, StatsGrad, TokenStats};
pub use kv_cache::{AttentionTap, KvCache};
pub use layout::{Layout, Output, Slot};
pub use network::{Forward, Gradient, Network};
pub use policy::Policy;
pub use settings::{DeviceChoice, Dtype, ModelSettings, Preset};
