//! What a run has kept of a step: its responses as scored trees, and what it made of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use rewards::{Status, Verdict};
use serde::Deserialize;

use crate::data::jsonl;
use crate::inspect::source::steps_kept;
use crate::run_folder::RunFolder;
use crate::types::{Finish, Fork, Leaf, PathField, Prompt, Signals, Span, Step, TokenId, Tree};

/// The responses of a step, tree after tree.
pub(in crate::run) struct KeptStep {
    /// As scored.
    pub trees: Vec<Tree>,
    /// Attention signals as they were averaged; `None` where the step needed none.
    pub signals: Option<Vec<Signals>>,
    /// The final advantages, response after response.
    pub advantages: Vec<Vec<f32>>,
}

/// What of a line of `rollouts/step_*.jsonl` a step begins with, and the advantages that it came to.
#[derive(Deserialize)]
struct Line {
    prompt_id: u64,
    sample: u32,
    parent: Option<u32>,
    fork_at: Option<usize>,
    prompt_tokens: Vec<TokenId>,
    tokens: Vec<TokenId>,
    text: String,
    finish: Finish,
    reward: Option<f64>,
    reward_parts: BTreeMap<String, Option<f64>>,
    status: Status,
    note: Option<String>,
    #[serde(default = "yes")]
    graded: bool,
    #[serde(default)]
    rounding: f64,
    logprobs: Vec<Option<f32>>,
    #[serde(default)]
    versions: Vec<Span>,
    advantages: Vec<Option<f32>>,
    waad: Option<Vec<Option<f32>>>,
    fai: Option<Vec<Option<f32>>>,
}

/// Earlier versions did not say that a response was not graded.
fn yes() -> bool {
    true
}

impl KeptStep {
    /// What the run in `folder` has kept of `step`, whose problems `prompt` knows by number.
    ///
    /// # Errors
    /// If it has kept nothing of that step, saying of which it has; if the file is broken, or of other problems.
    pub(in crate::run) fn read(
        folder: &RunFolder,
        step: Step,
        prompt: impl Fn(u64) -> Option<Arc<Prompt>>,
    ) -> Result<Self> {
        let path = folder.rollouts(step);
        if !path.is_file() {
            let (root, kept) = (folder.root().display(), steps_kept(folder)?);
            bail!("{root}: no responses of step {step}; the run has kept those of {kept}");
        }
        let lines: Vec<Line> = jsonl::read(&path, "a response as a run writes it", |line, _| Ok(line))?;
        let mut kept = Self { trees: Vec::new(), signals: Some(Vec::new()), advantages: Vec::new() };
        for of_prompt in lines.chunk_by(|a, b| a.prompt_id == b.prompt_id) {
            let id = of_prompt[0].prompt_id;
            let place = || format!("{}: prompt {id}", path.display());
            let prompt = prompt(id).filter(|prompt| prompt.tokens == of_prompt[0].prompt_tokens);
            let prompt = prompt.with_context(|| format!("{}: not a problem of the run's data", place()))?;
            kept.add(of_prompt, prompt).with_context(place)?;
        }
        Ok(kept)
    }

    /// Adds the tree of `prompt`, whose responses `lines` are.
    fn add(&mut self, lines: &[Line], prompt: Arc<Prompt>) -> Result<()> {
        let leaves = lines.iter().map(|line| line.leaf(lines)).collect::<Result<_>>()?;
        let tree = Tree { prompt, leaves };
        let waad: Option<Vec<Vec<f32>>> =
            lines.iter().map(|line| line.waad.as_ref()?.iter().copied().collect()).collect();
        let fai: Option<Vec<Vec<Option<f32>>>> = lines.iter().map(|line| line.fai.clone()).collect();
        let signals = match waad.zip(fai) {
            Some((waad, fai)) => {
                Some(Signals { waad: PathField::new(&tree, waad)?, fai: PathField::new(&tree, fai)? })
            }
            None => None,
        };
        self.signals = self.signals.take().zip(signals).map(|(mut all, own)| {
            all.push(own);
            all
        });
        for line in lines {
            ensure!(
                line.advantages.len() == line.tokens.len(),
                "sample {}: {} advantages for {} tokens",
                line.sample,
                line.advantages.len(),
                line.tokens.len()
            );
            self.advantages.push(line.advantages.iter().map(|value| value.unwrap_or(f32::NAN)).collect());
        }
        self.trees.push(tree);
        Ok(())
    }
}

impl Line {
    /// The response, one of those to its prompt, `lines`.
    fn leaf(&self, lines: &[Self]) -> Result<Leaf> {
        let sample = self.sample;
        let fork = match (self.parent, self.fork_at) {
            (Some(parent), Some(at)) => {
                let parent = lines.iter().position(|other| other.sample == parent);
                Some(Fork {
                    parent: parent.with_context(|| format!("sample {sample}: its parent is missing"))?,
                    at,
                })
            }
            _ => None,
        };
        let finite =
            |what: &str| format!("sample {sample}: {what} is not finite, so the step was not learned from");
        let logprobs: Option<Vec<f32>> = self.logprobs.iter().copied().collect();
        let logprobs = logprobs.with_context(|| finite("a log-probability"))?;
        ensure!(
            logprobs.len() == self.tokens.len() && !self.tokens.is_empty(),
            "sample {sample}: {} log-probabilities for {} tokens",
            logprobs.len(),
            self.tokens.len()
        );
        let parts: Option<BTreeMap<String, f64>> =
            self.reward_parts.iter().map(|(name, value)| Some((name.clone(), (*value)?))).collect();
        let parts = parts.with_context(|| finite("a part of its reward"))?;
        let value = self.reward.with_context(|| finite("its reward"))?;
        let verdict = Verdict { note: self.note.clone(), ..Verdict::new(value, parts, self.status) };
        Ok(Leaf {
            sample,
            fork,
            tokens: self.tokens.clone(),
            logprobs,
            finish: self.finish,
            versions: self.versions.clone(),
            text: self.text.clone(),
            verdict,
            is_graded: self.graded,
            rounding: self.rounding,
        })
    }
}
