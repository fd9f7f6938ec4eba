//! What it means to a run that a key changes while it goes on.
//!
//! | effect | keys | on resume |
//! |---|---|---|
//! | none | where it lies, what is written and kept of it, which servers answer, how ranks share it, how much memory decoding takes | may change, is recorded |
//! | speed, measuring | `batch.max_tokens`, `model.device`, `model.backend`, `[eval]`, `[audit]` | may change, is recorded |
//! | learning | `[optim]`, `[loss]`, `[[credit]]`, `[[reward]]`, `[sampling]`, `[explore]`, ... | with `--allow KEY`, is recorded |
//! | beginning | `[model]`, `[data]`, `[chat]`, `[sft]`, `[circuit]`, the seed; kinds of sampler, schedule and critic | never; a fork may |
//!
//! Keys that are in none of the lists shape learning.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tch::Device;
use toml::Table;

use super::differences::{ABSENT, differing, reaches, unflattened};
use super::{Difference, Recipe};
use crate::model::Placement;
use crate::optim::Schedule;
use crate::signal::Heads;

/// Keys that leave the course of a run alone: where it lies, how it is watched, what is kept of it, how ranks share it, how much memory
/// decoding and training take, which a run that ran out of it must be able to lower, and which servers answer. The precision is compared
/// as it was resolved, see `run::inputs`.
pub(super) const NO_EFFECT: &[&str] = &[
    "run.name",
    "checkpoint",
    "observe",
    "parallel",
    "sampling.max_num_seqs",
    "explore.kept_gb",
    "values.kept_gb",
    "batch.gradient_checkpointing",
    "model.dtype",
    "engine.urls",
    "engine.weights",
    "engine.adapters",
    "engine.model",
    "engine.concurrency",
    "engine.timeout_s",
    "engine.retries",
];

/// Keys that change how fast it goes, with the last bits of sums, or what is measured of it.
const SPEED_AND_MEASURING: &[&str] = &["batch.max_tokens", "model.backend", "eval", "audit"];

/// Keys that took effect before the first step, or that the state of a run is made for.
const BEGINNING: &[&str] =
    &["run.seed", "model", "data", "chat", "sft", "circuit", "sampler.type", "pipeline.type"];

/// What a change of a key changes of a run that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Effect {
    /// Nothing of what is computed.
    Nothing,
    /// Speed, the last bits of sums, or what is measured.
    SpeedOrMeasuring,
    /// What it learns.
    Learning,
    /// What it began with, or what its state is made for.
    Beginning,
}

/// A key whose value changes as a run goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// Path of the key: `optim.lr`.
    pub key: String,
    /// Its value so far, in TOML's syntax; "absent" where it had none.
    pub before: String,
    /// Its value from now on.
    pub now: String,
    /// What that changes.
    pub effect: Effect,
}

/// Whether `key` says of a grader that is another program where it is and how many work at once, not what it judges.
fn is_of_workers(key: &str) -> bool {
    let last = key.strip_prefix("reward.").and_then(|rest| rest.split_once('.')).map(|(_, last)| last);
    last.is_some_and(|last| ["workers", "concurrency", "retries", "url"].contains(&last))
}

/// Whether one of `keys`, or something within it, is among `changes`.
#[must_use]
pub(crate) fn touches(changes: &[Change], keys: &[&str]) -> bool {
    changes.iter().any(|change| keys.iter().any(|section| reaches(section, &change.key)))
}

impl Change {
    /// Whether a run goes on differently by it, or is measured differently.
    #[must_use]
    pub(crate) fn shapes_results(&self) -> bool {
        self.effect != Effect::Nothing
    }
}

impl Recipe {
    /// Every key but `run.name` in which this recipe differs from `before`, that of the run so far, defaults filled in, sorted.
    ///
    /// # Errors
    /// If a path is not valid UTF-8.
    pub(crate) fn changes(&self, before: &Self) -> Result<Vec<Change>> {
        let found = differing(self, before)?.into_iter().filter(|found| found.key != "run.name");
        let change = |Difference { key, here, there }| Change {
            effect: self.effect(&key, before),
            key,
            before: there,
            now: here,
        };
        Ok(found.map(change).collect())
    }

    /// The recipe as it was before `changes`, the last of which is taken back first.
    ///
    /// # Errors
    /// If a value of theirs does not read, or what comes of it is no recipe.
    pub(crate) fn before<'c>(&self, changes: impl DoubleEndedIterator<Item = &'c Change>) -> Result<Self> {
        let mut entries = self.entries()?;
        for Change { key, before, .. } in changes.rev() {
            if before == ABSENT {
                entries.remove(key);
                continue;
            }
            let value: Table = format!("value = {before}").parse().with_context(|| key.clone())?;
            entries.extend(value.into_iter().map(|(_, value)| (key.clone(), value)));
        }
        unflattened(entries)?.try_into().context("the recipe before it changed cannot be read")
    }

    /// What it changes of a run that went by `before` so far that it goes by `key` of this recipe.
    pub(super) fn effect(&self, key: &str, before: &Self) -> Effect {
        let among = |keys: &[&str]| keys.iter().any(|known| reaches(known, key));
        let is_open_ended = || [self, before].iter().all(|one| one.is_open_ended());
        if among(NO_EFFECT) || is_of_workers(key) || (key == "run.steps" && is_open_ended()) {
            Effect::Nothing
        } else if among(SPEED_AND_MEASURING)
            || (key == "model.device" && self.is_on_a_device_like(before))
            || (reaches("circuit", key) && self.watches_no_heads())
        {
            Effect::SpeedOrMeasuring
        } else if among(BEGINNING) || self.wants_a_model_more(key, before) {
            Effect::Beginning
        } else {
            Effect::Learning
        }
    }

    /// Whether no step goes by how many there are: a longer run begins with exactly the shorter one.
    fn is_open_ended(&self) -> bool {
        self.optim.schedule == Schedule::Constant
            && self.critic.is_none_or(|critic| critic.optim.schedule == Schedule::Constant)
            && self.credit.iter().all(|entry| !entry.ends_early())
    }

    /// Whether heads are measured neither on the way nor for credit, so that `[circuit]` is left to other verbs.
    fn watches_no_heads(&self) -> bool {
        self.circuit.as_ref().is_none_or(|circuit| circuit.every == 0) && self.signals.heads != Heads::Circuit
    }

    /// Whether both compute on a CPU, or both on a GPU, on this machine.
    fn is_on_a_device_like(&self, other: &Self) -> bool {
        let is_cpu =
            |recipe: &Self| Some(Placement::from_settings(&recipe.model).ok()?.device == Device::Cpu);
        is_cpu(self).is_some_and(|own| is_cpu(other) == Some(own))
    }

    /// Whether `key` brings in a critic or a reference that the run so far has none of, or takes the critic away.
    fn wants_a_model_more(&self, key: &str, before: &Self) -> bool {
        let of_critic = self.critic.is_some() != before.critic.is_some();
        let of_reference = self.loss.kl().is_some() && before.loss.kl().is_none();
        (of_critic && (reaches("critic", key) || key == "advantage.type"))
            || (of_reference && reaches("loss.kl", key))
    }
}
