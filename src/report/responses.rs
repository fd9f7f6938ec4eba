//! What a run kept of its responses, `rollouts/step_*.jsonl`: how long right and wrong ones are over time, and a few to read.
//!
//! Of many steps some are read, spread evenly. A file is read line by line, once for its numbers and once more for the responses that
//! are shown, so that memory holds no step whole.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::course::rounded;
use crate::files::{list, open_regular};
use crate::run_folder::RunFolder;
use crate::types::{Step, floor_boundary};

/// Most steps whose responses are counted.
const MOST_STEPS: usize = 40;

/// Steps of which responses are shown.
const SHOWN_STEPS: usize = 8;

/// Most bytes that are shown of a text.
const MOST_TEXT: usize = 20_000;

/// Most bytes of a line.
const MOST_LINE: u64 = 64 << 20;

/// The part of a reward that says whether a response is right.
const CORRECT: &str = "correct";

/// What is told of the responses of a run.
#[derive(Debug, Default, Serialize)]
pub(super) struct Responses {
    /// Steps whose responses the run has kept.
    pub n_kept: usize,
    /// How long they are, for each step that was read.
    pub lengths: Vec<Lengths>,
    /// Some to read, by step and then from the best to the worst.
    pub samples: Vec<Sample>,
}

/// How long the responses of a step are, tokens.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Lengths {
    /// The step.
    pub step: Step,
    /// Of right responses; `None` where there is none.
    pub right: Option<Quartiles>,
    /// Of all others that were graded.
    pub wrong: Option<Quartiles>,
}

/// How some lengths are spread.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Quartiles {
    /// Of how many responses.
    pub n: usize,
    /// A quarter of them are shorter.
    pub low: f64,
    /// The middle.
    pub median: f64,
    /// A quarter of them are longer.
    pub high: f64,
}

/// A response to read.
#[derive(Debug, Serialize)]
pub(super) struct Sample {
    /// The step that sampled it.
    pub step: Step,
    /// `best`, `median` or `worst` of the step by reward.
    pub rank: &'static str,
    /// The prompt.
    pub prompt_id: u64,
    /// Which of the responses to it.
    pub sample: u32,
    /// Its reward; `None` where it is not finite.
    pub reward: Option<f64>,
    /// Its length.
    pub n_tokens: usize,
    /// Texts of it.
    #[serde(flatten)]
    pub texts: Texts,
    /// The page of `inspect` that has it, as a link, where it is there.
    pub link: Option<String>,
}

/// What is said of a response in words; of files of earlier versions less.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Texts {
    /// The problem as the policy read it.
    #[serde(default)]
    prompt: Option<String>,
    /// The response.
    #[serde(default)]
    text: Option<String>,
    /// What a grader found in it.
    #[serde(default)]
    answer: Option<String>,
    /// What is right.
    #[serde(default)]
    gold: Option<String>,
    /// How it ended.
    #[serde(default)]
    finish: Option<String>,
    /// What its graders made of it.
    #[serde(default)]
    status: Option<String>,
    /// What graders have to say of it.
    #[serde(default)]
    note: Option<String>,
}

/// What of a line counts.
#[derive(Deserialize)]
struct Line {
    prompt_id: u64,
    sample: u32,
    reward: Option<f64>,
    #[serde(default)]
    reward_parts: BTreeMap<String, Option<f64>>,
    #[serde(default = "yes")]
    graded: bool,
    tokens: Count,
}

fn yes() -> bool {
    true
}

/// The number of entries of a list.
struct Count(usize);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counter;
        impl<'de> Visitor<'de> for Counter {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Count, A::Error> {
                let mut n = 0;
                while list.next_element::<IgnoredAny>()?.is_some() {
                    n += 1;
                }
                Ok(Count(n))
            }
        }
        deserializer.deserialize_seq(Counter)
    }
}

/// A response of a step and where its line begins.
struct Found {
    prompt_id: u64,
    sample: u32,
    reward: Option<f64>,
    is_right: bool,
    is_graded: bool,
    n_tokens: usize,
    offset: u64,
}

/// What the run in `folder` has kept of its responses up to the step `last`, and what of that could not be read.
pub(super) fn responses(folder: &RunFolder, last: Option<Step>) -> (Responses, Vec<String>) {
    let kept = kept(folder, last);
    let counted: Vec<Step> = spread(kept.len(), MOST_STEPS).map(|index| kept[index]).collect();
    let shown: Vec<Step> = spread(counted.len(), SHOWN_STEPS).map(|index| counted[index]).collect();
    let mut all = Responses { n_kept: kept.len(), ..Responses::default() };
    let mut notes = Vec::new();
    for step in counted {
        let path = folder.rollouts(step);
        let read = || {
            let found = read(&path)?;
            let samples = if shown.contains(&step) { samples(&path, step, &found)? } else { Vec::new() };
            Ok::<_, anyhow::Error>((found, samples))
        };
        match read() {
            Ok((found, samples)) => {
                all.lengths.push(lengths(step, &found));
                all.samples.extend(samples);
            }
            Err(error) => notes.push(format!("{}: {error:#}; the step is left out", path.display())),
        }
    }
    (all, notes)
}

/// The steps whose responses are kept, in order.
fn kept(folder: &RunFolder, last: Option<Step>) -> Vec<Step> {
    let rollouts = folder.rollouts(0).parent().map(Path::to_owned).unwrap_or_default();
    let step = |name: &str| name.strip_prefix("step_")?.strip_suffix(".jsonl")?.parse().ok();
    let entries = list(&rollouts).unwrap_or_default();
    let steps = entries.iter().filter_map(|entry| step(&entry.file_name().to_string_lossy()));
    let mut steps: Vec<Step> = steps.filter(|step| last.is_none_or(|last| *step <= last)).collect();
    steps.sort_unstable();
    steps
}

/// At most `most` of the indices below `n`, evenly spread, the first and the last among them.
fn spread(n: usize, most: usize) -> impl Iterator<Item = usize> {
    let m = n.min(most);
    (0..m).map(move |i| if m < 2 { i } else { (i * (n - 1) + (m - 1) / 2) / (m - 1) })
}

/// Every response in the file at `path`.
fn read(path: &Path) -> Result<Vec<Found>> {
    let mut reader = BufReader::with_capacity(1 << 16, open_regular(path)?);
    let (mut found, mut bytes, mut offset) = (Vec::new(), Vec::new(), 0);
    for number in 1.. {
        bytes.clear();
        let n = reader.by_ref().take(MOST_LINE).read_until(b'\n', &mut bytes)? as u64;
        if n == 0 {
            break;
        }
        ensure!(n < MOST_LINE, "line {number} is longer than {} MB", MOST_LINE >> 20);
        let line: Line = serde_json::from_slice(&bytes).with_context(|| format!("line {number}"))?;
        found.push(Found {
            prompt_id: line.prompt_id,
            sample: line.sample,
            reward: line.reward,
            is_right: line.reward_parts.get(CORRECT) == Some(&Some(1.0)),
            is_graded: line.graded,
            n_tokens: line.tokens.0,
            offset,
        });
        offset += n;
    }
    Ok(found)
}

fn lengths(step: Step, found: &[Found]) -> Lengths {
    let of = |is_right: bool| {
        let own = found.iter().filter(|one| one.is_graded && one.is_right == is_right);
        Quartiles::of(own.map(|one| one.n_tokens as f64).collect())
    };
    Lengths { step, right: of(true), wrong: of(false) }
}

impl Quartiles {
    /// Those of `lengths`, between neighbours by straight lines.
    fn of(mut lengths: Vec<f64>) -> Option<Self> {
        lengths.sort_unstable_by(f64::total_cmp);
        let last = lengths.len().checked_sub(1)?;
        let at = |share: f64| {
            let place = share * last as f64;
            let (below, above) = (lengths[place.floor() as usize], lengths[place.ceil() as usize]);
            rounded(below + (above - below) * place.fract())
        };
        Some(Self { n: lengths.len(), low: at(0.25), median: at(0.5), high: at(0.75) })
    }
}

/// The best, the middle and the worst of the responses of `step` by reward, of equals the first; a response comes once.
fn samples(path: &Path, step: Step, found: &[Found]) -> Result<Vec<Sample>> {
    let mut order: Vec<&Found> = found.iter().filter(|one| one.reward.is_some()).collect();
    order.sort_by(|a, b| b.reward.unwrap_or(0.0).total_cmp(&a.reward.unwrap_or(0.0)));
    let n = order.len();
    let ranks: &[(&'static str, usize)] = match n {
        0 => &[],
        1 => &[("best", 0)],
        2 => &[("best", 0), ("worst", 1)],
        _ => &[("best", 0), ("median", (n - 1) / 2), ("worst", n - 1)],
    };
    let mut reader = BufReader::new(open_regular(path)?);
    let sample = |&(rank, index): &(&'static str, usize)| {
        let one = order[index];
        reader.seek(SeekFrom::Start(one.offset))?;
        let mut bytes = Vec::new();
        reader.by_ref().take(MOST_LINE).read_until(b'\n', &mut bytes)?;
        let texts: Texts = serde_json::from_slice(&bytes).context("texts of a response")?;
        Ok(Sample {
            step,
            rank,
            prompt_id: one.prompt_id,
            sample: one.sample,
            reward: one.reward.map(rounded),
            n_tokens: one.n_tokens,
            texts: texts.shortened(),
            link: None,
        })
    };
    ranks.iter().map(sample).collect()
}

impl Texts {
    /// With as much of each text as is shown.
    fn shortened(self) -> Self {
        let Self { prompt, text, answer, gold, finish, status, note } = self;
        let [prompt, text, answer, gold, note] =
            [prompt, text, answer, gold, note].map(|text| text.map(shortened));
        Self { prompt, text, answer, gold, finish, status, note }
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > MOST_TEXT {
        let end = floor_boundary(&text, MOST_TEXT);
        let n_left = text[end..].chars().count();
        text.truncate(end);
        text += &format!("\n[{n_left} more characters are left out here]");
    }
    text
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::fs;

    use super::*;

    fn line(sample: u32, reward: f64, n_tokens: usize, more: &str) -> String {
        let tokens = vec!["7"; n_tokens].join(",");
        format!(
            "{{\"step\":1,\"prompt_id\":5,\"sample\":{sample},\"tokens\":[{tokens}],\"text\":\"r{sample}\",\"reward\":{reward},\
             \"reward_parts\":{{\"correct\":{reward}}},\"status\":\"ok\"{more}}}\n"
        )
    }

    fn folder(steps: &[Step], content: &str) -> (tempfile::TempDir, RunFolder) {
        let runs = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(runs.path(), "run").unwrap();
        steps.iter().for_each(|step| fs::write(folder.rollouts(*step), content).unwrap());
        (runs, folder)
    }

    #[test]
    fn the_best_the_middle_and_the_worst_are_shown_with_what_is_known_of_them() {
        let content = [
            line(0, 0.0, 2, ""),
            line(1, 1.0, 4, ",\"prompt\":\"Make 7\",\"gold\":\"7\",\"answer\":\"3+4\",\"note\":\"n\""),
            line(2, 0.0, 6, ",\"answer\":null"),
            line(3, 0.0, 9, ",\"graded\":false"),
        ];
        let (_runs, folder) = folder(&[1], &content.concat());
        let (found, notes) = responses(&folder, Some(1));
        assert_eq!(notes, Vec::<String>::new());
        let wrong = Some(Quartiles { n: 2, low: 3.0, median: 4.0, high: 5.0 });
        let right = Some(Quartiles { n: 1, low: 4.0, median: 4.0, high: 4.0 });
        assert_eq!(found.lengths, [Lengths { step: 1, right, wrong }]);
        let told: Vec<_> = found.samples.iter().map(|one| (one.rank, one.sample, one.n_tokens)).collect();
        assert_eq!(told, [("best", 1, 4), ("median", 0, 2), ("worst", 3, 9)]);
        let best = &found.samples[0].texts;
        assert_eq!((best.prompt.as_deref(), best.gold.as_deref()), (Some("Make 7"), Some("7")));
        assert_eq!((best.answer.as_deref(), best.text.as_deref()), (Some("3+4"), Some("r1")));
        assert_eq!(found.samples[1].texts.prompt, None);
    }

    #[test]
    fn of_many_steps_some_are_read_and_of_these_some_are_shown() {
        let steps: Vec<Step> = (1..=100).collect();
        let (_runs, folder) = folder(&steps, &line(0, 1.0, 3, ""));
        fs::write(folder.rollouts(100), "{\"prompt_id\":1\n").unwrap();
        let (found, notes) = responses(&folder, None);
        assert_eq!((found.n_kept, found.lengths.len(), found.samples.len()), (100, 39, 7));
        assert_eq!(found.lengths[0].step, 1);
        assert!(notes.len() == 1 && notes[0].contains("step_000100.jsonl: line 1"), "{notes:?}");
        // What is behind the last row belongs to a course that the run has left.
        let (found, notes) = responses(&folder, Some(3));
        assert_eq!((found.n_kept, notes.len()), (3, 0));
    }

    #[test]
    fn steps_are_spread_evenly_with_both_ends() {
        for (n, most, expected) in [
            (0, 3, vec![]),
            (1, 3, vec![0]),
            (3, 3, vec![0, 1, 2]),
            (5, 3, vec![0, 2, 4]),
            (9, 2, vec![0, 8]),
            (9, 1, vec![0]),
        ] {
            assert_eq!(spread(n, most).collect::<Vec<_>>(), expected, "{n}, {most}");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_that_is_said() {
        assert_eq!(shortened("short".into()), "short");
        let long = shortened("é".repeat(MOST_TEXT));
        assert!(
            long.len() < MOST_TEXT + 60 && long.ends_with("é\n[10000 more characters are left out here]")
        );
    }
}
