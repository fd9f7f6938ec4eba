//! Models on held-out problems, one after the other: what they are asked ([`Plan`]), and one that is asked ([`Subject`]).
//!
//! A plan is made before any model is looked at. What a model has answered is kept as it comes, so that an evaluation that was
//! interrupted goes on.

mod subject;

use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use serde_json::Value;

pub(crate) use subject::Subject;

use crate::data::{ChatConfig, EvalItems, PromptBuilder, Worked};
use crate::model::Placement;
use crate::rollout::SamplingConfig;
use crate::score::Scorer;
use crate::text::Tokenizer;
use crate::types::RunRandom;

/// An evaluation of any model.
pub(crate) struct Plan {
    /// The problems.
    pub sets: Vec<PlannedSet>,
    /// Samples per problem.
    pub samples: usize,
    /// Whether the most likely response is measured too.
    pub greedy: bool,
    /// How samples are drawn.
    pub sampling: SamplingConfig,
    /// Seed of the draws.
    pub seed: u64,
    /// Where and how to compute.
    pub placement: Placement,
    /// Most tokens in one prefill pass.
    pub max_prefill_tokens: usize,
    /// How problems are put.
    pub chat: Chat,
    /// Worked examples before each.
    pub few_shot: Vec<Worked>,
}

/// One set of an evaluation.
pub(crate) struct PlannedSet {
    /// The problems.
    pub items: EvalItems,
    /// Id of the first of them.
    pub first_id: u64,
    /// Where the draws of its responses come from.
    pub random: RunRandom,
    /// Judges the answers.
    pub scorer: Arc<Scorer>,
    /// All that shapes the set.
    pub settings: Value,
}

/// Whether problems are put by the model's chat template.
#[derive(Clone)]
pub(crate) enum Chat {
    /// If it has one.
    Auto(ChatConfig),
    /// It must have one.
    Always(ChatConfig),
    /// As they are.
    Never,
}

/// What templates call it.
const THINKING: &str = "enable_thinking";

impl Chat {
    /// The same with the template told whether the model thinks before it answers.
    ///
    /// # Errors
    /// If problems are put as they are.
    pub(crate) fn thinking(&self, thinks: bool) -> Result<Self> {
        let tell = |chat: &ChatConfig| {
            let mut chat = chat.clone();
            chat.variables.insert(THINKING.to_owned(), thinks.into());
            chat
        };
        match self {
            // One that is told something must have a template.
            Self::Auto(chat) | Self::Always(chat) => Ok(Self::Always(tell(chat))),
            Self::Never => bail!(
                "problems are put without a chat template, which is who would be told; expected a recipe with [chat], or no --chat never"
            ),
        }
    }

    /// That the template of `tokenizer` writes something else where the model thinks.
    ///
    /// # Errors
    /// If it does not, or there is none.
    pub(crate) fn check_thinking(&self, tokenizer: &Tokenizer) -> Result<()> {
        let question = "?";
        let written = |thinks: bool| {
            let chat = self.thinking(thinks)?.of_model(tokenizer)?;
            Ok::<_, anyhow::Error>(PromptBuilder::new(tokenizer, chat.as_ref())?.build(question)?.0)
        };
        ensure!(
            written(true)? != written(false)?,
            "the model's chat template writes the same with {THINKING} = true and false"
        );
        Ok(())
    }

    /// What it comes to for a model with this tokenizer; `None` where problems are put as they are.
    ///
    /// # Errors
    /// If it says what only a template could say, and there is none.
    pub(crate) fn of_model(&self, tokenizer: &Tokenizer) -> Result<Option<ChatConfig>> {
        match self {
            Self::Auto(chat) if tokenizer.chat_template().is_some() => Ok(Some(chat.clone())),
            Self::Auto(chat) => {
                ensure!(
                    *chat == ChatConfig::default(),
                    "the model has no chat template, so --system and --variable go nowhere; leave them out"
                );
                Ok(None)
            }
            Self::Always(chat) => Ok(Some(chat.clone())),
            Self::Never => Ok(None),
        }
    }
}
