//! What is kept of every problem and every response: a line of `eval/step_*.<set>.jsonl` and of `rlcredit eval --out`.

use rewards::Status;
use serde::{Deserialize, Serialize};

use crate::types::{Finish, Leaf, Prompt, Tree};

/// One problem, the responses to it, and what was said of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EvalItem {
    /// The problem, a coordinate of the draws.
    pub prompt_id: u64,
    /// Where it was read, `file:line`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Its text as the policy read it.
    pub prompt: String,
    /// The right answer; of Countdown the target.
    pub gold: String,
    /// The sampled responses, in their order.
    pub responses: Vec<EvalResponse>,
    /// Correct ones among them.
    pub n_correct: usize,
    /// One of the responses that give the most frequent answer, the first that spells it as most of them do; `None` if none
    /// gives an answer.
    pub majority: Option<usize>,
    /// The most likely response, where measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub greedy: Option<EvalResponse>,
}

/// One response and what was said of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EvalResponse {
    /// The response without the special tokens that end or pad it.
    pub text: String,
    /// Its length, an ending end-of-sequence token included.
    pub n_tokens: usize,
    /// Why it ended.
    pub finish: Finish,
    /// The answer that was judged, as the response has it; `None` if the grader found none.
    pub answer: Option<String>,
    /// Whether it solves the problem.
    pub correct: bool,
    /// How grading went.
    pub status: Status,
}

impl EvalItem {
    /// Of the `sampled` responses to one problem and the most likely one.
    #[must_use]
    pub(crate) fn new(
        sampled: &Tree,
        place: Option<String>,
        majority: Option<usize>,
        greedy: Option<&Tree>,
    ) -> Self {
        let Prompt { id, text, .. } = &*sampled.prompt;
        let responses: Vec<EvalResponse> = sampled.leaves.iter().map(EvalResponse::new).collect();
        Self {
            prompt_id: *id,
            place,
            prompt: text.clone(),
            gold: sampled.prompt.gold(),
            n_correct: responses.iter().filter(|response| response.correct).count(),
            majority,
            greedy: greedy.and_then(|tree| tree.leaves.first()).map(EvalResponse::new),
            responses,
        }
    }

    /// Whether the most frequent answer is correct.
    #[must_use]
    pub(crate) fn has_right_majority(&self) -> bool {
        let response = self.majority.and_then(|first| self.responses.get(first));
        response.is_some_and(|response| response.correct)
    }

    /// Whether there are several samples and all say the same.
    #[must_use]
    pub(crate) fn has_copies_only(&self) -> bool {
        self.responses.len() > 1 && self.responses.windows(2).all(|two| two[0].text == two[1].text)
    }
}

impl EvalResponse {
    fn new(leaf: &Leaf) -> Self {
        Self {
            text: leaf.text.clone(),
            n_tokens: leaf.tokens.len(),
            finish: leaf.finish,
            answer: leaf.verdict.answer.clone(),
            correct: leaf.verdict.correct(),
            status: leaf.verdict.status,
        }
    }
}
