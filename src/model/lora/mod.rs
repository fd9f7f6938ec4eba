//! LoRA (Hu et al. 2021, arXiv 2106.09685): matrices stay as they are, and only a product of two thin ones beside each learns.
//!
//! ```text
//! W = W0 + s B A        A [rank, in], B [out, rank], s = alpha / rank; B begins at 0, so that W begins as W0
//! dA = s B^T dW         dB = s dW A^T
//! ```
//!
//! Passes read W, which is made anew behind every update, so that no engine, cache or measurement knows of adapters: what they read
//! are weights. All A and B are one flat f32 buffer, for the optimiser and for checkpoints a network's parameters like any others.
//!
//! | file | what |
//! |---|---|
//! | `settings` | `[model.lora]` |
//! | `layout` | which adapter lies where in the flat buffer |
//! | `adapters` | W0, and W of it |
//! | `peft` | folders as the library peft reads and writes them |

mod adapters;
mod layout;
mod peft;
mod settings;

pub(super) use adapters::Adapters;
pub(crate) use layout::LoraLayout;
pub(super) use peft::save_adapter;
pub(crate) use peft::{LoraBase, ModelSource, StoredAdapter, is_adapter};
pub(crate) use settings::LoraSettings;
