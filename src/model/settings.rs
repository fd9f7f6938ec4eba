//! `[model]`: which policy, in which precision, on which device, by which engine.

use std::fmt;
use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lora::LoraSettings;
use super::scale_heads::HeadScales;
use crate::types::Rules;

/// The policy of a run: exactly one of `path`, `hub` and `scratch`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelSettings {
    /// A Hugging Face folder: config.json, safetensors, tokenizer.json.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The name of a model on the hub: `org/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
    /// Branch, tag or commit of `hub`; without it `main`. A resolved recipe has the commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// A preset that starts from random weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scratch: Option<Preset>,
    /// Precision of the forward and backward pass; the master weights are always f32.
    #[serde(default)]
    pub dtype: Dtype,
    /// The device that weights and activations are on.
    #[serde(default)]
    pub device: DeviceChoice,
    /// By which operations the model is computed.
    #[serde(default)]
    pub backend: BackendChoice,
    /// Heads whose writes are multiplied before the first step, as "LAYER.HEAD=FACTOR,..."; those with a factor of 0 stay left out, and the
    /// others learn on from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_heads: Option<String>,
    /// Adapters that learn in the place of the weights; without it all weights do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraSettings>,
}

impl ModelSettings {
    /// What its keys may be: one place that the policy comes from.
    #[must_use]
    pub(crate) fn rules(&self) -> Rules {
        let Self { path, hub, revision, scratch, dtype: _, device: _, backend: _, scale_heads, lora } = self;
        let mut rules = Rules::default();
        let sources =
            [("`path`", path.is_some()), ("`hub`", hub.is_some()), ("`scratch`", scratch.is_some())];
        let given: Vec<&str> = sources.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
        rules.forbid(given.len() != 1, &["", "path", "hub", "scratch"], || {
            let got = match given[..] {
                [] => "neither `path` nor `hub` nor `scratch`".to_owned(),
                [.., last] => format!("{} and {last}", given[..given.len() - 1].join(", ")),
            };
            format!(" has {got}; write one of them: a Hugging Face folder, the name of a model on the hub or a preset")
        });
        let wrong = scale_heads.as_ref().and_then(|scales| scales.parse::<HeadScales>().err());
        rules.forbid(wrong.is_some(), &["scale_heads"], || {
            wrong.map_or_else(String::new, |wrong| format!(": {wrong:#}"))
        });
        rules.forbid(lora.is_some() && scratch.is_some(), &["lora", "scratch"], || {
            " adapts a model that was trained, and `scratch` has random weights; name one by `path` or `hub`, or leave [model.lora] out"
                .to_owned()
        });
        rules.part("lora", lora.as_ref().map(LoraSettings::rules).unwrap_or_default());
        rules.forbid(revision.is_some() && hub.is_none(), &["revision", "hub"], || {
            " has no effect without `hub`; leave it out".to_owned()
        });
        rules
    }
}

impl ModelSettings {
    /// Heads that are scaled; none where nothing is said.
    ///
    /// # Errors
    /// If what is said is no list of heads.
    pub(crate) fn head_scales(&self) -> Result<HeadScales> {
        self.scale_heads.as_deref().map_or(Ok(HeadScales::default()), str::parse)
    }
}

/// Architectures that ship with the project, started from random weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Preset {
    /// Qwen3 shape, 4 layers of width 192, the Countdown tokenizer: about 2 M parameters.
    Countdown2m,
    /// The same shape with a tokenizer of whole words, for spoken searches and bifurcations: about 2 M parameters.
    Words2m,
    /// Qwen3 shape, 8 layers of width 256, the tokenizer of whole words: about 7 M parameters.
    Words7m,
}

/// Precision of computation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Dtype {
    /// bf16 where the hardware multiplies it fast (CUDA, AMX, AVX512-BF16), else f32.
    #[default]
    Auto,
    /// IEEE single precision.
    F32,
    /// bfloat16 with f32 masters.
    Bf16,
}

/// Its name in recipes.
impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        })
    }
}

/// Where tensors live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeviceChoice {
    /// The first CUDA device if libtorch sees one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The first CUDA device; an error if there is none.
    Cuda,
}

/// What computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BackendChoice {
    /// Kernels on a CPU where they know the model, else libtorch's operations.
    #[default]
    Auto,
    /// libtorch's operations, whatever the device: what a GPU computes by.
    Ops,
}
