//! rlcredit: structure-aware RL post-training for language models.
//!
//! Data flows one way. A type is a stage; each stage consumes one and returns the next:
//!
//! ```text
//! prompts -> requests -> completions -> scored leaves -> trees -> measured -> credited -> batch -> update -> trained
//!  data      rollout      rollout        score           score    measure     credit      batch    learner   step
//! ```
//!
//! Two pipes lead back: *weights* (learner to rollout) and *difficulty* (scored trees to the prompt sampler). [`step`]
//! walks all of it once, [`run`] again and again; read these first, then [`types`].
//!
//! # What holds everywhere
//!
//! - **Two worlds.** Prompts, trees, rewards, advantages and credit are plain numbers: there is no tensor in [`types`], [`text`],
//!   [`data`], [`score`], [`credit`] and `rollout::explore`, which a test holds. Numbers become tensors where [`batch`] packs
//!   them, and come back where [`rollout`] and [`measure`] read them.
//! - **The learner is credit-blind.** Every advantage is final before the first tensor of a batch exists.
//! - **No room below [`recipe`] sees the recipe.** Each gets its own small configuration by value.
//! - **One seam, one folder**: a trait, a tagged configuration enum, one file per implementation with its settings, ranges,
//!   formula and tests. One `match` on the enum, its `settings`, is the registry.
//! - **Randomness is a pure function** of seed, purpose and coordinates ([`types::RunRandom`]); no generator has a state.
//! - **State is exhaustive**: [`checkpoint::TrainState`] is taken apart and put together without `..`.
//! - **Needs are declared**: who credits says what must be measured ([`types::Needs`]); [`measure`] does it once for all of
//!   them.
//! - **Metrics are returned**, never emitted from within; only `run` writes them. A key has one writer and an entry in
//!   [`observe::glossary`], or the row is an error.
//! - **No algorithm has an `if` in the loop.** Groups and trees, GRPO and its relatives differ in what the seams build; a step
//!   asks what there is (a reference, a critic) and what is needed ([`types::Needs`]), and decides once where the ratio starts.
mod audit;
mod batch;
mod bench;
mod caught;
mod checkpoint;
mod circuit;
mod cli;
mod compare;
mod credit;
mod data;
mod doctor;
mod environment;
mod eval;
mod exam;
mod files;
mod hub;
mod inspect;
mod interrupt;
mod kernel;
mod learner;
mod loss;
mod measure;
mod model;
mod observe;
mod optim;
mod page;
mod picture;
mod pipeline;
mod plan;
mod ranks;
mod recipe;
mod report;
mod rollout;
mod run;
mod run_folder;
mod score;
mod signal;
mod stats;
mod step;
mod table;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
mod text;
mod threads;
mod types;

pub use cli::main;
