//! Everything a run is, besides its recipe: saved whole, loaded whole.
//!
//! ```text
//! model/                   a Hugging Face folder with the f32 master weights, or with the adapters that learn
//! optimizer.safetensors    first and second moments; of ranks that share them, a file for each piece
//! critic/                  the same of the critic, where there is one: a model for token classification
//! critic_optimizer.safetensors
//! state.json               counters, the states of prompt sampler and explorer, earlier evaluations
//! pending.json             responses that were generated ahead, where a schedule does that
//! ```
//!
//! [`TrainState`] is taken apart in `save` and put together in `load` without `..`, so that a new field does not compile
//! until it is saved.

use std::path::Path;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::Tensor;

use super::{Best, VerifiedCheckpoint, load_moments, save_model, save_moments};
use crate::data::sampler::SamplerState;
use crate::eval::EvalReport;
use crate::files::{read_regular, write_whole};
use crate::model::load::StoredWeights;
use crate::model::{Layout, Network, Pieces, Trainable};
use crate::optim::AdamWState;
use crate::pipeline::SourceState;
use crate::ranks::Shard;
use crate::rollout::explore::ExplorerState;
use crate::signal::HeadGroups;
use crate::text::Tokenizer;
use crate::types::{MetricRow, Step};

/// What has been done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Prompts drawn.
    pub prompts: u64,
    /// Responses sampled.
    pub samples: u64,
    /// Response tokens sampled.
    pub tokens_generated: u64,
    /// Seconds spent, pauses between processes left out.
    pub wall_s: f64,
}

/// The state of a run between two steps.
pub(crate) struct TrainState {
    /// Last completed step; 0 before the first.
    pub step: Step,
    /// How many ranks train.
    pub ranks: usize,
    /// What the policy has learnt, f32 on the host: master weights or adapters. Of ranks that save, the first has it alone.
    pub weights: Tensor,
    /// The optimiser's memory, or this rank's piece of it.
    pub optimizer: AdamWState,
    /// The critic, where there is one.
    pub critic: Option<CriticState>,
    /// Weight of the KL penalty, where there is one.
    pub kl_coef: f64,
    /// Where the rollout source stands.
    pub source: SourceState,
    /// The groups of heads that attention signals are averaged over, if any were chosen.
    pub head_groups: Option<HeadGroups>,
    /// Counters.
    pub progress: Progress,
    /// Steps in a row, up to this one, whose update was refused because something was not finite.
    pub refused_in_a_row: u32,
    /// The evaluations that the summary shows.
    pub evaluations: Vec<Milestone>,
    /// The best evaluation, where the recipe says what that is.
    pub best: Option<Best>,
    /// The row of `step`, if its evaluation is still to be made.
    pub unfinished: Option<MetricRow>,
}

/// What an evaluation at a moment of the run found; saved as a pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "(String, EvalReport)", into = "(String, EvalReport)")]
pub(crate) struct Milestone {
    /// Which moment: `after SFT`.
    pub moment: String,
    /// What was found.
    pub report: EvalReport,
}

impl From<(String, EvalReport)> for Milestone {
    fn from((moment, report): (String, EvalReport)) -> Self {
        Self { moment, report }
    }
}

impl From<Milestone> for (String, EvalReport) {
    fn from(Milestone { moment, report }: Milestone) -> Self {
        (moment, report)
    }
}

/// The state of a critic between two steps.
pub(crate) struct CriticState {
    /// The step behind which it began: 0, but in a fork of a run that had none.
    pub began: Step,
    /// Master weights, f32 `[n_params]` on the host. Of ranks that save, the first has them alone.
    pub weights: Tensor,
    /// Its optimiser's memory, or this rank's piece of it.
    pub optimizer: AdamWState,
}

/// What the optimisers of policy and critic remember.
pub(crate) struct SavedMoments {
    policy: AdamWState,
    critic: Option<AdamWState>,
}

impl SavedMoments {
    /// Writes the moments of this rank into the folder `dir`, where it keeps a piece of them, or is the first.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn save(&self, dir: &Path, network: &Network, shard: Shard) -> Result<()> {
        save_moments(dir, OPTIMIZER, &self.policy, network.pieces())?;
        self.critic.as_ref().map_or(Ok(()), |critic| {
            save_moments(dir, CRITIC_OPTIMIZER, critic, &critic_pieces(network, shard))
        })
    }
}

/// `state.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Host {
    step: Step,
    #[serde(default = "one")]
    ranks: usize,
    optimizer_updates: u64,
    /// Of the critic's optimiser, where there is a critic.
    critic_updates: Option<u64>,
    #[serde(default, skip_serializing_if = "is_zero")]
    critic_began: Step,
    kl_coef: f64,
    sampler: SamplerState,
    explorer: ExplorerState,
    head_groups: Option<HeadGroups>,
    progress: Progress,
    refused_in_a_row: u32,
    evaluations: Vec<Milestone>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    best: Option<Best>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unfinished: Option<MetricRow>,
}

const MODEL: &str = "model";
const OPTIMIZER: &str = "optimizer";
const CRITIC: &str = "critic";
const CRITIC_OPTIMIZER: &str = "critic_optimizer";
const STATE: &str = "state.json";
const PENDING: &str = "pending.json";

/// The groups of heads in force at the checkpoint in `folder`; none where no state is kept or no groups were chosen.
///
/// # Errors
/// If there is a state that cannot be read.
pub(crate) fn head_groups(folder: &Path) -> Result<Option<HeadGroups>> {
    let path = folder.join(STATE);
    if !path.is_file() {
        return Ok(None);
    }
    Ok(read_json::<Host>(&path)?.head_groups)
}

/// Whether the evaluation of its step is still to be made at the checkpoint in `folder`, and the row with it to be written.
///
/// # Errors
/// If there is a state that cannot be read.
pub(crate) fn is_unfinished(folder: &Path) -> Result<bool> {
    let path = folder.join(STATE);
    // SFT have none.
    Ok(path.is_file() && read_json::<Value>(&path)?.get("unfinished").is_some_and(Value::is_object))
}

impl TrainState {
    /// The memory of its optimisers, in the same memory.
    #[must_use]
    pub(crate) fn moments(&self) -> SavedMoments {
        SavedMoments {
            policy: self.optimizer.shallow_clone(),
            critic: self.critic.as_ref().map(|critic| critic.optimizer.shallow_clone()),
        }
    }

    /// Writes all but the moments into the empty folder `dir`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn save(self, dir: &Path, network: &Network, tokenizer: &Tokenizer) -> Result<()> {
        let Self {
            step,
            ranks,
            weights,
            optimizer,
            critic,
            kl_coef,
            source: SourceState { sampler, explorer, pending },
            head_groups,
            progress,
            refused_in_a_row,
            evaluations,
            best,
            unfinished,
        } = self;
        let optimizer_updates = optimizer.updates;
        let critic_updates = critic.as_ref().map(|critic| critic.optimizer.updates);
        let critic_began = critic.as_ref().map_or(0, |critic| critic.began);
        let config = &network.config;
        save_model(&dir.join(MODEL), config, network.trainable(), &weights, tokenizer)?;
        if let Some(CriticState { began: _, weights, optimizer: _ }) = critic {
            let layout = Layout::of_critic(config);
            save_model(&dir.join(CRITIC), config, Trainable::Whole(&layout), &weights, tokenizer)?;
        }
        let host = Host {
            step,
            ranks,
            optimizer_updates,
            critic_updates,
            critic_began,
            kl_coef,
            sampler,
            explorer,
            head_groups,
            progress,
            refused_in_a_row,
            evaluations,
            best,
            unfinished,
        };
        if let Some(pending) = pending {
            write_whole(&dir.join(PENDING), |w| Ok(serde_json::to_writer(w, &pending)?))?;
        }
        write_whole(&dir.join(STATE), |w| Ok(serde_json::to_writer_pretty(w, &host)?))
    }

    /// Reads the state of a verified checkpoint of the policy with this network; of moments the piece that this rank keeps.
    ///
    /// # Errors
    /// If a file is missing, cannot be read, or does not fit the model.
    pub(crate) fn load(checkpoint: &VerifiedCheckpoint, network: &Network, shard: Shard) -> Result<Self> {
        let Host {
            step,
            ranks,
            optimizer_updates,
            critic_updates,
            critic_began,
            kl_coef,
            sampler,
            explorer,
            head_groups,
            progress,
            refused_in_a_row,
            evaluations,
            best,
            unfinished,
        } = read_json(&checkpoint.file(STATE)?)?;
        let pending = checkpoint.has(PENDING).then(|| read_json(&checkpoint.file(PENDING)?)).transpose()?;
        let critic = critic_updates.map(|updates| {
            let layout = Layout::of_critic(&network.config);
            Ok::<_, anyhow::Error>(CriticState {
                began: critic_began,
                weights: load_weights(checkpoint, CRITIC, Trainable::Whole(&layout))?,
                optimizer: load_moments(
                    checkpoint,
                    CRITIC_OPTIMIZER,
                    updates,
                    &critic_pieces(network, shard),
                )?,
            })
        });
        Ok(Self {
            step,
            ranks,
            weights: load_weights(checkpoint, MODEL, network.trainable())?,
            optimizer: load_moments(checkpoint, OPTIMIZER, optimizer_updates, network.pieces())?,
            critic: critic.transpose()?,
            kl_coef,
            source: SourceState { sampler, explorer, pending },
            head_groups,
            progress,
            refused_in_a_row,
            evaluations,
            best,
            unfinished,
        })
    }
}

/// Which masters and moments of the critic beside the policy with `network` are whose, where `shard` says what is shared.
fn critic_pieces(network: &Network, shard: Shard) -> Pieces {
    let n_params = Layout::of_critic(&network.config).n_params();
    Pieces::new(n_params, network.pieces().ranks().clone(), shard)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(step: &Step) -> bool {
    *step == 0
}

/// Of a version that did not say how many ranks train.
fn one() -> usize {
    1
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = read_regular(path, u64::MAX).with_context(|| format!("could not read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| {
        format!(
            "{}: not as this version of rlcredit writes it; continue with the version that wrote it (env.json names it), or \
             start another run with --name",
            path.display()
        )
    })
}

/// What was learnt and lies in folder `name` of a checkpoint, f32, in the order of `learnt`; the empty name is the checkpoint itself.
///
/// # Errors
/// If the numbers are missing, cannot be read or do not fit.
pub(crate) fn load_weights(
    checkpoint: &VerifiedCheckpoint,
    name: &str,
    learnt: Trainable<'_>,
) -> Result<Tensor> {
    let stored = StoredWeights::open_files(&checkpoint.folder().join(name), &checkpoint.weights(name))?;
    stored.read_learnt(learnt)
}
