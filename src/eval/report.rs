//! The numbers of one set, from what is kept of its problems.

use rewards::Status;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::statistics::{Estimate, estimate, pass_sizes};
use super::{EvalItem, EvalResponse, Problem};
use crate::rollout::SamplingConfig;
use crate::types::{Finish, MetricRow, counted};

/// The result over one set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EvalReport {
    /// Name of the set.
    pub set: String,
    /// Number of different problems.
    pub n: usize,
    /// Number of rows that ask them; more where problems are repeated.
    #[serde(default)]
    pub n_rows: usize,
    /// Samples per row.
    pub k: usize,
    /// Mean accuracy of the samples.
    pub avg: Estimate,
    /// Chance that at least one of so many samples solves a problem: 2, 4, 8, ... and `k` of them, and where problems are repeated
    /// on to the most that each has, in rising order.
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
    /// Over `items`, rows with `k` samples each drawn by `sampling`.
    #[must_use]
    pub(crate) fn new(set: &str, items: &[EvalItem], k: usize, sampling: SamplingConfig) -> Self {
        let responses: Vec<&EvalResponse> = items.iter().flat_map(|item| &item.responses).collect();
        let mean = |value: fn(&EvalResponse) -> f64| {
            responses.iter().map(|response| value(response)).sum::<f64>() / responses.len().max(1) as f64
        };
        let problems = Problem::pooled(items);
        let n_rows_each = problems.iter().map(|problem| problem.n_rows).min().unwrap_or(1);
        let of = |share: &dyn Fn(&Problem) -> f64, responses| estimate(problems.iter().map(share), responses);
        let pass = |size| of(&|problem| problem.pass(size), k * n_rows_each);
        let mut sizes = [pass_sizes(k), pass_sizes(k * n_rows_each)].concat();
        sizes.sort_unstable();
        sizes.dedup();
        let greedy: Option<Vec<f64>> = problems.iter().map(|problem| problem.greedy).collect();
        Self {
            set: set.to_owned(),
            n: problems.len(),
            n_rows: items.len(),
            k,
            avg: of(&Problem::share, k * n_rows_each),
            pass: sizes.into_iter().map(|size| (size, pass(size))).collect(),
            majority: of(&|problem| problem.majority, n_rows_each),
            greedy: greedy.filter(|_| !items.is_empty()).map(|shares| estimate(shares.into_iter(), 1)),
            n_correct: items.iter().map(|item| item.n_correct).sum(),
            response_length: mean(|r| r.n_tokens as f64),
            clip_ratio: mean(|r| f64::from(u8::from(r.finish == Finish::Length))),
            unparsable: mean(|r| f64::from(u8::from(r.status == Status::Unparsable))),
            ungraded: mean(|r| f64::from(u8::from(matches!(r.status, Status::Timeout | Status::Error)))),
            sampling,
        }
    }

    /// pass@k, all samples of a row.
    #[must_use]
    pub(crate) fn pass_of_row(&self) -> Option<Estimate> {
        self.pass.iter().find(|(size, _)| *size == self.k).map(|(_, pass)| *pass)
    }

    /// What a person should know of the numbers, a sentence each; `items` are those that they are over.
    #[must_use]
    pub(crate) fn notes(&self, items: &[EvalItem]) -> Vec<String> {
        let failed = (self.ungraded > 0.0).then(|| {
            let share = 100.0 * self.ungraded;
            format!("{}: the grader failed on {share:.1} % of the responses, which count as wrong", self.set)
        });
        [self.repeated(), self.copies(items), failed].into_iter().flatten().collect()
    }

    /// What there is to say of problems that are repeated.
    fn repeated(&self) -> Option<String> {
        let Self { set, n, n_rows, k, .. } = self;
        (n < n_rows).then(|| {
            format!(
                "{set}: {n_rows} rows ask {}: shares and intervals are over these, the {} of each row \
                 counted together with those of the rows that ask the same",
                counted(n, "different problem"),
                counted(k, "sample")
            )
        })
    }

    /// What there is to say of samples that are all the same.
    #[must_use]
    pub(crate) fn copies(&self, items: &[EvalItem]) -> Option<String> {
        let Self { set, k, sampling, .. } = self;
        let SamplingConfig { temperature, top_p, top_k, .. } = sampling;
        (!items.is_empty() && items.iter().all(EvalItem::has_copies_only)).then(|| {
            format!(
                "{set}: the {k} samples of each problem are all the same (temperature {temperature}, top-p {top_p}, top-k {top_k}), \
                 so pass@{k} and maj@{k} say no more than a single one does"
            )
        })
    }

    /// The shares that are quoted, by name: `avg@k`, `pass@k` with all samples of a row, `maj@k`, and `greedy` where measured.
    #[must_use]
    pub(crate) fn shares(&self) -> Vec<(String, Estimate)> {
        let Self { k, .. } = self;
        let pass = self.pass_of_row().map(|pass| (format!("pass@{k}"), pass));
        let greedy = self.greedy.map(|greedy| ("greedy".to_owned(), greedy));
        let avg = [(format!("avg@{k}"), self.avg)].into_iter();
        avg.chain(pass).chain([(format!("maj@{k}"), self.majority)]).chain(greedy).collect()
    }

    /// The metrics of a step that ends in this evaluation.
    #[must_use]
    pub(crate) fn row(&self) -> MetricRow {
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
    pub(crate) fn to_json(&self) -> Value {
        let Self { k, sampling, .. } = self;
        let mut json = serde_json::json!({
            "n": self.n,
            "n_rows": self.n_rows,
            "k": k,
            format!("avg@{k}"): self.avg.mean,
            "ci95": self.avg.ci95,
            format!("maj@{k}"): self.majority.mean,
            format!("maj@{k}_ci95"): self.majority.ci95,
            "greedy": self.greedy.map(|g| g.mean),
            "greedy_ci95": self.greedy.map(|g| g.ci95),
            "n_correct": self.n_correct,
            "n_responses": self.n_rows * k,
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
        sampling.add_ends(&mut json["settings"]);
        for (k, pass) in &self.pass {
            json[format!("pass@{k}")] = pass.mean.into();
            json[format!("pass@{k}_ci95")] = pass.ci95.to_vec().into();
        }
        json
    }
}
