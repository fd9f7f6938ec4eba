//! What the keys of a recipe's section may be: judged, and said by the reference, from one place.

use std::fmt::Display;

/// What the keys of a section may be, and where they are not.
///
/// Keys are paths that start at the section: `lr`, `rule.top_fraction`. Every call states a rule, whether it holds or
/// not, so that the rules of any value tell what its keys may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    expected: Vec<(String, String)>,
    broken: Vec<Broken>,
}

/// A rule that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The keys that it is about, the leading one first; an empty key is the section itself.
    pub keys: Vec<String>,
    /// What is said of the leading key, right behind its name: `: got 0, expected at least 1`, ` has no effect ...`.
    pub message: String,
}

impl Rules {
    /// `key` has to be `expected`, which it is if `holds`.
    pub fn expect(&mut self, key: &str, got: impl Display, expected: &str, holds: bool) {
        let rule = (key.to_owned(), expected.to_owned());
        if !self.expected.contains(&rule) {
            self.expected.push(rule);
        }
        self.forbid(!holds, &[key], || format!(": got {got}, expected {expected}"));
    }

    /// `keys`, the leading one first, do not go together if `broken`. The message goes on behind the leading key's name; a
    /// rule of this kind is not among what a key may be.
    pub fn forbid(&mut self, broken: bool, keys: &[&str], message: impl FnOnce() -> String) {
        if broken {
            let keys = keys.iter().map(|&key| key.to_owned()).collect();
            self.broken.push(Broken { keys, message: message() });
        }
    }

    /// A count: at least 1.
    pub fn positive<N: Default + Display + Ord>(&mut self, key: &str, got: N) {
        let holds = got > N::default();
        self.expect(key, got, "at least 1", holds);
    }

    /// A finite number, 0 or more.
    pub fn not_negative(&mut self, key: &str, got: f64) {
        self.expect(key, got, "a finite number, 0 or more", got.is_finite() && got >= 0.0);
    }

    /// A finite number above 0.
    pub fn above_zero(&mut self, key: &str, got: f64) {
        self.expect(key, got, "a finite number above 0", got.is_finite() && got > 0.0);
    }

    /// A number from 0 to 1.
    pub fn share(&mut self, key: &str, got: f64) {
        self.expect(key, got, "0 to 1", (0.0..=1.0).contains(&got));
    }

    /// The rules of the table called `name` within the section.
    pub fn part(&mut self, name: &str, part: Self) {
        let within = |key: String| if key.is_empty() { name.to_owned() } else { format!("{name}.{key}") };
        self.expected.extend(part.expected.into_iter().map(|(key, expected)| (within(key), expected)));
        self.broken.extend(part.broken.into_iter().map(|Broken { keys, message }| Broken {
            keys: keys.into_iter().map(within).collect(),
            message,
        }));
    }

    /// All that `key` has to be, in the order in which it was stated.
    pub fn of<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.expected.iter().filter(move |(other, _)| other == key).map(|(_, expected)| &**expected)
    }

    /// The rules that do not hold.
    #[must_use]
    pub fn broken(&self) -> &[Broken] {
        &self.broken
    }

    /// The rules that do not hold, each as a sentence: `lr: got 2, expected ...`.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let sentence = |Broken { keys, message }: &Broken| {
            let key = keys.first().map_or("", String::as_str);
            format!("{key}{message}").trim_start().to_owned()
        };
        self.broken.iter().map(sentence).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(lr: f64, steps: u64) -> Rules {
        let mut rules = Rules::default();
        rules.not_negative("lr", lr);
        rules.expect("lr", lr, "below 1", lr < 1.0);
        rules.positive("steps", steps);
        rules.forbid(steps == 7, &["steps", "lr"], || " has no effect with this `lr`".to_owned());
        rules
    }

    #[test]
    fn rules_are_stated_whether_they_hold_or_not() {
        for rules in [rules(0.5, 1), rules(-1.0, 0)] {
            assert_eq!(rules.of("lr").collect::<Vec<_>>(), ["a finite number, 0 or more", "below 1"]);
            assert_eq!(rules.of("steps").collect::<Vec<_>>(), ["at least 1"]);
            assert_eq!(rules.of("other").count(), 0);
        }
    }

    #[test]
    fn a_rule_that_is_stated_twice_is_one_rule() {
        let mut rules = Rules::default();
        rules.positive("n", 0usize);
        rules.positive("n", 1usize);
        assert_eq!(rules.of("n").count(), 1);
        assert_eq!(rules.problems(), ["n: got 0, expected at least 1"]);
    }

    #[test]
    fn what_does_not_hold_is_said_with_its_keys() {
        assert!(rules(0.5, 1).broken().is_empty());
        assert_eq!(
            rules(f64::NAN, 7).problems(),
            [
                "lr: got NaN, expected a finite number, 0 or more",
                "lr: got NaN, expected below 1",
                "steps has no effect with this `lr`"
            ]
        );
        assert_eq!(rules(0.5, 7).broken()[0].keys, ["steps", "lr"]);
    }

    #[test]
    fn ranges_have_the_ends_that_they_say() {
        let holds = |state: fn(&mut Rules, f64), value| {
            let mut rules = Rules::default();
            state(&mut rules, value);
            rules.broken().is_empty()
        };
        let share = |value| holds(|rules, value| rules.share("x", value), value);
        assert!(share(0.0) && share(1.0) && !share(-1e-9) && !share(1.1) && !share(f64::NAN));
        let above = |value| holds(|rules, value| rules.above_zero("x", value), value);
        assert!(above(1e-300) && !above(0.0) && !above(f64::INFINITY) && !above(f64::NAN));
        let any = |value| holds(|rules, value| rules.not_negative("x", value), value);
        assert!(any(0.0) && !any(-1.0) && !any(f64::INFINITY) && !any(f64::NAN));
    }

    #[test]
    fn the_rules_of_a_part_have_its_name_before_their_keys() {
        let mut part = rules(-1.0, 1);
        part.forbid(true, &["", "lr"], || " has neither".to_owned());
        let mut whole = Rules::default();
        whole.part("optim", part);
        assert_eq!(whole.of("optim.lr").count(), 2);
        assert_eq!(whole.broken()[1].keys, ["optim", "optim.lr"]);
        assert_eq!(
            whole.problems(),
            ["optim.lr: got -1, expected a finite number, 0 or more", "optim has neither"]
        );
    }
}
