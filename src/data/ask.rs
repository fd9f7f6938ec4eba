//! From the text of a problem to what the policy reads.
//!
//! ```text
//! without [chat]   the text itself, with the tokens that its tokenizer puts around any text
//! with [chat]      the model's chat template, the text being what the user says, up to where the answer begins
//! ```

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::text::{ChatOptions, ChatTemplate, Message, Tokenizer};
use crate::types::TokenId;

/// `[chat]`: problems are put as a user's message, by the model's own chat template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChatConfig {
    /// A message of the system before that of the user; without it there is none but what the template itself adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// What the template is told besides, such as `enable_thinking = false`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Value>,
}

/// Puts problems to a policy.
pub struct Asker<'t> {
    tokenizer: &'t Tokenizer,
    chat: Option<(&'t ChatTemplate, &'t ChatConfig)>,
    /// Texts of special tokens.
    special: Vec<String>,
}

impl<'t> Asker<'t> {
    /// As `chat` says, or plainly without it.
    ///
    /// # Errors
    /// If the model has no chat template although there is a `chat`.
    pub fn new(tokenizer: &'t Tokenizer, chat: Option<&'t ChatConfig>) -> Result<Self> {
        let with_template = |chat| {
            let template = tokenizer.chat_template().context(
                "[chat]: the model has no chat template, neither chat_template.jinja nor one in tokenizer_config.json; \
                 leave [chat] out, or put one there",
            )?;
            Ok::<_, anyhow::Error>((template, chat))
        };
        let special = tokenizer.special_tokens();
        Ok(Self { tokenizer, chat: chat.map(with_template).transpose()?, special })
    }

    /// A special token whose text stands in `question`, where the policy reads it as that token.
    #[must_use]
    pub fn special_in(&self, question: &str) -> Option<&str> {
        self.special.iter().map(String::as_str).find(|text| question.contains(text))
    }

    /// What the policy reads when it is asked `question`: as text and as tokens, at least one.
    ///
    /// # Errors
    /// If the template refuses it, or it cannot be tokenized or has no tokens.
    pub fn ask(&self, question: &str) -> Result<(String, Vec<TokenId>)> {
        let (text, tokens) = match self.chat {
            None => (question.to_owned(), self.tokenizer.encode_whole(question)?),
            Some((template, chat)) => {
                let text = render(template, chat, question)?;
                let tokens = self.tokenizer.encode(&text)?;
                (text, tokens)
            }
        };
        ensure!(!tokens.is_empty(), "the text {text:?} has no tokens; a policy needs at least one to read");
        Ok((text, tokens))
    }

    /// What the policy reads when it is asked `question`, spelled from its tokens, those included that its tokenizer adds, and
    /// how many these are.
    ///
    /// # Errors
    /// As [`Asker::ask`].
    pub fn read(&self, question: &str) -> Result<(String, usize)> {
        let (_, tokens) = self.ask(question)?;
        Ok((self.tokenizer.pieces(&tokens)?.concat(), tokens.len()))
    }
}

fn render(template: &ChatTemplate, chat: &ChatConfig, question: &str) -> Result<String> {
    let system = chat.system.as_deref().map(|text| Message::new("system", text));
    let messages: Vec<Message> = system.into_iter().chain([Message::new("user", question)]).collect();
    let options = ChatOptions { add_generation_prompt: true, variables: chat.variables.clone() };
    template.render(&messages, &options)
}
