//! Regular expressions of a tokenizer, as far as it matters how often they are found in a text.

/// Whether every match of `pattern` has a character, so that it is found at most once for each. Only plain ones are told:
/// characters, classes and repetitions, and alternatives of these.
pub(super) fn always_takes_a_character(pattern: &str) -> bool {
    takes(pattern).unwrap_or(false)
}

/// `None` where the pattern is not a plain one.
fn takes(pattern: &str) -> Option<bool> {
    let (mut all, mut this) = (true, false);
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        match first {
            '|' => {
                all &= this;
                this = false;
                continue;
            }
            '^' | '$' => continue,
            '(' | ')' | '*' | '+' | '?' | '{' => return None,
            '[' => rest = behind_class(rest)?,
            '\\' => rest = behind_escape(rest)?,
            _ => {}
        }
        let (at_least_once, behind) = repetition(rest)?;
        this |= at_least_once;
        rest = behind;
    }
    Some(all && this)
}

/// What is behind a class, of which `rest` is what follows its bracket.
fn behind_class(rest: &str) -> Option<&str> {
    let mut depth = 1;
    let mut chars = rest.strip_prefix('^').unwrap_or(rest).chars();
    if chars.as_str().starts_with(']') {
        return None;
    }
    while depth > 0 {
        match chars.next()? {
            '\\' => drop(chars.next()?),
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
    }
    Some(chars.as_str())
}

/// What is behind an escape that stands for one character, of which `rest` is what follows its backslash.
fn behind_escape(rest: &str) -> Option<&str> {
    let kind = rest.chars().next()?;
    let behind = &rest[kind.len_utf8()..];
    match kind {
        'p' | 'P' => behind.strip_prefix('{')?.split_once('}').map(|(_, behind)| behind),
        's' | 'S' | 'd' | 'D' | 'w' | 'W' | 'h' | 'H' | 'n' | 'r' | 't' | 'f' | 'v' => Some(behind),
        _ => kind.is_ascii_punctuation().then_some(behind),
    }
}

/// Whether what stands before `rest` is there at least once, and what is behind the repetition of it.
fn repetition(rest: &str) -> Option<(bool, &str)> {
    let (at_least_once, behind) = match rest.chars().next() {
        Some('+') => (true, &rest[1..]),
        Some('*' | '?') => (false, &rest[1..]),
        Some('{') => {
            let (counts, behind) = rest[1..].split_once('}')?;
            let least = counts.split(',').next().unwrap_or_default();
            (least.parse::<u32>().ok()? > 0, behind)
        }
        _ => return Some((true, rest)),
    };
    // A repetition of a repetition, or a lazy one.
    if behind.starts_with(['+', '*', '?', '{']) { None } else { Some((at_least_once, behind)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_patterns_are_told_and_others_are_not() {
        let take = [
            r"\s+",
            " {2,}",
            "x",
            "é",
            r"^\s+|\s+$",
            r"\p{Mn}",
            r"[\]\[a-z&&[^x]]",
            r"a*b",
            r"\.",
            r"[[:space:]]+x?",
            "a{3}",
        ];
        for pattern in take {
            assert!(always_takes_a_character(pattern), "{pattern}");
        }
        let others = [
            "", "x*", "x?", "x{0,3}", "x{,3}", "a|", "|a", "a|b*", "^", "$", r"\b", r"\K", r"\1", r"\x20*",
            "(?=a)", "(a)", "a+?", "a+*", "[]a]", "[a", r"a\", "a{2}?", r"\G", "(?#a)", "{", "[[a]",
        ];
        for pattern in others {
            assert!(!always_takes_a_character(pattern), "{pattern}");
        }
    }
}
