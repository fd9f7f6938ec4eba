//! From the text of a problem to what the policy reads.
//!
//! ```text
//! without [chat]   the text itself, with the tokens that its tokenizer puts around any text
//! with [chat]      the model's chat template, the text being what the user says, up to where the answer begins
//!
//! worked examples  text answer, text answer, text: as turns of user and assistant with [chat], an empty line behind each without
//! ```

use std::collections::BTreeMap;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};
use jiff::Zoned;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Worked;
use crate::text::{ChatOptions, ChatTemplate, Message, Tokenizer};
use crate::types::TokenId;

/// Problems are put as a user's message, by the model's own chat template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChatConfig {
    /// A message of the system before that of the user; without it there is none but what the template itself adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// What the template is told besides, such as `enable_thinking = false`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Value>,
    /// The time that a template sees which writes it, such as `2026-02-01T12:00:00+01:00[Europe/Berlin]`. A run or an evaluation
    /// that is kept writes that of its start here, so that it asks the same when it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
}

impl ChatConfig {
    /// Keeps the time that `template` sees, if it can see one: what `before` was kept, else the present.
    pub(crate) fn keep_time(
        &mut self,
        template: Option<&ChatTemplate>,
        before: impl FnOnce() -> Option<String>,
    ) {
        if self.now.is_none() && template.is_some_and(ChatTemplate::tells_time) {
            self.now = Some(before().unwrap_or_else(present));
        }
    }

    fn time(&self) -> Result<Option<Zoned>> {
        let read = |text: &String| {
            text.parse::<Zoned>().map_err(|error| {
                anyhow!(
                    "[chat] now: got {text:?}, expected a time with its zone, such as {:?}: {error}",
                    "2026-02-01T12:00:00+01:00[Europe/Berlin]"
                )
            })
        };
        self.now.as_ref().map(read).transpose()
    }
}

/// The second in which this was first asked for. Its zone is an offset, which every machine can read.
fn present() -> String {
    static PRESENT: OnceLock<String> = OnceLock::new();
    let present = PRESENT.get_or_init(|| {
        let now = Zoned::now();
        let second = now.with().subsec_nanosecond(0).build().unwrap_or_else(|_| now.clone());
        second.with_time_zone(now.offset().to_time_zone()).to_string()
    });
    present.clone()
}

/// Puts problems to a policy.
pub(crate) struct PromptBuilder<'t> {
    tokenizer: &'t Tokenizer,
    chat: Option<(ChatTemplate, &'t ChatConfig)>,
    /// Worked examples before every question.
    worked: Vec<Worked>,
    /// Texts of special tokens.
    special: Vec<String>,
}

impl<'t> PromptBuilder<'t> {
    /// As `chat` says, or plainly without it.
    ///
    /// # Errors
    /// If the model has no chat template although there is a `chat`, or the time that is to be seen is none. Without `chat`, if
    /// the tokenizer ends every text with a token at which responses end.
    pub(crate) fn new(tokenizer: &'t Tokenizer, chat: Option<&'t ChatConfig>) -> Result<Self> {
        if chat.is_none() {
            tokenizer.check_begins_answers()?;
        }
        let with_template = |chat: &'t ChatConfig| {
            let template = tokenizer.chat_template().context(
                "[chat]: the model has no chat template, neither chat_template.jinja nor one in tokenizer_config.json; \
                 leave [chat] out, or put one there",
            )?;
            let template = chat.time()?.map_or_else(|| template.clone(), |now| template.at(now));
            Ok::<_, anyhow::Error>((template, chat))
        };
        let special = tokenizer.special_tokens();
        Ok(Self { tokenizer, chat: chat.map(with_template).transpose()?, worked: Vec::new(), special })
    }

    /// The same, which puts `worked` before every question.
    #[must_use]
    pub(crate) fn showing(self, worked: Vec<Worked>) -> Self {
        Self { worked, ..self }
    }

    /// A special token whose text stands in `question`, where the policy reads it as that token.
    #[must_use]
    pub(crate) fn special_in(&self, question: &str) -> Option<&str> {
        self.special.iter().map(String::as_str).find(|text| question.contains(text))
    }

    /// What the policy reads when it is asked `question`: as text and as tokens, at least one.
    ///
    /// # Errors
    /// If the template refuses it, or it cannot be tokenized or has no tokens.
    pub(crate) fn build(&self, question: &str) -> Result<(String, Vec<TokenId>)> {
        self.build_behind(&[], question)
    }

    /// As [`PromptBuilder::build`], behind the turns `before` of a conversation, whose own message of the system counts, if it has one.
    ///
    /// # Errors
    /// As [`PromptBuilder::build`], or if there is a conversation and no template.
    pub(crate) fn build_behind(&self, before: &[Message], question: &str) -> Result<(String, Vec<TokenId>)> {
        let (text, tokens) = match &self.chat {
            None => {
                ensure!(
                    before.is_empty(),
                    "a list of messages is put by a chat template; add [chat], or take one text as the question"
                );
                let shown = self.worked.iter().map(|one| format!("{}{}\n\n", one.asked, one.response));
                let text = shown.collect::<String>() + question;
                let tokens = self.tokenizer.encode_whole(&text)?;
                (text, tokens)
            }
            Some((template, chat)) => {
                let text = self.render(template, chat, before, question)?;
                let tokens = self.tokenizer.encode(&text)?;
                (text, tokens)
            }
        };
        ensure!(!tokens.is_empty(), "the text {text:?} has no tokens; a policy needs at least one to read");
        Ok((text, tokens))
    }

    /// The conversation up to where the answer to `question` begins.
    fn render(
        &self,
        template: &ChatTemplate,
        chat: &ChatConfig,
        before: &[Message],
        question: &str,
    ) -> Result<String> {
        let has_own = before.first().is_some_and(|first| first.role == "system");
        let (system, turns) = before.split_at(usize::from(has_own));
        let usual = chat.system.as_deref().filter(|_| !has_own).map(|text| Message::new("system", text));
        let worked = self.worked.iter().flat_map(|Worked { asked, response }| {
            [Message::new("user", asked), Message::new("assistant", response)]
        });
        let messages = usual.into_iter().chain(system.iter().cloned()).chain(worked);
        let messages = messages.chain(turns.iter().cloned()).chain([Message::new("user", question)]);
        let options = ChatOptions { add_generation_prompt: true, variables: chat.variables.clone() };
        template.render(&messages.collect::<Vec<_>>(), &options)
    }

    /// The tokens of a prompt that is written out as the policy reads it. With a template that is all that the template would
    /// write; without one the tokenizer puts its own tokens around it, as around every text.
    ///
    /// # Errors
    /// If it cannot be tokenized.
    pub(crate) fn written_out(&self, prompt: &str) -> Result<Vec<TokenId>> {
        match self.chat {
            Some(_) => self.tokenizer.encode(prompt),
            None => self.tokenizer.encode_whole(prompt),
        }
    }

    /// By whose tokens.
    #[must_use]
    pub(crate) fn tokenizer(&self) -> &'t Tokenizer {
        self.tokenizer
    }

    /// What the policy reads when it is asked `question` behind the turns `before`, spelled from its tokens, those included that its tokenizer adds, and
    /// how many these are.
    ///
    /// # Errors
    /// As [`PromptBuilder::build`].
    pub(crate) fn read(&self, before: &[Message], question: &str) -> Result<(String, usize)> {
        let (_, tokens) = self.build_behind(before, question)?;
        Ok((self.tokenizer.pieces(&tokens)?.concat(), tokens.len()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::fs;

    use super::*;
    use crate::text::countdown_tokenizer;

    /// A tokenizer that begins every text with `<pad>`, id 1, and has a template that writes the time.
    fn tokenizer() -> Tokenizer {
        let dir = tempfile::tempdir().unwrap();
        countdown_tokenizer().unwrap().save(dir.path()).unwrap();
        let path = dir.path().join("tokenizer.json");
        let mut file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        file["post_processor"] = serde_json::json!({"type": "TemplateProcessing", "pair": [], "single": [
            {"SpecialToken": {"id": "<pad>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "special_tokens": {"<pad>": {"id": "<pad>", "ids": [1], "tokens": ["<pad>"]}}});
        fs::write(&path, file.to_string()).unwrap();
        let template = "{{ strftime_now('%Y') }}:{{ messages[0].content }}";
        fs::write(dir.path().join("chat_template.jinja"), template).unwrap();
        Tokenizer::from_folder(dir.path()).unwrap()
    }

    #[test]
    fn a_prompt_without_a_template_begins_as_every_text_and_one_written_out_for_a_template_does_not() {
        let tokenizer = tokenizer();
        let plain = PromptBuilder::new(&tokenizer, None).unwrap();
        let (_, tokens) = plain.build("1+2").unwrap();
        assert_eq!((tokens[0], &tokens), (1, &plain.written_out("1+2").unwrap()));
        let chat = ChatConfig { now: Some("1999-01-01T00:00:00+00:00[UTC]".into()), ..Default::default() };
        let builder = PromptBuilder::new(&tokenizer, Some(&chat)).unwrap();
        let (text, tokens) = builder.build("1+2").unwrap();
        assert_eq!(text, "1999:1+2");
        assert_eq!(tokens, builder.written_out(&text).unwrap());
        assert_ne!(tokens[0], 1);
    }

    /// A template that writes all turns, and the preset's tokenizer.
    fn turns() -> Tokenizer {
        let dir = tempfile::tempdir().unwrap();
        countdown_tokenizer().unwrap().save(dir.path()).unwrap();
        let template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]";
        fs::write(dir.path().join("chat_template.jinja"), template).unwrap();
        Tokenizer::from_folder(dir.path()).unwrap()
    }

    #[test]
    fn worked_examples_come_before_every_question() {
        let tokenizer = turns();
        let worked = || {
            let one = |asked: &str, response: &str| Worked { asked: asked.into(), response: response.into() };
            vec![one("1+1=", "2"), one("1+2=", "3")]
        };
        let plain = PromptBuilder::new(&tokenizer, None).unwrap().showing(worked());
        let (text, tokens) = plain.build("2+2=").unwrap();
        assert_eq!(text, "1+1=2\n\n1+2=3\n\n2+2=");
        assert_eq!(tokens, tokenizer.encode_whole(&text).unwrap());
        let chat = ChatConfig { system: Some("S".into()), ..Default::default() };
        let builder = PromptBuilder::new(&tokenizer, Some(&chat)).unwrap().showing(worked());
        assert_eq!(
            builder.build("2+2=").unwrap().0,
            "[system]S[user]1+1=[assistant]2[user]1+2=[assistant]3[user]2+2=[assistant]"
        );
        // What is written out is that already.
        assert_eq!(builder.written_out("x").unwrap(), tokenizer.encode("x").unwrap());
    }

    #[test]
    fn a_conversation_is_put_by_a_template_with_its_own_system_message() {
        let tokenizer = turns();
        let chat = ChatConfig { system: Some("S".into()), ..Default::default() };
        let builder = PromptBuilder::new(&tokenizer, Some(&chat)).unwrap();
        let turns = [Message::new("user", "1"), Message::new("assistant", "2")];
        assert_eq!(
            builder.build_behind(&turns, "3").unwrap().0,
            "[system]S[user]1[assistant]2[user]3[assistant]"
        );
        let own = [&[Message::new("system", "T")], &turns[..]].concat();
        assert_eq!(
            builder.build_behind(&own, "3").unwrap().0,
            "[system]T[user]1[assistant]2[user]3[assistant]"
        );
        let plain = PromptBuilder::new(&tokenizer, None).unwrap();
        let error = plain.build_behind(&turns, "3").unwrap_err().to_string();
        assert!(error.contains("add [chat]"), "{error}");
    }

    #[test]
    fn a_time_is_kept_where_a_template_tells_it() {
        let tokenizer = tokenizer();
        let mut chat = ChatConfig::default();
        chat.keep_time(countdown_tokenizer().unwrap().chat_template(), || panic!("nothing tells the time"));
        assert_eq!(chat.now, None);
        chat.keep_time(tokenizer.chat_template(), || None);
        assert_eq!(chat.now, Some(present()));
        assert!(chat.time().unwrap().is_some());
        chat.keep_time(tokenizer.chat_template(), || panic!("there is one"));
        let mut chat = ChatConfig::default();
        chat.keep_time(tokenizer.chat_template(), || Some("yesterday".into()));
        let error = PromptBuilder::new(&tokenizer, Some(&chat)).err().unwrap().to_string();
        assert!(error.starts_with("[chat] now: got \"yesterday\", expected a time with its zone"), "{error}");
    }
}
