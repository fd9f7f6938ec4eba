//! Generates Countdown problems that can be solved.
//!
//! An expression over all the numbers of a set `S` can be worth `R(S)`, where
//!
//! ```text
//! R({a}) = {a}
//! R(S)   = union over splits S = A + B, x in R(A), y in R(B), of { x + y, x * y, |x - y| > 0, x / y if whole }
//! ```
//!
//! so every problem has a solution that uses each number exactly once and meets only positive whole numbers
//! on its way. A problem is a set of numbers and one target of `R`. The sets are taken in random order, one
//! random target each, then in the same order a second target each, and so on: all sets of numbers are
//! equally frequent until the rarer ones run out.

use anyhow::{Result, bail, ensure};
use rand::seq::SliceRandom;
use rewards::Countdown;

use super::{CountdownConfig, N_NUMBERS};
use crate::data::DataSettings;
use crate::types::{Purpose, RunRandom};

/// Generated problems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Items {
    /// Problems to learn from.
    pub train: Vec<Countdown>,
    /// Problems to measure on.
    pub eval: Vec<Countdown>,
}

/// The problems that `config` describes, in an order and with numbers in an order that its seed decides.
///
/// # Errors
/// If a value of `config` is out of range, or if fewer problems exist than it asks for.
pub(crate) fn generate(config: &CountdownConfig) -> Result<Items> {
    if let [problem, ..] = config.rules().problems().as_slice() {
        bail!("Countdown problems: {problem}");
    }
    let mut rng = RunRandom::new(config.seed).stream(Purpose::Items, &[]);
    let wanted = config.train_items.saturating_add(config.eval_items);

    let most = most_problems(config);
    ensure!(
        wanted <= most,
        "Countdown problems: train_items + eval_items ask for {wanted}, but at most {most} exist with numbers = {:?}, \
         max_number = {}, targets = {:?}; ask for fewer or widen these",
        config.numbers,
        config.max_number,
        config.targets,
    );

    let mut sets = number_sets(config);
    sets.shuffle(&mut rng);
    let mut problems = Vec::new();
    let mut unused = Vec::new();
    for set in sets {
        if problems.len() == wanted {
            break;
        }
        let numbers: Vec<u32> = set.into_iter().filter(|&n| n > 0).map(u32::from).collect();
        let mut targets = reachable(&numbers);
        targets.retain(|t| (config.targets[0]..=config.targets[1]).contains(t));
        targets.shuffle(&mut rng);
        if let Some(target) = targets.pop() {
            problems.push(Countdown { numbers: numbers.clone(), target });
            unused.push((numbers, targets));
        }
    }
    while problems.len() < wanted && !unused.is_empty() {
        unused.retain_mut(|(numbers, targets)| {
            if problems.len() < wanted
                && let Some(target) = targets.pop()
            {
                problems.push(Countdown { numbers: numbers.clone(), target });
            }
            !targets.is_empty()
        });
    }
    ensure!(
        problems.len() == wanted,
        "Countdown problems: train_items + eval_items ask for {wanted}, but only {} exist with numbers = {:?}, \
         max_number = {}, targets = {:?}; ask for fewer or widen these",
        problems.len(),
        config.numbers,
        config.max_number,
        config.targets,
    );

    problems.shuffle(&mut rng);
    for problem in &mut problems {
        problem.numbers.shuffle(&mut rng);
    }
    let eval = problems.split_off(config.train_items);
    Ok(Items { train: problems, eval })
}

/// What no count of problems exceeds, so that absurd wishes are refused before millions of problems are made: every set of
/// numbers with every target. There are `C(m + n - 1, n)` sets of `n` numbers up to `m`.
fn most_problems(config: &CountdownConfig) -> usize {
    let [low, high] = config.targets.map(|target| target as usize);
    let m = config.max_number as usize;
    let sets = |n: usize| (1..=n).fold(1, |sets, i| sets * (m + i - 1) / i);
    let sets: usize = (config.numbers[0] as usize..=config.numbers[1] as usize).map(sets).sum();
    sets.saturating_mul(high - low + 1)
}

/// Every set of numbers that `config` allows, ascending, with zeros in unused places.
fn number_sets(config: &CountdownConfig) -> Vec<[u8; N_NUMBERS[1] as usize]> {
    let mut sets = Vec::new();
    for n in config.numbers[0] as usize..=config.numbers[1] as usize {
        let mut set = [0; N_NUMBERS[1] as usize];
        set[..n].fill(1);
        loop {
            sets.push(set);
            // The next ascending set: raise the last number that can be raised, and those after it to the same.
            let Some(i) = set[..n].iter().rposition(|&number| u32::from(number) < config.max_number) else {
                break;
            };
            let raised = set[i] + 1;
            set[i..n].fill(raised);
        }
    }
    sets
}

/// `R(numbers)`, ascending: what an expression over all the numbers can be worth. `numbers` are at most a
/// handful.
fn reachable(numbers: &[u32]) -> Vec<u32> {
    let n_subsets = 1usize << numbers.len();
    let mut values: Vec<Vec<u32>> = vec![Vec::new(); n_subsets]; // by bit set of the numbers used
    for subset in 1..n_subsets {
        let mut found = Vec::new();
        if subset.is_power_of_two() {
            found.push(numbers[subset.trailing_zeros() as usize]);
        }
        for part in 1..subset {
            let rest = subset & !part;
            // Each split once: the part with the larger bit set second.
            if part & subset != part || part > rest {
                continue;
            }
            for &x in &values[part] {
                for &y in &values[rest] {
                    let (high, low) = (x.max(y), x.min(y));
                    found.extend([x + y, x * y]);
                    found.extend((high > low).then(|| high - low));
                    found.extend((high % low == 0).then(|| high / low));
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        values[subset] = found;
    }
    values.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::HashSet;

    use super::*;
    fn config(numbers: [u32; 2], max_number: u32, targets: [u32; 2], items: [usize; 2]) -> CountdownConfig {
        CountdownConfig {
            seed: 0,
            numbers,
            max_number,
            targets,
            train_items: items[0],
            eval_items: items[1],
            prompt: "{numbers} {target}".into(),
        }
    }

    /// Brute force, without the rules of `reachable`: whether some order of steps on exact fractions makes
    /// `target`: brute force, without the rules of `reachable`.
    fn solvable(values: &[(i64, i64)], target: i64) -> bool {
        if let [(n, d)] = values {
            return *n == target * d;
        }
        (0..values.len()).any(|i| {
            (0..values.len()).filter(|&j| j != i).any(|j| {
                let ((a, b), (c, d)) = (values[i], values[j]);
                let steps = [(a * d + c * b, b * d), (a * d - c * b, b * d), (a * c, b * d), (a * d, b * c)];
                steps.into_iter().filter(|step| step.1 != 0).any(|step| {
                    let rest = values.iter().enumerate().filter(|(k, _)| *k != i && *k != j).map(|(_, v)| *v);
                    solvable(&rest.chain([step]).collect::<Vec<_>>(), target)
                })
            })
        })
    }

    #[test]
    fn every_problem_is_within_bounds_and_solvable() {
        let config = config([3, 4], 20, [1, 99], [300, 50]);
        let items = generate(&config).unwrap();
        assert_eq!((items.train.len(), items.eval.len()), (300, 50));
        for problem in items.train.iter().chain(&items.eval) {
            assert!(
                [3, 4].contains(&problem.numbers.len()) && (1..=99).contains(&problem.target),
                "{problem:?}"
            );
            assert!(problem.numbers.iter().all(|n| (1..=20).contains(n)), "{problem:?}");
            let values: Vec<_> = problem.numbers.iter().map(|&n| (i64::from(n), 1)).collect();
            assert!(solvable(&values, i64::from(problem.target)), "{problem:?}");
        }
    }

    #[test]
    fn twenty_thousand_problems_are_disjoint_and_depend_on_the_seed_alone() {
        let config = config([3, 3], 25, [1, 99], [20_000, 512]);
        let items = generate(&config).unwrap();
        let key = |p: &Countdown| {
            let mut numbers = p.numbers.clone();
            numbers.sort_unstable();
            (numbers, p.target)
        };
        let keys: HashSet<_> = items.train.iter().chain(&items.eval).map(key).collect();
        assert_eq!(keys.len(), 20_512);
        assert_eq!(items, generate(&config).unwrap());
        assert_ne!(items, generate(&CountdownConfig { seed: 1, ..config }).unwrap());
    }

    #[test]
    fn reaches_what_can_be_worked_out_by_hand() {
        assert_eq!(reachable(&[5]), [5]);
        assert_eq!(reachable(&[2, 6]), [3, 4, 8, 12]);
        // (1 + 1) + 1, (1 + 1) * 1 and (1 + 1) / 1, (1 + 1) - 1 and 1 * 1 * 1; 1 - 1 is not positive.
        assert_eq!(reachable(&[1, 1, 1]), [1, 2, 3]);
    }

    #[test]
    fn all_problems_there_are_can_be_had_but_not_one_more() {
        // {1,1,1} -> 1 2 3, {1,1,2} -> 1 2 3 4, {1,2,2} -> 1 2 3 4 5 6, {2,2,2} -> 1 2 3 6 8; of these all but 8.
        let exact = config([3, 3], 2, [1, 6], [15, 2]);
        generate(&exact).unwrap();
        let error =
            |eval_items| generate(&CountdownConfig { eval_items, ..exact.clone() }).unwrap_err().to_string();
        assert!(error(3).contains("ask for 18, but only 17 exist"), "{}", error(3));
        assert!(error(10).contains("ask for 25, but at most 24 exist"), "{}", error(10));
        assert_eq!(most_problems(&exact), number_sets(&exact).len() * 6);
    }
}
