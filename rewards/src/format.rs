//! The form of a response: tags in order, or a pattern.
//!
//! `tags = ["think", "answer"]` asks for `<think>…</think>` and then `<answer>…</answer>`, each of the four written exactly
//! once; with `strict` nothing but blanks stands outside of them. Where the prompt ends in the first opening tag, as some
//! chat templates have it, `opened` says so, and the response must not write it again. `pattern` is a regular expression
//! that must match somewhere; `^` and `$` tie it to the ends, `(?s)` lets `.` match line ends.

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Response, Reward, RewardSettings, Rules, Task, TaskKind, Verdict};

/// Keys of the `format` grader: `tags` or `pattern`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FormatConfig {
    /// Names of the tags that the response has, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether nothing but blanks may stand outside of the tags.
    #[serde(default)]
    pub strict: bool,
    /// Whether the prompt has opened the first tag.
    #[serde(default)]
    pub opened: bool,
    /// A regular expression that the response matches; instead of `tags`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

impl RewardSettings for FormatConfig {
    fn judges(&self, _: TaskKind) -> bool {
        true
    }

    fn says_correct(&self) -> bool {
        false
    }

    fn build(&self, _: &[String]) -> Result<Box<dyn Reward>, String> {
        Ok(Box::new(FormatReward::new(self.clone())?))
    }

    fn rules(&self) -> Rules {
        let Self { tags, strict, opened, pattern } = self;
        let mut rules = Rules::default();
        rules.forbid(tags.is_empty() == pattern.is_none(), &["tags", "pattern"], || {
            let both = if pattern.is_some() { "both it and `pattern`" } else { "neither it nor `pattern`" };
            format!(": got {both}, expected one of them")
        });
        for (key, is_set) in [("strict", strict), ("opened", opened)] {
            rules.forbid(*is_set && tags.is_empty(), &[key, "tags"], || {
                ": has no effect without `tags`; leave it out".to_owned()
            });
        }
        let is_name = |tag: &String| {
            !tag.is_empty() && tag.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        };
        for (at, tag) in tags.iter().enumerate() {
            let expected = "names of letters, digits, `_` and `-`";
            rules.expect("tags", format_args!("{tag:?}"), expected, is_name(tag));
            let is_twice = is_name(tag) && tags[..at].contains(tag);
            rules.expect("tags", format_args!("{tag:?} twice"), "each tag once", !is_twice);
        }
        if let Some(Err(error)) = pattern.as_deref().map(Regex::new) {
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default().trim();
            rules.forbid(true, &["pattern"], || {
                let got = pattern.as_deref().unwrap_or_default();
                format!(": got {got:?}, expected a regular expression: {reason}")
            });
        }
        rules
    }
}

/// Grades the form of responses: 1 where it is as asked for, else 0; says nothing on correctness. Part: `format`, the value.
#[derive(Clone, Debug)]
pub struct FormatReward {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    /// The opening and closing tags in order, and whether nothing stands outside.
    Tags(Vec<String>, bool),
    Pattern(Regex),
}

impl FormatReward {
    /// The grader that `config` describes.
    ///
    /// # Errors
    /// If the settings cannot work.
    pub fn new(config: FormatConfig) -> Result<Self, String> {
        if let Some(problem) = config.rules().problems().into_iter().next() {
            return Err(problem);
        }
        let form = match config.pattern {
            Some(pattern) => Form::Pattern(Regex::new(&pattern).map_err(|error| error.to_string())?),
            None => {
                let tags = config.tags.iter().flat_map(|tag| [format!("<{tag}>"), format!("</{tag}>")]);
                Form::Tags(tags.skip(usize::from(config.opened)).collect(), config.strict)
            }
        };
        Ok(Self { form })
    }
}

impl Reward for FormatReward {
    fn name(&self) -> &str {
        "format"
    }

    fn score(&self, _: &Task, response: &Response<'_>) -> Verdict {
        let holds = match &self.form {
            Form::Pattern(pattern) => pattern.is_match(response.text),
            Form::Tags(tags, strict) => has_tags(response.text, tags, *strict),
        };
        Verdict::on_form("format", f64::from(u8::from(holds)))
    }
}

/// Whether `text` has each of `tags` once, in order, and with `strict` blanks only before an opening tag and at the end.
fn has_tags(text: &str, tags: &[String], strict: bool) -> bool {
    let mut rest = text;
    for tag in tags {
        let Some((before, after)) = rest.split_once(tag.as_str()) else { return false };
        let outside = !tag.starts_with("</");
        if text.matches(tag.as_str()).nth(1).is_some() || (strict && outside && !before.trim().is_empty()) {
            return false;
        }
        rest = after;
    }
    !strict || rest.trim().is_empty()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::Question;

    fn config(config: Value) -> FormatConfig {
        serde_json::from_value(config).unwrap()
    }

    fn holds(settings: Value, text: &str) -> bool {
        let task = Task::Question(Question::new("1"));
        let verdict = FormatReward::new(config(settings)).unwrap().score(&task, &Response::new(text));
        assert_eq!(verdict.parts["format"], verdict.value);
        assert!(!verdict.correct());
        verdict.value == 1.0
    }

    #[test]
    fn tags_stand_once_and_in_order() {
        for (text, loose, strict) in [
            ("<think>a</think>\n<answer>1</answer>\n", true, true),
            ("so <think>a</think> b <answer>1</answer>", true, false),
            ("<think>a</think><answer>1</answer>.", true, false),
            ("<think>a</think>", false, false),
            ("<answer>1</answer><think>a</think>", false, false),
            ("<think>a<answer>1</think></answer>", false, false),
            ("<think>a</think><answer>1</answer><answer>2</answer>", false, false),
            ("<think><think>a</think><answer>1</answer>", false, false),
            ("a</think><answer>1</answer>", false, false),
            ("", false, false),
        ] {
            let tags = ["think", "answer"];
            assert_eq!(holds(json!({"tags": tags}), text), loose, "{text}");
            assert_eq!(holds(json!({"tags": tags, "strict": true}), text), strict, "strict: {text}");
        }
        let opened = json!({"tags": ["think", "answer"], "strict": true, "opened": true});
        assert!(holds(opened.clone(), "a</think> <answer>1</answer>"));
        assert!(!holds(opened, "a</think> b <answer>1</answer>"));
    }

    #[test]
    fn a_pattern_matches_somewhere() {
        let pattern = json!({"pattern": "(?s)^Thought:.*\nAnswer: [0-9]+$"});
        assert!(holds(pattern.clone(), "Thought: a\nb\nAnswer: 12"));
        assert!(!holds(pattern, "Thought: a\nb\nAnswer: 12."));
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        for (settings, expected) in [
            (json!({}), "tags: got neither it nor `pattern`, expected one of them"),
            (json!({"tags": ["a"], "pattern": "b"}), "tags: got both it and `pattern`, expected one of them"),
            (json!({"tags": ["<a>"]}), "tags: got \"<a>\", expected names of letters, digits, `_` and `-`"),
            (json!({"tags": ["a", "a"]}), "tags: got \"a\" twice, expected each tag once"),
            (json!({"pattern": "a", "strict": true}), "strict: has no effect without `tags`; leave it out"),
            (
                json!({"pattern": "("}),
                "pattern: got \"(\", expected a regular expression: error: unclosed group",
            ),
        ] {
            assert_eq!(config(settings.clone()).rules().problems(), [expected]);
            assert!(FormatReward::new(config(settings)).is_err());
        }
    }
}
