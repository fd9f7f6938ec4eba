//! `rlcredit bench`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::policy;
use crate::bench::{BenchConfig, bench};
use crate::credit::strategy::CreditConfig;
use crate::model::{BackendChoice, DeviceChoice, Dtype};
use crate::run::Failure;

#[derive(Args)]
pub(super) struct Bench {
    /// A run, a checkpoint, a folder or hub:ORG/NAME
    ///
    /// Without it the Countdown preset
    #[arg(long, value_name = "MODEL", value_parser = policy::place)]
    model: Option<PathBuf>,
    /// Prompts of a step
    #[arg(long, value_name = "N", default_value_t = 8)]
    prompts: usize,
    /// A prompt in each line; - reads standard input
    ///
    /// A text file, instead of made-up prompts
    #[arg(long, value_name = "FILE", value_parser = super::flags::input())]
    prompt_file: Option<PathBuf>,
    /// Responses to each prompt
    #[arg(long, value_name = "N", default_value_t = 8)]
    group: usize,
    /// Tokens of a response
    #[arg(long, value_name = "N", default_value_t = 128)]
    new_tokens: usize,
    /// Steps to time, after one that is not
    #[arg(long, value_name = "N", default_value_t = 2)]
    steps: usize,
    /// Tokens of a pass; those of a prompt count once
    ///
    /// For all its responses in there
    #[arg(long, value_name = "N", default_value_t = 1024)]
    max_tokens: usize,
    /// Compute activations again instead of keeping them
    #[arg(long, hide_short_help = true)]
    gradient_checkpointing: bool,
    /// Credit strategy: rhythm
    ///
    /// With its defaults; without it uniform
    #[arg(long, value_name = "NAME", default_value = "uniform", hide_default_value = true)]
    credit: String,
    /// Precision: auto, f32 or bf16
    #[arg(long, value_enum, default_value = "auto", hide_default_value = true, hide_possible_values = true)]
    dtype: Dtype,
    /// Where to compute: auto, cpu or cuda
    #[arg(long, value_enum, default_value = "auto", hide_default_value = true, hide_possible_values = true)]
    device: DeviceChoice,
    /// By what: auto, or ops for libtorch's operations
    #[arg(long, value_enum, default_value = "auto", hide_default_value = true, hide_possible_values = true)]
    backend: BackendChoice,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub(super) fn run(self) -> Result<ExitCode> {
        for (argument, got, least) in [
            ("--prompts", self.prompts, 1),
            ("--group", self.group, 2),
            ("--new-tokens", self.new_tokens, 1),
            ("--steps", self.steps, 1),
            ("--max-tokens", self.max_tokens, 1),
        ] {
            super::require(got >= least, || format!("{argument}: got {got}, expected at least {least}"))?;
        }
        let credit = CreditConfig::named(&self.credit).map_err(Failure::bad_input)?;
        let model = self.model.map(|path| policy::model_folder(&path));
        let report = bench(&BenchConfig {
            model: model.transpose().map_err(Failure::bad_input)?,
            prompts: self.prompts,
            prompt_file: self.prompt_file,
            group: self.group,
            new_tokens: self.new_tokens,
            steps: self.steps,
            max_tokens: self.max_tokens,
            gradient_checkpointing: self.gradient_checkpointing,
            credit,
            dtype: self.dtype,
            device: self.device,
            backend: self.backend,
        })
        .map_err(Failure::bad_input)?;
        if self.json {
            super::say(serde_json::to_string(&report)?)?;
        } else if let serde_json::Value::Object(fields) = serde_json::to_value(&report)? {
            for (name, value) in fields {
                match value.as_f64().filter(|_| value.is_f64()) {
                    Some(number) => super::say(format_args!("{name:24} {number:.3}"))?,
                    None => super::say(format_args!("{name:24} {}", value.to_string().trim_matches('"')))?,
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
