use crate::data::DataSettings;
use rewards::{Question, Task};
use serde_json::json;

use super::super::{FileReport, Preset, Profile};
use super::*;
use crate::data::Items;

const GSM8K: &str = r#"{"question": "One and one?", "answer": "1+1\n#### 2"}
{"question": "Two and two?", "answer": "2+2\n#### 4"}
{"question": "One and one?", "answer": "other words\n#### 2"}
{"question": "One and one?", "answer": "wrong\n#### 3"}
"#;

fn texts(items: &[crate::data::Item]) -> Vec<&str> {
    items.iter().map(|item| item.text.as_str()).collect()
}

fn shown(report: &FileReport) -> String {
    format!("{}: {report}", report.path.file_name().unwrap().display())
}

#[test]
fn what_two_rows_say_alike_is_trained_on_once_and_measured_as_often_as_it_is_there() {
    let files =
        Files::new(&[("a.jsonl", GSM8K), ("b.jsonl", GSM8K), ("c.jsonl", &GSM8K.replace("Two", "Three"))]);
    let config = files.config(json!({
        "train": [{"path": "a.jsonl", "preset": "gsm8k"}, {"path": "c.jsonl", "preset": "gsm8k", "limit": 3}],
        "eval": [{"path": "b.jsonl", "preset": "gsm8k"}, {"path": "c.jsonl", "preset": "gsm8k", "name": "three"}],
        "prompt": "Q: {question}\n{x}{} \\boxed{1} A:",
    }));
    let Items { train, eval, reports, .. } = config.items().unwrap();
    let said = |question: &str| format!("Q: {question}\n{{x}}{{}} \\boxed{{1}} A:");
    let expected = ["One and one?", "Two and two?", "One and one?", "Three and two?"].map(said);
    assert_eq!(texts(&train), expected);
    let answers = train.iter().map(|item| match &item.task {
        Task::Question(question) => question.answer.as_str(),
        other => panic!("{other:?}"),
    });
    assert_eq!(
        answers.collect::<Vec<_>>(),
        ["2", "4", "3", "4"],
        "of two answers to a question both are kept"
    );
    let places: Vec<_> = train.iter().map(|item| files.short(item.place.as_ref().unwrap())).collect();
    assert_eq!(places, ["a.jsonl:1", "a.jsonl:2", "a.jsonl:4", "c.jsonl:2"]);
    let sets: Vec<_> = eval.iter().map(|set| (set.name.as_str(), set.items.len())).collect();
    assert_eq!(sets, [("b", 4), ("three", 4)]);
    assert_eq!(
        reports.iter().map(shown).collect::<Vec<_>>(),
        [
            "a.jsonl: 4 rows, 3 used, 1 repeated",
            "c.jsonl: 3 rows, 1 used, 2 repeated",
            "b.jsonl: 4 rows, 4 used, 4 also trained on",
            "c.jsonl: 4 rows, 4 used, 4 also trained on",
        ]
    );
}

#[test]
fn overlap_is_that_of_questions_however_they_are_spaced_and_answered() {
    let files = Files::new(&[
        ("a.jsonl", r#"{"question": "What is  $x$?", "answer": "25"}"#),
        (
            "b.jsonl",
            "{\"question\": \"What is\\n$x$?\", \"answer\": \"025\"}\n{\"question\": \"What is $x$!\", \"answer\": \"25\"}",
        ),
    ]);
    let config = files.config(json!({
        "train": [{"path": "a.jsonl", "preset": "aime25"}], "eval": [{"path": "b.jsonl", "preset": "aime25"}],
    }));
    assert_eq!(shown(&config.items().unwrap().reports[1]), "b.jsonl: 2 rows, 2 used, 1 also trained on");
}

#[test]
fn broken_rows_are_refused_or_skipped_and_always_named() {
    let broken = format!("{GSM8K}{{\"question\"\n\n{}", "{\"answer\": \"#### 1\"}\n".repeat(9));
    let files = Files::new(&[("a.jsonl", &broken), ("b.jsonl", GSM8K)]);
    let config = |on_broken: &str| {
        files.config(json!({
            "train": [{"path": "a.jsonl", "preset": "gsm8k"}], "eval": [{"path": "b.jsonl", "preset": "gsm8k"}],
            "broken": on_broken,
        }))
    };
    let error = files.short(&config("refuse").items().unwrap_err().to_string());
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines[0], "a.jsonl:5: EOF while parsing an object at column 11");
    assert_eq!(lines[1], "a.jsonl:7: no `question` for `question`; the columns are answer");
    assert_eq!(lines[8], "... and 2 more");
    assert_eq!(lines[9..], ["mend these, or leave them out with [data] broken = \"skip\""]);
    let items = config("skip").items().unwrap();
    assert_eq!(shown(&items.reports[0]), "a.jsonl: 14 rows, 3 used, 10 broken, 1 repeated");
    assert_eq!(items.reports[0].broken.len(), 8);
}

#[test]
fn a_file_that_no_row_of_can_be_read_says_where_to_look() {
    let files = Files::new(&[("a.jsonl", GSM8K), ("empty.jsonl", "\n")]);
    let config = |path: &str, on_broken: &str| {
        files.config(json!({
            "train": [{"path": "a.jsonl", "preset": "gsm8k"}], "eval": [{"path": path, "preset": "math"}],
            "broken": on_broken,
        }))
    };
    let error = files.short(&config("a.jsonl", "refuse").items().unwrap_err().to_string());
    assert!(
        error.contains("a.jsonl:1: no `solution` for `answer`; the columns are question, answer\n"),
        "{error}"
    );
    assert!(error.ends_with("no row can be read; `rlcredit data a.jsonl` shows the columns"), "{error}");
    let error = files.short(&config("a.jsonl", "skip").items().unwrap_err().to_string());
    assert_eq!(error, "a.jsonl: no problem can be used: 4 rows, 0 used, 4 broken");
    let error = files.short(&config("empty.jsonl", "refuse").items().unwrap_err().to_string());
    assert_eq!(error, "empty.jsonl: no problem can be used: 0 rows, 0 used");
}

/// Cut off, a file is no shorter one, whatever is done with broken rows.
#[test]
fn a_file_that_ends_too_early_is_refused() {
    let whole = fs::read(golden("conversations.parquet")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.parquet");
    let file = FileConfig { path: path.clone(), preset: Some(Preset::DapoMath17k), ..FileConfig::default() };
    let mut n_refused = 0;
    for at in (4..400).step_by(3) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        fs::write(&path, &damaged).unwrap();
        n_refused += usize::from(file.items(None, None).is_err());
    }
    assert!(n_refused > 0);
}

#[test]
fn a_published_parquet_makes_problems_without_its_instructions() {
    let path = golden("conversations.parquet");
    let file = FileConfig { path, preset: Some(Preset::DapoMath17k), ..FileConfig::default() };
    let (items, report) = file.items(None, Some(&mut Default::default())).unwrap();
    let expected = ["What is $6 \\cdot 7$?", "Let $x = 3$.\n\nFind $x^2$.", "How many primes are below 10?"];
    assert_eq!(texts(&items), expected);
    assert_eq!(items[0].task, Task::Question(Question::new("42")));
    assert_eq!(report.to_string(), "5 rows, 3 used, 2 repeated");
    let path = golden("countdown_zstd.parquet");
    let file = FileConfig { path, preset: Some(Preset::CountdownTasks), ..FileConfig::default() };
    let (items, _) = file.items(None, None).unwrap();
    assert_eq!(texts(&items)[0], "Make 98 from 44, 19, 35.\n");
    let (items, _) = file.items(Some("{target} of {numbers}; {{target}}"), None).unwrap();
    assert_eq!(texts(&items)[2], "28 of 95, 11, 56, 50; {28}");
}

#[test]
fn a_whole_number_is_an_answer_as_it_is_written() {
    let files = Files::new(&[(
        "a.jsonl",
        "{\"q\": \"x\", \"a\": 100000000000000000000}\n{\"q\": \"y\", \"a\": -20000000000000000000}",
    )]);
    let fields = [("question", "q"), ("answer", "a")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    let file = FileConfig { path: files.path("a.jsonl"), fields: fields.into(), ..FileConfig::default() };
    let (items, _) = file.items(None, None).unwrap();
    let expected = ["100000000000000000000", "-20000000000000000000"];
    assert!(items.iter().zip(expected).all(|(item, gold)| item.task == Task::Question(Question::new(gold))));
}

/// A value is no part of the prompt: what looks like one in it stays.
#[test]
fn values_are_filled_in_once() {
    let files = Files::new(&[("a.jsonl", r#"{"q": "{unit} {question}", "a": "1", "u": "{question}"}"#)]);
    let file = FileConfig {
        path: files.path("a.jsonl"),
        fields: [("question", "q"), ("answer", "a"), ("unit", "u")]
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .into(),
        ..FileConfig::default()
    };
    let (items, _) = file.items(Some("{answer} {question} in {unit} {"), None).unwrap();
    assert_eq!(texts(&items), ["{answer} {unit} {question} in {question} {"]);
}

#[test]
fn a_profile_shows_columns_and_likely_presets() {
    let found = Profile::read(&golden("conversations.parquet"), 4).unwrap();
    let paths: Vec<_> = found.columns.iter().map(|column| column.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "data_source",
            "prompt.0.content",
            "prompt.0.role",
            "ability",
            "reward_model.ground_truth",
            "reward_model.style",
            "extra_info.index"
        ]
    );
    assert_eq!((found.report.n_rows, found.columns[4].n_rows), (4, 4));
    assert_eq!((found.columns[4].kind, &found.columns[4].example), ("a text", &json!("42")));
    assert_eq!(found.presets, [Preset::DapoMath17k]);
    let files = Files::new(&[("a.jsonl", "{\"a\": null, \"b\": [1]}\n{\"a\": 2}\n5\n")]);
    let found = Profile::read(&files.path("a.jsonl"), usize::MAX).unwrap();
    assert_eq!((found.report.n_rows, found.report.n_broken, found.presets.len()), (3, 1, 0));
    let columns: Vec<_> = found.columns.iter().map(|c| (c.path.as_str(), c.kind, c.n_rows)).collect();
    assert_eq!(columns, [("b", "a list", 1), ("a", "a number", 1)]);
}

#[test]
fn worked_examples_are_asked_as_the_problems_are() {
    let file = |preset: &str| json!({"path": "a.jsonl", "preset": preset});
    let config = |preset: &str, prompt: Value, few_shot: Value| -> FilesConfig {
        let mut config = json!({"train": [file(preset)], "eval": [file(preset)], "few_shot": few_shot});
        if prompt.is_string() {
            config["prompt"] = prompt;
        }
        serde_json::from_value(config).unwrap()
    };
    let shot = json!([{"question": "1+1?", "response": " 2"}]);
    let shown = config("gsm8k", json!("Q: {question}\nA:"), shot.clone());
    assert_eq!(shown.rules().problems(), Vec::<String>::new());
    let worked = &shown.few_shot()[0];
    assert_eq!((worked.asked.as_str(), worked.response.as_str()), ("Q: 1+1?\nA:", " 2"));
    assert_eq!(shown.ask("2+2?").unwrap(), "Q: 2+2?\nA:");
    assert_eq!(config("gsm8k", json!(null), shot.clone()).few_shot()[0].asked, "1+1?");
    // Of Countdown the parts of a problem.
    let parts = json!([{"fields": {"numbers": "1, 2", "target": "3"}, "response": "1+2"}]);
    let countdown = config("countdown_tasks", json!("{target} of {numbers}:"), parts);
    assert_eq!((countdown.few_shot()[0].asked.as_str(), countdown.ask("?")), ("3 of 1, 2:", None));
    let lacking = config("countdown_tasks", json!("{target} of {numbers}:"), shot).rules().problems();
    assert!(
        lacking[0].contains("the prompt asks with {target}; expected `target` in `fields`"),
        "{lacking:?}"
    );
    let empty =
        config("gsm8k", json!(null), json!([{"question": "1+1?", "response": ""}])).rules().problems();
    assert!(empty[0].contains("response") && empty[0].contains("expected an answer"), "{empty:?}");
}
