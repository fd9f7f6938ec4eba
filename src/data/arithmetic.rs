//! Generated arithmetic: two operands, one operator.
//!
//! ```text
//! class     an operator and the numbers of digits of both operands: 3 * 8, 47 + 5, 62 - 38
//! problems  one of each class in turn, until the small classes run out, none twice
//! ```
//!
//! So easy and hard problems are about equally frequent; those with less than ten in a class run out first. The larger
//! operand of a difference comes first, so that no answer is below 0.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};
use rand::seq::SliceRandom;
use rewards::{Question, Task};
use serde::{Deserialize, Serialize};

use super::{EvalItems, HELDOUT, Item, Items};
use crate::types::{Purpose, RunRandom};

/// Most digits of an operand: a class has up to `81 * 10^4` problems then.
const MAX_DIGITS: u32 = 3;

/// Keys of `type = "arithmetic"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArithmeticConfig {
    /// Seed of the problems. It is not the seed of the run, so that runs with different seeds meet the same problems.
    #[serde(default)]
    pub seed: u64,
    /// Operators, each once: `+`, `-`, `*`.
    pub operators: Vec<Operator>,
    /// Fewest and most digits of an operand, within 1..=3.
    pub digits: [u32; 2],
    /// Problems to learn from.
    pub train_items: usize,
    /// Problems to measure on; none of them is among the training problems.
    pub eval_items: usize,
    /// The text that asks for the answer, with `{problem}` in it.
    #[serde(default = "prompt")]
    pub prompt: String,
}

fn prompt() -> String {
    "What is {problem}?".to_owned()
}

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Operator {
    /// Sum.
    #[serde(rename = "+")]
    Plus,
    /// Difference.
    #[serde(rename = "-")]
    Minus,
    /// Product.
    #[serde(rename = "*")]
    Times,
}

impl Operator {
    fn sign(self) -> char {
        match self {
            Self::Plus => '+',
            Self::Minus => '-',
            Self::Times => '*',
        }
    }

    fn apply(self, a: u32, b: u32) -> u32 {
        match self {
            Self::Plus => a + b,
            Self::Minus => a - b,
            Self::Times => a * b,
        }
    }
}

impl ArithmeticConfig {
    /// What is wrong with the values, one sentence each.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let [fewest, most] = self.digits;
        let mut problems = Vec::new();
        let distinct: BTreeSet<Operator> = self.operators.iter().copied().collect();
        if distinct.is_empty() || distinct.len() < self.operators.len() {
            problems.push("operators: expected some of \"+\", \"-\" and \"*\", each once".to_owned());
        }
        if !(1 <= fewest && fewest <= most && most <= MAX_DIGITS) {
            problems.push(format!(
                "digits: got [{fewest}, {most}], expected the fewest and the most digits of an operand, each 1 to {MAX_DIGITS}"
            ));
        }
        for (key, n) in [("train_items", self.train_items), ("eval_items", self.eval_items)] {
            if n == 0 {
                problems.push(format!("{key}: got 0, expected at least 1"));
            }
        }
        if !self.prompt.contains("{problem}") {
            problems.push(format!("prompt: got {:?}, expected a text with {{problem}} in it", self.prompt));
        }
        problems
    }

    /// The problems described.
    ///
    /// # Errors
    /// If a value is out of range, or if fewer problems exist than are asked for.
    pub fn items(&self) -> Result<Items> {
        if let [problem, ..] = self.problems().as_slice() {
            bail!("arithmetic: {problem}");
        }
        let mut rng = RunRandom::new(self.seed).stream(Purpose::Items, &[]);
        let mut classes = self.classes();
        classes.iter_mut().for_each(|class| class.shuffle(&mut rng));
        let there: usize = classes.iter().map(Vec::len).sum();
        let wanted = self.train_items.saturating_add(self.eval_items);
        ensure!(
            wanted <= there,
            "arithmetic: train_items + eval_items ask for {wanted}, but only {there} problems exist with these operators \
             and digits = {:?}; ask for fewer or widen these",
            self.digits
        );
        // Measured on first, so that the small classes are not used up by training.
        let mut eval = take_in_turn(&mut classes, self.eval_items);
        let mut train = take_in_turn(&mut classes, self.train_items);
        eval.shuffle(&mut rng);
        train.shuffle(&mut rng);
        let texts = |problems: Vec<_>| problems.into_iter().map(|problem| self.item(problem)).collect();
        Ok(Items::generated(texts(train), EvalItems { name: HELDOUT.to_owned(), items: texts(eval) }))
    }

    /// All problems, class by class.
    fn classes(&self) -> Vec<Vec<(Operator, u32, u32)>> {
        let [fewest, most] = self.digits;
        let operands = |digits: u32| {
            let low = if digits == 1 { 0 } else { 10u32.pow(digits - 1) };
            low..10u32.pow(digits)
        };
        let pairs = (fewest..=most).flat_map(|a| (fewest..=most).map(move |b| (a, b)));
        let kinds = pairs.flat_map(|pair| self.operators.iter().map(move |&operator| (operator, pair)));
        let class = |(operator, (a, b))| {
            let all = operands(a).flat_map(|a| operands(b).map(move |b| (operator, a, b)));
            all.filter(|(operator, a, b)| *operator != Operator::Minus || a >= b).collect()
        };
        kinds.map(class).filter(|class: &Vec<_>| !class.is_empty()).collect()
    }

    fn item(&self, (operator, a, b): (Operator, u32, u32)) -> Item {
        let text = self.prompt.replace("{problem}", &format!("{a} {} {b}", operator.sign()));
        Item { place: None, text, task: Task::Question(Question::new(operator.apply(a, b).to_string())) }
    }
}

/// Takes `n` off the ends of `classes`, one of each in turn; those that are empty are passed over.
fn take_in_turn<T>(classes: &mut [Vec<T>], n: usize) -> Vec<T> {
    let mut taken = Vec::with_capacity(n);
    while taken.len() < n && classes.iter().any(|class| !class.is_empty()) {
        let left = n - taken.len();
        taken.extend(classes.iter_mut().filter_map(Vec::pop).take(left));
    }
    taken
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::HashSet;

    use super::*;

    fn config(train_items: usize, eval_items: usize) -> ArithmeticConfig {
        serde_json::from_value(serde_json::json!({
            "operators": ["+", "-", "*"], "digits": [1, 2], "train_items": train_items, "eval_items": eval_items,
        }))
        .unwrap()
    }

    #[test]
    fn problems_are_right_distinct_and_of_all_classes() {
        let items = config(2000, 220).items().unwrap();
        let eval = &items.eval[0].items;
        assert_eq!((items.train.len(), eval.len()), (2000, 220));
        let texts: HashSet<&str> = items.train.iter().chain(eval).map(|item| item.text.as_str()).collect();
        assert_eq!(texts.len(), 2220);
        let mut of_one_digit = 0;
        for item in items.train.iter().chain(eval) {
            let problem = item.text.strip_prefix("What is ").unwrap().strip_suffix('?').unwrap();
            let [a, sign, b] = problem.split(' ').collect::<Vec<_>>()[..] else { panic!("{problem}") };
            let (a, b): (i64, i64) = (a.parse().unwrap(), b.parse().unwrap());
            let value = match sign {
                "+" => a + b,
                "-" => a - b,
                _ => a * b,
            };
            let Task::Question(question) = &item.task else { panic!("{:?}", item.task) };
            assert!(value >= 0 && question.answer == value.to_string(), "{problem}: {}", question.answer);
            of_one_digit += usize::from(a < 10 && b < 10);
        }
        // Eleven classes, since no difference has the shorter operand first; of the three small ones all 255 problems are used.
        assert_eq!(of_one_digit, 100 + 55 + 100);
        let small = eval.iter().filter(|item| item.text.len() == "What is 1 + 1?".len()).count();
        assert_eq!(small, 3 * 20);
    }

    #[test]
    fn the_seed_decides() {
        let [one, again] = [config(50, 10).items().unwrap(), config(50, 10).items().unwrap()];
        assert_eq!(one, again);
        assert_ne!(one, ArithmeticConfig { seed: 1, ..config(50, 10) }.items().unwrap());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let broken = ArithmeticConfig {
            operators: vec![Operator::Plus, Operator::Plus],
            digits: [2, 1],
            prompt: "?".to_owned(),
            ..config(0, 0)
        };
        let problems = broken.problems();
        let keys: Vec<_> = problems.iter().map(|problem| problem.split(':').next().unwrap()).collect();
        assert_eq!(keys, ["operators", "digits", "train_items", "eval_items", "prompt"]);
        let error = config(20_000, 10_000).items().unwrap_err().to_string();
        assert!(error.contains("ask for 30000, but only 25050 problems exist"), "{error}");
    }
}
