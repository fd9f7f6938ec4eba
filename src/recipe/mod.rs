//! The recipe: a run as one TOML file.
//!
//! ```text
//! text + overrides --source--> document --read--> Recipe --validate--> Recipe that makes sense
//! ```
//!
//! Each stage reports every problem it finds, and the later ones go on with what is sound. The settings structs of the
//! seams are the only description of what a recipe may hold; `schema` learns it from them.

mod change;
mod differences;
mod draft;
mod elsewhere;
mod explain;
mod fault;
mod findings;
mod load;
mod notes;
mod paths;
mod place;
mod problem;
mod read;
mod reality;
mod reference;
mod schema;
mod shipped;
mod source;
mod syntax;
mod telling;
#[cfg(test)]
mod tests;
mod text;
mod validate;

pub(crate) use change::{Change, Effect, touches};
pub(crate) use differences::{Difference, opened, reaches};
pub(crate) use draft::Draft;
pub(crate) use place::{each_path, shown, whole};
pub(crate) use problem::Problems;
pub(crate) use reference::{Departure, Meant, Reference};
#[cfg(test)]
pub(crate) use reference::{Entry, LeftOut, Section, Variant};
pub(crate) use shipped::{SHIPPED, Shipped};
pub(crate) use telling::{allowed, telling};
pub(crate) use text::Text;

/// What the keys of other frameworks are called here.
pub(crate) mod migration {
    #![doc = include_str!("../../docs/migration.md")]
}

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    audit::AuditConfig,
    batch::BatchConfig,
    checkpoint::CheckpointConfig,
    circuit::CircuitConfig,
    credit::{ImportanceConfig, advantage::AdvantageConfig, strategy::CreditEntry},
    data::{ChatConfig, DataConfig, sampler::SamplerConfig},
    eval::EvalConfig,
    learner::{CriticConfig, SftConfig},
    loss::LossConfig,
    model::ModelSettings,
    observe::ObserveConfig,
    optim::OptimConfig,
    pipeline::{GroupsConfig, PipelineConfig},
    ranks::ParallelConfig,
    rollout::{
        EngineConfig, SamplingConfig,
        explore::{Exploration, ExploreConfig, ValuesConfig},
    },
    run_folder::misnamed,
    score::{OverlongConfig, RewardEntry},
    signal::{Heads, SignalConfig},
    types::Rules,
};

/// Name, seed and length of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunConfig {
    /// Folder of the run under `runs/`.
    pub name: String,
    /// Seed of every random draw.
    #[serde(default)]
    pub seed: u64,
    /// Training steps.
    pub steps: u64,
}

impl RunConfig {
    /// What its keys may be.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self { name, seed: _, steps } = self;
        let mut rules = Rules::default();
        let misnamed = misnamed(name);
        rules.forbid(misnamed.is_some(), &["name"], || format!(": {}", misnamed.unwrap_or_default()));
        rules.positive("steps", *steps);
        rules
    }
}

/// A whole run, every default filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recipe {
    /// Name, seed and length.
    pub run: RunConfig,
    /// The policy: which model, in which precision, on which device.
    pub model: ModelSettings,
    /// SFT, supervised fine-tuning on texts; without it reinforcement learning starts from the model as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sft: Option<SftConfig>,
    /// The problems to learn from and to measure on.
    pub data: DataConfig,
    /// How the model's chat template puts the problems; without it they are put as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<ChatConfig>,
    /// Which problems a step trains on.
    #[serde(default)]
    pub sampler: SamplerConfig,
    /// How the responses to one prompt come about.
    pub explore: ExploreConfig,
    /// What prefixes of responses are worth, by continuing them; `[advantage] type = "segment"` goes by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<ValuesConfig>,
    /// The distribution responses are drawn from.
    pub sampling: SamplingConfig,
    /// The graders; the reward is the weighted sum of their values.
    pub reward: Vec<RewardEntry>,
    /// What becomes of responses near the limit of new tokens; without it nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlong: Option<OverlongConfig>,
    /// What becomes of prompts whose rewards are all equal.
    #[serde(default)]
    pub groups: GroupsConfig,
    /// How rewards become advantages.
    pub advantage: AdvantageConfig,
    /// The critic of `[advantage] type = "gae"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critic: Option<CriticConfig>,
    /// Chain of strategies that reshape the advantages; empty pays every token of a response the same.
    #[serde(default)]
    pub credit: Vec<CreditEntry>,
    /// How attention is read for the credit strategies that ask for it.
    #[serde(default)]
    pub signals: SignalConfig,
    /// How the ratio of learner to sampler weighs the tokens; without this section it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub importance_sampling: Option<ImportanceConfig>,
    /// The policy loss, and what is added to it.
    #[serde(default)]
    pub loss: LossConfig,
    /// The optimiser of the policy and its learning rate.
    pub optim: OptimConfig,
    /// Sizes of a training step.
    pub batch: BatchConfig,
    /// How generating and learning take turns.
    #[serde(default)]
    pub pipeline: PipelineConfig,
    /// Who answers the requests of training: this process, or servers.
    #[serde(default)]
    pub engine: EngineConfig,
    /// Evaluation on held-out items.
    #[serde(default)]
    pub eval: EvalConfig,
    /// Which checkpoints are saved and how often.
    #[serde(default)]
    pub checkpoint: CheckpointConfig,
    /// How several processes train together.
    #[serde(default)]
    pub parallel: ParallelConfig,
    /// Audits on the way; without it there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditConfig>,
    /// How circuits are found; without it by the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit: Option<CircuitConfig>,
    /// What is written about the run.
    #[serde(default)]
    pub observe: ObserveConfig,
}

impl Recipe {
    /// What the keys of its sections may be, each section alone; keys are paths from the top.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self {
            run,
            model,
            sft,
            data,
            chat: _,
            sampler,
            explore,
            values,
            sampling,
            reward,
            overlong,
            groups,
            advantage,
            critic,
            credit,
            signals,
            importance_sampling,
            loss,
            optim,
            batch,
            pipeline,
            engine,
            eval,
            checkpoint: _,
            parallel,
            audit,
            circuit,
            observe,
        } = self;
        let mut rules = Rules::default();
        rules.part("run", run.rules());
        rules.part("model", model.rules());
        rules.part("data", data.settings().rules());
        rules.part("sampler", sampler.settings().rules());
        rules.part("explore", explore.settings().rules());
        rules.part("sampling", sampling.rules());
        for (index, entry) in reward.iter().enumerate() {
            rules.part(&format!("reward.{index}"), entry.rules());
        }
        rules.part("groups", groups.rules());
        rules.part("advantage", advantage.settings().rules());
        for (index, entry) in credit.iter().enumerate() {
            rules.part(&format!("credit.{index}"), entry.rules());
        }
        rules.part("signals", signals.rules());
        rules.part("loss", loss.rules());
        rules.part("optim", optim.rules());
        rules.part("batch", batch.rules());
        rules.part("pipeline", pipeline.settings().rules());
        rules.part("engine", engine.rules());
        rules.part("eval", eval.rules());
        rules.part("parallel", parallel.rules());
        rules.part("observe", observe.rules());
        let optional = [
            ("sft", sft.as_ref().map(SftConfig::rules)),
            ("audit", audit.as_ref().map(AuditConfig::rules)),
            ("circuit", circuit.as_ref().map(CircuitConfig::rules)),
            ("values", values.as_ref().map(ValuesConfig::rules)),
            ("overlong", overlong.as_ref().map(|overlong| overlong.settings().rules())),
            ("critic", critic.as_ref().map(CriticConfig::rules)),
            ("importance_sampling", importance_sampling.as_ref().map(ImportanceConfig::rules)),
        ];
        for (name, part) in optional {
            rules.part(name, part.unwrap_or_default());
        }
        rules
    }

    /// The files of circuits and pairs that it reads, by key.
    pub(crate) fn circuit_files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let of_signals = match &self.signals.heads {
            Heads::OfCircuit(of) => Some(("signals.heads", of.circuit.as_path())),
            _ => None,
        };
        let watched = self.circuit.as_ref().filter(|circuit| circuit.every > 0);
        let pairs = watched.and_then(CircuitConfig::file).map(|path| ("circuit.pairs", path));
        of_signals.into_iter().chain(pairs)
    }

    /// Which responses it asks for.
    #[must_use]
    pub(crate) fn exploration(&self) -> Exploration<'_> {
        Exploration { explore: &self.explore, values: self.values.as_ref() }
    }

    /// What a person should know of this recipe although it works, one sentence each.
    #[must_use]
    pub(crate) fn notes(&self) -> Vec<String> {
        notes::notes(self)
    }
}
