//! The units that are known, and the words that are none.

/// Dimension, then names and worth of its units: numerator and denominator. Single letters and abbreviations are
/// spelled as here; other names in any case, also in the plural.
type Dimension = (&'static str, &'static [(&'static str, i64, i64)]);

#[rustfmt::skip]
pub(super) const DIMENSIONS: &[Dimension] = &[
    ("", &[
        ("unit", 1, 1), ("dozen", 12, 1), ("hundred", 100, 1), ("thousand", 1000, 1), ("million", 1_000_000, 1),
        ("billion", 1_000_000_000, 1), ("trillion", 1_000_000_000_000, 1),
    ]),
    ("percent", &[("percent", 1, 1)]),
    ("degree", &[("degree", 1, 1), ("deg", 1, 1), ("°", 1, 1)]),
    ("radian", &[("radian", 1, 1), ("rad", 1, 1)]),
    ("length", &[
        ("meter", 1, 1), ("metre", 1, 1), ("m", 1, 1), ("dm", 1, 10), ("cm", 1, 100), ("centimeter", 1, 100),
        ("centimetre", 1, 100), ("mm", 1, 1000), ("millimeter", 1, 1000), ("millimetre", 1, 1000),
        ("nm", 1, 1_000_000_000), ("nanometer", 1, 1_000_000_000), ("μm", 1, 1_000_000), ("micrometer", 1, 1_000_000), ("km", 1000, 1), ("kilometer", 1000, 1),
        ("kilometre", 1000, 1), ("inch", 254, 10_000), ("in", 254, 10_000), ("foot", 3048, 10_000),
        ("ft", 3048, 10_000), ("yard", 9144, 10_000), ("yd", 9144, 10_000), ("mile", 1_609_344, 1000),
        ("mi", 1_609_344, 1000),
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
    ("volume", &[
        ("liter", 1, 1), ("litre", 1, 1), ("L", 1, 1), ("l", 1, 1), ("mL", 1, 1000), ("ml", 1, 1000),
        ("milliliter", 1, 1000), ("millilitre", 1, 1000),
    ]),
    ("gallon", &[("gallon", 1, 1), ("gal", 1, 1), ("quart", 1, 4), ("pint", 1, 8)]),
    ("force", &[("newton", 1, 1), ("N", 1, 1), ("kN", 1000, 1)]),
    ("energy", &[("joule", 1, 1), ("J", 1, 1), ("kJ", 1000, 1), ("erg", 1, 10_000_000)]),
    ("electronvolt", &[("eV", 1, 1), ("keV", 1000, 1), ("MeV", 1_000_000, 1), ("GeV", 1_000_000_000, 1)]),
    ("power", &[("watt", 1, 1), ("W", 1, 1), ("kW", 1000, 1), ("MW", 1_000_000, 1)]),
    ("voltage", &[("volt", 1, 1), ("V", 1, 1), ("mV", 1, 1000), ("kV", 1000, 1)]),
    ("current", &[("ampere", 1, 1), ("amp", 1, 1), ("A", 1, 1), ("mA", 1, 1000)]),
    ("frequency", &[("hertz", 1, 1), ("Hz", 1, 1), ("kHz", 1000, 1), ("MHz", 1_000_000, 1)]),
    ("pressure", &[("pascal", 1, 1), ("Pa", 1, 1), ("kPa", 1000, 1), ("MPa", 1_000_000, 1)]),
    ("resistance", &[("ohm", 1, 1), ("Ω", 1, 1)]),
    ("amount", &[("mole", 1, 1), ("mol", 1, 1)]),
    ("kelvin", &[("kelvin", 1, 1), ("K", 1, 1)]),
    ("celsius", &[("celsius", 1, 1), ("C", 1, 1)]),
    ("fahrenheit", &[("fahrenheit", 1, 1), ("F", 1, 1)]),
    ("dollar", &[("dollar", 1, 1), ("$", 1, 1), ("usd", 1, 1), ("cent", 1, 100), ("¢", 1, 100)]),
    ("euro", &[("euro", 1, 1), ("€", 1, 1)]),
    ("sterling", &[("£", 1, 1)]),
];

/// Words after a number that say something else of it than what it counts.
#[rustfmt::skip]
pub(super) const NOT_UNITS: &[&str] = &[
    "or", "and", "not", "no", "nor", "but", "than", "less", "more", "fewer", "greater", "least", "most",
    "about", "approximately", "around", "roughly", "almost", "nearly", "between", "if", "where", "when", "for",
    "with", "without", "mod", "modulo", "base", "factorial", "negative", "minus", "plus", "times", "over", "half",
    "even", "odd", "is", "are", "true", "false", "undefined", "wrong", "incorrect", "maybe", "possibly", "perhaps",
    "either", "both", "otherwise", "remainder", "except", "zero", "one", "two", "three", "four", "five", "six",
    "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
    "eighteen", "nineteen", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "cannot",
    "impossible", "answer", "guess", "alternatively", "instead", "another", "others", "else", "squared", "cubed",
    "double", "twice", "triple", "third", "quarter", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
    "tenth", "hundredth", "thousandth", "halve", "th", "pi", "root", "sum", "infinity", "unknown", "hence", "thus",
    "so", "then", "was", "were", "does", "can", "could", "should", "would", "will", "may", "might", "this", "that",
    "these", "those", "which", "what", "because", "since", "unless", "until", "score", "kilo",
];
