//! Generated arithmetic: two operands, one operator.
//!
//! ```text
//! class     an operator and the digits of both operands: "d * d", "dd + d"
//! problems  one of each class in turn, until the small classes run out, none twice: 3 * 8, 47 + 5
//! ```
//!
//! So easy and hard problems are about equally frequent. The larger operand of a difference comes first, so that no answer
//! is below 0.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use rand::seq::SliceRandom;
use rewards::{Question, Task, TaskKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DataSettings, EvalItems, HELDOUT, Item, Items};
use crate::types::{Purpose, Rules, RunRandom};

/// Most digits of an operand: a class has up to `900 * 900` problems then.
const MAX_DIGITS: usize = 3;

/// Keys of `type = "arithmetic"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ArithmeticConfig {
    /// Seed of the problems. It is not the seed of the run, so that runs with different seeds meet the same problems.
    #[serde(default)]
    pub seed: u64,
    /// Classes of problems, each once: `"dd + d"` adds a number of one digit to one of two. Operators are `+`, `-`, `*`,
    /// operands have one to three digits.
    pub classes: Vec<String>,
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

/// One class of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Class {
    operator: Operator,
    /// Digits of both operands.
    digits: [usize; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Operator {
    Plus,
    Minus,
    Times,
}

/// One problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Problem {
    operator: Operator,
    operands: [u32; 2],
}

impl Operator {
    const ALL: [Self; 3] = [Self::Plus, Self::Minus, Self::Times];

    fn sign(self) -> char {
        match self {
            Self::Plus => '+',
            Self::Minus => '-',
            Self::Times => '*',
        }
    }
}

impl Problem {
    fn value(self) -> u32 {
        let [a, b] = self.operands;
        match self.operator {
            Operator::Plus => a + b,
            Operator::Minus => a - b,
            Operator::Times => a * b,
        }
    }
}

impl Class {
    /// The class that `pattern` writes.
    fn parse(pattern: &str) -> Option<Self> {
        let operator = Operator::ALL.into_iter().find(|operator| pattern.contains(operator.sign()))?;
        let (a, b) = pattern.split_once(operator.sign())?;
        let digits = [a.trim(), b.trim()];
        let are_digits =
            |part: &&str| (1..=MAX_DIGITS).contains(&part.len()) && part.chars().all(|c| c == 'd');
        digits.iter().all(are_digits).then(|| Self { operator, digits: digits.map(str::len) })
    }

    /// All its problems.
    fn problems(self) -> Vec<Problem> {
        let Self { operator, digits } = self;
        let [a, b] = digits.map(|digits| {
            let low = if digits == 1 { 0 } else { 10u32.pow(digits as u32 - 1) };
            low..10u32.pow(digits as u32)
        });
        let all = a.flat_map(|a| b.clone().map(move |b| Problem { operator, operands: [a, b] }));
        let is_one =
            |problem: &Problem| operator != Operator::Minus || problem.operands[0] >= problem.operands[1];
        all.filter(is_one).collect()
    }
}

impl DataSettings for ArithmeticConfig {
    fn kinds(&self) -> Vec<TaskKind> {
        vec![TaskKind::Question]
    }

    fn n_train(&self) -> Option<usize> {
        Some(self.train_items)
    }

    fn rules(&self) -> Rules {
        let mut rules = Rules::default();
        let mut known = BTreeSet::new();
        let expected = "a list such as [\"d + d\", \"dd - d\"]";
        rules.expect("classes", "none", expected, !self.classes.is_empty());
        let expected = format!(
            "such as \"dd + d\": an operator + - *, and {MAX_DIGITS} digits at most on each side, for - no more on the right"
        );
        for pattern in &self.classes {
            let class = Class::parse(pattern);
            let is_some = class.is_some_and(|class| !class.problems().is_empty());
            rules.expect("classes", format_args!("{pattern:?}"), &expected, is_some);
            rules.forbid(class.is_some_and(|class| !known.insert(class)), &["classes"], || {
                format!(": got {pattern:?} a second time")
            });
        }
        rules.positive("train_items", self.train_items);
        rules.positive("eval_items", self.eval_items);
        let expected = "a text with {problem} in it";
        rules.expect(
            "prompt",
            format_args!("{:?}", self.prompt),
            expected,
            self.prompt.contains("{problem}"),
        );
        rules
    }

    fn items(&self) -> Result<Items> {
        if let [problem, ..] = self.rules().problems().as_slice() {
            bail!("arithmetic: {problem}");
        }
        let mut rng = RunRandom::new(self.seed).stream(Purpose::Items, &[]);
        let classes = self.classes.iter().map(|pattern| Class::parse(pattern).map(Class::problems));
        let mut classes: Vec<Vec<Problem>> = classes.collect::<Option<_>>().context("arithmetic: classes")?;
        classes.iter_mut().for_each(|class| class.shuffle(&mut rng));
        let there: usize = classes.iter().map(Vec::len).sum();
        let wanted = self.train_items.saturating_add(self.eval_items);
        ensure!(
            wanted <= there,
            "arithmetic: train_items + eval_items ask for {wanted}, but these classes have only {there} problems; ask for \
             fewer, or add classes"
        );
        // Measured on first, so that the small classes are not used up by training.
        let mut eval = take_in_turn(&mut classes, self.eval_items);
        let mut train = take_in_turn(&mut classes, self.train_items);
        eval.shuffle(&mut rng);
        train.shuffle(&mut rng);
        let items = |problems: Vec<Problem>| problems.into_iter().map(|problem| self.item(problem)).collect();
        Ok(Items::generated(items(train), EvalItems { name: HELDOUT.to_owned(), items: items(eval) }))
    }
}

impl ArithmeticConfig {
    fn item(&self, problem: Problem) -> Item {
        let [a, b] = problem.operands;
        let text = self.prompt.replace("{problem}", &format!("{a} {} {b}", problem.operator.sign()));
        Item {
            place: None,
            before: Vec::new(),
            text,
            task: Task::Question(Question::new(problem.value().to_string())),
        }
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
            "classes": ["d + d", "d-d", "d * d", "dd + d", "dd - dd"], "train_items": train_items, "eval_items": eval_items,
        }))
        .unwrap()
    }

    #[test]
    fn problems_are_right_distinct_and_of_all_classes() {
        let items = config(2000, 200).items().unwrap();
        let eval = &items.eval[0].items;
        assert_eq!((items.train.len(), eval.len()), (2000, 200));
        let texts: HashSet<&str> = items.train.iter().chain(eval).map(|item| item.text.as_str()).collect();
        assert_eq!(texts.len(), 2200);
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
        // All there are of the three small classes, and as many of each as of the others among those held out.
        assert_eq!(of_one_digit, 100 + 55 + 100);
        let small = eval.iter().filter(|item| item.text.len() == "What is 1 + 1?".len()).count();
        assert_eq!(small, 3 * 40);
    }

    #[test]
    fn the_seed_decides() {
        let [one, again] = [config(50, 10).items().unwrap(), config(50, 10).items().unwrap()];
        assert_eq!(one, again);
        assert_ne!(one, ArithmeticConfig { seed: 1, ..config(50, 10) }.items().unwrap());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let classes = ["d + d", "d  +d", "d / d", "d - dd", "dddd * d", ""].map(str::to_owned).to_vec();
        let broken = ArithmeticConfig { classes, prompt: "?".to_owned(), ..config(0, 0) };
        let problems = broken.rules().problems();
        let keys: Vec<_> = problems.iter().map(|problem| problem.split(':').next().unwrap()).collect();
        assert_eq!(keys, [&["classes"; 5][..], &["train_items", "eval_items", "prompt"]].concat());
        assert!(problems[0].ends_with("got \"d  +d\" a second time"), "{problems:?}");
        let error = config(5_000, 1_000).items().unwrap_err().to_string();
        assert!(error.contains("ask for 6000, but these classes have only 5250 problems"), "{error}");
    }
}
