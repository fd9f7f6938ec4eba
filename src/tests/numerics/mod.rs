//! The numbers of the core: forward pass, sampler, losses, gradients, optimiser, against PyTorch and against themselves.

mod circuits;
pub(super) mod common;
mod credit;
mod critic;
mod decoding;
mod ending;
mod gradient;
mod influence;
mod lora;
mod losses;
mod parity;
mod policy;
mod reference;
mod refusal;
mod saving;
mod signals;
mod smollm2;
mod without_token;
