//! The numbers of one set, from what is kept of its problems.

use rewards::Status;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::statistics::{Estimate, estimate, pass_at_k, pass_sizes};
use super::{EvalItem, EvalResponse};
use crate::rollout::SamplingConfig;
use crate::types::{Finish, MetricRow};

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
    /// Share of problems whose most frequent answer is correct.
    pub majority: Estimate,
    /// Accuracy of the most likely response, where measured.
    pub greedy: Option<Estimate>,
    /// Correct samples.
    pub n_correct: usize,
    /// Mean response length of the samples, tokens.
    pub response_length: f64,
    /// Share of samples cut at the length limit.
    pub clip_ratio: f64,
    /// Share of samples that hold no answer, or none that can be read.
    pub unparsable: f64,
    /// Share of samples that the graders could not judge: too late, or in error.
    pub ungraded: f64,
    /// How the samples were drawn.
    pub sampling: SamplingConfig,
}

impl EvalReport {
    /// Over `items`, each with `k` samples drawn by `sampling`.
    #[must_use]
    pub fn new(set: &str, items: &[EvalItem], k: usize, sampling: SamplingConfig) -> Self {
        let responses: Vec<&EvalResponse> = items.iter().flat_map(|item| &item.responses).collect();
        let mean = |value: fn(&EvalResponse) -> f64| {
            responses.iter().map(|response| value(response)).sum::<f64>() / responses.len().max(1) as f64
        };
        let one_if = |holds| f64::from(u8::from(holds));
        let pass = |size| estimate(items.iter().map(|item| pass_at_k(k, item.n_correct, size)), k);
        let greedy: Option<Vec<f64>> =
            items.iter().map(|item| item.greedy.as_ref().map(|best| one_if(best.correct))).collect();
        Self {
            set: set.to_owned(),
            n: items.len(),
            k,
            avg: estimate(items.iter().map(EvalItem::share), k),
            pass: pass_sizes(k).into_iter().map(|size| (size, pass(size))).collect(),
            majority: estimate(items.iter().map(EvalItem::majority_share), 1),
            greedy: greedy.filter(|_| !items.is_empty()).map(|shares| estimate(shares.into_iter(), 1)),
            n_correct: items.iter().map(|item| item.n_correct).sum(),
            response_length: mean(|r| r.n_tokens as f64),
            clip_ratio: mean(|r| f64::from(u8::from(r.finish == Finish::Length))),
            unparsable: mean(|r| f64::from(u8::from(r.status == Status::Unparsable))),
            ungraded: mean(|r| f64::from(u8::from(matches!(r.status, Status::Timeout | Status::Error)))),
            sampling,
        }
    }

    /// The shares that are quoted, by name: `avg@k`, `pass@k` with all samples, `maj@k`, and `greedy` where measured.
    #[must_use]
    pub fn shares(&self) -> Vec<(String, Estimate)> {
        let Self { k, .. } = self;
        let pass = self.pass.last().map(|(_, pass)| (format!("pass@{k}"), *pass));
        let greedy = self.greedy.map(|greedy| ("greedy".to_owned(), greedy));
        let avg = [(format!("avg@{k}"), self.avg)].into_iter();
        avg.chain(pass).chain([(format!("maj@{k}"), self.majority)]).chain(greedy).collect()
    }

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

    /// The object under the set's name in `eval/step_*.json` and in what `rlcredit eval` gives.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Self { k, sampling, .. } = self;
        let mut json = serde_json::json!({
            "n": self.n,
            "k": k,
            format!("avg@{k}"): self.avg.mean,
            "ci95": self.avg.ci95,
            format!("maj@{k}"): self.majority.mean,
            format!("maj@{k}_ci95"): self.majority.ci95,
            "greedy": self.greedy.map(|g| g.mean),
            "greedy_ci95": self.greedy.map(|g| g.ci95),
            "n_correct": self.n_correct,
            "n_responses": self.n * k,
            "response_length": self.response_length,
            "clip_ratio": self.clip_ratio,
            "unparsable": self.unparsable,
            "ungraded": self.ungraded,
            "settings": {
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "top_k": sampling.top_k,
                "max_new_tokens": sampling.max_new_tokens,
            },
        });
        for (k, pass) in &self.pass {
            json[format!("pass@{k}")] = pass.mean.into();
            json[format!("pass@{k}_ci95")] = pass.ci95.to_vec().into();
        }
        json
    }
}
