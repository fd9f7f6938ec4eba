//! `[sft.source]`: texts to imitate before reinforcement learning begins.
//!
//! Example `i` is a pure function of configuration, data and seed: the walk of [`super::order`] says which
//! training problem or which line of a file it is about, and a demonstration is drawn at the coordinate `i`,
//! so that a problem is demonstrated anew in every epoch.

mod bifurcation_demos;
mod countdown_demos;
mod jsonl;

use std::{ops::Range, path::Path, sync::Arc};

use anyhow::{Result, bail, ensure};
use rewards::TaskKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use bifurcation_demos::ResponsesConfig;
pub(crate) use jsonl::JsonlSource;

use super::{DataConfig, PromptBuilder, demonstrations::DemoConfig, order::visits};
use crate::{
    text::Tokenizer,
    types::{Prompt, Purpose, Rules, RunRandom, TokenId},
};

/// Where the demonstrations come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum SourceConfig {
    /// Searches written by a solver of limited skill, about the training problems.
    CountdownDemos(DemoConfig),
    /// Responses to the training problems of `[data] type = "bifurcation"` that take branches and decoys at random.
    BifurcationDemos(ResponsesConfig),
    /// Pairs from a file, one `{"prompt": text, "response": text}` a line.
    Jsonl(JsonlSource),
}

/// The settings of one source.
pub(crate) trait SourceSettings {
    /// What its keys may be, without touching any file.
    fn rules(&self) -> Rules {
        Rules::default()
    }

    /// The files with texts.
    fn files(&self) -> Vec<&Path> {
        Vec::new()
    }

    /// Whether its texts are about the training problems.
    fn is_of_problems(&self) -> bool {
        false
    }

    /// The kind of problems that it has something to say of, where it has of one kind alone.
    fn is_of(&self) -> Option<TaskKind> {
        None
    }

    /// The texts; `problems` are what demonstrations are about. Prompts of pairs are written out as the policy reads
    /// them, see [`PromptBuilder::written_out`].
    ///
    /// # Errors
    /// If there is no problem or one that cannot be demonstrated, if the file cannot be read or has a broken line, or if an
    /// example can be longer than `limits`.
    fn texts(
        &self,
        problems: Problems<'_>,
        builder: &PromptBuilder<'_>,
        limits: Limits,
    ) -> Result<Box<dyn Texts>>;
}

/// What there is to imitate.
pub(crate) trait Texts {
    /// How many.
    fn n(&self) -> usize;

    /// Text `i` as the example with this `number`.
    ///
    /// # Errors
    /// If it cannot be tokenized or is longer than the limits.
    fn example(&self, i: usize, number: u64, random: &RunRandom) -> Result<Example>;
}

/// One text to imitate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Example {
    /// What is read. Never empty.
    pub prompt: Vec<TokenId>,
    /// What is to be said, the end-of-sequence token included.
    pub response: Vec<TokenId>,
}

/// What demonstrations are about.
#[derive(Clone, Copy)]
pub(crate) struct Problems<'a> {
    /// What made them.
    pub config: &'a DataConfig,
    /// Those to learn from.
    pub train: &'a [Arc<Prompt>],
}

/// An endless supply of examples.
pub(crate) struct Source {
    texts: Box<dyn Texts>,
    random: RunRandom,
}

/// Most tokens that prompt and response of one example may have together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Positions of the model.
    pub positions: usize,
    /// `max_tokens` of `[sft]`.
    pub max_tokens: usize,
}

impl SourceConfig {
    /// What the recipe chose.
    #[must_use]
    pub(crate) fn settings(&self) -> &dyn SourceSettings {
        match self {
            Self::CountdownDemos(config) => config,
            Self::BifurcationDemos(config) => config,
            Self::Jsonl(config) => config,
        }
    }

    /// The source described, see [`SourceSettings::texts`].
    ///
    /// # Errors
    /// As there, and if values are out of range.
    pub(crate) fn build(
        &self,
        problems: Problems<'_>,
        builder: &PromptBuilder<'_>,
        random: RunRandom,
        limits: Limits,
    ) -> Result<Source> {
        if let [problem, ..] = self.settings().rules().problems().as_slice() {
            bail!("source of SFT: {problem}");
        }
        Ok(Source { texts: self.settings().texts(problems, builder, limits)?, random })
    }
}

impl Limits {
    fn check(self, prompt: usize, response: usize) -> Result<()> {
        let Self { positions, max_tokens } = self;
        let whole = prompt.saturating_add(response);
        let lengths = || {
            format!(
                "a prompt of {prompt} tokens and a response of {response}, end-of-sequence included, are {whole}"
            )
        };
        ensure!(whole <= positions, "{}, but the model has {positions} positions", lengths());
        ensure!(
            whole <= max_tokens,
            "{}, but [sft] `max_tokens` = {max_tokens}; raise it to at least {whole}",
            lengths()
        );
        Ok(())
    }
}

impl Source {
    /// Examples of these numbers, counted from 0 and without end.
    ///
    /// # Errors
    /// If a text cannot be tokenized or is longer than the limits.
    pub(crate) fn examples(&self, numbers: Range<u64>) -> Result<Vec<Example>> {
        let order = visits(&self.random, Purpose::SftOrder, self.texts.n(), numbers.clone());
        order
            .into_iter()
            .zip(numbers)
            .map(|(i, number)| self.texts.example(i, number, &self.random))
            .collect()
    }
}

/// `response` to `prompt`, ended.
fn example(prompt: Vec<TokenId>, response: &str, tokenizer: &Tokenizer) -> Result<Example> {
    let mut response = tokenizer.encode(response)?;
    response.push(tokenizer.eos_id());
    Ok(Example { prompt, response })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::{collections::HashSet, fs};

    use rewards::{Countdown, Task};

    use super::*;
    use crate::data::demonstrations::{self, Style};
    use crate::{
        data::{DataConfig, countdown::CountdownConfig},
        text::countdown_tokenizer,
    };

    fn config() -> DataConfig {
        DataConfig::Countdown(CountdownConfig {
            seed: 0,
            numbers: [3, 3],
            max_number: 9,
            targets: [1, 50],
            train_items: 40,
            eval_items: 1,
            prompt: "Make {target} from {numbers}.\n".into(),
        })
    }

    fn problems() -> Vec<Arc<Prompt>> {
        let tokenizer = countdown_tokenizer().unwrap();
        let builder = PromptBuilder::new(&tokenizer, None).unwrap();
        config().settings().items().unwrap().tokenize(&builder).unwrap().train
    }

    fn builder() -> PromptBuilder<'static> {
        static TOKENIZER: std::sync::OnceLock<Tokenizer> = std::sync::OnceLock::new();
        PromptBuilder::new(TOKENIZER.get_or_init(|| countdown_tokenizer().unwrap()), None).unwrap()
    }

    const LIMITS: Limits = Limits { positions: 512, max_tokens: 16384 };

    fn build(
        source: &SourceConfig,
        train: &[Arc<Prompt>],
        random: RunRandom,
        limits: Limits,
    ) -> Result<Source> {
        source.build(Problems { config: &config(), train }, &builder(), random, limits)
    }

    fn demos(seed: u64) -> Source {
        let source = SourceConfig::CountdownDemos(DemoConfig {
            max_lines: 4,
            guesses: 3,
            give_up: 0.5,
            style: Style::Terse,
            max_value: 199,
        });
        build(&source, &problems(), RunRandom::new(seed), LIMITS).unwrap()
    }

    fn pairs(content: &str) -> Result<Source> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pairs.jsonl");
        fs::write(&path, content).unwrap();
        let source: SourceConfig =
            serde_json::from_value(serde_json::json!({"type": "jsonl", "path": path})).unwrap();
        build(&source, &[], RunRandom::new(0), LIMITS)
    }

    #[test]
    fn demonstrations_visit_every_problem_each_epoch_and_differ_between_epochs() {
        let examples = demos(0).examples(0..80).unwrap();
        let prompts = |half: &[Example]| half.iter().map(|e| e.prompt.clone()).collect::<HashSet<_>>();
        assert_eq!(prompts(&examples[..40]), problems().iter().map(|p| p.tokens.clone()).collect());
        assert_eq!(prompts(&examples[40..]), prompts(&examples[..40]));
        let responses: HashSet<_> = examples.iter().map(|e| &e.response).collect();
        assert!(responses.len() > 70, "{}", responses.len());
    }

    #[test]
    fn an_example_depends_on_its_number_and_the_seed_alone() {
        let whole = demos(0).examples(0..90).unwrap();
        assert_eq!(demos(0).examples(30..50).unwrap(), whole[30..50]);
        assert_ne!(demos(1).examples(0..90).unwrap(), whole);
    }

    #[test]
    fn an_example_is_a_graded_text_that_ends_in_one_end_of_sequence_token() {
        let tokenizer = countdown_tokenizer().unwrap();
        for Example { prompt, response } in demos(0).examples(0..40).unwrap() {
            assert!(tokenizer.decode(&prompt, false).unwrap().starts_with("Make "));
            assert_eq!(response.iter().position(|&t| t == tokenizer.eos_id()), Some(response.len() - 1));
            assert!(tokenizer.decode(&response, true).unwrap().ends_with("</answer>"));
        }
    }

    #[test]
    fn pairs_come_from_a_file() {
        let source = pairs(
            "{\"prompt\": \"1+1=\", \"response\": \"2\"}\n{\"prompt\": \"1+2=\", \"response\": \"3\"}\n",
        )
        .unwrap();
        let tokenizer = countdown_tokenizer().unwrap();
        let mut texts: Vec<String> = source
            .examples(4..6)
            .unwrap()
            .iter()
            .map(|e| tokenizer.decode(&[e.prompt.clone(), e.response.clone()].concat(), false).unwrap())
            .collect();
        texts.sort();
        assert_eq!(texts, ["1+1=2<eos>", "1+2=3<eos>"]);
    }

    #[test]
    fn the_bound_on_demonstrations_holds_and_is_near() {
        let Ok(demos) = demos(0).examples(0..400) else { panic!("no demonstrations") };
        let config =
            DemoConfig { max_lines: 4, guesses: 3, give_up: 0.5, style: Style::Terse, max_value: 199 };
        let bound = demonstrations::most_tokens(3, &config, &countdown_tokenizer().unwrap()).unwrap() + 1;
        let longest = demos.iter().map(|e| e.response.len()).max().unwrap();
        assert!(longest <= bound && bound <= longest + 6, "{longest} {bound}");
        let build = |limits| {
            let source = SourceConfig::CountdownDemos(config.clone());
            let source = build(&source, &problems(), RunRandom::new(0), limits);
            source.err().map(|error| format!("{error:#}")).unwrap_or_default()
        };
        assert!(build(Limits { positions: 60, ..LIMITS }).contains("but the model has 60 positions"));
        assert!(build(Limits { max_tokens: 60, ..LIMITS }).contains("[sft] `max_tokens` = 60; raise it"));
    }

    #[test]
    fn broken_sources_say_where() {
        let good = r#"{"prompt": "a", "response": "b"}"#;
        for (line, expected) in [
            (r#"{"prompt": "a"}"#, "missing field `response`"),
            (r#"{"prompt": "", "response": "b"}"#, "`prompt` is empty"),
            (r#"{"prompt": "a", "response": ""}"#, "`response` is empty"),
            ("oops", "expected value"),
            (
                &format!(r#"{{"prompt": "a", "response": "{}"}}"#, "-".repeat(511)),
                "a prompt of 1 tokens and a response of 512, end-of-sequence included, are 513, but the model has 512",
            ),
        ] {
            let error = pairs(&format!("{good}\n{line}\n")).err().unwrap().to_string();
            assert!(error.contains("pairs.jsonl:2: ") && error.contains(expected), "{error}");
        }
        let task = Task::Countdown(Countdown { numbers: vec![1, 5000], target: 3 });
        let prompt = Arc::new(Prompt { id: 8, text: "?".into(), tokens: vec![1], task });
        let source = SourceConfig::CountdownDemos(DemoConfig {
            max_lines: 4,
            guesses: 3,
            give_up: 0.5,
            style: Style::Terse,
            max_value: 199,
        });
        let build = |train: &[Arc<Prompt>]| {
            let source = build(&source, train, RunRandom::new(0), LIMITS);
            format!("{:#}", source.err().unwrap())
        };
        assert!(build(&[prompt]).starts_with("prompt 8: demonstrations: got a problem with 5000"));
        assert!(build(&[]).contains("no training problems"));
    }
}
