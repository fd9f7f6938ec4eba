//! A problem as the policy sees it.

use rewards::Task;

/// Index of a token in the vocabulary.
pub(crate) type TokenId = u32;

/// One problem: its text, the token ids the policy reads, and what a grader needs to know.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Prompt {
    /// Position of the item in its data set; names the prompt in files and in random draws.
    pub id: u64,
    /// The text as the policy reads it, nothing added.
    pub text: String,
    /// `text` as token ids. Never empty.
    pub tokens: Vec<TokenId>,
    /// The problem behind the text, for the graders.
    pub task: Task,
}

impl Prompt {
    /// The right answer; of Countdown the target, of a bifurcation the words at its forks.
    #[must_use]
    pub(crate) fn gold(&self) -> String {
        match &self.task {
            Task::Countdown(countdown) => countdown.target.to_string(),
            Task::Question(question) => question.answer.clone(),
            Task::Bifurcation(bifurcation) => bifurcation.gold(),
        }
    }
}
