//! Where the reward of a bifurcation is decided: there the value of every prefix is known.
//!
//! ```text
//! V_t = 0 behind a wrong branch, else the product of p_k over the forks that are still to come
//! ```
//!
//! p_k is the policy's own chance of the right branch at fork k of the response, asked of it. That is exact as far as the chance
//! of a branch does not depend on the words in between that say nothing of it.

use anyhow::Result;
use rewards::{Bifurcation, Task};

use super::capture::{Decided, Segment};
use super::fold::Fold;
use crate::batch::Sequence;
use crate::measure::{Passes, logprobs};
use crate::model::Policy;
use crate::text::Tokenizer;
use crate::types::{Leaf, TokenId, Tree};

/// Where the rewards of all responses of `folds` are decided, token by token; `None` unless all problems are bifurcations
/// whose words are tokens.
///
/// # Errors
/// If results cannot be copied to the host; that of a check.
pub(super) fn known(
    folds: &[Fold],
    policy: &Policy,
    tokenizer: &Tokenizer,
    temperature: f64,
    passes: Passes<'_>,
) -> Result<Option<Vec<Decided>>> {
    let Some(asked) = Asked::new(folds, tokenizer)? else { return Ok(None) };
    let sequences: Vec<Sequence<'_>> = asked.questions.iter().map(Question::sequence).collect();
    let answers = logprobs(policy, &sequences, temperature, passes)?.logprobs;
    let chances = answers.iter().map(|own| f64::from(*own.last().unwrap_or(&f32::NEG_INFINITY)).exp());
    let mut chances = chances.collect::<Vec<f64>>().into_iter();
    let mut decided = Vec::new();
    for fold in folds {
        for (t, tree) in fold.trees.iter().enumerate() {
            let Task::Bifurcation(task) = &tree.tree.prompt.task else { return Ok(None) };
            let (mut responses, mut variances) = (Vec::new(), Vec::new());
            for (l, leaf) in tree.tree.leaves.iter().enumerate().filter(|(_, leaf)| is_plain(leaf, task)) {
                let words: Vec<&str> = leaf.text.split_whitespace().collect();
                let p: Vec<f64> = chances.by_ref().take(task.forks.len()).collect();
                let values = task.values(&words, &p);
                responses.push(segments(fold, t, l, &values));
                variances.push(values[0] * (1.0 - values[0]));
            }
            decided.push(Decided { responses, variance: crate::stats::mean(&variances) });
        }
    }
    Ok(Some(decided))
}

/// What is asked of the policy: how likely the right branch is at each fork of each response.
struct Asked<'f> {
    questions: Vec<Question<'f>>,
}

struct Question<'f> {
    prompt: &'f [TokenId],
    /// The response up to a fork, and the right branch.
    response: Vec<TokenId>,
}

impl Question<'_> {
    fn sequence(&self) -> Sequence<'_> {
        Sequence { prompt: self.prompt, response: &self.response }
    }
}

impl<'f> Asked<'f> {
    fn new(folds: &'f [Fold], tokenizer: &Tokenizer) -> Result<Option<Self>> {
        let mut questions = Vec::new();
        for tree in folds.iter().flat_map(|fold| &fold.trees).map(|tree| &tree.tree) {
            let Task::Bifurcation(task) = &tree.prompt.task else { return Ok(None) };
            let Some(right) = right(task, tokenizer)? else { return Ok(None) };
            for leaf in tree.leaves.iter().filter(|leaf| is_plain(leaf, task)) {
                for (fork, right) in task.forks.iter().zip(&right) {
                    let response = [&leaf.tokens[..fork.at], &[*right]].concat();
                    questions.push(Question { prompt: &tree.prompt.tokens, response });
                }
            }
        }
        Ok(Some(Self { questions }))
    }
}

/// The token of the right branch at each fork; `None` where a branch is no token.
fn right(task: &Bifurcation, tokenizer: &Tokenizer) -> Result<Option<Vec<TokenId>>> {
    let token = |word: &str| -> Result<Option<TokenId>> {
        let tokens = tokenizer.encode(&format!("{word} "))?;
        Ok(tokens.first().copied().filter(|_| tokens.len() == 1))
    };
    task.forks.iter().map(|fork| token(&fork.right)).collect()
}

/// Whether each token of `leaf` but one that ends it is a word, and it comes to all forks of `task`: the chance to end before is
/// not asked for, and such responses are left out.
fn is_plain(leaf: &Leaf, task: &Bifurcation) -> bool {
    let words = leaf.text.split_whitespace().count();
    let is_words = leaf.tokens.len() == words || leaf.tokens.len() == words + 1;
    is_words && task.forks.iter().all(|fork| fork.at < words)
}

/// A segment for each token of response `leaf` of tree `tree`, whose words have these `values` before and behind them.
fn segments(fold: &Fold, tree: usize, leaf: usize, values: &[f64]) -> Vec<Segment> {
    let own: &Tree = &fold.trees[tree].tree;
    let reward = own.leaves[leaf].verdict.value;
    let of_token = |t: usize| {
        // The token that ends a response leaves its reward.
        let behind = values.get(t + 1).copied().unwrap_or(reward);
        let change = behind - values[t];
        let gains: Vec<f64> = fold.arms.iter().map(|arm| f64::from(arm.gains[tree].path(leaf)[t])).collect();
        let squared = change * change;
        Segment { n_tokens: 1, squared, halves: [(change, squared); 2], most: gains.clone(), mean: gains }
    };
    (0..own.leaves[leaf].tokens.len()).map(of_token).collect()
}
