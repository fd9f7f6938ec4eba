//! Everything that a person can get wrong ends in a sentence, exit code 2, and an untouched disk.

use std::fs;
use std::time::Instant;

use serde_json::{Value, json};

use super::place::{FILES, FINISHED, Place, RECIPE, copy, problems};

/// Runs `check` and `train`, which must agree, refuse with exit code 2 and leave no run; gives what was said.
fn refusal(place: &Place, args: &[&str]) -> String {
    let run = |verb: &'static str| {
        let args: Vec<&str> = [verb].iter().chain(args).copied().collect();
        let ended = place.run(&args);
        assert_eq!(ended.code, 2, "{args:?}: {}{}", ended.out, ended.err);
        ended.err
    };
    let said = run("check");
    assert!(run("train").contains(said.trim()), "{said}");
    assert!(!place.path("runs").exists());
    said
}

fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "expected {part:?} in: {said}");
    }
}

/// `tiny.toml` with the model in the folder `model`, which holds the policy of the finished run.
fn place_with_model() -> Place {
    let place = Place::new();
    copy(&FINISHED.path("runs/tiny/checkpoints/step_000006/model"), &place.path("model"));
    place.write("tiny.toml", RECIPE.replace("scratch = \"countdown2m\"", "path = \"model\""));
    place
}

#[test]
fn all_mistakes_of_a_recipe_are_found_at_once_with_their_lines() {
    let place = Place::new();
    let recipe = RECIPE
        .replace("max_new_tokens = 24", "max_new_token = 24")
        .replace("lr = 1e-3", "lr = \"fast\"")
        .replace("minibatches = 2", "minibatches = 3")
        .replace("preset = \"tinyzero\"", "preset = \"tinyzro\"")
        .replace("size = 4", "size = 1");
    place.write("tiny.toml", recipe + "[optimizer]\nlr = 1\n");
    let said = refusal(&place, &["tiny.toml"]);
    assert_says(
        &said,
        &[
            "`max_new_token`",
            "`max_new_tokens`",
            "\"fast\"",
            "\"tinyzero\"",
            "[optimizer]",
            "`minibatches`: got 3",
            "got 1",
        ],
    );
    assert!(said.lines().all(|line| line.contains("tiny.toml:")), "{said}");
}

#[test]
fn overrides_and_names_are_checked_like_the_file() {
    let place = Place::new();
    assert_says(
        &refusal(&place, &["tiny.toml", "--set", "optim.learning_rate=1"]),
        &["--set optim.learning_rate=1", "`lr`"],
    );
    assert_says(
        &refusal(&place, &["tiny.toml", "--set", "batch.prompts=3"]),
        &["`minibatches`", "divisor of `prompts` = 3"],
    );
    assert_says(&refusal(&place, &["nothing.toml"]), &["nothing.toml", "cannot be read"]);
    for name in ["", "a/b", "..", " "] {
        let ended = place.run(&["train", "tiny.toml", "--name", name]);
        assert_eq!(ended.code, 2, "{name:?}");
        assert_says(&ended.err, &["`name`", "the name of one folder"]);
    }
    assert_eq!(place.run(&["train"]).code, 2);
    assert_eq!(place.run(&["train", "tiny.toml", "--set", "optim.lr"]).code, 2);
    assert_eq!(place.run(&["trian", "tiny.toml"]).code, 2);
    assert!(!place.path("runs").exists());
}

#[test]
fn lengths_and_numbers_that_do_not_fit_are_found_together() {
    let place = Place::new();
    let said = refusal(
        &place,
        &["tiny.toml", "--set", "sampling.max_new_tokens=510", "--set", "batch.max_tokens=511"],
    );
    assert_says(
        &said,
        &["max_new_tokens = 510", "512 positions", "lower max_new_tokens to at most", "max_tokens = 511"],
    );
    place.write("train.jsonl", problems(3));
    place.write("eval.jsonl", problems(1));
    let data = FILES;
    let said = refusal(&place, &["tiny.toml", "--set", data]);
    assert_says(&said, &["[batch] prompts = 4: there are 3 training problems"]);
}

#[test]
fn problems_longer_than_the_model_are_named_with_a_remedy() {
    let place = Place::new();
    let long = format!("{{\"nums\": [{}1], \"target\": 3}}\n", "1, ".repeat(300));
    place.write("train.jsonl", problems(4) + &long);
    place.write("eval.jsonl", long + &problems(1));
    let said = refusal(&place, &["tiny.toml", "--set", FILES, "--set", "batch.max_tokens=4096"]);
    let parts = [
        "train.jsonl:5: the prompt has ",
        "eval.jsonl:1: the prompt has ",
        "[data] max_prompt_tokens = 488 leaves out longer training problems",
        "take evaluation problems that are too long out of their file",
    ];
    assert_says(&said, &parts);
    assert!(!said.contains("at most 0"), "{said}");
}

#[test]
fn what_can_be_judged_alone_is_found_together_whatever_else_is_wrong() {
    let place = Place::new();
    let nowhere = "model={path=\"nowhere\"}";
    let said = refusal(&place, &["tiny.toml", "--set", "optim.lrr=1", "--set", nowhere]);
    assert_says(
        &said,
        &["--set optim.lrr=1: [optim] `lrr`", "[model] `path`: nowhere: expected an existing folder"],
    );
    let said = refusal(
        &place,
        &[
            "tiny.toml",
            "--set",
            nowhere,
            "--set",
            "data.train_items=100000",
            "--set",
            "sampling.max_new_tokens=600",
            "--set",
            "batch.minibatches=3",
        ],
    );
    assert_says(
        &said,
        &[
            "nowhere: expected an existing folder",
            "[data]: Countdown problems: train_items + eval_items ask for 100008, but at most 4950 exist",
            "[batch] `max_tokens`: got 512, expected at least 601",
            "[batch] `minibatches`: got 3, expected a divisor of `prompts` = 4, such as 2 or 4",
        ],
    );
    assert_eq!(said.lines().count(), 4, "{said}");
}

#[test]
fn absurd_numbers_are_answered_at_once() {
    let place = Place::new();
    let start = Instant::now();
    let said = refusal(&place, &["tiny.toml", "--set", "batch.prompts=1000000000000001"]);
    assert_says(&said, &["expected a divisor of `prompts` = 1000000000000001, such as 1 or "]);
    assert!(start.elapsed().as_secs() < 120, "{:?}", start.elapsed());
}

#[test]
fn every_text_of_the_warm_start_must_fit() {
    let place = Place::new();
    let pair =
        |prompt: &str, n: usize| format!("{}\n", json!({ "prompt": prompt, "response": "-".repeat(n) }));
    let source = "sft.source={type=\"jsonl\", path=\"texts.jsonl\"}";
    place.write("texts.jsonl", pair("1", 5) + &pair("1", 800));
    let said = refusal(&place, &["tiny.toml", "--set", source]);
    assert_says(
        &said,
        &[
            "[sft.source]: texts.jsonl:2: a prompt of 1 tokens and a response of 801",
            "the model has 512 positions",
        ],
    );
    place.write("texts.jsonl", pair("1", 5) + &pair("1", 98));
    let said = refusal(&place, &["tiny.toml", "--set", source, "--set", "sft.max_tokens=99"]);
    assert_says(&said, &["texts.jsonl:2: ", "[sft] `max_tokens` = 99; raise it to at least 100"]);
    let fits = place.run(&["check", "tiny.toml", "--set", source, "--set", "sft.max_tokens=100"]);
    assert_eq!(fits.code, 0, "{}", fits.err);
    let said = refusal(&place, &["tiny.toml", "--set", "sft.max_tokens=20"]);
    assert_says(&said, &["[sft.source]: the longest demonstrations: ", "[sft] `max_tokens` = 20; raise it"]);
    place.write("texts.jsonl", pair("1", 5) + &pair("", 5));
    assert_says(&refusal(&place, &["tiny.toml", "--set", source]), &["texts.jsonl:2: `prompt` is empty"]);

    let problem = |question: &str| format!("{}\n", json!({ "question": question, "answer": "3" }));
    place.write(
        "train.jsonl",
        problem("1") + &problem("2") + &problem("3") + &problem("4") + "\n" + &problem(" "),
    );
    place.write("eval.jsonl", problem("1"));
    let data = "data={type=\"files\", train=[{path=\"train.jsonl\", preset=\"math500\", fields={question=\"question\"}}], \
                eval=[{path=\"eval.jsonl\", preset=\"math500\", fields={question=\"question\"}}]}";
    let source = "sft.source={type=\"jsonl\", path=\"pairs.jsonl\"}";
    place.write("pairs.jsonl", pair("1", 5));
    let said =
        refusal(&place, &["tiny.toml", "--set", data, "--set", "reward=[{type=\"math\"}]", "--set", source]);
    assert_says(&said, &["[data]: train.jsonl:6: `question` is empty"]);
}

#[test]
fn a_broken_line_is_named_by_file_and_line() {
    let place = Place::new();
    let good = problems(4);
    place.write("train.jsonl", format!("{good}\n{{\"nums\": [1, 2]}}\n"));
    place.write("eval.jsonl", &good);
    let data = FILES;
    let said = refusal(&place, &["tiny.toml", "--set", data]);
    assert_says(&said, &["[data]: train.jsonl:6: ", "`target`", "the columns are nums", "broken = \"skip\""]);

    place.write("train.jsonl", &good);
    place.write("texts.jsonl", "{\"prompt\": \"1 2\", \"response\": \"3\"}\n{\"prompt\": \"1\"\n");
    let source = "sft.source={type=\"jsonl\", path=\"texts.jsonl\"}";
    let said = refusal(&place, &["tiny.toml", "--set", data, "--set", source]);
    assert_says(&said, &["[sft.source]: texts.jsonl:2: "]);

    let said = refusal(
        &place,
        &["tiny.toml", "--set", &data.replace("train", "absent"), "--set", &source.replace("texts", "no")],
    );
    assert_says(&said, &["absent.jsonl", "no.jsonl", "expected an existing file"]);
}

#[test]
fn a_model_folder_is_looked_into_before_anything_is_made() {
    let place = place_with_model();
    let said = refusal(&place, &["tiny.toml", "--set", "model.path=\"nowhere\""]);
    assert_says(&said, &["nowhere", "[model] `path`", "an existing folder"]);

    let weights = fs::read(place.path("model/model.safetensors")).unwrap();
    place.write("model/model.safetensors", &weights[..weights.len() - 1000]);
    let said = refusal(&place, &["tiny.toml"]);
    assert_says(&said, &["model/model.safetensors: truncated: got ", "fetch the file again"]);
    fs::remove_file(place.path("model/model.safetensors")).unwrap();
    assert_says(&refusal(&place, &["tiny.toml"]), &["model: no weights", "model.safetensors"]);
    place.write("model/model.safetensors", &weights);

    let config = place.json("model/config.json");
    let with = |key: &str, value: Value| {
        let mut changed = config.clone();
        changed[key] = value;
        place.write("model/config.json", changed.to_string());
        refusal(&place, &["tiny.toml"])
    };
    assert_says(
        &with("num_hidden_layers", json!(5)),
        &["num_hidden_layers: got 5, expected 4", "the weights do not fit"],
    );
    assert_says(&with("num_hidden_layers", json!(1_000_000)), &["got 1000000, expected 4"]);
    let said = with("vocab_size", json!(500));
    assert_says(
        &said,
        &[
            "model.embed_tokens.weight",
            "vocab_size: got 500, expected ",
            "the tokenizer does not fit the model",
        ],
    );
    assert_says(&with("model_type", json!("mamba")), &["mamba"]);
    fs::remove_file(place.path("model/config.json")).unwrap();
    assert_says(&refusal(&place, &["tiny.toml"]), &["model/config.json"]);
}

#[test]
fn the_other_verbs_refuse_in_sentences_too() {
    let place = place_with_model();
    for (args, part) in [
        (&["eval", "nowhere"][..], "nowhere: there is no such folder"),
        (&["eval", "model"], "name a recipe with --recipe"),
        (&["eval", "nowhere", "--recipe", "tiny.toml"], "nowhere: there is no such folder"),
        (&["eval", "model", "--recipe", "tiny.toml", "-n", "0"], "-n: got 0"),
        (&["eval", "model", "--recipe", "absent.toml"], "absent.toml"),
        (&["sample", "nowhere", "1"], "nowhere: there is no such folder"),
        (&["sample", "model", ""], "the prompt is empty"),
        (&["sample", "model", "1", "-n", "0"], "-n: got 0, expected at least 1"),
        (&["sample", "model", "1", "--temperature", "-0.5"], "--temperature: got -0.5, expected at least 0"),
        (&["sample", "model", "1", "--top-p", "-1"], "--top-p: got -1, expected more than 0"),
        (
            &["eval", "model", "--recipe", "tiny.toml", "--temperature", "-1"],
            "--temperature: got -1, expected",
        ),
        (&["sample", "model", "1", "--temperature", "nan"], "--temperature: got NaN"),
        (&["sample", "model", "1", "--top-p", "2"], "--top-p: got 2"),
        (&["sample", "model", "1", "--max-new-tokens", "0"], "--max-new-tokens: got 0"),
        (
            &["sample", "model", "1", "--max-new-tokens", "600"],
            "the model has 512 positions; expected at most ",
        ),
        (
            &["sample", "model", "1", "--max-new-tokens", "18446744073709551615"],
            "the model has 512 positions",
        ),
        (&["sample", "model", "1", "--max-num-seqs", "0"], "--max-num-seqs: got 0"),
        (&["eval", "model", "--recipe", "tiny.toml", "--max-num-seqs", "0"], "--max-num-seqs: got 0"),
        (&["bench", "--steps", "0"], "--steps: got 0"),
        (&["bench", "--model", "nowhere"], "nowhere: there is no such folder; expected a run, a checkpoint "),
        (&["bench", "--model", "tiny.toml"], "tiny.toml: not a folder; expected a run, a checkpoint "),
        (&["bench", "--new-tokens", "600"], "--new-tokens: got 600 after prompts of up to "),
    ] {
        let ended = place.run(args);
        assert!(ended.code == 2 && ended.err.contains(part), "{args:?}: {} {}", ended.code, ended.err);
        assert_eq!(ended.out, "", "{args:?}");
    }
}

/// What libtorch cannot do, it says by an exception that its bindings turn into a panic.
#[test]
fn too_little_memory_is_a_sentence() {
    let place = Place::new();
    let args = ["bench", "--prompts", "8", "--group", "100000", "--new-tokens", "400", "--steps", "1"];
    let ended = place.limited("ulimit -v 16000000", &args);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(
        ended.err.starts_with("error: libtorch: ") && ended.err.contains("allocate memory"),
        "{}",
        ended.err
    );
    assert!(ended.err.lines().count() == 1 && ended.err.contains("[sampling] max_num_seqs"), "{}", ended.err);
}
