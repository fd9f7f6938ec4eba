//! The terse style: the steps of each attempt, and whether it made the target.

use anyhow::Result;

use super::{Counter, expression::Expression};

/// What is said of the target, and of any other value.
const VERDICTS: [&str; 2] = [" yes\n", " no\n"];

/// What is said of a search with these attempts.
pub(super) fn text(attempts: &[Expression], target: u32) -> String {
    let [hit, miss] = VERDICTS;
    let line =
        |attempt: &Expression| attempt.written_steps() + if attempt.value == target { hit } else { miss };
    attempts.iter().map(line).collect()
}

/// Most tokens of the words around the steps of `lines` attempts.
///
/// # Errors
/// If the tokenizer refuses a piece.
pub(super) fn most_tokens(lines: usize, counter: &Counter<'_>) -> Result<usize> {
    Ok(lines.saturating_mul(counter.most(&VERDICTS)?))
}
