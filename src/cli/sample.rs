//! `rlcredit sample RUN_OR_MODEL PROMPT`: a prompt in, text out; in a terminal without one, a conversation.

use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Args;

use self::answerer::Answerer;
use self::manner::Manner;
use super::policy::{self, Choices, Loaded};
use super::scale_heads::ScaleHeads;
use crate::data::ChatConfig;
use crate::model::Dtype;
use crate::ranks::Ranks;
use crate::rollout::{SamplingConfig, TEMPERATURES};
use crate::run::Failure;
use crate::score::{Judge, Scorer, Whole};
use crate::text::Stops;
use crate::types::{Completion, Finish, Prompt, RunRandom};

mod answerer;
mod manner;
mod talk;

#[derive(Args)]
pub(super) struct Sample {
    /// A run, whose newest checkpoint counts, a checkpoint such as RUN@40, a Hugging Face folder or hub:ORG/NAME. A run's policy is asked
    /// as in the run: by its prompt, examples, chat and sampling
    #[arg(value_parser = policy::place)]
    model: PathBuf,
    /// What is asked, a backslash included: the {question} of the run's prompt; where that asks otherwise, or of a model without a
    /// run, the prompt as it stands, behind the token with which the tokenizer begins every text, if it does. A Countdown prompt
    /// ends in a line's end, in a shell $'Make 45 from 3, 7, 12.\n'. Standard input with - or without a prompt; without one in a
    /// terminal a conversation
    prompt: Option<String>,
    /// Ask a held-out problem of the run instead and judge the responses: 3 is the third, SET:3 that of one set
    #[arg(long, value_name = "N", conflicts_with = "prompt")]
    item: Option<String>,
    /// Recipe whose prompt, examples, chat, sampling and problems count, in place of the run's
    #[arg(long)]
    recipe: Option<PathBuf>,
    /// Ask as it stands, and draw by the arguments alone: nothing of the run's recipe counts
    #[arg(long, conflicts_with_all = ["recipe", "item", "chat"])]
    raw: bool,
    /// Read the prompt as a user's message, which the model's chat template puts into words; a run with [chat] does
    #[arg(long)]
    chat: bool,
    /// System message in front of it
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Tell the template `enable_thinking = false`, as Qwen3's reads it
    #[arg(long)]
    no_thinking: bool,
    /// Multiply what attention heads write: LAYER.HEAD=FACTOR,..., 0 leaves a head out; or FILE.json:heads[:10]=0 for the ten of most
    /// importance in a circuit
    #[arg(long, value_name = "HEADS")]
    scale_heads: Option<ScaleHeads>,
    /// Compute precision
    #[arg(long, value_enum, default_value = "auto")]
    dtype: Dtype,
    /// Number of responses
    #[arg(short = 'n', long, default_value_t = 1)]
    samples: u32,
    /// Divides the logits; 0 takes the most likely token each time [the run's, else 1]
    #[arg(long, allow_negative_numbers = true)]
    temperature: Option<f64>,
    /// Keep the most likely tokens whose probabilities reach this [the run's, else 1]
    #[arg(long, allow_negative_numbers = true)]
    top_p: Option<f64>,
    /// Keep this many most likely tokens; 0 keeps all [the run's, else 0]
    #[arg(long)]
    top_k: Option<usize>,
    /// Longest response in tokens [the run's, else 128]
    #[arg(long)]
    max_new_tokens: Option<usize>,
    /// Tokens before a response may end [the run's, else 0]
    #[arg(long)]
    min_new_tokens: Option<usize>,
    /// A string that ends a response; give it once for each [the run's]
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Most responses decoded at once [the run's, else 512]
    #[arg(long)]
    max_num_seqs: Option<usize>,
    /// Seed of the draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl Sample {
    pub(super) fn run(self) -> Result<ExitCode> {
        let manner = Manner::new(&self, &self.model).map_err(bad_input)?;
        self.check(&manner.sampling)?;
        let choices = Choices { heads: self.scale_heads.as_ref(), dtype: self.dtype, ..Choices::default() };
        let loaded = policy::load(&self.model, choices)?;
        require_template(&loaded, &manner).map_err(Failure::bad_input)?;
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
                    manner.chat.is_some() || !text.is_empty(),
                    "the prompt is empty; expected at least one token"
                );
                manner.prompt(&builder, &[], &text)
            }
        }
    }

    /// `usual` with what the arguments say instead.
    fn sampling(&self, usual: Option<&SamplingConfig>) -> SamplingConfig {
        let usual = usual.cloned().unwrap_or_else(|| SamplingConfig::plain(128));
        SamplingConfig {
            temperature: self.temperature.unwrap_or(usual.temperature),
            top_p: self.top_p.unwrap_or(usual.top_p),
            top_k: self.top_k.unwrap_or(usual.top_k),
            max_new_tokens: self.max_new_tokens.unwrap_or(usual.max_new_tokens),
            min_new_tokens: self.min_new_tokens.unwrap_or(usual.min_new_tokens),
            stop: if self.stop.is_empty() { usual.stop } else { self.stop.clone() },
            max_num_seqs: self.max_num_seqs.unwrap_or(usual.max_num_seqs),
        }
    }

    /// `chat` with what the arguments tell the template besides.
    fn tell(&self, mut chat: ChatConfig) -> ChatConfig {
        if self.system.is_some() {
            chat.system.clone_from(&self.system);
        }
        if self.no_thinking {
            chat.variables.insert("enable_thinking".to_owned(), false.into());
        }
        chat
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
        let prompt = format!("a prompt of {n} tokens, but the model has {positions} positions");
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
            "note: {cut} of {n} responses cut off after {limit} tokens; --max-new-tokens allows more"
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
        super::remark(format_args!("not judged: [[reward]] {what}; rlcredit eval --trust-programs does"));
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

/// That the model has a chat template, where one is asked for.
fn require_template(loaded: &Loaded, manner: &Manner) -> Result<()> {
    ensure!(
        manner.chat.is_none() || loaded.tokenizer.chat_template().is_some(),
        "--chat: {} has no chat template, neither chat_template.jinja nor `chat_template` in tokenizer_config.json; \
         leave --chat out, and write the prompt as the model is to read it",
        loaded.folder.display()
    );
    Ok(())
}

/// As an argument that is wrong, but for what is wrong with a recipe.
fn bad_input(error: anyhow::Error) -> anyhow::Error {
    if error.is::<crate::recipe::Problems>() { error } else { Failure::bad_input(error) }
}
