//! The text that asks for a solution, with the parts of a problem in it.

use std::collections::BTreeMap;

use crate::data::countdown;

/// The text that asks where none is given.
pub(super) fn standard_prompt(is_countdown: bool) -> &'static str {
    if is_countdown { countdown::PROMPT } else { "{question}" }
}

/// The names in braces in `prompt`, but for the arguments of LaTeX's commands.
pub(super) fn placeholders(prompt: &str) -> impl Iterator<Item = &str> {
    prompt.match_indices('{').filter_map(|(at, _)| {
        let is_argument = prompt[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || "}]_^".contains(c));
        let (name, _) = prompt[at + 1..].split_once('}')?;
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        (is_name && !is_argument).then_some(name)
    })
}

/// `prompt` with each `{part}` replaced; what is in other braces stays as it is, so that formulas can be written.
pub(super) fn filled(prompt: &str, parts: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    let mut rest = prompt;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let part = after.split_once('}').and_then(|(name, behind)| Some((parts.get(name)?, behind)));
        match part {
            Some((value, behind)) => {
                text.push_str(value);
                rest = behind;
            }
            None => {
                text.push('{');
                rest = after;
            }
        }
    }
    text + rest
}
