//! Scales of the Countdown reward: our own and those of three public repositories, whose curves are not comparable.
//!
//! | preset | value | values taken |
//! |---|---|---|
//! | `exact` | correct | 0, 1 |
//! | `tinyzero` | 1 if answer, else 0.1 format | 0, 0.1, 1 |
//! | `nano_aha` | format + answer | 0, 0.5, 1, 1.5, 2 |
//! | `grpo_zero` | 0.1 format + answer | 0 ... 1.1 |
//!
//! *format* and *answer* are what each source looks for and where (see [`Preset`]); *correct* is the same for all. Three
//! things differ from the sources on purpose. They evaluate the answer as Python with floats; here every preset reads it
//! by the grammar of [`Expression`](crate::Expression) and exactly, so that Python beyond that grammar (a sign, `**`,
//! `//`, `2.`, other scripts' digits) is wrong. And the response is the text after the prompt without the
//! end-of-sequence token, read as if `<think>` stood before it; here a response may also write that tag itself. Where a
//! thought that prompt or response has opened does not end, no answer is right.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tags::{CLOSE, OPEN, answers};
use crate::thought::{END_THINK, THINK};

/// Scale of the Countdown reward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// 1 where correct, else 0.
    #[default]
    Exact,
    /// As `compute_score` in `countdown.py` of Jiayi-Pan/TinyZero. *answer*: the last `<answer>…</answer>` of the last
    /// line is right; *format*: there is one.
    #[serde(rename = "tinyzero")]
    TinyZero,
    /// As `compute_reward` in `nano_r1_script.py` of McGill-NLP/nano-aha-moment. *answer*: the first pair of answer tags
    /// within one line is right; *format*: 0.5 if the response is a thought without further think tags, `</think>`, a
    /// line end, `<answer>…</answer>` and no more; 1 if that answer also holds digits, `+-*/().` and blanks only.
    NanoAha,
    /// As `reward_function` in `countdown_task.py` of policy-gradient/GRPO-Zero. *answer*: the first
    /// `<answer>…</answer>` is right and holds no other blanks than spaces; *format*: 1 if the response holds
    /// `</think>`, a line end, `<answer>` in a row and ends in `</answer>`, else 0.1 for a `</think>` plus 0.5 for a
    /// pair of answer tags.
    GrpoZero,
}

/// What a preset of a public source sees in a response.
pub(crate) struct Shape {
    /// Reward in the source's scale.
    pub value: f64,
    /// Its format reward before weighting.
    pub format: f64,
    /// Its answer reward, 0 or 1.
    pub answer: f64,
}

impl Preset {
    /// The source's view of `response`; none for [`Preset::Exact`]. `right` judges one answer.
    pub(crate) fn shape(self, response: &str, right: impl Fn(&str) -> bool) -> Option<Shape> {
        let right = |answer: Option<&str>| f64::from(u8::from(answer.is_some_and(&right)));
        match self {
            Self::Exact => None,
            Self::TinyZero => {
                let found = response.rsplit('\n').next().and_then(|line| answers(line).last());
                let (format, answer) = (f64::from(u8::from(found.is_some())), right(found));
                let value = if answer == 1.0 { 1.0 } else { 0.1 * format };
                Some(Shape { value, format, answer })
            }
            Self::NanoAha => {
                let found = response.split('\n').find_map(|line| answers(line).next());
                let (format, answer) = (nano_aha_format(response), right(found));
                let value = format + answer;
                Some(Shape { value, format, answer })
            }
            Self::GrpoZero => {
                let found = answers(response).next().map(without_line_end);
                let spaced = found.filter(|answer| !answer.contains(|c: char| c.is_whitespace() && c != ' '));
                let (format, answer) = (grpo_zero_format(response), right(spaced));
                let value = 0.1 * format + answer;
                Some(Shape { value, format, answer })
            }
        }
    }
}

fn nano_aha_format(response: &str) -> f64 {
    let response = response.strip_prefix(THINK).unwrap_or(response);
    let answer = without_line_end(response)
        .split_once(END_THINK)
        .filter(|(thought, _)| !thought.contains(THINK))
        .and_then(|(_, rest)| rest.strip_prefix('\n')?.strip_prefix(OPEN)?.strip_suffix(CLOSE));
    let arithmetic = |c: char| c.is_ascii_digit() || c.is_whitespace() || "+-*/().".contains(c);
    match answer.map(str::trim) {
        None => 0.0,
        Some(answer) if !answer.is_empty() && answer.chars().all(arithmetic) => 1.0,
        Some(_) => 0.5,
    }
}

fn grpo_zero_format(response: &str) -> f64 {
    let full = without_line_end(response)
        .split_once("</think>\n<answer>")
        .is_some_and(|(_, rest)| rest.ends_with(CLOSE));
    if full {
        return 1.0;
    }
    let thought = if response.contains(END_THINK) { 0.1 } else { 0.0 };
    let answer = if answers(response).next().is_some() { 0.5 } else { 0.0 };
    thought + answer
}

/// `text` less one final line end, as `$` in a Python pattern sees it.
fn without_line_end(text: &str) -> &str {
    text.strip_suffix('\n').unwrap_or(text)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// (format, answer, value) of each response where the answer `1` is the only right one.
    fn check(preset: Preset, cases: &[(&str, f64, f64, f64)]) {
        for (response, format, answer, value) in cases {
            let shape = preset.shape(response, |answer| answer.trim() == "1").unwrap();
            let got = (shape.format, shape.answer, shape.value);
            assert_eq!(got, (*format, *answer, *value), "{preset:?}: {response:?}");
        }
    }

    #[test]
    fn tinyzero_sees_the_last_answer_of_the_last_line() {
        check(
            Preset::TinyZero,
            &[
                ("no tag", 0.0, 0.0, 0.0),
                ("<answer>1</answer>", 1.0, 1.0, 1.0),
                ("<answer>2</answer>", 1.0, 0.0, 0.1),
                ("<answer>2</answer> <answer>1</answer> so", 1.0, 1.0, 1.0),
                ("<answer>1</answer> <answer>2</answer>", 1.0, 0.0, 0.1),
                ("<answer>1</answer>\n", 0.0, 0.0, 0.0),
                ("<answer>2</answer>\n<answer>1</answer>", 1.0, 1.0, 1.0),
                ("<answer>\n1</answer>", 0.0, 0.0, 0.0),
            ],
        );
    }

    #[test]
    fn nano_aha_wants_the_whole_form() {
        check(
            Preset::NanoAha,
            &[
                ("a</think>\n<answer>1</answer>", 1.0, 1.0, 2.0),
                ("<think>a</think>\n<answer>1</answer>\n", 1.0, 1.0, 2.0),
                ("a</think>\n<answer>1 + 1.</answer>", 1.0, 0.0, 1.0),
                ("a</think>\n<answer>x</answer>", 0.5, 0.0, 0.5),
                ("a</think>\n<answer> </answer>", 0.5, 0.0, 0.5),
                ("a</think>\n<answer>1</answer><answer>1</answer>", 0.5, 1.0, 1.5),
                ("a</think>\n<answer>\n1\n</answer>", 1.0, 0.0, 1.0),
                ("a</think> <answer>1</answer>", 0.0, 1.0, 1.0),
                ("a<think>b</think>\n<answer>1</answer>", 0.0, 1.0, 1.0),
                ("a</think>\n<answer>1</answer>\n\n", 0.0, 1.0, 1.0),
                ("a</think>\n<answer>2</answer>\n<answer>1</answer>", 0.5, 0.0, 0.5),
                ("a", 0.0, 0.0, 0.0),
            ],
        );
    }

    #[test]
    fn grpo_zero_rewards_parts_of_the_form() {
        check(
            Preset::GrpoZero,
            &[
                ("a</think>\n<answer>1</answer>", 1.0, 1.0, 1.1),
                ("a</think>\n<answer>2</answer>", 1.0, 0.0, 0.1),
                ("a</think>b</think>\n<answer>1</answer>\n", 1.0, 1.0, 1.1),
                ("a</think> <answer>1</answer>", 0.6, 1.0, 1.06),
                ("<answer>1</answer>", 0.5, 1.0, 1.05),
                ("<answer>\n1</answer>", 0.5, 0.0, 0.05),
                ("<answer>2</answer><answer>1</answer>", 0.5, 0.0, 0.05),
                ("a</think>", 0.1, 0.0, 0.1 * 0.1),
                ("a", 0.0, 0.0, 0.0),
            ],
        );
    }
}
