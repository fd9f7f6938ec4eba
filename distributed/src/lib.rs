//! Process groups of torch.distributed (c10d) as libtorch brings them, from Rust.
//!
//! ```text
//! World      who this process is among how many, from the environment of torchrun, SLURM or mpirun
//! Store      keys and values that all processes see: where they meet and agree
//! Group      collectives: all_reduce, reduce, broadcast, reduce_scatter, all_gather, barrier
//! Work       a collective under way
//! Pulse      tells which processes are alive
//! ```
//!
//! Gloo serves tensors in main memory, NCCL those of GPUs. Whatever goes wrong is an [`Error`] within the timeout, on every
//! process; a group that has failed once is of no use any more. What cannot be caught is a disagreement about the size or the
//! kind of a tensor, which ends the process within Gloo: processes are to [agree](Store::agree) on all such things before the
//! first collective.
//!
//! All processes call the same collectives of a group in the same order.

mod error;
mod ffi;
mod group;
mod pulse;
mod store;
mod world;

pub use error::{Error, Trouble};
pub use group::{Backend, Group, Op, Work};
pub use pulse::Pulse;
pub use store::Store;
pub use world::World;
