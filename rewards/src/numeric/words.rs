//! The words and commands around digits by which another number is known.

/// Words behind a number that scale it: by how much, as a factor and a power of ten.
pub(super) const SCALES: [(&str, u32, u32); 8] = [
    ("dozen", 12, 0),
    ("hundred", 1, 2),
    ("thousand", 1, 3),
    ("lakh", 1, 5),
    ("million", 1, 6),
    ("crore", 1, 7),
    ("billion", 1, 9),
    ("trillion", 1, 12),
];
pub(super) const CURRENCIES: [char; 6] = ['$', '\\', '£', '€', '¥', '₹'];
/// Letters that may stand directly behind a number: units, ordinals, times of day.
#[rustfmt::skip]
pub(super) const UNITS: &[&str] = &[
    "m", "s", "g", "h", "l", "L", "W", "V", "N", "J", "C", "F", "A", "kg", "km", "cm", "mm", "nm", "mg",
    "ml", "mL", "hr", "ms", "ft", "in", "yd", "mi", "lb", "oz", "st", "nd", "rd", "th", "am", "pm", "AM",
    "PM", "Hz", "kW", "MW", "kJ", "eV", "Pa", "dB", "GB", "Mb", "Gb", "kb", "Kb", "kB", "KB", "MB", "TB",
];
/// Longer ones that are no unit.
#[rustfmt::skip]
pub(super) const FACTORS: &[&str] = &[
    "sqrt", "sin", "cos", "tan", "log", "exp", "abc", "xyz", "root",
];
/// Words behind a number, directly or not, that make another of it; see also [`is_part`] and [`is_large`].
#[rustfmt::skip]
pub(super) const MODIFIERS: &[&str] = &[
    "pi", "squared", "cubed", "factorial", "mod", "modulo", "choose", "halves", "bn", "mn", "mil", "mill",
    "mln", "mlrd", "mrd", "mio", "bil", "tril", "trn", "thou", "thsd", "grand", "mille", "tausend",
    "millionen", "millones", "milliarden", "repeating", "recurring", "plus", "minus", "divided", "multiplied",
    "тыс", "тысяч", "тысячи", "тысяча", "млн", "млрд", "миллион", "миллиона",
    "миллионов", "миллиард", "миллиарда", "миллиардов",
];
/// Letters with which Chinese, Japanese and Korean scale the number before them.
pub(super) const SCALING: [char; 18] = [
    '十', '百', '千', '万', '萬', '億', '亿', '兆', '京', '拾', '佰', '仟', '십', '백', '천', '만', '억',
    '조',
];
/// Words behind a number that are operations where a variable or a formula follows: "5 times x".
pub(super) const OPERATIONS: [&str; 4] = ["times", "over", "by", "x"];
/// Words behind "or" that are another answer.
#[rustfmt::skip]
pub(super) const OTHERS: [&str; 16] = [
    "none", "nothing", "neither", "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve",
];
/// Letters behind a blank that are variables, and no units.
pub(super) const VARIABLES: [&str; 7] = ["x", "y", "z", "n", "k", "i", "e"];
/// Words whose operand the number behind them is.
#[rustfmt::skip]
pub(super) const FUNCTIONS: &[&str] = &[
    "log", "ln", "lg", "lb", "sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "arcsin",
    "arccos", "arctan", "exp", "sqrt", "cbrt", "root", "floor", "ceil", "point", "mod", "modulo", "power",
    "times", "zero",
];
/// Words before a number that make another of it.
#[rustfmt::skip]
pub(super) const MULTIPLES: &[&str] = &[
    "twice", "double", "triple", "quadruple", "thrice", "half", "hundred", "thousand", "million", "billion",
    "trillion", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];
/// Words before "of" and a number that make another of it; see also [`is_part`].
#[rustfmt::skip]
pub(super) const PARTS: &[&str] = &[
    "half", "quarter", "quarters", "root", "square", "cube", "double", "reciprocal", "negative", "opposite",
    "inverse", "third", "power", "multiple", "multiples", "factor", "divisor", "logarithm", "log", "sine",
    "cosine", "tangent", "factorial", "percent",
];
/// Words between which and a number "plus" and "minus" are its sign, and no operation.
#[rustfmt::skip]
pub(super) const BEFORE_A_SIGN: &[&str] = &[
    "is", "are", "was", "were", "be", "been", "equals", "equal", "to", "of", "at", "by", "exactly", "only",
    "just", "a", "the", "get", "gets", "got", "gives", "give", "yields", "becomes", "makes", "reads", "says",
    "therefore", "thus", "hence", "so", "then", "and", "or", "not", "answer", "from", "about", "roughly",
    "approximately", "actually", "certainly", "definitely", "clearly", "than", "but", "it", "have", "has", "that",
];
/// Verbs behind which a dash and a blank are the sign of a number: "it is - $5".
pub(super) const VERBS: [&str; 8] = ["is", "are", "was", "were", "be", "equals", "get", "gives"];
/// Commands of LaTeX that may stand beside a number and say nothing of its value; all others do.
#[rustfmt::skip]
pub(super) const HARMLESS: &[&str] = &[
    "boxed", "fbox", "approx", "therefore", "because", "implies", "iff", "Rightarrow", "rightarrow", "to",
    "Longrightarrow", "longrightarrow", "euro", "pounds", "yen", "textdollar", "degree", "celsius", "Omega",
    "mu", "begin", "end", "checkmark", "blacksquare", "square", "Box", "qed",
];
/// Commands of LaTeX for a fraction.
pub(super) const FRACTIONS: [&str; 4] = ["frac", "dfrac", "tfrac", "cfrac"];

/// Whether `word` is one of `list`, in any case.
pub(super) fn is_in(list: &[&str], word: &str) -> bool {
    list.iter().any(|other| word.eq_ignore_ascii_case(other))
}

/// Whether `word` scales a number.
pub(super) fn is_scale(word: &str) -> bool {
    let word = word.strip_suffix('s').unwrap_or(word);
    SCALES.iter().any(|(name, ..)| word.eq_ignore_ascii_case(name))
}

/// Whether `word` names a part of one, as "fourth", or with an "s" behind it, as "twelfths" and "millionths".
pub(super) fn is_part(word: &str) -> bool {
    #[rustfmt::skip]
    const ORDINALS: [&str; 13] = [
        "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth",
        "hundredth", "thousandth", "dozenth",
    ];
    let word = word.to_ascii_lowercase();
    let one = word.strip_suffix('s').unwrap_or(&word);
    ORDINALS.contains(&one) || ["teenth", "tieth", "illionth"].iter().any(|end| one.ends_with(end))
}

/// Whether `word` names a number larger than those that are read: "quadrillion", "zillions", "milliard".
pub(super) fn is_large(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    let one = word.strip_suffix('s').unwrap_or(&word);
    one.ends_with("illion") || one.ends_with("illiard")
}

/// The ASCII letters at the start of `text`.
pub(super) fn letters(text: &str) -> &str {
    text.get(..text.bytes().take_while(u8::is_ascii_alphabetic).count()).unwrap_or_default()
}

/// The name of the command of LaTeX at the start of `text`.
pub(super) fn command(text: &str) -> Option<&str> {
    text.strip_prefix('\\').map(letters).filter(|name| !name.is_empty())
}

/// Whether `text` begins with a command that says something of the number beside it.
pub(super) fn counts(text: &str) -> bool {
    command(text).is_some_and(|name| !HARMLESS.contains(&name))
}
