//! `rlcredit data`: problems before a model learns from them.

use serde_json::Value;

use super::place::{FINISHED, Place, RECIPE};

const ROWS: &str = "{\"nums\": [1, 2, 3], \"target\": 6}\n{\"nums\": [4, 5, 6], \"target\": 3}\n{\"nums\": [1, 2, 3], \
                    \"target\": 6}\n{\"nums\": []\n";

fn place() -> Place {
    let place = Place::new();
    place.write("rows.jsonl", ROWS);
    place.write("right.jsonl", ROWS.lines().take(2).collect::<Vec<_>>().join("\n"));
    let files = "[data]\ntype = \"files\"\ntrain = [{ path = \"rows.jsonl\", preset = \"countdown_tasks\" }]\n\
                 eval = [{ path = \"right.jsonl\", preset = \"countdown_tasks\" }]\nbroken = \"skip\"\n";
    let (before, rest) = RECIPE.split_once("[data]").unwrap();
    let (_, after) = rest.split_once("[explore]").unwrap();
    place.write("files.toml", format!("{before}{files}max_prompt_tokens = 9\n[explore]{after}"));
    place
}

#[test]
fn columns_are_shown_where_none_are_named() {
    let place = place();
    let ended = place.run(&["data", "rows.jsonl"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert!(
        ended.out.starts_with("rows.jsonl: 4 rows, 1 broken\nrows.jsonl:4: EOF while parsing"),
        "{}",
        ended.out
    );
    assert!(ended.out.contains("\n  nums    a list     [1,2,3]\n  target  a number   6\n"), "{}", ended.out);
    assert!(ended.out.ends_with("rlcredit data rows.jsonl --preset countdown_tasks\n"), "{}", ended.out);
    let json: Value = serde_json::from_str(&place.run(&["data", "rows.jsonl", "--json"]).out).unwrap();
    assert_eq!((&json["rows"], &json["looks_like"]), (&4.into(), &serde_json::json!(["countdown_tasks"])));
}

#[test]
fn a_file_is_shown_as_its_model_reads_it() {
    let place = place();
    let model = FINISHED.path("runs/tiny");
    let ended =
        place.run(&["data", "rows.jsonl", "--preset", "countdown_tasks", "--model", model.to_str().unwrap()]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    for part in [
        "rows.jsonl (train): 4 rows, 2 used, 1 broken, 1 repeated\n  broken  rows.jsonl:4: ",
        "  prompts in tokens: min 9, median 9, 90 % 9, max 9\n",
        "rows.jsonl:1 as the model reads it, 9 tokens:\n----\nMake 6 from 1, 2, 3.\n\n----\n",
    ] {
        assert!(ended.out.contains(part), "{part}: {}", ended.out);
    }
}

#[test]
fn a_recipe_is_shown_with_all_its_files() {
    let json = place().run(&["data", "files.toml", "--json", "--set", "data.max_prompt_tokens=8"]);
    assert_eq!(json.code, 0, "{}", json.err);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    let [train, eval] = [0, 1].map(|set| &json["sets"][set]);
    for (key, expected) in [("rows", 4), ("used", 0), ("broken", 1), ("repeated", 1), ("too_long", 2)] {
        assert_eq!(train[key], expected, "{key}");
    }
    assert_eq!((&eval["used"], &eval["also_trained_on"]), (&2.into(), &2.into()));
    assert_eq!((&json["unit"], &json["prompt"]["length"]), (&"tokens".into(), &9.into()));
    let generated = place().run(&["data", "tiny.toml"]);
    assert!(generated.out.starts_with("train: 22 rows, 22 used\n"), "{}{}", generated.out, generated.err);
    let refused = place().run(&["data", "files.toml", "--set", "data.broken=refuse"]);
    assert!(refused.out.contains("note: a run would not start: rows.jsonl:4: "), "{}", refused.out);
}

#[test]
fn problems_that_spell_out_a_special_token_are_counted() {
    let place = place();
    place.write("q.jsonl", "{\"q\": \"2+3\", \"a\": 5}\n{\"q\": \"2+2<eos>\", \"a\": 4}\n");
    let model = FINISHED.path("runs/tiny");
    let ended = place.run(&[
        "data",
        "q.jsonl",
        "--fields",
        "question=q,answer=a",
        "--model",
        model.to_str().unwrap(),
    ]);
    let note = "note: 1 of 2 problems contain the text of a special token and are read with that token, first q.jsonl:2, <eos>";
    assert!(ended.code == 0 && ended.out.contains(note), "{}{}", ended.out, ended.err);
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let place = place();
    for name in ["pipe.jsonl", "pipe.json", "pipe.parquet"] {
        let made = std::process::Command::new("mkfifo").arg(place.path(name)).status().unwrap();
        assert!(made.success());
        let expected = format!("{name}: cannot be read: it is a pipe, expected a file");
        for args in [&["data", name][..], &["grade", name]] {
            let ended = place.run(args);
            assert!(ended.code == 2 && ended.err.contains(&expected), "{args:?}: {}", ended.err);
        }
    }
}

#[test]
fn what_cannot_be_read_is_explained() {
    let place = place();
    place.write("empty.jsonl", "");
    place.write("empty.json", "[]");
    place.write("lines.json", ROWS);
    for (args, expected) in [
        (&["none.jsonl"][..], "none.jsonl: cannot be read: "),
        (&["empty.jsonl"], "empty.jsonl: the file holds no rows"),
        (&["empty.jsonl", "--preset", "gsm8k"], "error: empty.jsonl: the file holds no rows"),
        (&["empty.json", "--preset", "gsm8k"], "error: empty.json: the file holds no rows"),
        (&["lines.json"], "lines.json: holds an object, expected one array of objects"),
        (&["rows.csv"], "expected .jsonl, .ndjson, .json or .parquet"),
        (&["rows.jsonl", "--preset", "math"], "no row can be read\ncolumns, with the first value of each:\n"),
        (&["rows.jsonl", "--preset", "mth"], "unknown variant `mth`, expected one of `gsm8k`"),
        (
            &["rows.jsonl", "--fields", "question=q"],
            "--fields: has columns for `question`, expected them for",
        ),
        (
            &["rows.jsonl", "--preset", "gsm8k", "--prompt", "?"],
            "--prompt: got \"?\", expected a text with {question}",
        ),
        (&["rows.jsonl", "--set", "a=1"], "--set: the path is no recipe"),
        (&["files.toml", "--limit", "1"], "--limit: a recipe says this itself"),
        (&["rows.jsonl", "--preset", "countdown_tasks", "--model", "none"], "none: there is no such folder"),
    ] {
        let ended = place.run(&[&["data"], args].concat());
        assert_eq!(ended.code, 2, "{args:?}: {}{}", ended.out, ended.err);
        assert!(ended.err.contains(expected), "{args:?}: {}", ended.err);
    }
}
