//! `rlcredit sample RUN_OR_MODEL PROMPT`: a prompt in, text out.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Args;
use rewards::{Countdown, Task};

use super::policy::{self, Choices, Loaded};
use super::scale_heads::ScaleHeads;
use crate::data::{ChatConfig, PromptBuilder};
use crate::model::Dtype;
use crate::rollout::{DecodeEngine, Generation, RolloutEngine, SamplingConfig, TEMPERATURES, require_finite};
use crate::run::Failure;
use crate::types::{Completion, Finish, GenRequest, Prompt, Purpose, RunRandom, TokenId};

#[derive(Args)]
pub(super) struct Sample {
    /// A run, whose newest checkpoint counts, a checkpoint such as RUN@40, a Hugging Face folder or hub:ORG/NAME
    #[arg(value_parser = policy::place)]
    model: PathBuf,
    /// The prompt, read as it stands, a backslash included, behind the token with which the tokenizer begins every text, if it
    /// does: a Countdown prompt ends in a line's end, in a shell
    /// $'Make 45 from 3, 7, 12.\n'. Standard input with - or without a prompt
    prompt: Option<String>,
    /// Read the prompt as a user's message, which the model's chat template puts into words
    #[arg(long)]
    chat: bool,
    /// System message in front of it
    #[arg(long, value_name = "TEXT", requires = "chat")]
    system: Option<String>,
    /// Tell the template `enable_thinking = false`, as Qwen3's reads it
    #[arg(long, requires = "chat")]
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
    /// Divides the logits; 0 takes the most likely token each time
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    temperature: f64,
    /// Keep the most likely tokens whose probabilities reach this
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    top_p: f64,
    /// Keep this many most likely tokens; 0 keeps all
    #[arg(long, default_value_t = 0)]
    top_k: usize,
    /// Longest response in tokens
    #[arg(long, default_value_t = 128)]
    max_new_tokens: usize,
    /// Most responses decoded at once
    #[arg(long, default_value_t = 512)]
    max_num_seqs: usize,
    /// Seed of the draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl Sample {
    fn chat_config(&self) -> ChatConfig {
        let variables = self.no_thinking.then(|| ("enable_thinking".to_owned(), false.into()));
        ChatConfig { system: self.system.clone(), variables: variables.into_iter().collect(), now: None }
    }

    pub(super) fn run(self) -> Result<ExitCode> {
        self.check()?;
        let choices = Choices { heads: self.scale_heads.as_ref(), dtype: self.dtype, ..Choices::default() };
        let loaded = policy::load(&self.model, choices)?;
        let chat = self.chat.then(|| self.chat_config());
        let (text, tokens) = asked(&loaded, chat.as_ref(), &self.text()?).map_err(Failure::bad_input)?;
        super::warn_of_unknown(&loaded.tokenizer.unknown([text.as_str()])?);
        self.check_room(&loaded, tokens.len())?;
        // Nothing is graded here, so the task is never looked at.
        let task = Task::Countdown(Countdown { numbers: Vec::new(), target: 0 });
        let completions = self.answers(&loaded, Prompt { id: 0, text, tokens, task })?;
        for (i, done) in completions.iter().enumerate() {
            if i > 0 {
                super::say("---")?;
            }
            super::say(loaded.tokenizer.decode(&done.tokens, true)?)?;
        }
        self.remark(&completions);
        Ok(ExitCode::SUCCESS)
    }

    /// Whether its numbers make sense.
    fn check(&self) -> Result<()> {
        super::require(self.samples > 0, || "-n: got 0, expected at least 1".to_owned())?;
        let hot = self.temperature.is_finite() && self.temperature >= 0.0;
        super::require(hot, || format!("--temperature: got {}, expected at least 0", self.temperature))?;
        super::require(self.temperature == 0.0 || TEMPERATURES.contains(&self.temperature), || {
            format!(
                "--temperature: got {:e}, expected 1e-6 to 1e6, by which single precision can divide, or 0 for the most \
                 likely token",
                self.temperature
            )
        })?;
        super::require(self.top_p > 0.0 && self.top_p <= 1.0, || {
            format!("--top-p: got {}, expected more than 0 and at most 1", self.top_p)
        })?;
        let at_least_one = |flag: &str| format!("{flag}: got 0, expected at least 1");
        super::require(self.max_new_tokens > 0, || at_least_one("--max-new-tokens"))?;
        super::require(self.max_num_seqs > 0, || at_least_one("--max-num-seqs"))
    }

    /// The prompt as it was given.
    fn text(&self) -> Result<String> {
        if let Some(prompt) = self.prompt.as_ref().filter(|prompt| *prompt != "-") {
            return Ok(prompt.clone());
        }
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input")?;
        Ok(text)
    }

    /// Whether the longest response has room behind a prompt of `n` tokens.
    fn check_room(&self, loaded: &Loaded, n: usize) -> Result<()> {
        let positions = usize::try_from(loaded.policy.network.config.max_position_embeddings)?;
        let room = positions.saturating_sub(n);
        super::require(self.max_new_tokens <= room, || {
            let prompt = format!("a prompt of {n} tokens, but the model has {positions} positions");
            let got = self.max_new_tokens;
            match room {
                0 => format!("{prompt}; expected a shorter one"),
                room => format!("--max-new-tokens: got {got} after {prompt}; expected at most {room}"),
            }
        })
    }

    fn answers(&self, loaded: &Loaded, prompt: Prompt) -> Result<Vec<Completion>> {
        let prompt = Arc::new(prompt);
        let request = |sample| GenRequest { prompt: Arc::clone(&prompt), prefix: Vec::new(), sample };
        let requests: Vec<GenRequest> = (0..self.samples).map(request).collect();
        let &Self { temperature, top_p, top_k, max_new_tokens, max_num_seqs, .. } = self;
        let generation = Generation {
            random: RunRandom::new(self.seed),
            purpose: Purpose::Sample,
            step: 0,
            sampling: SamplingConfig { temperature, top_p, top_k, max_new_tokens, max_num_seqs },
        };
        let mut engine = DecodeEngine::new(loaded.tokenizer.eos_ids().to_vec(), max_num_seqs, 16384);
        let generated = engine.generate(&loaded.policy, &requests, &generation, &mut |_| Ok(()))?;
        require_finite(&requests, &generated.completions)?;
        Ok(generated.completions)
    }

    /// What is noteworthy of `completions`.
    fn remark(&self, completions: &[Completion]) {
        let n = completions.len();
        if n > 1 && completions.windows(2).all(|two| two[0].tokens == two[1].tokens) {
            super::remark(format_args!("note: all {n} responses are the same"));
        }
        let cut = completions.iter().filter(|done| done.finish == Finish::Length).count();
        if cut > 0 {
            let limit = self.max_new_tokens;
            super::remark(format_args!(
                "note: {cut} of {n} responses cut off after {limit} tokens; --max-new-tokens allows more"
            ));
        }
    }
}

/// `text` as the model reads it, with its tokens.
fn asked(loaded: &Loaded, chat: Option<&ChatConfig>, text: &str) -> Result<(String, Vec<TokenId>)> {
    let folder = loaded.folder.display();
    ensure!(
        chat.is_none() || loaded.tokenizer.chat_template().is_some(),
        "--chat: {folder} has no chat template, neither chat_template.jinja nor `chat_template` in tokenizer_config.json; \
         leave --chat out, and write the prompt as the model is to read it"
    );
    ensure!(chat.is_some() || !text.is_empty(), "the prompt is empty; expected at least one token");
    PromptBuilder::new(&loaded.tokenizer, chat)
        .and_then(|builder| builder.build(text))
        .with_context(|| folder.to_string())
}
