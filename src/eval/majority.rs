//! The most frequent answer of several responses (self-consistency, Wang et al. 2023).
//!
//! Answers count as one where the graders call the later one right with the earlier as the gold answer. Responses without
//! an answer do not vote; of answers with as many votes the one that came first wins.

use anyhow::Result;
use rewards::Task;

use crate::score::Scorer;
use crate::types::Tree;

/// The responses to one problem.
pub struct Ballot<'a> {
    /// The problem.
    pub task: &'a Task,
    /// The answer of each response, where it gives one.
    pub answers: Vec<Option<&'a str>>,
}

impl<'a> Ballot<'a> {
    /// Of the leaves of `tree`.
    #[must_use]
    pub fn of(tree: &'a Tree) -> Self {
        let answers = tree.leaves.iter().map(|leaf| leaf.verdict.answer.as_deref()).collect();
        Self { task: &tree.prompt.task, answers }
    }
}

/// Votes that are being counted.
struct Count<'a> {
    task: &'a Task,
    /// Responses whose answer has not been compared with enough others, with their answers.
    open: Vec<(usize, &'a str)>,
    /// The first response of each answer, and its votes.
    counted: Vec<(usize, usize)>,
}

impl<'a> Count<'a> {
    fn new(ballot: &Ballot<'a>) -> Self {
        let answers = ballot.answers.iter().enumerate();
        let open = answers.filter_map(|(i, answer)| Some((i, (*answer)?))).collect();
        Self { task: ballot.task, open, counted: Vec::new() }
    }
}

/// For each of `ballots` the first response that gives the most frequent answer; `None` where there is no answer.
///
/// # Errors
/// If a grader does not work.
pub fn majorities(ballots: &[Ballot<'_>], scorer: &Scorer) -> Result<Vec<Option<usize>>> {
    let mut counts: Vec<Count<'_>> = ballots.iter().map(Count::new).collect();
    // One answer of every problem at a time, so that graders that judge many responses at once get many.
    while counts.iter().any(|count| !count.open.is_empty()) {
        let pairs: Vec<(&Task, &str, &str)> = counts
            .iter()
            .flat_map(|count| {
                let (first, others) = (count.open.first(), count.open.iter().skip(1));
                first.into_iter().flat_map(move |(_, first)| {
                    others.clone().map(move |(_, other)| (count.task, *first, *other))
                })
            })
            .collect();
        let mut same = scorer.same_answers(&pairs)?.into_iter();
        for count in &mut counts {
            let Some((first, _)) = count.open.first().copied() else { continue };
            let before = count.open.len();
            let mut is_first = true;
            count.open.retain(|_| !(std::mem::take(&mut is_first) || same.next().unwrap_or(false)));
            count.counted.push((first, before - count.open.len()));
        }
    }
    let winner = |count: &Count<'_>| {
        let most = count.counted.iter().map(|(_, votes)| *votes).max()?;
        count.counted.iter().find(|(_, votes)| *votes == most).map(|(first, _)| *first)
    };
    Ok(counts.iter().map(winner).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;
    use rewards::{Countdown, Question};

    use super::*;

    fn majority(answers: &[Option<&str>]) -> Option<usize> {
        let scorer = Scorer::new(&[serde_json::from_str(r#"{"type": "math"}"#).unwrap()]).unwrap();
        let task = Task::Question(Question::new("the gold answer has no vote"));
        majorities(&[Ballot { task: &task, answers: answers.to_vec() }], &scorer).unwrap()[0]
    }

    #[test]
    fn answers_that_say_the_same_are_one() {
        assert_eq!(majority(&[Some("3"), Some("0.5"), Some("\\frac{1}{2}")]), Some(1));
        assert_eq!(majority(&[Some("3"), Some("4"), Some("5"), Some("4.0")]), Some(1));
    }

    #[test]
    fn who_gives_no_answer_does_not_vote_and_the_earlier_wins_a_tie() {
        assert_eq!(majority(&[None, None, Some("7")]), Some(2));
        assert_eq!(majority(&[Some("2"), Some("1"), Some("1"), Some("2")]), Some(0));
        assert_eq!(majority(&[None, None]), None);
        assert_eq!(majority(&[]), None);
    }

    #[test]
    fn of_countdown_the_same_expression_is_the_same_answer() {
        let scorer = Scorer::new(&[serde_json::from_str(r#"{"type": "countdown"}"#).unwrap()]).unwrap();
        let task = Task::Countdown(Countdown { numbers: vec![1, 2], target: 3 });
        let answers = vec![Some("2 - 1"), Some("1+2"), Some("1 + 2")];
        assert_eq!(majorities(&[Ballot { task: &task, answers }], &scorer).unwrap(), [Some(1)]);
    }

    proptest! {
        /// Against counting every answer's votes by hand.
        #[test]
        fn the_winner_has_the_most_votes_and_is_the_first_of_them(digits in prop::collection::vec(0usize..4, 0..12)) {
            let answers: Vec<Option<&str>> = digits.iter().map(|d| [None, Some("1"), Some("2"), Some("3")][*d]).collect();
            let votes = |answer: &Option<&str>| answers.iter().filter(|other| *other == answer).count();
            let most = answers.iter().filter(|a| a.is_some()).map(votes).max();
            let expected = answers.iter().position(|a| a.is_some() && Some(votes(a)) == most);
            prop_assert_eq!(majority(&answers), expected);
        }
    }
}
