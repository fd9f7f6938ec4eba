use rewards::{Countdown, Question, Task};
use serde_json::json;

use super::super::{AnswerIn, Columns, Content, Preset, Row};
use super::*;

fn row(fields: Value) -> Row {
    Row { place: "x:1".to_owned(), fields: object(fields), bytes: Vec::new(), columns: None }
}

fn preset(preset: Preset, fields: Value) -> anyhow::Result<Content> {
    Columns::new(Some(preset), &Default::default(), None).read(&row(fields))
}

fn mapped(fields: &[(&str, &str)], answer_in: Option<AnswerIn>, of: Value) -> Result<Content, String> {
    let fields = fields.iter().map(|(part, path)| ((*part).to_owned(), (*path).to_owned())).collect();
    Columns::new(None, &fields, answer_in).read(&row(of)).map_err(|error| format!("{error:#}"))
}

#[test]
fn every_preset_reads_its_published_rows() {
    let wrapped = "Solve the following math problem and so on.\n\nLet $x=1$.\n\nFind $x$.\n\nRemember that.";
    for (name, fields, question, answer) in [
        (
            "gsm8k",
            json!({"question": "How many?", "answer": "5*5=<<5*5=25>>25\n#### 2,125"}),
            "How many?",
            "2,125",
        ),
        (
            "math",
            json!({"problem": "P", "level": "Level 1", "type": "Algebra", "solution": "so $\\boxed{\\frac{1}{2}}$."}),
            "P",
            "\\frac{1}{2}",
        ),
        ("math", json!({"problem": "P", "solution": "so \\fbox{7}."}), "P", "7"),
        (
            "math500",
            json!({"problem": "P", "solution": "\\boxed{1}", "answer": "52_8", "subject": "NT", "level": 2}),
            "P",
            "52_8",
        ),
        (
            "aime24",
            json!({"id": 60, "problem": "P", "question": "P", "solution": "s", "answer": "025", "url": "u"}),
            "P",
            "025",
        ),
        ("aime24", json!({"ID": "2024-I-1", "Problem": "P", "Solution": "s", "Answer": 204}), "P", "204"),
        ("aime25", json!({"question": "P", "answer": "70"}), "P", "70"),
        ("aime25", json!({"question": null, "problem": "P", "answer": 70}), "P", "70"),
        ("amc23", json!({"id": 0, "problem": "P", "answer": 27.0, "url": "u"}), "P", "27"),
        (
            "minerva",
            json!({"problem": "P", "type": "t", "solution": "$\\boxed{4.5e33}$ erg", "idx": 0}),
            "P",
            "4.5e33",
        ),
        (
            "olympiadbench",
            json!({"question": "P", "final_answer": ["$\\frac{3}{2}$"], "unit": null}),
            "P",
            "$\\frac{3}{2}$",
        ),
        (
            "dapo_math_17k",
            json!({"prompt": [{"content": wrapped, "role": "user"}],
                "reward_model": {"ground_truth": "34", "style": "s"}}),
            "Let $x=1$.\n\nFind $x$.",
            "34",
        ),
        ("dapo_math_17k", json!({"prompt": "P\n\nQ\n\nR", "solution": "34"}), "P\n\nQ\n\nR", "34"),
        (
            "deepscaler",
            json!({"problem": "P", "answer": "-\\frac{2}{3}", "solution": ""}),
            "P",
            "-\\frac{2}{3}",
        ),
    ] {
        let read = preset(serde_json::from_value(name.into()).unwrap(), fields).unwrap();
        assert_eq!(read.task, Task::Question(Question::new(answer)), "{name}");
        assert_eq!(read.parts["question"], question, "{name}");
    }
    let read = preset(Preset::CountdownTasks, json!({"nums": [44, 19, 35], "target": 98})).unwrap();
    assert_eq!(read.task, Task::Countdown(Countdown { numbers: vec![44, 19, 35], target: 98 }));
    assert_eq!((read.parts["numbers"].as_str(), read.parts["target"].as_str()), ("44, 19, 35", "98"));
}

#[test]
fn presets_are_called_as_a_recipe_calls_them() {
    for preset in Preset::ALL {
        assert_eq!(serde_json::to_value(preset).unwrap(), preset.name());
    }
    let error = serde_json::from_value::<Preset>("gsm".into()).unwrap_err().to_string();
    assert!(Preset::ALL.iter().all(|preset| error.contains(&format!("`{}`", preset.name()))), "{error}");
}

#[test]
fn columns_are_found_by_path() {
    let fields = json!({
        "a.b": "whole name", "a": {"b": "never", "list": [{"c": "third"}]}, "q": "Q", "n": [1, 2.0, "x"], "z": -0.0,
    });
    let read = |answer| {
        mapped(&[("question", "q"), ("answer", answer)], None, fields.clone()).map(|content| content.task)
    };
    for (path, answer) in
        [("a.b", "whole name"), ("a.list.0.c", "third"), ("n", "1, 2, x"), ("n.1", "2"), ("z", "0")]
    {
        assert_eq!(read(path), Ok(Task::Question(Question::new(answer))), "{path}");
    }
    for path in ["b", "a.list.1.c", "a.list.x", "q.r", ""] {
        let error = format!("no `{path}` for `answer`; the columns are a.b, a, q, n, z");
        assert_eq!(read(path), Err(error));
    }
    assert_eq!(read("a"), Err("`answer`: got an object, expected a text, a number or a list".to_owned()));
}

#[test]
fn further_parts_go_along_with_the_problem() {
    let parts = [("question", "q"), ("answer", "a"), ("unit", "u")];
    let read = mapped(&parts, None, json!({"q": "Q", "a": "1", "u": 5.0})).unwrap();
    let Task::Question(question) = &read.task else { panic!("{read:?}") };
    assert_eq!(question.fields, object(json!({"unit": 5.0})));
    assert_eq!(read.parts["unit"], "5");
    assert!(!read.parts.contains_key("answer"), "a prompt must not give it away");
    let error = mapped(&parts, None, json!({"q": "Q", "a": "1", "u": null})).unwrap_err();
    assert_eq!(error, "no `u` for `unit`; the columns are q, a, u");
}

#[test]
fn rows_that_make_no_problem_say_why() {
    let parts = [("question", "q"), ("answer", "a")];
    for (fields, answer_in, expected) in [
        (json!({"q": "Q", "a": "1"}), AnswerIn::Hashes, "`answer`: there is no #### in it"),
        (json!({"q": "Q", "a": "#### "}), AnswerIn::Hashes, "`answer`: it is empty"),
        (json!({"q": "Q", "a": "1"}), AnswerIn::Boxed, r"`answer`: there is no whole \boxed{} in it"),
        (json!({"q": "Q", "a": "\\boxed{1"}), AnswerIn::Boxed, r"`answer`: there is no whole \boxed{} in it"),
        (json!({"q": "Q", "a": " "}), AnswerIn::Whole, "`answer`: it is empty"),
        (json!({"q": " \n", "a": "1"}), AnswerIn::Whole, "`question` is empty"),
        (
            json!({"q": [{"content": "Q"}], "a": "1"}),
            AnswerIn::Whole,
            r#"`question`: message 1: got an object, expected {"role": "user", "content": text}"#,
        ),
        (json!({}), AnswerIn::Whole, "no `a` for `answer`; the columns are none"),
    ] {
        assert_eq!(mapped(&parts, Some(answer_in), fields).unwrap_err(), expected);
    }
    let countdown = [("numbers", "n"), ("target", "t")];
    for (fields, expected) in [
        (json!({"n": [], "t": 1}), "`numbers` is empty"),
        (json!({"n": "1, 2", "t": 1}), "`numbers`: got a text, expected a list of whole numbers"),
        (json!({"n": [1, -2], "t": 1}), "`numbers`: got -2, expected a whole number"),
        (json!({"n": [1, 2], "t": 1.5}), "`target`: got 1.5, expected a whole number"),
        (json!({"n": [1, true], "t": 1}), "`numbers`: got a boolean, expected a whole number"),
        (json!({"n": [1], "t": "4294967296"}), "`target`: got \"4294967296\", expected a whole number"),
    ] {
        assert_eq!(mapped(&countdown, None, fields).unwrap_err(), expected);
    }
    let many: Map<String, Value> = (0..50).map(|n| (format!("c{n}"), json!(n))).collect();
    let error = mapped(&parts, None, Value::Object(many)).unwrap_err();
    assert!(error.ends_with("c18, c19, and 30 more"), "{error}");
}

#[test]
fn whole_numbers_are_whole_however_they_are_written() {
    let countdown = [("numbers", "n"), ("target", "t")];
    let read = mapped(&countdown, None, json!({"n": [3.0, 5, "12.00"], "t": 8.0})).unwrap();
    assert_eq!(read.task, Task::Countdown(Countdown { numbers: vec![3, 5, 12], target: 8 }));
}

#[test]
fn a_question_may_be_the_last_of_some_messages() {
    let parts = [("question", "prompt"), ("answer", "a")];
    let asked = |prompt: Value| mapped(&parts, None, json!({"prompt": prompt, "a": "5"}));
    let said = |role: &str, content: &str| json!({"role": role, "content": content});
    let read =
        asked(json!([said("system", "S"), said("user", "Q"), said("assistant", "A"), said("user", "R")]));
    let read = read.unwrap();
    assert_eq!(read.parts["question"], "R");
    let before: Vec<_> = read.before.iter().map(|one| (one.role.as_str(), one.content.as_str())).collect();
    assert_eq!(before, [("system", "S"), ("user", "Q"), ("assistant", "A")]);
    assert_eq!(asked(json!([said("user", "Q")])).unwrap().before, []);
    assert_eq!(asked(json!("Q")).unwrap().before, []);
    for (prompt, expected) in [
        (json!([]), "`question`: got an empty list, expected messages"),
        (
            json!([said("user", "Q"), said("assistant", "A")]),
            "`question`: the last message is of \"assistant\", expected the user's: it is what a policy answers",
        ),
        (
            json!([said("user", "Q"), "A"]),
            r#"`question`: message 2: got a text, expected {"role": "user", "content": text}"#,
        ),
        (
            json!([{"role": "user", "content": null}]),
            r#"`question`: message 1: got an object, expected {"role": "user", "content": text}"#,
        ),
        (json!(5), "`question`: got a number, expected a text or a list of messages"),
    ] {
        assert_eq!(asked(prompt).unwrap_err(), expected);
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_where_they_are_read() {
    let row = Row {
        bytes: vec!["a".to_owned(), "b.0".to_owned()],
        ..row(json!({"q": "Q", "a": null, "b": [null]}))
    };
    let read = |answer: &str| {
        let fields =
            [("question", "q"), ("answer", answer)].map(|(part, path)| (part.to_owned(), path.to_owned()));
        Columns::new(None, &fields.into(), None).read(&row).map_err(|error| format!("{error:#}"))
    };
    assert_eq!(
        read("a").unwrap_err(),
        "column `a` for `answer` holds bytes that are no text, which is UTF-8"
    );
    for path in ["b", "b.0"] {
        assert!(read(path).unwrap_err().starts_with("column `b.0` for `answer` holds bytes"), "{path}");
    }
    assert!(read("q").is_ok());
}

#[test]
fn presets_are_recognised_by_rows() {
    let fitting = |rows: &[Value]| {
        let rows: Vec<Row> = rows.iter().cloned().map(row).collect();
        Preset::fitting(&rows).into_iter().map(Preset::name).collect::<Vec<_>>()
    };
    let gsm8k = json!({"question": "Q", "answer": "so\n#### 5"});
    assert_eq!(fitting(std::slice::from_ref(&gsm8k)), ["gsm8k"]);
    // One broken row is no other format.
    assert_eq!(fitting(&[gsm8k.clone(), json!({"question": "Q", "answer": ""}), gsm8k]), ["gsm8k"]);
    assert_eq!(fitting(&[json!({"question": "Q", "answer": "5"})]), ["aime25", "amc23"]);
    assert_eq!(fitting(&[json!({"problem": "P", "solution": "\\boxed{5}"})]), ["math", "minerva"]);
    assert_eq!(fitting(&[json!({"nums": [1, 2], "target": 3})]), ["countdown_tasks"]);
    assert_eq!(fitting(&[json!({"text": "T"})]), Vec::<&str>::new());
    assert_eq!(fitting(&[]), Vec::<&str>::new());
}
