//! Expressions over given numbers, with the steps that compute them.

use rand::{RngExt, seq::IndexedRandom};

/// What stands between two steps.
pub(super) const SEPARATOR: &str = ", ";

/// An expression, written with as few parentheses as it needs.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    /// The expression.
    pub text: String,
    /// What it is worth.
    pub value: u32,
    /// Every step that leads to the value, the last one last.
    pub steps: Vec<Step>,
    /// Binding strength of its last step: 1 for + and -, 2 for * and /, 3 for a number.
    binding: u8,
}

/// One step of a computation.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// What combines its operands: one of `+ - * /`.
    pub operator: char,
    /// As it is written: `12*3=36`.
    pub text: String,
}

impl Expression {
    /// Combines `numbers`, two random operands at a time by a random step, until one expression is left.
    pub(super) fn random(numbers: &[u32], max_value: u32, rng: &mut impl RngExt) -> Self {
        let number = |&n: &u32| Self::number(n);
        let mut operands: Vec<Self> = numbers.iter().map(number).collect();
        while operands.len() > 1 {
            let left = operands.swap_remove(rng.random_range(0..operands.len()));
            let right = operands.swap_remove(rng.random_range(0..operands.len()));
            let steps = ['+', '-', '*', '/'].into_iter();
            let both = |op| [Self::step(&left, op, &right), Self::step(&right, op, &left)];
            let possible: Vec<Self> =
                steps.flat_map(both).flatten().filter(|result| result.value <= max_value).collect();
            // Never empty: the larger minus the smaller is always possible.
            operands.extend(possible.choose(rng).cloned());
        }
        operands.swap_remove(0)
    }

    fn number(n: u32) -> Self {
        Self { text: n.to_string(), value: n, steps: Vec::new(), binding: 3 }
    }

    /// `left op right`, if its value is a whole number.
    fn step(left: &Self, op: char, right: &Self) -> Option<Self> {
        let (a, b) = (left.value, right.value);
        let (value, binding) = match op {
            '+' => (a.checked_add(b)?, 1),
            '-' => (a.checked_sub(b)?, 1),
            '*' => (a.checked_mul(b)?, 2),
            _ => (a.checked_div(b).filter(|q| q * b == a)?, 2),
        };
        // a-(b+c) and a/(b*c) need their parentheses, a+(b-c) and a*(b/c) do not.
        let keep_right = right.binding < binding || (right.binding == binding && matches!(op, '-' | '/'));
        let text =
            parenthesised(left, left.binding < binding) + &op.to_string() + &parenthesised(right, keep_right);
        let mut steps = [left.steps.as_slice(), &right.steps].concat();
        steps.push(Step { operator: op, text: format!("{a}{op}{b}={value}") });
        Some(Self { text, value, steps, binding })
    }

    /// Its steps in their order: `12*3=36, 36-9=27`; nothing of a single number.
    pub(super) fn written_steps(&self) -> String {
        self.steps.iter().map(|step| step.text.as_str()).collect::<Vec<_>>().join(SEPARATOR)
    }
}

fn parenthesised(operand: &Expression, yes: bool) -> String {
    if yes { format!("({})", operand.text) } else { operand.text.clone() }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn parentheses_stand_where_they_are_needed() {
        let number = |n: u32| Expression::number(n);
        let step = |a: &Expression, op, b: &Expression| Expression::step(a, op, b).unwrap();
        let (sum, difference) = (step(&number(2), '+', &number(4)), step(&number(9), '-', &number(3)));
        let (product, quotient) = (step(&number(2), '*', &number(3)), step(&number(8), '/', &number(4)));
        for (expression, text, value) in [
            (step(&sum, '*', &number(5)), "(2+4)*5", 30),
            (step(&number(5), '*', &sum), "5*(2+4)", 30),
            (step(&sum, '-', &number(1)), "2+4-1", 5),
            (step(&number(9), '-', &sum), "9-(2+4)", 3),
            (step(&number(9), '+', &difference), "9+9-3", 15),
            (step(&number(12), '/', &product), "12/(2*3)", 2),
            (step(&number(5), '*', &quotient), "5*8/4", 10),
            (step(&product, '/', &quotient), "2*3/(8/4)", 3),
            (step(&product, '+', &quotient), "2*3+8/4", 8),
        ] {
            assert_eq!((expression.text.as_str(), expression.value), (text, value));
        }
        let steps = [(3, '-', 4), (7, '/', 2), (7, '/', 0)];
        assert!(steps.iter().all(|(a, op, b)| Expression::step(&number(*a), *op, &number(*b)).is_none()));
    }
}
