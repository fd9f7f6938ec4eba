//! Laws of the Countdown grader over random expression trees, against an evaluator of its own.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use rewards::{Countdown, Expression, Op, Rational, Status};

/// Every tree shape of two to six leaves between 0 and 99.
fn tree() -> impl Strategy<Value = Expression> {
    let op = prop_oneof![Just(Op::Add), Just(Op::Sub), Just(Op::Mul), Just(Op::Div)];
    let leaf = (0u32..100).prop_map(Expression::Number);
    (prop::collection::vec(leaf, 2..=6), prop::collection::vec((op, any::<prop::sample::Index>()), 5))
        .prop_map(|(mut forest, joins)| {
            for (op, at) in joins {
                if forest.len() > 1 {
                    let at = at.index(forest.len() - 1);
                    let right = forest.remove(at + 1);
                    let left = std::mem::replace(&mut forest[at], Expression::Number(0));
                    forest[at] = Expression::Binary(Box::new(left), op, Box::new(right));
                }
            }
            forest.remove(0)
        })
}

/// Fully parenthesised, or with only the parentheses that the tree needs; with blanks where `noise` has a set bit.
fn print(tree: &Expression, full: bool, noise: u64) -> String {
    fn precedence(op: Op) -> u8 {
        if matches!(op, Op::Add | Op::Sub) { 1 } else { 2 }
    }
    fn inner(tree: &Expression, full: bool, needed: u8) -> String {
        match tree {
            Expression::Number(number) => number.to_string(),
            Expression::Binary(left, op, right) => {
                let own = precedence(*op);
                let symbol = match op {
                    Op::Add => '+',
                    Op::Sub => '-',
                    Op::Mul => '*',
                    Op::Div => '/',
                };
                let text = format!("{}{symbol}{}", inner(left, full, own), inner(right, full, own + 1));
                if full || own < needed { format!("({text})") } else { text }
            }
        }
    }
    let text = inner(tree, full, 0);
    let mut spaced = String::new();
    let mut previous = ' ';
    for (at, symbol) in text.chars().enumerate() {
        let inside_number = previous.is_ascii_digit() && symbol.is_ascii_digit();
        if !inside_number && noise >> (at % 64) & 1 == 1 {
            spaced.push(if at % 3 == 0 { '\n' } else { ' ' });
        }
        spaced.push(symbol);
        previous = symbol;
    }
    spaced
}

/// The value as a plain fraction, never reduced; none after a division by zero.
fn fraction(tree: &Expression) -> Option<(i128, i128)> {
    match tree {
        Expression::Number(number) => Some(((*number).into(), 1)),
        Expression::Binary(left, op, right) => {
            let ((a, b), (c, d)) = (fraction(left)?, fraction(right)?);
            match op {
                Op::Add => Some((a * d + c * b, b * d)),
                Op::Sub => Some((a * d - c * b, b * d)),
                Op::Mul => Some((a * c, b * d)),
                Op::Div => (c != 0).then_some((a * d, b * c)),
            }
        }
    }
}

/// The tree with a target it reaches: some trees have no value, or none that a target can be.
fn solved() -> impl Strategy<Value = (Expression, u32)> {
    tree().prop_filter_map("a natural value", |tree| {
        let (numerator, denominator) = fraction(&tree)?;
        let target = (numerator % denominator == 0).then_some(numerator / denominator)?;
        Some((tree, u32::try_from(target).ok()?))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_is_read_and_valued_right(tree in tree(), full: bool, noise: u64) {
        let text = print(&tree, full, noise);
        let read = Expression::parse(&text).unwrap();
        prop_assert_eq!(&read, &tree, "{}", text);
        match fraction(&tree) {
            Some((numerator, denominator)) => prop_assert_eq!(read.value(), Rational::new(numerator, denominator)),
            None => prop_assert!(read.value().is_err()),
        }
    }

    #[test]
    fn an_answer_is_right_for_its_numbers_in_any_order_and_its_target_only(
        ((tree, target), numbers) in solved().prop_flat_map(|(tree, target)| {
            let numbers = Just(tree.numbers()).prop_shuffle();
            (Just((tree, target)), numbers)
        }),
        full: bool,
        noise: u64,
    ) {
        let answer = print(&tree, full, noise);
        let judge = |numbers: &[u32], target| Countdown { numbers: numbers.to_vec(), target }.judge(&answer);
        prop_assert_eq!(judge(&numbers, target), (true, Status::Ok));
        prop_assert_eq!(judge(&numbers, target.wrapping_add(1)), (false, Status::Ok));
    }

    #[test]
    fn a_number_missing_repeated_or_changed_is_wrong(
        (tree, target) in solved(),
        at: prop::sample::Index,
        change in 1u32..100,
    ) {
        let answer = print(&tree, false, 0);
        let numbers = tree.numbers();
        let at = at.index(numbers.len());
        let (mut fewer, mut more, mut other) = (numbers.clone(), numbers.clone(), numbers);
        fewer.remove(at);
        more.push(more[at]);
        other[at] += change;
        for numbers in [fewer, more, other] {
            let task = Countdown { numbers, target };
            prop_assert_eq!(task.judge(&answer), (false, Status::Ok), "{:?}", task);
        }
    }

    #[test]
    fn numbers_swapped_are_right_only_where_the_value_stays(
        (tree, target) in solved(),
        order in any::<u64>(),
    ) {
        fn relabel(tree: &Expression, numbers: &mut impl Iterator<Item = u32>) -> Expression {
            match tree {
                Expression::Number(_) => Expression::Number(numbers.next().unwrap()),
                Expression::Binary(left, op, right) => {
                    let left = relabel(left, numbers);
                    Expression::Binary(Box::new(left), *op, Box::new(relabel(right, numbers)))
                }
            }
        }
        let numbers = tree.numbers();
        let mut permuted = numbers.clone();
        permuted.rotate_left((order % numbers.len() as u64) as usize);
        let tree = relabel(&tree, &mut permuted.into_iter());
        let same = fraction(&tree).is_some_and(|(a, b)| a == i128::from(target) * b);
        let task = Countdown { numbers, target };
        prop_assert_eq!(task.judge(&print(&tree, false, 0)), (same, Status::Ok));
    }

    #[test]
    fn one_symbol_outside_the_language_spoils_any_answer(
        (tree, target) in solved(),
        at: prop::sample::Index,
        symbol in prop::sample::select(vec!["**", "//", "!", "=", ".", "^", "%", "_", ",", "x", "×", "÷", "−", "٣", "()", "--", "\0"]),
    ) {
        let mut answer = print(&tree, true, 0);
        answer.insert_str(at.index(answer.len() + 1), symbol);
        let task = Countdown { numbers: tree.numbers(), target };
        prop_assert_eq!(task.judge(&answer), (false, Status::Unparsable), "{}", answer);
    }
}
