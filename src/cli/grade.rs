//! `rlcredit grade FILE.jsonl --reward math`: what a grader says of answers, without a model.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use rayon::prelude::*;
use rewards::{Status, math};
use rlcredit::data::jsonl;
use rlcredit::run::Failure;
use serde::{Deserialize, Serialize};

const EXPECTED: &str = r#"{"gold": text, "prediction": text} or {"gold": text, "reply": text}"#;

#[derive(Args)]
pub struct Grade {
    /// A file with a JSON object in each line: gold, and either prediction, an answer as it stands, or reply, a whole response
    /// that the answer is looked for in
    file: PathBuf,
    /// The grader
    #[arg(long, value_enum, default_value_t = Grader::Math)]
    reward: Grader,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Grader {
    /// Mathematical answers, in LaTeX or plain notation
    Math,
}

/// One answer to judge.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    gold: String,
    prediction: Option<String>,
    reply: Option<String>,
}

/// What is said of it.
#[derive(Serialize)]
struct Judged {
    verdict: bool,
    status: Status,
    answer: Option<String>,
}

impl Grade {
    pub fn run(self) -> Result<ExitCode> {
        let accept = |line: Line, _: &str| match (&line.prediction, &line.reply) {
            (Some(_), None) | (None, Some(_)) => Ok(line),
            _ => bail!("either `prediction` or `reply` must be there"),
        };
        let lines = jsonl::read(&self.file, EXPECTED, accept).map_err(Failure::bad_input)?;
        let judged: Vec<Judged> = lines.into_par_iter().map(|line| self.reward.judge(line)).collect();
        for one in &judged {
            super::say(serde_json::to_string(one)?)?;
        }
        let right = judged.iter().filter(|one| one.verdict).count();
        super::remark(format_args!("{right} of {} are right", judged.len()));
        Ok(ExitCode::SUCCESS)
    }
}

impl Grader {
    fn judge(self, Line { gold, prediction, reply }: Line) -> Judged {
        let Self::Math = self;
        let answer = prediction.or_else(|| math::extract(&reply.unwrap_or_default()));
        let judged = answer.as_ref().map(|answer| math::judge(&gold, answer));
        let (verdict, status) = judged.unwrap_or((false, Status::Unparsable));
        Judged { verdict, status, answer }
    }
}
