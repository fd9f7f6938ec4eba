//! How a policy is asked: as in the run or recipe that it belongs to, unless the person says it otherwise.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use rewards::{Countdown, Task};

use super::Sample;
use crate::cli::policy::Loaded;
use crate::data::{ChatConfig, Item, PromptBuilder};
use crate::exam::Chat;
use crate::recipe::Recipe;
use crate::rollout::SamplingConfig;
use crate::run_folder::RunFolder;
use crate::text::{Message, Tokenizer};
use crate::types::Prompt;

/// How a policy is asked, and how its responses are drawn.
pub(super) struct Manner {
    /// Whose prompt, examples and graders count.
    pub recipe: Option<Recipe>,
    /// Whether the model's template puts what is asked.
    pub chat: Chat,
    /// How responses are drawn.
    pub sampling: SamplingConfig,
}

impl Manner {
    /// As `sample` says, and else the recipe that counts for the model at `folder`.
    pub(super) fn new(sample: &Sample, folder: &Path) -> Result<Self> {
        let own = || match RunFolder::around(folder) {
            Some(run) => run.checked_resolved().map(Some),
            None => Ok(None),
        };
        let path = match &sample.recipe {
            Some(path) => Some(path.clone()),
            None if sample.raw => None,
            None => own()?,
        };
        let recipe = path.map(|path| Recipe::load(&path, &[])).transpose()?;
        let sampling = sample.sampling(recipe.as_ref().map(|recipe| &recipe.sampling));
        let chat = match &recipe {
            _ if sample.raw => Chat::Never,
            Some(recipe) => sample.chat.put_as(recipe.chat.clone())?,
            None => sample.chat.put()?,
        };
        Ok(Self { recipe, chat, sampling })
    }

    /// The same for the model `loaded`.
    ///
    /// # Errors
    /// If a template is asked for that it does not have.
    pub(super) fn of_model(mut self, loaded: &Loaded) -> Result<Self> {
        let chat = self.chat.of_model(&loaded.tokenizer)?;
        ensure!(
            chat.is_none() || loaded.tokenizer.chat_template().is_some(),
            "--chat always: {} has no chat template, neither chat_template.jinja nor `chat_template` in tokenizer_config.json; \
             write --chat never, and the prompt as the model is to read it",
            loaded.folder.display()
        );
        self.chat = chat.map_or(Chat::Never, Chat::Always);
        Ok(self)
    }

    /// How the model's template puts what is asked; `None` as it stands.
    pub(super) fn chat(&self) -> Option<&ChatConfig> {
        match &self.chat {
            Chat::Auto(chat) | Chat::Always(chat) => Some(chat),
            Chat::Never => None,
        }
    }

    /// Puts what is asked to the policy whose tokens are those of `tokenizer`.
    pub(super) fn builder<'t>(&'t self, tokenizer: &'t Tokenizer) -> Result<PromptBuilder<'t>> {
        let worked = self.recipe.as_ref().map(|recipe| recipe.data.settings().few_shot());
        Ok(PromptBuilder::new(tokenizer, self.chat())?.showing(worked.unwrap_or_default()))
    }

    /// What is asked where a person says `text`: in the words of the recipe's prompt, where that asks one question.
    pub(super) fn asked(&self, text: &str) -> String {
        let by_recipe = self.recipe.as_ref().and_then(|recipe| recipe.data.settings().ask(text));
        by_recipe.unwrap_or_else(|| text.to_owned())
    }

    /// The prompt that `builder` makes of `text` behind the turns `before`. Nothing is graded, so its task is never looked at.
    pub(super) fn prompt(
        &self,
        builder: &PromptBuilder<'_>,
        before: &[Message],
        text: &str,
    ) -> Result<Arc<Prompt>> {
        let (text, tokens) = builder.build_behind(before, &self.asked(text))?;
        let task = Task::Countdown(Countdown { numbers: Vec::new(), target: 0 });
        Ok(Arc::new(Prompt { id: 0, text, tokens, task }))
    }

    /// The held-out problem that `which` names: `3` the third of all sets, `SET:3` that of one.
    pub(super) fn item(&self, builder: &PromptBuilder<'_>, which: &str) -> Result<Arc<Prompt>> {
        let recipe = self.recipe.as_ref().context(
            "--item: whose problems are not known; name a run, a part of one, or a recipe with --recipe",
        )?;
        let sets = recipe.data.settings().items().context("[data]")?.eval;
        let (set, number) = which.rsplit_once(':').map_or((None, which), |(set, number)| (Some(set), number));
        let names: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
        if let Some(set) = set.filter(|set| !names.contains(set)) {
            bail!("--item {which}: no set {set:?}; expected one of {}", names.join(", "));
        }
        let counts = sets.iter().filter(|own| set.is_none_or(|set| set == own.name));
        let items: Vec<&Item> = counts.flat_map(|set| &set.items).collect();
        let number = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let item = number.and_then(|number| items.get(number)).with_context(|| {
            format!("--item: got {which}, expected 1 to {}, a held-out problem, or SET:NUMBER", items.len())
        })?;
        let (text, tokens) = builder.build_behind(&item.before, &item.text)?;
        Ok(Arc::new(Prompt { id: 0, text, tokens, task: item.task.clone() }))
    }
}
