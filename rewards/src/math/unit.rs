//! Units: a scale and a product of dimensions.
//!
//! ```text
//! unit  = power { ["/" | "per"] power }
//! power = ["square" | "cubic"] name ["^" number | "squared" | "cubed"]
//! ```
//!
//! A name that is not in the table is a dimension of its own: `72 clips` has the dimension clip. Words that say
//! something else of the number than what it counts (`or`, `less`, ...) are no units, so that the answer is unreadable.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::One;

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

/// Dimension, then names and worth of its units.
type Dimension = (&'static str, &'static [(&'static str, i64, i64)]);

#[rustfmt::skip]
const DIMENSIONS: [Dimension; 12] = [
    ("", &[
        ("unit", 1, 1), ("dozen", 12, 1), ("hundred", 100, 1), ("thousand", 1000, 1), ("million", 1_000_000, 1),
        ("billion", 1_000_000_000, 1), ("trillion", 1_000_000_000_000, 1),
    ]),
    ("percent", &[("percent", 1, 1)]),
    ("degree", &[("degree", 1, 1), ("°", 1, 1)]),
    ("radian", &[("radian", 1, 1), ("rad", 1, 1)]),
    ("length", &[
        ("meter", 1, 1), ("metre", 1, 1), ("m", 1, 1), ("cm", 1, 100), ("centimeter", 1, 100),
        ("centimetre", 1, 100), ("mm", 1, 1000), ("millimeter", 1, 1000), ("millimetre", 1, 1000), ("km", 1000, 1),
        ("kilometer", 1000, 1), ("kilometre", 1000, 1), ("inch", 254, 10_000), ("in", 254, 10_000),
        ("foot", 3048, 10_000), ("ft", 3048, 10_000), ("yard", 9144, 10_000), ("yd", 9144, 10_000),
        ("mile", 1_609_344, 1000), ("mi", 1_609_344, 1000),
    ]),
    ("time", &[
        ("second", 1, 1), ("sec", 1, 1), ("s", 1, 1), ("minute", 60, 1), ("min", 60, 1), ("hour", 3600, 1),
        ("hr", 3600, 1), ("h", 3600, 1), ("day", 86_400, 1), ("week", 604_800, 1), ("ms", 1, 1000),
    ]),
    ("mass", &[
        ("gram", 1, 1), ("g", 1, 1), ("kilogram", 1000, 1), ("kg", 1000, 1), ("mg", 1, 1000),
        ("milligram", 1, 1000), ("ton", 1_000_000, 1), ("tonne", 1_000_000, 1),
        ("pound", 45_359_237, 100_000), ("lb", 45_359_237, 100_000), ("ounce", 45_359_237, 1_600_000),
        ("oz", 45_359_237, 1_600_000),
    ]),
    ("dollar", &[("dollar", 1, 1), ("$", 1, 1), ("usd", 1, 1), ("cent", 1, 100), ("¢", 1, 100)]),
    ("euro", &[("euro", 1, 1), ("€", 1, 1)]),
    ("sterling", &[("£", 1, 1)]),
    ("celsius", &[("celsius", 1, 1), ("c", 1, 1)]),
    ("fahrenheit", &[("fahrenheit", 1, 1), ("f", 1, 1)]),
];

#[rustfmt::skip]
const NOT_UNITS: [&str; 127] = [
    "or", "and", "not", "no", "nor", "but", "to", "than", "less", "more", "fewer", "greater", "least", "most",
    "about", "approximately", "around", "roughly", "almost", "nearly", "between", "if", "where", "when", "for",
    "with", "without", "mod", "modulo", "base", "factorial", "negative", "minus", "plus", "times", "over", "half",
    "even", "odd", "is", "are", "true", "false", "undefined", "wrong", "incorrect", "maybe", "possibly", "either",
    "both", "otherwise", "remainder", "except", "one", "two", "three", "four", "five", "six", "seven", "eight",
    "nine", "ten", "eleven", "twelve", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty",
    "ninety", "cannot", "impossible", "answer", "guess", "alternatively", "instead", "another", "others", "else",
    "squared", "cubed", "double", "twice", "triple", "third", "quarter", "fourth", "fifth", "sixth", "seventh",
    "eighth", "ninth", "tenth", "hundredth", "thousandth", "halve", "th", "pi", "root", "sum", "infinity",
    "unknown", "hence", "thus", "so", "then", "was", "were", "does", "can", "could", "should", "would", "will",
    "may", "might", "this", "that", "these", "those", "which", "what", "because", "since",
];

impl Unit {
    /// Reads the whole of `phrase`; none where it is no unit.
    pub(super) fn parse(phrase: &str) -> Option<Self> {
        let spaced = phrase.replace("mph", "miles/hour").replace('/', " per ").replace('^', " ^");
        let spaced = spaced.replace(['.', '(', ')', '*', '-', '~', ','], " ").to_lowercase();
        let mut words = spaced.split_whitespace().take_while(|word| *word != "of").peekable();
        let mut unit =
            Self { count: BigRational::one(), scale: BigRational::one(), dimensions: BTreeMap::new() };
        let (mut sign, mut next_power, mut unknown) = (1, 1, None);
        words.peek()?;
        while let Some(word) = words.next() {
            if NOT_UNITS.contains(&word) || NOT_UNITS.contains(&singular(word).as_str()) {
                return None;
            }
            match word {
                "per" => {
                    unit.multiply_unknown(unknown.take());
                    sign = -1;
                    continue;
                }
                "square" | "sq" => next_power = 2,
                "cubic" | "cu" => next_power = 3,
                _ => {
                    let power = sign * next_power * raised(words.next_if(|word| exponent(word).is_some()));
                    next_power = 1;
                    match known(word) {
                        Some((dimension, worth)) => unit.multiply(dimension, &worth, power),
                        // Of several unknown words the last is the thing counted: blue marbles.
                        None if word.chars().all(char::is_alphabetic) && word.chars().count() > 1 => {
                            unknown = Some((singular(word), power));
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
        _ => word.strip_prefix('^')?.parse().ok().filter(|power| (-9..=9).contains(power)),
    }
}

fn known(word: &str) -> Option<(&'static str, BigRational)> {
    let find = |name: &str| {
        DIMENSIONS.iter().find_map(|(dimension, units)| {
            let (_, numerator, denominator) = units.iter().find(|(known, ..)| *known == name)?;
            Some((*dimension, BigRational::new(BigInt::from(*numerator), BigInt::from(*denominator))))
        })
    };
    find(word).or_else(|| find(&singular(word)))
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
    ["cm", "km", "kg", "ft", "mph"].contains(&letters)
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
        ] {
            assert_eq!(Unit::parse(left).unwrap(), Unit::parse(right).unwrap(), "{left}");
        }
        assert_ne!(Unit::parse("cm"), Unit::parse("m"));
        assert_eq!(Unit::parse("or fewer"), None);
        assert_eq!(Unit::parse(" "), None);
    }
}
