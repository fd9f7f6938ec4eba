//! The most frequent answer of several responses (self-consistency, Wang et al. 2023).
//!
//! Two answers are the same where the graders call one right with the other as the gold answer, and so are all that such pairs
//! link: of 64, 64 m² and 64 square feet the latter two are the same answer by way of the first. So the classes, and their votes, do
//! not depend on the order of the responses. Responses without an answer do not vote; of answers with as many votes the one
//! that came first wins. It is spelled as most of its votes are, else in the shortest and then first way by letter.

use std::cmp::Reverse;

use anyhow::Result;
use rewards::Task;

use crate::score::{Scorer, unspaced};
use crate::types::{Progress, Tree};

/// The responses to one problem.
pub(crate) struct Ballot<'a> {
    /// The problem.
    pub task: &'a Task,
    /// The answer of each response, where it gives one.
    pub answers: Vec<Option<&'a str>>,
}

impl<'a> Ballot<'a> {
    /// Of the leaves of `tree`.
    #[must_use]
    pub(crate) fn new(tree: &'a Tree) -> Self {
        let answers = tree.leaves.iter().map(|leaf| leaf.verdict.answer.as_deref()).collect();
        Self { task: &tree.prompt.task, answers }
    }
}

/// One way in which an answer was written.
struct Spelling<'a> {
    answer: &'a str,
    /// Without its blanks.
    letters: String,
    /// The first response that writes it so.
    first: usize,
    votes: usize,
}

/// Votes that are being counted.
struct Count<'a> {
    task: &'a Task,
    /// Spellings that belong to no answer yet.
    open: Vec<Spelling<'a>>,
    /// The spellings of each answer; the last one may still grow.
    answers: Vec<Vec<Spelling<'a>>>,
    /// How many spellings of the last answer have been compared with all that are open.
    compared: usize,
}

impl<'a> Count<'a> {
    fn new(ballot: &Ballot<'a>) -> Self {
        let mut open: Vec<Spelling<'a>> = Vec::new();
        for (first, answer) in ballot.answers.iter().enumerate() {
            let Some(answer) = *answer else { continue };
            let letters = unspaced(answer);
            match open.iter_mut().find(|spelling| spelling.letters == letters) {
                Some(spelling) => spelling.votes += 1,
                None => open.push(Spelling { answer, letters, first, votes: 1 }),
            }
        }
        Self { task: ballot.task, open, answers: Vec::new(), compared: 0 }
    }

    /// The spelling that is compared next with all that are open; `None` where all votes are counted.
    fn next(&mut self) -> Option<&'a str> {
        let last = self.answers.last().map_or(0, Vec::len);
        if self.compared == last && !self.open.is_empty() {
            self.answers.push(vec![self.open.remove(0)]);
            self.compared = 0;
        }
        self.answers
            .last()?
            .get(self.compared)
            .filter(|_| !self.open.is_empty())
            .map(|spelling| spelling.answer)
    }

    /// Takes notice of which of the open spellings are the same as the one that [`Count::next`] gave.
    fn take(&mut self, mut same: impl FnMut() -> bool) {
        let Some(answer) = self.answers.last_mut() else { return };
        answer.extend(self.open.extract_if(.., |_| same()));
        self.compared += 1;
    }

    /// The first response with the most frequent answer in its most frequent spelling.
    fn winner(&self) -> Option<usize> {
        let votes = |answer: &[Spelling<'_>]| answer.iter().map(|spelling| spelling.votes).sum::<usize>();
        let first = |answer: &[Spelling<'_>]| answer.iter().map(|spelling| spelling.first).min();
        let answer = self.answers.iter().max_by_key(|answer| (votes(answer), Reverse(first(answer))))?;
        let spelling = answer.iter().min_by_key(|s| (Reverse(s.votes), s.letters.len(), &s.letters))?;
        Some(spelling.first)
    }
}

/// For each of `ballots` the first response that gives the most frequent answer; `None` where there is no answer. `progress`
/// is asked now and then whether to go on.
///
/// # Errors
/// If a grader does not work; that of `progress`.
pub(crate) fn majorities(
    ballots: &[Ballot<'_>],
    scorer: &Scorer,
    progress: &mut Progress<'_>,
) -> Result<Vec<Option<usize>>> {
    let mut counts: Vec<Count<'_>> = ballots.iter().map(Count::new).collect();
    // One answer of every problem at a time, so that graders that judge many responses at once get many.
    loop {
        let mut pairs: Vec<(&Task, &str, &str)> = Vec::new();
        let mut asked = Vec::new();
        for (i, count) in counts.iter_mut().enumerate() {
            let Some(answer) = count.next() else { continue };
            pairs.extend(count.open.iter().map(|other| (count.task, answer, other.answer)));
            asked.push(i);
        }
        if asked.is_empty() {
            return Ok(counts.iter().map(Count::winner).collect());
        }
        let mut same = scorer.same_answers(&pairs, progress)?.into_iter();
        for i in asked {
            counts[i].take(|| same.next().unwrap_or(false));
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use anyhow::ensure;
    use proptest::prelude::*;
    use rewards::{Countdown, Question};

    use super::*;

    fn majority(answers: &[Option<&str>]) -> Option<usize> {
        let scorer = Scorer::new(&[serde_json::from_str(r#"{"type": "math"}"#).unwrap()]).unwrap();
        let task = Task::Question(Question::new("the gold answer has no vote"));
        counted(&[Ballot { task: &task, answers: answers.to_vec() }], &scorer)[0]
    }

    fn counted(ballots: &[Ballot<'_>], scorer: &Scorer) -> Vec<Option<usize>> {
        majorities(ballots, scorer, &mut |_| Ok(())).unwrap()
    }

    #[test]
    fn answers_that_say_the_same_are_one() {
        assert_eq!(majority(&[Some("3"), Some("0.5"), Some("\\frac{1}{2}")]), Some(1));
        assert_eq!(majority(&[Some("3"), Some("4"), Some("5"), Some("4.0")]), Some(1));
        assert_eq!(majority(&[Some("3"), Some("4.0"), Some("4"), Some("4.0")]), Some(1), "as most write it");
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
        assert_eq!(counted(&[Ballot { task: &task, answers }], &scorer), [Some(1)]);
    }

    #[test]
    fn several_ballots_are_counted_at_once_as_each_alone() {
        let scorer = Scorer::new(&[serde_json::from_str(r#"{"type": "math"}"#).unwrap()]).unwrap();
        let task = Task::Question(Question::new("1"));
        let all: [&[&str]; 4] =
            [&["2", "1", "1.0"], &[], &["5"], &["0.5", "3", "\\frac12", "x", "\\tfrac{1}{2}"]];
        let ballots: Vec<Ballot<'_>> = all
            .iter()
            .map(|answers| Ballot { task: &task, answers: answers.iter().map(|a| Some(*a)).collect() })
            .collect();
        let alone = |answers: &&[&str]| majority(&answers.iter().map(|a| Some(*a)).collect::<Vec<_>>());
        assert_eq!(counted(&ballots, &scorer), all.iter().map(alone).collect::<Vec<_>>());
    }

    /// The two answers of each ballot are compared in either direction, all ballots' at once.
    #[test]
    fn a_count_of_many_votes_ends_where_it_is_not_to_go_on() {
        let scorer = Scorer::new(&[serde_json::from_str(r#"{"type": "math"}"#).unwrap()]).unwrap();
        let task = Task::Question(Question::new("1"));
        let ballot = || Ballot { task: &task, answers: vec![Some("2"), Some("3")] };
        let ballots: Vec<_> = (0..1000).map(|_| ballot()).collect();
        let asked = |at_most: usize| {
            let mut n_asked = 0;
            let counted = majorities(&ballots, &scorer, &mut |_| {
                n_asked += 1;
                ensure!(n_asked <= at_most, "a signal");
                Ok(())
            });
            (n_asked, counted.map_err(|error| error.to_string()))
        };
        let (n_asked, counted) = asked(usize::MAX);
        assert!(n_asked > 6 && counted.is_ok(), "{n_asked}");
        let (n_asked, counted) = asked(2);
        assert!(n_asked < 6, "{n_asked}");
        assert_eq!(counted, Err("a signal".to_owned()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// The units say that the two are not the same, and both are the same as 64.
        #[test]
        fn the_order_of_votes_makes_no_difference(
            ballot in Just(vec!["64", "64 \\text{ square feet}", "64 \\text{ m}^2", "4", "4"]).prop_shuffle(),
            few in Just(vec!["64 \\text{ square feet}", "64 \\text{ m}^2", "4", "64"]).prop_shuffle(),
        ) {
            for ballot in [ballot, few] {
                let winner = majority(&ballot.iter().map(|answer| Some(*answer)).collect::<Vec<_>>());
                prop_assert_eq!(winner.map(|i| ballot[i]), Some("64"), "{:?}", ballot);
            }
        }

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
