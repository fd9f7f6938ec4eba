//! The published files whose columns are known.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::columns::{ANSWER, AnswerIn, Columns, Content, NUMBERS, QUESTION, TARGET};
use super::rows::Row;

/// The published files whose columns are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Preset {
    /// GSM8K: `question`, and `answer` with the worked solution, the answer after its last `####`.
    Gsm8k,
    /// MATH: `problem`, and `solution` with the answer in its last box.
    Math,
    /// MATH-500: `problem`, `answer`.
    Math500,
    /// AIME 2024: `problem`, `answer`, or the same with capitals.
    Aime24,
    /// AIME 2025: `question` or `problem`, `answer`.
    Aime25,
    /// AMC 2023: `problem` or `question`, `answer` as a floating-point number.
    Amc23,
    /// Minerva's OCWCourses: `problem`, and `solution` with the answer in its last box.
    Minerva,
    /// OlympiadBench, open-ended: `question`, `final_answer` as a list of texts.
    Olympiadbench,
    /// DAPO-Math-17K: `prompt` as a conversation with instructions around the problem, which are taken off, or the problem
    /// alone; the answer in `reward_model.ground_truth` or `solution`.
    #[serde(rename = "dapo_math_17k")]
    DapoMath17k,
    /// DeepScaleR: `problem`, `answer`.
    Deepscaler,
    /// Countdown-Tasks-3to4: `nums`, `target`.
    CountdownTasks,
}

impl Preset {
    /// All of them; of those that can read the same rows, those that say more of them come first.
    pub(crate) const ALL: [Self; 11] = [
        Self::CountdownTasks,
        Self::DapoMath17k,
        Self::Olympiadbench,
        Self::Gsm8k,
        Self::Math500,
        Self::Deepscaler,
        Self::Aime24,
        Self::Aime25,
        Self::Amc23,
        Self::Math,
        Self::Minerva,
    ];

    /// Its name in a recipe.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gsm8k => "gsm8k",
            Self::Math => "math",
            Self::Math500 => "math500",
            Self::Aime24 => "aime24",
            Self::Aime25 => "aime25",
            Self::Amc23 => "amc23",
            Self::Minerva => "minerva",
            Self::Olympiadbench => "olympiadbench",
            Self::DapoMath17k => "dapo_math_17k",
            Self::Deepscaler => "deepscaler",
            Self::CountdownTasks => "countdown_tasks",
        }
    }

    /// The preset that can read the most of `rows`, and those behind it that make the same problems of them; none where no
    /// preset can read any.
    #[must_use]
    pub(crate) fn fitting(rows: &[Row]) -> Vec<Self> {
        let read = |preset: &Self| -> (Self, Vec<Option<Content>>) {
            let columns = preset.columns();
            (*preset, rows.iter().map(|row| columns.read(row).ok()).collect())
        };
        let n_read = |(_, read): &(Self, Vec<Option<Content>>)| read.iter().flatten().count();
        let all: Vec<_> = Self::ALL.iter().map(read).collect();
        // Of several the first: `max_by_key` takes the last.
        let Some(best) = all.iter().rev().max_by_key(|one| n_read(one)).filter(|best| n_read(best) > 0)
        else {
            return Vec::new();
        };
        all.iter().filter(|one| one.1 == best.1).map(|one| one.0).collect()
    }

    /// Where its columns are.
    pub(super) fn columns(self) -> Columns {
        let of = |question: &[&str], answer: &[&str], answer_in| {
            let paths = [(QUESTION, question), (ANSWER, answer)];
            let owned = |paths: &[&str]| paths.iter().map(|&path| path.to_owned()).collect();
            Columns {
                paths: paths.into_iter().map(|(part, paths)| (part.to_owned(), owned(paths))).collect(),
                answer_in,
                is_wrapped: false,
            }
        };
        use AnswerIn::{Boxed, Hashes, Whole};
        match self {
            Self::Gsm8k => of(&["question"], &["answer"], Hashes),
            Self::Math | Self::Minerva => of(&["problem"], &["solution"], Boxed),
            Self::Math500 | Self::Deepscaler => of(&["problem"], &["answer"], Whole),
            Self::Aime24 => of(&["problem", "Problem"], &["answer", "Answer"], Whole),
            Self::Aime25 | Self::Amc23 => of(&["question", "problem"], &["answer"], Whole),
            Self::Olympiadbench => of(&["question"], &["final_answer"], Whole),
            Self::DapoMath17k => {
                let answers = ["reward_model.ground_truth", "solution"];
                Columns { is_wrapped: true, ..of(&["prompt.0.content", "prompt"], &answers, Whole) }
            }
            Self::CountdownTasks => {
                let paths = [(NUMBERS, "nums"), (TARGET, "target")];
                let paths = paths.map(|(part, path)| (part.to_owned(), vec![path.to_owned()]));
                Columns { paths: paths.into(), answer_in: Whole, is_wrapped: false }
            }
        }
    }
}
