//! Where prompts and texts come from: data sets, their order, demonstrations for SFT.
//!
//! A data set is a list of [`Prompt`]s for training and one for evaluation, the same for every seed of a run,
//! so that runs are comparable; the seed only shapes the order in which a [`sampler`] draws them.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use rewards::{Task, TaskKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::Message;
use crate::types::{Prompt, Rules, counted};

pub(crate) mod arithmetic;
pub(crate) mod bifurcation;
pub(crate) mod countdown;
mod decimal;
pub(crate) mod demonstrations;
mod few_shot;
pub(crate) mod file;
mod json;
pub(crate) mod jsonl;
mod lengths;
mod order;
mod prompt_builder;
pub(crate) mod sampler;
pub(crate) mod supervised;

pub(crate) use few_shot::{FewShotConfig, Worked};
pub(crate) use file::{FileConfig, FileReport};
pub(crate) use lengths::Lengths;
pub(crate) use prompt_builder::{ChatConfig, PromptBuilder};

/// Name of the set of held-out problems where there is one only.
const HELDOUT: &str = "heldout";

/// The problems to learn from and those to measure on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum DataConfig {
    /// Generated Countdown problems: make a target from some numbers.
    Countdown(countdown::CountdownConfig),
    /// Generated arithmetic problems.
    Arithmetic(arithmetic::ArithmeticConfig),
    /// Generated bifurcations: responses of which a few words decide.
    Bifurcation(bifurcation::BifurcationConfig),
    /// Problems read from files.
    Files(file::FilesConfig),
}

/// Problems ready to be drawn. Ids count from 0 through `train` and on through the sets of `eval`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DataSet {
    /// Problems to learn from. Never empty.
    pub train: Vec<Arc<Prompt>>,
    /// Where each of `train` was read, `file:line`; `None` where it was generated.
    pub places: Vec<Option<String>>,
    /// Problems to measure on. At least one set.
    pub eval: Vec<EvalSet>,
    /// What there is to say of the files they were read from, those of `train` first.
    pub reports: Vec<FileReport>,
    /// Training problems left out for the length of their prompts.
    pub n_too_long: usize,
}

/// Problems that are measured together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EvalSet {
    /// As in `eval/<set>/avg@k`.
    pub name: String,
    /// The problems. Never empty.
    pub prompts: Vec<Arc<Prompt>>,
    /// Where each was read, `file:line`; `None` where it was generated.
    pub places: Vec<Option<String>>,
}

/// Problems before they are tokenized.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Items {
    /// Problems to learn from. Never empty.
    pub train: Vec<Item>,
    /// Problems to measure on. At least one set.
    pub eval: Vec<EvalItems>,
    /// Training problems with longer prompts are left out, tokens.
    pub max_prompt_tokens: Option<usize>,
    /// What there is to say of the files they were read from, those of `train` first.
    pub reports: Vec<FileReport>,
}

/// Problems that are measured together, before they are tokenized.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EvalItems {
    /// Name of the set.
    pub name: String,
    /// The problems. Never empty.
    pub items: Vec<Item>,
}

/// A problem before it is tokenized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// Where it was read, `file:line`; `None` where it was generated.
    pub place: Option<String>,
    /// The turns of a conversation that come before it.
    pub before: Vec<Message>,
    /// The text that asks for a solution.
    pub text: String,
    /// The problem behind it.
    pub task: Task,
}

/// The settings of one kind of problems.
pub(crate) trait DataSettings {
    /// What its keys may be, without touching any file.
    fn rules(&self) -> Rules;

    /// Makes or reads the problems.
    ///
    /// # Errors
    /// If more problems are asked for than there are, or if a file cannot be read or has broken rows.
    fn items(&self) -> Result<Items>;

    /// The kinds of tasks that the problems are.
    fn kinds(&self) -> Vec<TaskKind>;

    /// How many problems to learn from, where a key says so.
    fn n_train(&self) -> Option<usize> {
        None
    }

    /// Worked examples that are put before every problem.
    fn few_shot(&self) -> Vec<Worked> {
        Vec::new()
    }

    /// The text that asks `question` as the problems do; `None` where they do not ask one question.
    fn ask(&self, _question: &str) -> Option<String> {
        None
    }

    /// The files with the problems, those to learn from first.
    fn files(&self) -> [Vec<&FileConfig>; 2] {
        Default::default()
    }
}

impl DataConfig {
    /// What the recipe chose.
    #[must_use]
    pub(crate) fn settings(&self) -> &dyn DataSettings {
        match self {
            Self::Countdown(config) => config,
            Self::Arithmetic(config) => config,
            Self::Bifurcation(config) => config,
            Self::Files(config) => config,
        }
    }
}

impl Items {
    fn generated(train: Vec<Item>, heldout: EvalItems) -> Self {
        Self { train, eval: vec![heldout], max_prompt_tokens: None, reports: Vec::new() }
    }

    /// The problems as prompts, as `builder` puts them.
    ///
    /// # Errors
    /// If a text cannot be tokenized or has no tokens; if all training problems are too long.
    pub(crate) fn tokenize(self, builder: &PromptBuilder<'_>) -> Result<DataSet> {
        let Self { train: items, eval, max_prompt_tokens, reports } = self;
        let n_items = items.len();
        let places: Vec<_> = items.iter().map(|item| item.place.clone()).collect();
        let most = max_prompt_tokens.unwrap_or(usize::MAX);
        let all = prompts(items, 0, builder)?.into_iter().zip(places);
        let (train, places): (Vec<_>, Vec<_>) = all.filter(|(prompt, _)| prompt.tokens.len() <= most).unzip();
        ensure!(
            n_items == 0 || !train.is_empty(),
            "max_prompt_tokens = {most}: every training problem has a longer prompt; raise it"
        );
        let mut first_id = n_items as u64;
        let mut sets = Vec::with_capacity(eval.len());
        for set in eval {
            let n = set.items.len() as u64;
            sets.push(set.tokenize(first_id, builder)?);
            first_id += n;
        }
        Ok(DataSet { n_too_long: n_items - train.len(), train, places, eval: sets, reports })
    }
}

impl EvalItems {
    /// The problems as prompts with ids from `first_id`, as `builder` puts them.
    ///
    /// # Errors
    /// If a text cannot be tokenized or has no tokens.
    pub(crate) fn tokenize(self, first_id: u64, builder: &PromptBuilder<'_>) -> Result<EvalSet> {
        let places = self.items.iter().map(|item| item.place.clone()).collect();
        Ok(EvalSet { name: self.name, prompts: prompts(self.items, first_id, builder)?, places })
    }
}

impl DataSet {
    /// Number of problems to measure on, in all sets.
    #[must_use]
    pub(crate) fn n_eval(&self) -> usize {
        self.eval.iter().map(|set| set.prompts.len()).sum()
    }

    /// All prompts with where they were read, those to learn from first.
    pub(crate) fn placed(&self) -> impl Iterator<Item = (&Prompt, Option<&str>)> {
        let sets = self.eval.iter().map(|set| (&set.prompts, &set.places));
        std::iter::once((&self.train, &self.places)).chain(sets).flat_map(|(prompts, places)| {
            prompts.iter().map(AsRef::as_ref).zip(places.iter().map(Option::as_deref))
        })
    }

    /// All prompts.
    #[cfg(test)]
    pub(crate) fn prompts(&self) -> impl Iterator<Item = &Arc<Prompt>> {
        self.train.iter().chain(self.eval.iter().flat_map(|set| &set.prompts))
    }

    /// What a person should know of the files, a sentence each.
    #[must_use]
    pub(crate) fn notes(&self) -> Vec<String> {
        let files = self.reports.iter().filter(|report| !report.is_plain());
        let mut notes: Vec<String> = files
            .flat_map(|report| {
                let head = format!("{}: {report}", report.path.display());
                std::iter::once(head).chain((report.n_broken > 0).then(|| report.broken_rows()))
            })
            .collect();
        if self.n_too_long > 0 {
            notes.push(format!(
                "{} of {} left out, prompts being longer than [data] max_prompt_tokens",
                self.n_too_long,
                counted(self.n_too_long + self.train.len(), "training problem")
            ));
        }
        notes.extend(self.eval.iter().filter_map(EvalSet::repeated));
        notes.extend(self.leaked());
        notes
    }

    /// That problems to measure on are among those to learn from, blanks and case aside, of each set in which some are.
    fn leaked(&self) -> Vec<String> {
        let key = |prompt: &Prompt| {
            let words = prompt.text.split_whitespace().map(str::to_lowercase);
            (words.collect::<Vec<_>>().join(" "), prompt.gold())
        };
        let learnt: HashSet<(String, String)> = self.train.iter().map(|prompt| key(prompt)).collect();
        let of_set = |EvalSet { name, prompts, places }: &EvalSet| {
            let mut leaked = prompts.iter().zip(places).filter(|(prompt, _)| learnt.contains(&key(prompt)));
            let (first, place) = leaked.next()?;
            let place = place.clone().unwrap_or_else(|| format!("prompt {}", first.id));
            Some(format!(
                "{name}: {} of {} problems are training problems too, the first of them {place}: what is learned by heart counts as \
                 solved; take them out of one of the two",
                1 + leaked.count(),
                prompts.len()
            ))
        };
        self.eval.iter().filter_map(of_set).collect()
    }
}

impl EvalSet {
    /// That problems are repeated, if any are.
    fn repeated(&self) -> Option<String> {
        let different: HashSet<(&str, String)> =
            self.prompts.iter().map(|prompt| (prompt.text.as_str(), prompt.gold())).collect();
        let (n, n_rows) = (different.len(), self.prompts.len());
        (n < n_rows).then(|| {
            format!(
                "{}: {n_rows} rows ask {}, over which shares and their intervals are taken",
                self.name,
                counted(n, "different problem")
            )
        })
    }
}

/// `items` as prompts with ids from `start`.
fn prompts(items: Vec<Item>, start: u64, builder: &PromptBuilder<'_>) -> Result<Vec<Arc<Prompt>>> {
    let prompts = items.into_iter().zip(start..).map(|(Item { place, before, text, task }, id)| {
        let place = || place.unwrap_or_else(|| format!("prompt {id}"));
        let (text, tokens) = builder.build_behind(&before, &text).with_context(place)?;
        Ok(Arc::new(Prompt { id, text, tokens, task }))
    });
    prompts.collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::text::countdown_tokenizer;

    const SMALL: &str = r#"{"type": "countdown", "numbers": [3, 3], "max_number": 9, "targets": [1, 50],
        "train_items": 300, "eval_items": 20}"#;

    #[test]
    fn prompts_are_tokenized_and_their_ids_run_on_through_evaluation() {
        let tokenizer = countdown_tokenizer().unwrap();
        let config: DataConfig = serde_json::from_str(SMALL).unwrap();
        let data = config
            .settings()
            .items()
            .unwrap()
            .tokenize(&PromptBuilder::new(&tokenizer, None).unwrap())
            .unwrap();
        assert_eq!((data.train.len(), data.n_eval(), data.eval.len()), (300, 20, 1));
        let ids: Vec<u64> = data.prompts().map(|p| p.id).collect();
        assert_eq!(ids, (0..320).collect::<Vec<u64>>());
        for prompt in data.prompts() {
            assert_eq!(tokenizer.decode(&prompt.tokens, false).unwrap(), prompt.text);
        }
        let texts: HashSet<_> = data.prompts().map(|p| &p.text).collect();
        assert_eq!(texts.len(), 320);
    }

    #[test]
    fn problems_that_are_measured_twice_are_said() {
        let tokenizer = countdown_tokenizer().unwrap();
        let config: DataConfig = serde_json::from_str(SMALL).unwrap();
        let mut data = config
            .settings()
            .items()
            .unwrap()
            .tokenize(&PromptBuilder::new(&tokenizer, None).unwrap())
            .unwrap();
        assert_eq!(data.notes(), Vec::<String>::new());
        let EvalSet { prompts, .. } = &mut data.eval[0];
        let again = Prompt { id: 320, ..(*prompts[3]).clone() };
        prompts.push(Arc::new(again));
        let expected =
            "heldout: 21 rows ask 20 different problems, over which shares and their intervals are taken";
        assert_eq!(data.notes(), [expected]);
    }

    #[test]
    fn problems_that_are_learned_from_and_measured_are_said() {
        let tokenizer = countdown_tokenizer().unwrap();
        let config: DataConfig = serde_json::from_str(SMALL).unwrap();
        let items = config.settings().items().unwrap();
        let mut data = items.tokenize(&PromptBuilder::new(&tokenizer, None).unwrap()).unwrap();
        for (i, place) in [(4, "eval.jsonl:5"), (7, "eval.jsonl:8")] {
            let leaked = Prompt {
                text: format!(" {}", data.train[i].text.to_uppercase()),
                ..(*data.train[i]).clone()
            };
            data.eval[0].prompts[i] = Arc::new(leaked);
            data.eval[0].places[i] = Some(place.to_owned());
        }
        let notes = data.notes();
        assert_eq!(notes.len(), 1);
        let expected =
            "heldout: 2 of 20 problems are training problems too, the first of them eval.jsonl:5: ";
        assert!(notes[0].starts_with(expected), "{notes:?}");
    }

    #[test]
    fn unknown_keys_are_refused() {
        for broken in
            [SMALL.replace("max_number", "max_numbers"), r#"{"type": "files", "file": "x"}"#.to_owned()]
        {
            let error = serde_json::from_str::<DataConfig>(&broken).unwrap_err().to_string();
            assert!(error.contains("unknown field"), "{error}");
        }
    }
}
