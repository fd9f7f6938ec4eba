//! Units: a scale and a product of dimensions.
//!
//! ```text
//! unit  = power { ["/" | "per"] power }
//! power = ["square" | "cubic"] name ["^" number | "squared" | "cubed"]
//! ```
//!
//! A name that is not in the table is a dimension of its own: `72 clips` has the dimension clip. Words that say
//! something else of the number than what it counts (`or`, `less`, ...) are no units, so that the answer is unreadable.

mod table;

use std::collections::BTreeMap;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::One;

use table::{DIMENSIONS, NOT_UNITS};

/// The unit of a quantity.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Unit {
    /// How many it stands for: a million for millions of something.
    pub count: BigRational,
    /// What one of it is worth in the first unit of its dimensions.
    pub scale: BigRational,
    /// Powers of the dimensions, none of them 0.
    pub dimensions: BTreeMap<String, i32>,
}

/// Most words that are no known units on one side of a fraction: of `blue marbles` only the last counts.
const MAX_UNKNOWN: usize = 4;

impl Unit {
    /// Reads the whole of `phrase`; none where it is no unit. What follows an "of" or "to" is not counted.
    pub(super) fn parse(phrase: &str) -> Option<Self> {
        let spaced = phrase.replace("mph", "miles/hour").replace('/', " per ").replace('^', " ^");
        let spaced =
            spaced.replace(['.', '(', ')', '*', '~', ','], " ").replace("^-", "^−").replace('-', " ");
        let words = || spaced.split_whitespace();
        let excluded = |word: &str| is_excluded(word) || word.contains(char::is_numeric);
        if words().any(|word| exponent(word).is_none() && excluded(word)) {
            return None;
        }
        if matches!(words().next(), None | Some("to")) {
            return None;
        }
        let mut words = words().take_while(|word| !matches!(*word, "of" | "to")).peekable();
        let mut unit =
            Self { count: BigRational::one(), scale: BigRational::one(), dimensions: BTreeMap::new() };
        let (mut sign, mut next_power, mut unknown, mut n_unknown) = (1, 1, None, 0);
        while let Some(word) = words.next() {
            let counted = unknown.is_some() || !unit.dimensions.is_empty();
            match word.to_lowercase().as_str() {
                "a" | "an" if !counted || words.peek().is_none() => return None,
                "per" | "a" | "an" => {
                    unit.multiply_unknown(unknown.take());
                    (sign, n_unknown) = (-1, 0);
                    continue;
                }
                // In what direction a length goes, and what an age is.
                "long" | "wide" | "high" | "tall" | "deep" | "old" if counted => {}
                "square" | "sq" => next_power = 2,
                "cubic" | "cu" => next_power = 3,
                lower => {
                    let power = sign * next_power * raised(words.next_if(|word| exponent(word).is_some()));
                    next_power = 1;
                    match known(word) {
                        Some((dimension, worth)) => unit.multiply(dimension, &worth, power),
                        // Of several unknown words the last is the thing counted: blue marbles.
                        None if exponent(word).is_none() && n_unknown < MAX_UNKNOWN && is_name(lower) => {
                            n_unknown += 1;
                            unknown = Some((singular(lower), power));
                        }
                        None => return None,
                    }
                }
            }
        }
        unit.multiply_unknown(unknown);
        Some(unit)
    }

    fn multiply(&mut self, dimension: &str, worth: &BigRational, power: i32) {
        if dimension.is_empty() {
            self.count *= worth.pow(power);
            return;
        }
        self.scale *= worth.pow(power);
        *self.dimensions.entry(dimension.into()).or_default() += power;
        self.dimensions.retain(|_, power| *power != 0);
    }

    fn multiply_unknown(&mut self, unknown: Option<(String, i32)>) {
        if let Some((name, power)) = unknown {
            self.multiply(&name, &BigRational::one(), power);
        }
    }

    /// Whether all its dimensions are in the table.
    pub(super) fn is_known(&self) -> bool {
        let is_known = |name: &String| DIMENSIONS.iter().any(|(dimension, _)| dimension == name);
        !self.dimensions.is_empty() && self.dimensions.keys().all(is_known)
    }

    /// Whether it is `name` itself, such as `degree`.
    pub(super) fn is(&self, name: &str) -> bool {
        Self::parse(name).as_ref() == Some(self)
    }
}

/// The exponent that a word after a name gives it: 1 where there is none.
fn raised(word: Option<&str>) -> i32 {
    word.and_then(exponent).unwrap_or(1)
}

fn exponent(word: &str) -> Option<i32> {
    match word {
        "squared" => Some(2),
        "cubed" => Some(3),
        _ => word.strip_prefix('^')?.replace('−', "-").parse().ok().filter(|power| (-9..=9).contains(power)),
    }
}

fn is_name(word: &str) -> bool {
    word.chars().all(char::is_alphabetic) && word.chars().count() > 1
}

/// Dimension and worth of the unit of this name.
fn known(word: &str) -> Option<(&'static str, BigRational)> {
    let find = |name: &str| {
        DIMENSIONS.iter().find_map(|(dimension, units)| {
            let (_, numerator, denominator) = units.iter().find(|(known, ..)| *known == name)?;
            Some((*dimension, BigRational::new(BigInt::from(*numerator), BigInt::from(*denominator))))
        })
    };
    let lower = word.to_lowercase();
    let any_case = || if lower.len() > 1 { find(&lower).or_else(|| find(&singular(&lower))) } else { None };
    find(word).or_else(any_case)
}

/// Whether the word says something else of a number than what it counts.
pub(super) fn is_excluded(word: &str) -> bool {
    let word = word.to_lowercase();
    NOT_UNITS.contains(&word.as_str()) || NOT_UNITS.contains(&singular(&word).as_str())
}

/// Whether there is a unit of this name.
pub(super) fn is_known(word: &str) -> bool {
    known(word).is_some()
}

/// The word without the ending of its plural.
fn singular(word: &str) -> String {
    match word {
        "feet" => return "foot".into(),
        "people" => return "person".into(),
        "children" => return "child".into(),
        _ => {}
    }
    let stems = [("ches", "ch"), ("shes", "sh"), ("xes", "x"), ("sses", "ss"), ("ies", "y"), ("s", "")];
    let stem = stems.iter().find_map(|(plural, stem)| Some(format!("{}{stem}", word.strip_suffix(plural)?)));
    stem.filter(|stem| stem.len() > 1).unwrap_or_else(|| word.into())
}

/// Whether plain letters right after a number are this unit, not a product of variables.
pub(super) fn is_plain(letters: &str) -> bool {
    [
        "cm", "mm", "km", "nm", "kg", "mg", "ft", "yd", "lb", "lbs", "oz", "hr", "hrs", "mph", "ml", "mL",
        "kW", "kJ", "Hz", "kHz", "MHz", "eV", "keV", "MeV", "kPa", "mol", "sq", "cu", "deg", "rad",
    ]
    .contains(&letters)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_unit_are_equal() {
        for (left, right) in [
            ("inches^2", "square inch"),
            ("sq. ft", "feet squared"),
            ("m/s", "meters per second"),
            ("blue marbles", "marble"),
            ("liters of water", "liter"),
            ("mph", "miles per hour"),
            ("square units", "units"),
            ("kg m/s^2", "kg m s^-2"),
            ("mL", "milliliters"),
            ("hours a day", "hour per day"),
            ("feet tall", "foot"),
            ("ways to do it", "way"),
        ] {
            assert_eq!(Unit::parse(left).unwrap(), Unit::parse(right).unwrap(), "{left}");
        }
        assert_ne!(Unit::parse("cm"), Unit::parse("m"));
        for phrase in ["or fewer", "k", "of them or 73", "a b c d e f", "nineteen", "a", "hours a", "to"] {
            assert_eq!(Unit::parse(phrase), None, "{phrase}");
        }
        assert_eq!(Unit::parse(" "), None);
    }
}
