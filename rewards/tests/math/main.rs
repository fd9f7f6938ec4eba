//! What the mathematics grader takes for the same answer, kind by kind.

use rewards::{Status, math};

mod dress;
mod formulas;
mod numbers;
mod phrasing;
mod qualifiers;
mod quantities;
mod replies;
mod shapes;

/// Each of the answers is judged against `gold`; the right ones must be accepted, the wrong ones refused.
#[track_caller]
pub fn check(gold: &str, right: &[&str], wrong: &[&str]) {
    let mut mistakes = Vec::new();
    for (answers, expected) in [(right, true), (wrong, false)] {
        for answer in answers {
            if math::judge(gold, answer).0 != expected {
                mistakes.push(format!("{answer:?} should be {expected}: {:?}", math::judge(gold, answer)));
            }
        }
    }
    assert!(mistakes.is_empty(), "gold {gold:?}:\n{}", mistakes.join("\n"));
}

/// [`check`], and that the wrong answers stay wrong with a unit behind them and behind the gold answer.
#[track_caller]
pub fn check_measured(gold: &str, right: &[&str], wrong: &[&str]) {
    check(gold, right, wrong);
    for answer in wrong {
        let (gold, answer) = (format!("{gold} \\text{{ cm}}"), format!("{answer} \\text{{ cm}}"));
        assert!(!math::judge(&gold, &answer).0, "gold {gold:?}: {answer:?}");
    }
}

#[test]
fn the_status_says_what_happened() {
    let judge = |gold: &str, answer: &str| math::judge(gold, answer).1;
    assert_eq!(judge("5", "6"), Status::Ok);
    assert_eq!(judge("5", "\\frac{5"), Status::Unparsable);
    assert_eq!(judge("5", "9^{9^{9^9}}"), Status::Error);
    assert_eq!(judge("5", "1/0"), Status::Error);
}
