//! `rlcredit sample RUN_OR_MODEL PROMPT`: a prompt in, text out; in a terminal without one, a conversation.

use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Args;

use self::answerer::Answerer;
use self::manner::Manner;
use super::flags::ChatFlags;
use super::policy::{self, Choices, Loaded};
use super::scale_heads::ScaleHeads;
use crate::model::Dtype;
use crate::ranks::Ranks;
use crate::rollout::{SamplingConfig, TEMPERATURES};
use crate::run::Failure;
use crate::score::{Judge, Scorer, Whole};
use crate::text::Stops;
use crate::types::{Completion, Finish, Prompt, RunRandom, counted, program};

mod answerer;
mod manner;
mod talk;

#[derive(Args)]
pub(super) struct Sample {
    /// A run, a checkpoint, a folder or hub:ORG/NAME
    ///
    /// Of a run its newest checkpoint, or another, such as RUN@40. A run's policy is asked as in the run: by its prompt, examples, chat and
    /// sampling
    #[arg(value_parser = policy::place)]
    model: PathBuf,
    /// The prompt; standard input with -, or without it
    ///
    /// What is asked, a backslash included: the {question} of the run's prompt; where that asks otherwise, or of a model without a run, the
    /// prompt: as a user's message where a chat template puts it, else as it stands, behind the token with which the tokenizer begins every
    /// text, if it does. A Countdown prompt ends in a line's end, in a shell $'Make 45 from 3, 7, 12.\n'. Without one in a terminal a
    /// conversation
    prompt: Option<String>,
    /// Ask a held-out problem instead, and judge: 3 or SET:3
    ///
    /// 3 is the third of the run, SET:3 that of one set; the run's graders judge the responses
    #[arg(long, value_name = "N", conflicts_with = "prompt")]
    item: Option<String>,
    /// Recipe whose settings count [default: the run's]
    ///
    /// Its prompt, examples, chat, sampling and problems
    #[arg(long, value_name = "RECIPE", value_parser = super::flags::input())]
    recipe: Option<PathBuf>,
    /// Ask as it stands; nothing of the run's recipe counts
    ///
    /// Responses are drawn by the arguments alone
    #[arg(long, conflicts_with_all = ["recipe", "item", "chat", "system", "variables"])]
    raw: bool,
    #[command(flatten)]
    chat: ChatFlags,
    /// Multiply what attention heads write: 1.2=0
    ///
    /// LAYER.HEAD=FACTOR,..., 0 leaves a head out; or FILE.json:heads[:10]=0 for the ten of most importance in a circuit
    #[arg(long, value_name = "HEADS", hide_short_help = true)]
    scale_heads: Option<ScaleHeads>,
    /// Precision: auto, f32 or bf16
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true,
        hide_short_help = true
    )]
    dtype: Dtype,
    /// Responses to each prompt
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1)]
    samples: u32,
    /// Divides the logits; 0 takes the likeliest token
    ///
    /// Without it the run's, or 1
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    temperature: Option<f64>,
    /// Keep the likeliest tokens that reach this probability
    ///
    /// Without it the run's, or 1
    #[arg(long, value_name = "X", allow_negative_numbers = true, hide_short_help = true)]
    top_p: Option<f64>,
    /// Keep this many likeliest tokens; 0 keeps all
    ///
    /// Without it the run's, or 0
    #[arg(long, value_name = "N", hide_short_help = true)]
    top_k: Option<usize>,
    /// Longest response in tokens
    ///
    /// Without it the run's, or 128
    #[arg(long, value_name = "N")]
    max_new_tokens: Option<usize>,
    /// Tokens before a response may end
    ///
    /// Without it the run's, or 0
    #[arg(long, value_name = "N", hide_short_help = true)]
    min_new_tokens: Option<usize>,
    /// A string that ends a response
    ///
    /// Without it those of the run. May be given again
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Most responses decoded at once
    ///
    /// Without it the run's number, or 512
    #[arg(long, value_name = "N", hide_short_help = true)]
    max_num_seqs: Option<usize>,
    /// Seed of the draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

impl Sample {
    pub(super) fn run(self) -> Result<ExitCode> {
        let manner = Manner::new(&self, &self.model).map_err(bad_input)?;
        self.check(&manner.sampling)?;
        let choices = Choices { heads: self.scale_heads.as_ref(), dtype: self.dtype, ..Choices::default() };
        let loaded = policy::load(&self.model, choices)?;
        let manner = manner.of_model(&loaded).map_err(Failure::bad_input)?;
        let Loaded { policy, tokenizer, folder } = loaded;
        let mut answerer = Answerer {
            policy,
            tokenizer: Arc::new(tokenizer),
            random: RunRandom::new(self.seed),
            told: None,
        };
        let is_asked = self.prompt.is_some() || self.item.is_some();
        if !is_asked && io::stdin().is_terminal() && io::stdout().is_terminal() {
            talk::talk(&mut answerer, &manner)?;
            return Ok(ExitCode::SUCCESS);
        }
        let prompt = self.asked(&answerer, &manner);
        let prompt = prompt.with_context(|| folder.display().to_string()).map_err(Failure::bad_input)?;
        super::warn_of_unknown(&answerer.tokenizer.unknown([prompt.text.as_str()])?);
        let sampling = self.within_room(&answerer, &manner.sampling, prompt.tokens.len())?;
        let completions = answerer.answers(&prompt, self.samples, &sampling)?;
        if self.item.is_some() {
            super::remark(&prompt.text);
        }
        for (i, done) in completions.iter().enumerate() {
            if i > 0 {
                super::say("---")?;
            }
            super::say(answerer.text(done, &sampling)?)?;
        }
        remark(&completions, sampling.max_new_tokens);
        if self.item.is_some() {
            judge(&answerer, &manner, &prompt, completions)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// What is asked, as the policy reads it.
    fn asked(&self, answerer: &Answerer, manner: &Manner) -> Result<Arc<Prompt>> {
        let builder = manner.builder(&answerer.tokenizer)?;
        match &self.item {
            Some(item) => manner.item(&builder, item),
            None => {
                let text = self.text()?;
                ensure!(
                    manner.chat().is_some() || !text.is_empty(),
                    "the prompt is empty; expected at least one token"
                );
                manner.prompt(&builder, &[], &text)
            }
        }
    }

    /// `usual` with what the arguments say instead.
    fn sampling(&self, usual: Option<&SamplingConfig>) -> SamplingConfig {
        let usual = usual.cloned().unwrap_or_else(|| SamplingConfig::plain(128));
        let max_new_tokens = self.max_new_tokens.unwrap_or(usual.max_new_tokens);
        SamplingConfig {
            temperature: self.temperature.unwrap_or(usual.temperature),
            top_p: self.top_p.unwrap_or(usual.top_p),
            top_k: self.top_k.unwrap_or(usual.top_k),
            max_new_tokens,
            // A shorter answer than usual is what was asked for.
            min_new_tokens: self.min_new_tokens.unwrap_or(usual.min_new_tokens.min(max_new_tokens)),
            stop: if self.stop.is_empty() { usual.stop } else { self.stop.clone() },
            max_num_seqs: self.max_num_seqs.unwrap_or(usual.max_num_seqs),
        }
    }

    /// Whether its numbers make sense.
    fn check(&self, sampling: &SamplingConfig) -> Result<()> {
        let SamplingConfig { temperature, top_p, max_new_tokens, min_new_tokens, max_num_seqs, .. } =
            *sampling;
        super::require(self.samples > 0, || "-n: got 0, expected at least 1".to_owned())?;
        let hot = temperature.is_finite() && temperature >= 0.0;
        super::require(hot, || format!("--temperature: got {temperature}, expected at least 0"))?;
        super::require(temperature == 0.0 || TEMPERATURES.contains(&temperature), || {
            format!(
                "--temperature: got {temperature:e}, expected 1e-6 to 1e6, by which single precision can divide, or 0 for the most \
                 likely token"
            )
        })?;
        super::require(top_p > 0.0 && top_p <= 1.0, || {
            format!("--top-p: got {top_p}, expected more than 0 and at most 1")
        })?;
        let at_least_one = |flag: &str| format!("{flag}: got 0, expected at least 1");
        super::require(max_new_tokens > 0, || at_least_one("--max-new-tokens"))?;
        super::require(min_new_tokens <= max_new_tokens, || {
            format!(
                "--min-new-tokens: got {min_new_tokens}, expected at most the {max_new_tokens} of --max-new-tokens"
            )
        })?;
        super::require(sampling.stop.iter().all(|stop| !stop.is_empty()), || {
            "--stop: got an empty text, expected at least one character".to_owned()
        })?;
        super::require(max_num_seqs > 0, || at_least_one("--max-num-seqs"))
    }

    /// The prompt as it was given.
    fn text(&self) -> Result<String> {
        if let Some(prompt) = self.prompt.as_ref().filter(|prompt| *prompt != "-") {
            return Ok(prompt.clone());
        }
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).context("standard input")?;
        Ok(text)
    }

    /// `sampling` with room for the longest response behind a prompt of `n` tokens; one that was asked for must have it.
    fn within_room(
        &self,
        answerer: &Answerer,
        sampling: &SamplingConfig,
        n: usize,
    ) -> Result<SamplingConfig> {
        let fitting = answerer.within_room(sampling, n);
        if let Some(fitting) = &fitting
            && (self.max_new_tokens.is_none() || fitting == sampling)
        {
            return Ok(fitting.clone());
        }
        let positions = answerer.policy.network.config.max_position_embeddings;
        let prompt = format!("a prompt of {}, but the model has {positions} positions", counted(n, "token"));
        Err(Failure::BadInput(match fitting {
            None => format!("{prompt}; expected a shorter one"),
            Some(fitting) => format!(
                "--max-new-tokens: got {} after {prompt}; expected at most {}",
                sampling.max_new_tokens, fitting.max_new_tokens
            ),
        })
        .into())
    }
}

/// What is noteworthy of `completions`, which may have had `limit` tokens.
fn remark(completions: &[Completion], limit: usize) {
    let n = completions.len();
    if n > 1 && completions.windows(2).all(|two| two[0].tokens == two[1].tokens) {
        super::remark(format_args!("note: all {n} responses are the same"));
    }
    let cut = completions.iter().filter(|done| done.finish == Finish::Length).count();
    if cut > 0 {
        super::remark(format_args!(
            "note: {cut} of {} cut off after {}; --max-new-tokens allows more",
            counted(n, "response"),
            counted(limit, "token")
        ));
    }
}

/// Says what the recipe's graders say of `completions`, unless these start programs or send responses away.
fn judge(
    answerer: &Answerer,
    manner: &Manner,
    prompt: &Arc<Prompt>,
    completions: Vec<Completion>,
) -> Result<()> {
    let Some(recipe) = &manner.recipe else { return Ok(()) };
    super::remark(format_args!("expected: {}", prompt.gold()));
    if let Some(what) = recipe.reward.iter().find_map(|entry| entry.grader.settings().reaches_out()) {
        let program = program();
        super::remark(format_args!("not judged: [[reward]] {what}; {program} eval --trust-programs does"));
        return Ok(());
    }
    let judge = Judge {
        scorer: Arc::new(Scorer::new(&recipe.reward)?),
        tokenizer: Arc::clone(&answerer.tokenizer),
        stops: Stops::new(&manner.sampling.stop, &answerer.tokenizer),
        overlong: None,
        ranks: Ranks::default(),
    };
    let whole = (0..).zip(completions).map(|(sample, completion)| Whole {
        sample,
        prompt: Arc::clone(prompt),
        completion,
    });
    for leaf in judge.leaves(whole.collect(), &mut |_| Ok(()))? {
        let word = if leaf.verdict.correct() { "correct" } else { "not correct" };
        let answer = leaf.verdict.answer.map_or_else(|| "none".to_owned(), |answer| format!("{answer:?}"));
        super::remark(format_args!(
            "response {}: {word}, reward {}, answer {answer}",
            leaf.sample + 1,
            leaf.verdict.value
        ));
    }
    Ok(())
}

/// As an argument that is wrong, but for what is wrong with a recipe.
fn bad_input(error: anyhow::Error) -> anyhow::Error {
    if error.is::<crate::recipe::Problems>() { error } else { Failure::bad_input(error) }
}
