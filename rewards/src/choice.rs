//! Questions with several options, of which one letter is right.
//!
//! The claim of a response is what it marks as its answer ([`marked`](crate::marked)), else its last line, where that is no
//! more than a letter ("(B)", "B.", "**B**", "option B", "B) Paris") or an option. The claim's letters are its capitals that
//! stand alone, and any letter that is the whole claim or stands in parentheses alone; "I" in a sentence is a word. A claim
//! without a letter may be the text of an option, where the task has them in `fields.choices`: a list, whose options are A,
//! B, C and so on, or an object from letter to text. Several different letters are a wrong answer.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Question, Response, Reward, Status, Task, Verdict, marked};

/// Options where the task lists none.
const LETTERS: std::ops::RangeInclusive<char> = 'A'..='Z';

/// Keys of the `choice` grader: none so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChoiceConfig {}

/// Grades answers to questions with options: 1 where the response claims the right letter and no other, else 0.
#[derive(Clone, Debug)]
pub struct ChoiceReward;

impl ChoiceReward {
    /// The grader that `config` describes.
    pub fn new(ChoiceConfig {}: ChoiceConfig) -> Self {
        Self
    }
}

impl Reward for ChoiceReward {
    fn name(&self) -> &str {
        "choice"
    }

    fn score(&self, task: &Task, response: &Response<'_>) -> Verdict {
        let Task::Question(question) = task else {
            return Verdict::undecided();
        };
        let options = Options::of(question);
        let [gold] = options.claimed(&question.answer)[..] else {
            return Verdict::undecided();
        };
        let claimed = match response.is_answer {
            true => options.claimed(response.text),
            false => options.of_response(response.text),
        };
        let answer = claimed.iter().map(char::to_string).collect::<Vec<_>>().join(", ");
        Verdict::on((!claimed.is_empty()).then_some(answer), |_| (claimed == [gold], Status::Ok))
    }
}

/// The options of a question, by letter; none where it does not list them.
struct Options(Vec<(char, String)>);

impl Options {
    fn of(question: &Question) -> Self {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let listed = match question.fields.get("choices") {
            Some(Value::Array(list)) => {
                LETTERS.zip(list).map(|(letter, value)| (letter, text(value))).collect()
            }
            Some(Value::Object(entries)) => {
                let entry = |(key, value): (&String, &Value)| {
                    Some((key.chars().next().filter(|_| key.len() == 1)?.to_ascii_uppercase(), text(value)))
                };
                entries.iter().filter_map(entry).collect()
            }
            _ => Vec::new(),
        };
        Self(listed.into_iter().map(|(letter, text)| (letter, plain(&text))).collect())
    }

    /// Whether `letter` is one of the options.
    fn has(&self, letter: char) -> bool {
        LETTERS.contains(&letter) && (self.0.is_empty() || self.0.iter().any(|(other, _)| *other == letter))
    }

    /// The letters that a whole response claims, each once.
    fn of_response(&self, response: &str) -> Vec<char> {
        let Some(text) = marked::spoken(response) else { return Vec::new() };
        if let Some(claim) = marked::last(text, |claim| !self.claimed(claim).is_empty()) {
            return self.claimed(claim);
        }
        let line = text.trim_end().lines().next_back().unwrap_or_default();
        if self.opens(&bare(line)) || self.named(line).is_some() { self.claimed(line) } else { Vec::new() }
    }

    /// The letters of `claim`, or that of the option which it is, each once.
    fn claimed(&self, claim: &str) -> Vec<char> {
        if let Some(letter) = self.named(claim) {
            return vec![letter];
        }
        let claim = bare(claim);
        let whole = claim.trim_matches(|c: char| !c.is_alphanumeric());
        let mut letters = Vec::new();
        for (at, word) in words(&claim) {
            let mut chars = word.chars();
            let (Some(letter), None) = (chars.next(), chars.next()) else { continue };
            let enclosed = claim.get(..at).is_some_and(|before| before.ends_with('('))
                && claim.get(at + word.len()..).is_some_and(|after| after.starts_with(')'));
            let counts = enclosed || whole == word || (letter.is_ascii_uppercase() && letter != 'I');
            let letter = letter.to_ascii_uppercase();
            if counts && self.has(letter) && !letters.contains(&letter) {
                letters.push(letter);
            }
        }
        letters
    }

    /// The letter of the option whose text `claim` is.
    fn named(&self, claim: &str) -> Option<char> {
        let claim = plain(claim);
        let mut same = self.0.iter().filter(|(_, text)| !text.is_empty() && *text == claim);
        same.next().map(|(letter, _)| *letter).filter(|_| same.next().is_none())
    }

    /// Whether `line` begins like a letter that is chosen, and goes on with no more than its option.
    fn opens(&self, line: &str) -> bool {
        let mut all = words(line).map(|(_, word)| word).peekable();
        if all
            .peek()
            .is_some_and(|word| ["option", "choice"].iter().any(|name| word.eq_ignore_ascii_case(name)))
        {
            all.next();
        }
        let Some(letter) = all.next().filter(|word| word.len() == 1).and_then(|word| word.chars().next())
        else {
            return false;
        };
        let letter = letter.to_ascii_uppercase();
        let rest = plain(&all.collect::<Vec<_>>().join(" "));
        let is_option = || self.0.iter().any(|(other, text)| *other == letter && words_of(text) == rest);
        self.has(letter) && (rest.is_empty() || is_option())
    }
}

/// The words of `text` and where they stand.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let place = |word: &str| word.as_ptr().addr() - text.as_ptr().addr();
    let all = text.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|word| !word.is_empty());
    all.map(move |word| (place(word), word))
}

fn words_of(text: &str) -> String {
    words(text).map(|(_, word)| word).collect::<Vec<_>>().join(" ")
}

/// `claim` without the commands of LaTeX around a letter.
fn bare(claim: &str) -> String {
    let mut text = claim.to_owned();
    for command in ["\\boxed", "\\textbf", "\\text", "\\mathrm", "\\mathbf", "\\rm", "\\left", "\\right"] {
        text = text.replace(command, " ");
    }
    text.replace(['$', '*', '{', '}', '\\'], " ").replace("( ", "(").replace(" )", ")")
}

/// `text` in lower case, with single blanks and without what stands around it.
fn plain(text: &str) -> String {
    let text = bare(text).to_lowercase();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.trim_matches(['.', ',', '"', '\'', ' ']).to_owned()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn score(question: &Value, response: &str) -> (bool, Status) {
        let task = Task::Question(serde_json::from_value(question.clone()).unwrap());
        let verdict = ChoiceReward::new(ChoiceConfig {}).score(&task, &Response::of(response));
        (verdict.correct(), verdict.status)
    }

    #[test]
    fn a_letter_is_claimed_in_many_forms() {
        for response in [
            "B",
            "(B)",
            "b",
            "(b)",
            "B.",
            "B)",
            "**B**",
            "so\n\nB\n",
            "Option B",
            "The answer is B.",
            "the answer is (b)",
            "The correct answer is: **B**",
            "Answer: B",
            "\\boxed{B}",
            "$\\boxed{\\text{B}}$",
            "\\boxed{\\textbf{(B) }}",
            "<answer>B</answer>",
            "#### B",
            "A or C? No, the answer is B, I think.",
            "<think>The answer is A</think>(B)",
            "The answer is A. No!\nThe answer is B.",
            "The answer is B: 12",
        ] {
            assert_eq!(score(&json!({"answer": "B"}), response), (true, Status::Ok), "{response}");
            assert_eq!(score(&json!({"answer": "(C)"}), response), (false, Status::Ok), "not C: {response}");
        }
    }

    #[test]
    fn several_letters_are_wrong_and_none_is_no_answer() {
        for response in
            ["\\boxed{A, B}", "The answer is A or B.", "Answer: (A) (B) (C) (D)", "the answer is B (not A)"]
        {
            assert_eq!(score(&json!({"answer": "B"}), response), (false, Status::Ok), "{response}");
        }
        for response in [
            "",
            "I like B best",
            "Either A or B",
            "Bees",
            "<think>B",
            "A B C D",
            "\\boxed{B",
            "The answer is here",
        ] {
            assert_eq!(score(&json!({"answer": "B"}), response), (false, Status::Unparsable), "{response}");
        }
    }

    #[test]
    fn an_option_stands_for_its_letter() {
        let list = json!(["Rome", "Paris", "New York", 4]);
        let object = json!({"A": "Rome", "B": "Paris", "C": "New York", "D": "4"});
        for choices in [list, object] {
            for gold in ["B", "Paris", " paris."] {
                let question = json!({"answer": gold, "fields": {"choices": choices}});
                for response in
                    ["Paris", "The answer is Paris.", "\\boxed{\\text{Paris}}", "B) Paris", "B", "(B) Paris."]
                {
                    assert_eq!(score(&question, response), (true, Status::Ok), "{response}");
                }
                for response in ["New York", "The answer is Rome.", "D", "4"] {
                    assert_eq!(score(&question, response), (false, Status::Ok), "{response}");
                }
                for response in ["E", "The answer is London.", "Rome, Paris", "B) London"] {
                    assert_eq!(score(&question, response), (false, Status::Unparsable), "{response}");
                }
            }
        }
    }

    #[test]
    fn a_gold_answer_that_is_no_option_is_an_error() {
        assert_eq!(score(&json!({"answer": "A, B"}), "A").1, Status::Error);
        assert_eq!(score(&json!({"answer": "E", "fields": {"choices": ["x", "y"]}}), "A").1, Status::Error);
    }
}
