//! Responses that a person gets to read: what was asked, what came, what was found in it and what it is worth.
//!
//! ```text
//! sample of step 40, prompt 17, gold 45
//!   asked   Make 45 from 3, 7, 12.⏎
//!   said    3+7=10⏎12-10=2⏎...⏎<answer>(12+3)*3</answer>
//!           reward 1, answer (12+3)*3
//!   said    7*3=21⏎21+12=33⏎...
//!           reward 0, no answer, cut off
//! ```
//!
//! They stand in `samples.jsonl` too, one object a step, and with all that was decided about them in the rollouts.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rewards::Status;
use serde::{Deserialize, Serialize};
use unicode_width::UnicodeWidthChar;

use super::console::WIDTH;
use crate::files::{append_to, read_regular_text, write_whole};
use crate::types::{Finish, Leaf, Step, TrainedTree, picture};

/// Columns before a text.
const INDENT: usize = 10;
/// Lines that a prompt and a response take at most.
const LINES: [usize; 2] = [3, 5];

/// Responses to one prompt of a step: the best and the worst, or one where all are worth the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// The step that they are of.
    pub step: Step,
    /// Number of the prompt.
    pub prompt_id: u64,
    /// Its text, as the policy read it.
    pub prompt: String,
    /// The right answer.
    pub gold: String,
    /// The responses.
    pub responses: Vec<Answered>,
}

/// One of the responses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answered {
    /// Its number among those to the prompt.
    pub sample: u32,
    /// Its text.
    pub text: String,
    /// The answer that a grader found in it.
    pub answer: Option<String>,
    /// What it is worth.
    pub reward: f64,
    /// How grading went.
    pub status: Status,
    /// Why it ended.
    pub finish: Finish,
    /// What graders have to say of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Sample {
    /// Those of `step`, whose responses are `trees`: of a prompt that tells responses apart, another one each time; `None` where
    /// there are no responses.
    #[must_use]
    pub(crate) fn of(step: Step, trees: &[TrainedTree]) -> Option<Self> {
        let telling: Vec<&TrainedTree> = trees.iter().filter(|tree| tree.tree().has_signal()).collect();
        let nth = |n: usize| usize::try_from(step % n as Step).ok();
        let tree = match telling.len() {
            0 => trees.get(nth(trees.len().max(1))?)?.tree(),
            n => telling.get(nth(n)?)?.tree(),
        };
        let worth = |leaf: &&Leaf| leaf.verdict.value;
        let best = tree.leaves.iter().max_by(|a, b| worth(a).total_cmp(&worth(b)))?;
        let worst = tree.leaves.iter().min_by(|a, b| worth(a).total_cmp(&worth(b)))?;
        let both = [best]
            .into_iter()
            .chain(Some(worst).filter(|worst| worst.sample != best.sample && tree.has_signal()));
        Some(Self {
            step,
            prompt_id: tree.prompt.id,
            prompt: tree.prompt.text.clone(),
            gold: tree.prompt.gold(),
            responses: both.map(Answered::of).collect(),
        })
    }
}

impl Answered {
    fn of(leaf: &Leaf) -> Self {
        Self {
            sample: leaf.sample,
            text: leaf.text.clone(),
            answer: leaf.verdict.answer.clone(),
            reward: leaf.verdict.value,
            status: leaf.verdict.status,
            finish: leaf.finish,
            note: leaf.verdict.note.clone(),
        }
    }

    /// `reward 1, answer (12+3)*3`; `reward 0, no answer, cut off`.
    pub(super) fn judged(&self) -> String {
        let answer = self.answer.as_ref().map_or("no answer".to_owned(), |answer| format!("answer {answer}"));
        let cut = if self.finish == Finish::Length { ", cut off" } else { "" };
        let status = if self.status.is_judgement() { String::new() } else { format!(", {}", self.status) };
        let note = self.note.as_ref().map_or_else(String::new, |note| format!(", {note}"));
        // A sum of weights is no number to read to its last digit.
        let reward = (self.reward * 1e4).round() / 1e4;
        format!("reward {reward}, {answer}{cut}{status}{note}")
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, prompt_id, prompt, gold, responses } = self;
        let head = format!("sample of step {step}, prompt {prompt_id}, gold {}", one_line(gold));
        write!(f, "{}", folded(&head, WIDTH, 1).join(""))?;
        let mut part = |name: &str, text: &str, most: usize| {
            let lines = folded(&one_line(text), WIDTH - INDENT, most);
            lines.iter().enumerate().try_for_each(|(i, line)| {
                let name = if i == 0 { name } else { "" };
                write!(f, "\n  {name:<width$}{line}", width = INDENT - 2)
            })
        };
        part("asked", prompt, LINES[0])?;
        for response in responses {
            part("said", &response.text, LINES[1])?;
            part("", &response.judged(), 2)?;
        }
        Ok(())
    }
}

/// `text` with its line ends shown.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c == '\t' { ' ' } else { picture(c) }).collect()
}

/// `text` in at most `most` lines of `columns`, what does not fit left out of its middle.
fn folded(text: &str, columns: usize, most: usize) -> Vec<String> {
    const GAP: &str = " ... ";
    let mut lines = vec![(String::new(), 0)];
    for c in text.chars() {
        let width = c.width().unwrap_or(0);
        if lines.last().is_none_or(|(_, used)| used + width > columns) {
            lines.push((String::new(), 0));
        }
        if let Some((line, used)) = lines.last_mut() {
            line.push(c);
            *used += width;
        }
    }
    if lines.len() <= most {
        return lines.into_iter().map(|(line, _)| line).collect();
    }
    let room = (most * columns).saturating_sub(GAP.len() + most);
    let n = text.chars().count();
    let (first, last) = (room.div_ceil(2), room / 2);
    // Wide characters take more columns than there are characters.
    let narrow = text.chars().all(|c| c.width() == Some(1));
    let (first, last) = if narrow { (first, last) } else { (first / 2, last / 2) };
    let head: String = text.chars().take(first).collect();
    let tail: String = text.chars().skip(n - last).collect();
    folded(&format!("{head}{GAP}{tail}"), columns, usize::MAX)
}

/// `samples.jsonl`: what was shown.
pub(crate) struct Samples {
    path: PathBuf,
    file: File,
}

impl Samples {
    /// Goes on with the samples at `path` that are not of steps behind `last`, and gives them. What cannot be read is left out:
    /// it only tells.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn open(path: &Path, last: Step) -> Result<(Self, Vec<Sample>)> {
        let text = read_regular_text(path, u64::MAX).unwrap_or_default();
        let read = |line: &str| serde_json::from_str::<Sample>(line).ok();
        let kept: Vec<Sample> = text.lines().filter_map(read).filter(|sample| sample.step <= last).collect();
        if kept.len() < text.lines().count() {
            write_whole(path, |mut writer| {
                kept.iter().try_for_each(|sample| {
                    serde_json::to_writer(&mut writer, sample)?;
                    Ok(writer.write_all(b"\n")?)
                })
            })?;
        }
        let file = append_to(path).with_context(|| format!("could not open {}", path.display()))?;
        Ok((Self { path: path.to_owned(), file }, kept))
    }

    /// Adds `sample`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn write(&mut self, sample: &Sample) -> Result<()> {
        let line = serde_json::to_string(sample)? + "\n";
        self.file
            .write_all(line.as_bytes())
            .with_context(|| format!("could not write {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use unicode_width::UnicodeWidthStr;

    use super::*;

    fn sample(step: Step, text: &str) -> Sample {
        let right = Answered {
            sample: 0,
            text: text.to_owned(),
            answer: Some("(12+3)*3".into()),
            reward: 1.0,
            status: Status::Ok,
            finish: Finish::Eos,
            note: None,
        };
        let wrong = Answered {
            sample: 3,
            text: "7*3".into(),
            answer: None,
            reward: 0.1 + 0.2,
            status: Status::Timeout,
            finish: Finish::Length,
            note: Some("no reply within 10 s".into()),
        };
        let responses = vec![right, wrong];
        Sample {
            step,
            prompt_id: 17,
            prompt: "Make 45 from 3, 7, 12.\n".into(),
            gold: "45".into(),
            responses,
        }
    }

    #[test]
    fn a_sample_says_what_was_asked_found_and_paid() {
        let expected = [
            "sample of step 40, prompt 17, gold 45",
            "  asked   Make 45 from 3, 7, 12.⏎",
            "  said    3+7=10⏎<answer>(12+3)*3</answer>",
            "          reward 1, answer (12+3)*3",
            "  said    7*3",
            "          reward 0.3, no answer, cut off, timeout, no reply within 10 s",
        ];
        assert_eq!(sample(40, "3+7=10\n<answer>(12+3)*3</answer>").to_string(), expected.join("\n"));
    }

    #[test]
    fn long_texts_lose_their_middle_and_fit_the_line() {
        let text: String = (0..3000).map(|i| format!("{i} ")).collect();
        let shown = sample(1, &text).to_string();
        assert!(shown.lines().all(|line| line.width() <= WIDTH), "{shown}");
        assert!(shown.contains("  said    0 1 2 3 ") && shown.contains(" 2998 2999 \n"), "{shown}");
        assert!(shown.lines().count() <= 6 + LINES[1], "{shown}");
        let wide = sample(1, &"数".repeat(900)).to_string();
        assert!(wide.lines().all(|line| line.width() <= WIDTH) && wide.contains("数 ... 数"), "{wide}");
        let obeyed = sample(1, "a\u{1b}[2J\tb").to_string();
        assert!(obeyed.contains("a␛[2J b"), "{obeyed}");
    }

    #[test]
    fn a_run_that_goes_on_keeps_the_samples_up_to_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("samples.jsonl");
        let (mut samples, kept) = Samples::open(&path, 0).unwrap();
        assert_eq!(kept, []);
        (1..=3).for_each(|step| samples.write(&sample(step, "x")).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}{{\"step\":4,\"pro")).unwrap();
        let (mut samples, kept) = Samples::open(&path, 2).unwrap();
        assert_eq!(kept, [sample(1, "x"), sample(2, "x")]);
        samples.write(&sample(3, "x")).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "as if it had never stopped");
    }
}
