//! Rows of a set that ask the same are one problem, whose samples are pooled.
//!
//! Files for avg@32 repeat thirty problems 32 times. A problem that is asked again says nothing about others: shares are means over
//! *different* problems, and so is their uncertainty. Problems are the same where the policy reads the same and the same
//! answer is right.

use std::collections::HashMap;

use super::EvalItem;
use super::statistics::pass_at_k;

/// One problem of a set, with all that was answered in the rows that ask it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Problem {
    /// Id of the first of its rows.
    pub prompt_id: u64,
    /// Rows that ask it.
    pub n_rows: usize,
    /// Samples of all rows.
    pub n_samples: usize,
    /// Correct ones among them.
    pub n_correct: usize,
    /// Share of the rows whose most frequent answer is correct.
    pub majority: f64,
    /// Share of the rows whose most likely response is correct; `None` where one was not measured.
    pub greedy: Option<f64>,
}

impl Problem {
    /// The different problems of `items`, in order of their first rows.
    #[must_use]
    pub(crate) fn pooled(items: &[EvalItem]) -> Vec<Self> {
        Self::pooled_beside(items, &[items])
    }

    /// As [`Problem::pooled`], where rows are the same problem only if they are for `everybody` who was asked these rows: so that
    /// policies whose templates make something else of a text are compared problem by problem.
    #[must_use]
    pub(crate) fn pooled_beside(items: &[EvalItem], everybody: &[&[EvalItem]]) -> Vec<Self> {
        let mut places: HashMap<Vec<(&str, &str)>, usize> = HashMap::new();
        let mut rows: Vec<Vec<&EvalItem>> = Vec::new();
        for (row, item) in items.iter().enumerate() {
            let asked = everybody.iter().filter_map(|items| items.get(row));
            let asked = asked.map(|item| (item.prompt.as_str(), item.gold.as_str())).collect();
            let place = *places.entry(asked).or_insert(rows.len());
            if place == rows.len() {
                rows.push(Vec::new());
            }
            rows[place].push(item);
        }
        rows.iter().filter_map(|rows| Self::from_rows(rows)).collect()
    }

    fn from_rows(rows: &[&EvalItem]) -> Option<Self> {
        let n_rows = rows.len();
        let mean = |sum: usize| sum as f64 / n_rows as f64;
        let greedy: Option<Vec<bool>> =
            rows.iter().map(|item| item.greedy.as_ref().map(|best| best.correct)).collect();
        Some(Self {
            prompt_id: rows.first()?.prompt_id,
            n_rows,
            n_samples: rows.iter().map(|item| item.responses.len()).sum(),
            n_correct: rows.iter().map(|item| item.n_correct).sum(),
            majority: mean(rows.iter().filter(|item| item.has_right_majority()).count()),
            greedy: greedy.map(|all| mean(all.into_iter().filter(|correct| *correct).count())),
        })
    }

    /// Share of the samples that are correct.
    #[must_use]
    pub(crate) fn share(&self) -> f64 {
        self.n_correct as f64 / self.n_samples.max(1) as f64
    }

    /// Chance that one of `k` of the samples is correct.
    #[must_use]
    pub(crate) fn pass(&self, k: usize) -> f64 {
        pass_at_k(self.n_samples, self.n_correct, k)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    fn item(prompt_id: u64, prompt: &str, gold: &str, correct: [bool; 2]) -> EvalItem {
        let response = |correct: bool| json!({"text": "", "n_tokens": 2, "finish": "eos", "answer": "1", "correct": correct, "status": "ok"});
        serde_json::from_value(json!({
            "prompt_id": prompt_id, "prompt": prompt, "gold": gold, "responses": correct.map(response),
            "n_correct": correct.iter().filter(|correct| **correct).count(), "majority": 0, "greedy": response(correct[1]),
        }))
        .unwrap()
    }

    #[test]
    fn rows_that_ask_the_same_are_one_problem() {
        let items = [
            item(4, "a", "1", [true, false]),
            item(5, "b", "1", [true, true]),
            item(6, "a", "1", [false, false]),
            item(7, "a", "2", [false, true]),
        ];
        let pooled = Problem::pooled(&items);
        let first =
            Problem { prompt_id: 4, n_rows: 2, n_samples: 4, n_correct: 1, majority: 0.5, greedy: Some(0.0) };
        assert_eq!(pooled[0], first);
        let seen: Vec<_> =
            pooled.iter().map(|p| (p.prompt_id, p.n_rows, p.n_correct, p.majority, p.greedy)).collect();
        assert_eq!(seen[1..], [(5, 1, 2, 1.0, Some(1.0)), (7, 1, 1, 0.0, Some(1.0))]);
        // Of the six pairs of four samples three hold the right one.
        assert_eq!((pooled[0].share(), pooled[0].pass(2), pooled[0].pass(4)), (0.25, 0.5, 1.0));
        assert_eq!(Problem::pooled(&[]), []);
        // Another policy's template lets two of the texts look the same.
        let other = ["a", "a", "a", "a"].map(|prompt| item(0, prompt, "1", [true, true]));
        let both = [&items[..], &other[..]];
        for items in both {
            let pooled = Problem::pooled_beside(items, &both);
            assert_eq!(pooled.iter().map(|problem| problem.n_rows).collect::<Vec<_>>(), [2, 1, 1]);
        }
    }
}
