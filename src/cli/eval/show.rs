//! What was measured, for a terminal.

use anyhow::Result;
use serde_json::Value;

use crate::cli::say;
use crate::eval::of_reports;
use crate::exam::{Plan, Subject};
use crate::rollout::SamplingConfig;
use crate::types::counted;

/// What was measured of one model, and how.
pub(super) fn print(subject: &Subject, plan: &Plan) -> Result<()> {
    let SamplingConfig { temperature, top_p, top_k, max_new_tokens, .. } = plan.sampling;
    say(format_args!("{}: {}", subject.name, subject.folder.display()))?;
    say(format_args!(
        "{}, backend {}; k = {}, temperature {temperature}, top-p {top_p}, top-k {top_k}, at most {}, seed {}",
        subject.placement,
        subject.backend,
        plan.samples,
        counted(max_new_tokens, "token"),
        plan.seed
    ))?;
    if let Some(heads) = subject.scaled_heads() {
        say(format_args!("heads scaled: {heads}"))?;
    }
    say(match &subject.chat {
        None => "put as they are, without a chat template".to_owned(),
        Some(chat) => format!("put by the model's chat template: {}", serde_json::to_string(chat)?),
    })?;
    let mut settings: Vec<(&Value, &Value)> =
        plan.sets.iter().map(|set| (&set.settings["prompt"], &set.settings["reward"])).collect();
    settings.dedup();
    for (prompt, reward) in settings {
        if prompt.is_string() {
            say(format_args!("prompt {prompt}"))?;
        }
        say(format_args!("grader {reward}"))?;
    }
    let time = subject.time();
    let number = |key: &str| time[key].as_f64().unwrap_or_default();
    say(format_args!(
        "{:.0} tokens in {:.1} s, {:.0} tokens/s; judged in {:.1} s\n",
        number("n_tokens"),
        number("generate_s"),
        number("tokens_per_s"),
        number("score_s")
    ))?;
    let reports = subject.reports();
    say(format_args!("{}\n", of_reports(&reports).markdown()))?;
    subject.notes().into_iter().try_for_each(|note| say(format_args!("note: {note}")))
}
