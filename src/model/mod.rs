//! Policy and critic: decoders whose parameters are views of one flat f32 buffer.
//!
//! | file | what |
//! |---|---|
//! | `config`, `load`, `save` | Hugging Face folders in and out |
//! | `layout` | which parameter lies where in the flat buffer |
//! | `inputs` | what a pass reads: tokens, and the sequences that run through them |
//! | `weights`, `decoder`, `rope`, `kv_cache` | the forward pass, whole sequences or token by token |
//! | `cpu_pass`, `cpu_step` | the same by hand-written kernels, a pass with its gradient and a decoding step |
//! | `network` | masters, compute copy, forward and backward passes up to the output layer |
//! | `policy`, `head` | the output layer over the vocabulary: hidden states to log-probabilities and back, in chunks |
//! | `critic` | the output layer of one number per token |
//! | `device` | where to compute and in which precision |
//! | `arithmetic` | what a pass costs, and what the machine can do |
//!
//! Shapes: **B** rows, **T** tokens, **V** vocabulary, **E** width, **F** inner width of the MLP, **L** layers,
//! **H** query heads, **K** key/value heads, **D** head size, **N** tokens of a pass or some of them, **S** slots.

mod arithmetic;
pub mod config;
mod cpu_pass;
mod cpu_step;
mod critic;
mod decoder;
pub mod device;
pub mod head;
mod inputs;
pub(crate) mod json;
mod kv_cache;
pub mod layout;
pub mod load;
mod network;
mod policy;
mod preset;
mod product;
mod rope;
pub mod save;
mod settings;
mod weights;

pub use arithmetic::{Arithmetic, matmul_peak};
pub use config::ModelConfig;
pub use critic::{Critic, ValueHead};
pub use decoder::{Decoder, Tap, Tapped};
pub use device::{FreeMemory, Placement};
pub use head::{Head, Scored, StatsGrad, TokenStats};
pub use inputs::{Inputs, put_rows, take_rows};
pub use kv_cache::{AttentionTap, KvCache};
pub use layout::{Layout, Output, Slot};
pub use network::{Forward, Gradient, Network};
pub use policy::Policy;
pub use settings::{DeviceChoice, Dtype, ModelSettings, Preset};
