//! Measuring a policy on held-out problems.
//!
//! - avg@n: mean over problems of the share of the n samples that are correct, which is pass@1 as well.
//! - pass@k, for k = 2, 4, 8, ... and n: unbiased chance that one of k samples is correct,
//!   `1 - C(n - c, k) / C(n, k)` where c of n are (Chen et al. 2021).
//! - greedy: share of problems that the most likely response solves.
//! - 95 % intervals over problems, from the standard error of the mean.

mod config;
mod statistics;

use std::sync::Arc;

use anyhow::Result;
pub use config::EvalConfig;
use serde::{Deserialize, Serialize};
pub use statistics::{Estimate, estimate, pass_at_k, pass_sizes};

use crate::model::Policy;
use crate::pipeline::graft;
use crate::rollout::explore::{Explorer, GroupConfig};
use crate::rollout::{Generation, RolloutEngine, SamplingConfig, require_finite};
use crate::score::Scorer;
use crate::text::Tokenizer;
use crate::types::{Finish, GenRequest, MetricRow, Prompt, Purpose, RunRandom, Step, Tree};

/// What an evaluation needs besides the policy.
pub struct Evaluator {
    /// Name of the set, as in `eval/<set>/avg@k`.
    pub set: String,
    /// The problems.
    pub prompts: Vec<Arc<Prompt>>,
    /// How many samples, at which temperature.
    pub config: EvalConfig,
    /// Longest response, tokens.
    pub max_new_tokens: usize,
    /// Randomness; evaluation responses depend on it, the problem and the sample, not on the step.
    pub random: RunRandom,
    /// Judges the answers.
    pub scorer: Arc<Scorer>,
    /// Turns answers into text.
    pub tokenizer: Arc<Tokenizer>,
}

/// An evaluation with all it rests on.
pub struct Evaluation {
    /// The numbers.
    pub report: EvalReport,
    /// Each problem's result.
    pub items: Vec<EvalItem>,
    /// The samples of each problem.
    pub sampled: Vec<Tree>,
}

/// The result over one set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalReport {
    /// Name of the set.
    pub set: String,
    /// Number of problems.
    pub n: usize,
    /// Samples per problem.
    pub k: usize,
    /// Mean accuracy of the samples.
    pub avg: Estimate,
    /// Chance that at least one of so many samples solves a problem: 2, 4, 8, ... and `k` of them, in rising order.
    pub pass: Vec<(usize, Estimate)>,
    /// Accuracy of the most likely response, where measured.
    pub greedy: Option<Estimate>,
    /// Mean response length of the samples, tokens.
    pub response_length: f64,
    /// Share of samples cut at the length limit.
    pub clip_ratio: f64,
    /// Sampling temperature.
    pub temperature: f64,
    /// Longest response, tokens.
    pub max_new_tokens: usize,
}

/// One problem's result: a line of `eval/step_*.<set>.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalItem {
    /// The problem.
    pub prompt_id: u64,
    /// Its text.
    pub prompt: String,
    /// Correct samples.
    pub n_correct: usize,
    /// The samples.
    pub responses: Vec<String>,
    /// Whether each is correct.
    pub correct: Vec<bool>,
    /// The most likely response, where measured.
    pub greedy_response: Option<String>,
    /// Whether it is correct.
    pub greedy_correct: Option<bool>,
}

impl Evaluator {
    /// Number of responses one evaluation takes.
    #[must_use]
    pub fn n_responses(&self) -> usize {
        self.prompts.len() * (self.config.samples + usize::from(self.config.greedy))
    }

    /// Evaluates `policy`. `progress` hears how many responses have ended since its last call.
    ///
    /// # Errors
    /// If generation or scoring fails; a [`crate::types::NotFinite`] if a response ended in a distribution that is not
    /// finite. Rewards may be anything, only whether a response is correct counts.
    pub fn run(
        &self,
        policy: &Policy,
        engine: &mut dyn RolloutEngine,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Evaluation> {
        let EvalConfig { samples, temperature, greedy, .. } = self.config;
        let sampled = self.responses(policy, engine, samples, temperature, progress)?;
        let best = if greedy { Some(self.responses(policy, engine, 1, 0.0, progress)?) } else { None };
        let items: Vec<EvalItem> = sampled
            .iter()
            .enumerate()
            .map(|(i, tree)| EvalItem::new(tree, best.as_ref().map(|trees| &trees[i])))
            .collect();

        let share = |item: &EvalItem| item.n_correct as f64 / samples as f64;
        let pass = |k| estimate(items.iter().map(|item| pass_at_k(samples, item.n_correct, k)), samples);
        let leaves: Vec<_> = sampled.iter().flat_map(|tree| &tree.leaves).collect();
        let n_leaves = leaves.len() as f64;
        let report = EvalReport {
            set: self.set.clone(),
            n: items.len(),
            k: samples,
            avg: estimate(items.iter().map(share), samples),
            pass: pass_sizes(samples).into_iter().map(|k| (k, pass(k))).collect(),
            greedy: best
                .map(|_| estimate(items.iter().map(|i| f64::from(i.greedy_correct == Some(true))), 1)),
            response_length: leaves.iter().map(|l| l.tokens.len() as f64).sum::<f64>() / n_leaves,
            clip_ratio: leaves.iter().filter(|l| l.finish == Finish::Length).count() as f64 / n_leaves,
            temperature,
            max_new_tokens: self.max_new_tokens,
        };
        Ok(Evaluation { report, items, sampled })
    }

    fn responses(
        &self,
        policy: &Policy,
        engine: &mut dyn RolloutEngine,
        n: usize,
        temperature: f64,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Tree>> {
        const STEP: Step = 0;
        let group = GroupConfig { size: n };
        let requests: Vec<GenRequest> = self.prompts.iter().flat_map(|prompt| group.open(prompt)).collect();
        let sampling = SamplingConfig {
            temperature,
            top_p: 1.0,
            top_k: 0,
            max_new_tokens: self.max_new_tokens,
            max_rows: 512,
        };
        let generation = Generation { random: self.random, purpose: Purpose::Eval, step: STEP, sampling };
        let completions = engine.generate(policy, &requests, &generation, progress)?;
        require_finite(&requests, &completions)?;
        graft(requests, completions, &self.scorer, &self.tokenizer)
    }
}

impl EvalReport {
    /// The metrics of a step that ends in this evaluation.
    #[must_use]
    pub fn row(&self) -> MetricRow {
        let Self { set, k, .. } = self;
        let mut row = MetricRow::default();
        row.set(format!("eval/{set}/avg@{k}"), self.avg.mean);
        row.extend(self.pass.iter().map(|(k, pass)| (format!("eval/{set}/pass@{k}"), pass.mean)).collect());
        row.set(format!("eval/{set}/ci95"), self.avg.half_width());
        if let Some(greedy) = self.greedy {
            row.set(format!("eval/{set}/greedy"), greedy.mean);
            row.set(format!("eval/{set}/greedy_ci95"), greedy.half_width());
        }
        row
    }

    /// The object under the set's name in `eval/step_*.json`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let Self { k, .. } = self;
        let mut json = serde_json::json!({
            "n": self.n,
            "k": k,
            format!("avg@{k}"): self.avg.mean,
            "ci95": self.avg.ci95,
            "greedy": self.greedy.map(|g| g.mean),
            "greedy_ci95": self.greedy.map(|g| g.ci95),
            "response_length": self.response_length,
            "clip_ratio": self.clip_ratio,
            "settings": {
                "temperature": self.temperature,
                "top_p": 1.0,
                "top_k": 0,
                "max_new_tokens": self.max_new_tokens,
            },
        });
        for (k, pass) in &self.pass {
            json[format!("pass@{k}")] = pass.mean.into();
            json[format!("pass@{k}_ci95")] = pass.ci95.to_vec().into();
        }
        json
    }
}

impl EvalItem {
    fn new(sampled: &Tree, greedy: Option<&Tree>) -> Self {
        let correct: Vec<bool> = sampled.leaves.iter().map(|leaf| leaf.verdict.correct()).collect();
        let best = greedy.and_then(|tree| tree.leaves.first());
        Self {
            prompt_id: sampled.prompt.id,
            prompt: sampled.prompt.text.clone(),
            n_correct: correct.iter().filter(|c| **c).count(),
            responses: sampled.leaves.iter().map(|leaf| leaf.text.clone()).collect(),
            correct,
            greedy_response: best.map(|leaf| leaf.text.clone()),
            greedy_correct: best.map(|leaf| leaf.verdict.correct()),
        }
    }
}
