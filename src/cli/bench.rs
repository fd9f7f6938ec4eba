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
    /// A run, a checkpoint or a Hugging Face folder; without it the Countdown preset
    #[arg(long, value_parser = policy::place)]
    model: Option<PathBuf>,
    /// Prompts per step
    #[arg(long, default_value_t = 8)]
    prompts: usize,
    /// Text file with a prompt in each line, instead of made-up ones
    #[arg(long)]
    prompt_file: Option<PathBuf>,
    /// Responses per prompt
    #[arg(long, default_value_t = 8)]
    group: usize,
    /// Tokens per response
    #[arg(long, default_value_t = 128)]
    new_tokens: usize,
    /// Steps to time, after one that is not timed
    #[arg(long, default_value_t = 2)]
    steps: usize,
    /// Tokens per micro-batch, those of a prompt once for all its responses there
    #[arg(long, default_value_t = 1024)]
    max_tokens: usize,
    /// Compute activations again in the backward pass instead of keeping them
    #[arg(long)]
    gradient_checkpointing: bool,
    /// Credit strategy with its defaults, such as rhythm
    #[arg(long, default_value = "uniform")]
    credit: String,
    /// Compute precision
    #[arg(long, value_enum, default_value = "auto")]
    dtype: Dtype,
    /// Where to compute
    #[arg(long, value_enum, default_value = "auto")]
    device: DeviceChoice,
    /// What computes; ops: libtorch's operations on a CPU too
    #[arg(long, value_enum, default_value = "auto")]
    backend: BackendChoice,
    /// Print one line of JSON instead of a table
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
