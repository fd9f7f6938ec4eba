//! Policies by name: checkpoints of runs, how they are asked, and how they are given away.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::place::{FINISHED, Place, copy, problems};

/// A place with the finished run in it.
fn place() -> Place {
    let place = Place::new();
    copy(&FINISHED.path("runs"), &place.path("runs"));
    place
}

/// The dtypes in the header of a file of weights, each once.
fn dtypes(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap();
    let n = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + n]).unwrap();
    let tensors = header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__");
    let mut all: Vec<String> = tensors.map(|(_, info)| info["dtype"].as_str().unwrap().to_owned()).collect();
    all.sort();
    all.dedup();
    all
}

#[test]
fn a_checkpoint_is_named_by_its_run_and_step() {
    let place = place();
    let ask = |model: &str| {
        let ended = place.run(&["sample", model, "Make 5 from 1, 2, 3.\n", "--temperature", "0"]);
        assert_eq!(ended.code, 0, "{model}: {}", ended.err);
        ended.out
    };
    let third = ask("runs/tiny/checkpoints/step_000003/model");
    for model in ["runs/tiny@3", "runs/tiny@step_000003", "runs/tiny/checkpoints/step_000003"] {
        assert_eq!(ask(model), third, "{model}");
    }
    for model in ["runs/tiny@6", "runs/tiny@latest", "runs/tiny/checkpoints/latest", "runs/tiny"] {
        assert_eq!(ask(model), ask("runs/tiny/checkpoints/step_000006"), "{model}");
    }
    // Of what was measured the most accurate, the earlier one of equals.
    let accuracy = |step: u64| {
        let path = format!("runs/tiny/eval/step_{step:06}.json");
        place.json(&path)["heldout"]["avg@2"].as_f64().unwrap()
    };
    let best = if accuracy(6) > accuracy(3) { 6 } else { 3 };
    assert_eq!(ask("runs/tiny@best"), ask(&format!("runs/tiny@{best}")));
    for (model, expected) in [
        ("runs/tiny@4", "runs/tiny@4: no such checkpoint of this run, which has those of the steps 3, 6"),
        ("runs/tiny@newest", "got \"newest\" behind the @, expected the number of a step, latest or best"),
        ("runs/none@4", "runs/none: there is no such folder; expected a run"),
    ] {
        for verb in [&["sample", model, "x"][..], &["export", model, "out"], &["eval", model]] {
            let refused = place.run(verb);
            assert!(refused.code == 2 && refused.err.contains(expected), "{verb:?}: {}", refused.err);
        }
    }
    // Where a run starts from one, it is written down which.
    let set =
        ["--set", "model={path=\"runs/tiny@latest\"}", "--set", "run.name=next", "--set", "run.steps=1"];
    let ended = place.run(&[&["train", "tiny.toml", "--set", "sft.steps=1"], &set[..]].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    let model = place.path("runs/tiny/checkpoints/step_000006/model");
    assert!(place.read("runs/next/resolved.toml").contains(&format!("path = \"{}\"", model.display())));
    place.write("runs/tiny/checkpoints/latest", "step_000003\n");
    let again = place.run(&["train", "runs/next", "--resume", "--set", "run.steps=1"]);
    assert_eq!(again.code, 0, "{}", again.err);
}

#[test]
fn a_policy_is_asked_as_in_its_run() {
    let place = Place::new();
    let row = |n: u32| json!({"question": format!("{n}+1"), "answer": (n + 1).to_string()}).to_string();
    let rows: Vec<String> = (1..9).map(row).collect();
    place.write("rows.jsonl", rows.join("\n"));
    let file = "{path=\"rows.jsonl\", name=\"sums\", fields={question=\"question\", answer=\"answer\"}}";
    let data = format!(
        "data={{type=\"files\", train=[{file}], eval=[{file}], prompt=\"{{question}}=\", few_shot=[{{question=\"1+2\", response=\"3\"}}]}}"
    );
    let reward = "reward=[{type=\"numeric\"}]";
    let stop = "sampling.stop=[\"\\n\", \"=\"]";
    let sets = [&data, reward, stop, "run.steps=1", "eval.max_new_tokens=5", "sampling.min_new_tokens=2"];
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let source = ["--set", "sft.steps=1", "--set", "sft.source={type=\"jsonl\", path=\"pairs.jsonl\"}"];
    place.write("pairs.jsonl", "{\"prompt\": \"1+2=\", \"response\": \"3\"}\n");
    let ended = place.run(&[&["train", "tiny.toml"], &sets[..], &source].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);

    // Every prompt has the example before it, every response ends as is said, and no text has what ended it.
    let rollouts = place.lines("runs/tiny/rollouts/step_000001.jsonl");
    let shown = |n: u32| format!("1+2=3\n\n{n}+1=");
    let stopped = rollouts.iter().filter(|row| row["finish"] == "stop").count();
    assert!(stopped > 0, "{rollouts:?}");
    for row in &rollouts {
        assert!(row["tokens"].as_array().unwrap().len() >= 3 || row["finish"] == "length", "{row}");
    }
    let items = place.lines("runs/tiny/eval/step_000001.sums.jsonl");
    assert!((1..9).zip(&items).all(|(n, item)| item["prompt"] == shown(n).as_str()), "{:?}", items[0]);
    let lengths = items.iter().flat_map(|item| item["responses"].as_array().unwrap());
    assert!(lengths.clone().all(|response| response["n_tokens"].as_u64().unwrap() <= 5));
    let settings = &place.json("runs/tiny/eval/step_000001.json")["sums"]["settings"];
    assert_eq!((&settings["max_new_tokens"], &settings["stop"]), (&json!(5), &json!(["\n", "="])));

    let greedy = ["--temperature", "0", "--max-new-tokens", "6"];
    let ask = |args: &[&str]| {
        let ended = place.run(&[&["sample", "runs/tiny"], args, &greedy].concat());
        assert_eq!(ended.code, 0, "{}", ended.err);
        ended
    };
    let asked = ask(&["7+1"]);
    assert_eq!(
        asked.out,
        ask(&["--raw", &shown(7), "--min-new-tokens", "2", "--stop", "\n", "--stop", "="]).out
    );
    let item = ask(&["--item", "7"]);
    assert_eq!(item.out, asked.out);
    assert!(item.err.contains(&shown(7)) && item.err.contains("expected: 8"), "{}", item.err);
    assert!(item.err.contains("response 1: ") && item.err.contains("correct, reward "), "{}", item.err);
    assert_eq!(ask(&["--item", "sums:7"]).out, asked.out);
    // Another model, asked in the same way.
    place.write("asked.toml", place.read("runs/tiny/resolved.toml"));
    let model = "runs/tiny/checkpoints/step_000001/model";
    copy(&place.path(model), &place.path("model"));
    let other = place.run(&[&["sample", "model", "7+1", "--recipe", "asked.toml"], &greedy[..]].concat());
    assert_eq!((other.code, other.out), (0, asked.out), "{}", other.err);
    for (args, expected) in [
        (&["--item", "9"][..], "--item: got 9, expected 1 to 8, a held-out problem, or SET:NUMBER"),
        (&["--item", "easy:1"], "--item easy:1: no set \"easy\"; expected one of sums"),
        (&["x", "--item", "1"], "cannot be used with"),
        (&["x", "--system", "S"], "--system and --variable are for chat templates; add --chat always"),
        (&["x", "--stop", ""], "--stop: got an empty text"),
        (&["x", "--min-new-tokens", "99"], "--min-new-tokens: got 99, expected at most the 24"),
    ] {
        let refused = place.run(&[&["sample", "runs/tiny"], args].concat());
        assert!(refused.code == 2 && refused.err.contains(expected), "{args:?}: {}", refused.err);
    }
    let refused = place.run(&["sample", "model", "--item", "1"]);
    assert!(refused.code == 2 && refused.err.contains("whose problems are not known"), "{}", refused.err);
}

#[test]
fn a_policy_is_given_away_with_a_card() {
    let place = place();
    let ended = place.run(&["export", "runs/tiny@3", "out/tiny", "--dtype", "bf16"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended.out.starts_with("out/tiny: ") && ended.out.contains(" M parameters in bf16"),
        "{}",
        ended.out
    );
    assert_eq!(dtypes(&place.path("out/tiny/model.safetensors")), ["BF16"]);
    assert_eq!(place.json("out/tiny/config.json")["dtype"], "bfloat16");
    let card = place.read("out/tiny/README.md");
    let accuracy = place.json("runs/tiny/eval/step_000003.json")["heldout"].take();
    let percent = |key: &str| format!("{:.1}", 100.0 * accuracy[key].as_f64().unwrap());
    let interval: Vec<String> =
        (0..2).map(|end| format!("{:.1}", 100.0 * accuracy["ci95"][end].as_f64().unwrap())).collect();
    for part in [
        "# tiny\n".to_owned(),
        "Trained from random weights (`countdown2m`) by SFT and then reinforcement learning".to_owned(),
        "run `tiny`, step 3 of 6.".to_owned(),
        "| heldout | 8 | avg@2 | ".to_owned(),
        format!("| {} ({} to {}) |\n", percent("avg@2"), interval[0], interval[1]),
        "```sh\nrlcredit train tiny.toml\n```".to_owned(),
        "name = \"tiny\"".to_owned(),
        "Weights in bf16.".to_owned(),
    ] {
        assert!(card.contains(&part), "{part}: {card}");
    }
    assert!(card.starts_with("---\nlibrary_name: transformers\n") && !card.contains("base_model"));
    // Of random weights it is single precision.
    assert_eq!(place.run(&["export", "runs/tiny", "out/exact"]).code, 0);
    assert_eq!(dtypes(&place.path("out/exact/model.safetensors")), ["F32"]);
    let bytes = |file: &str| fs::read(place.path(file)).unwrap();
    assert!(
        bytes("out/exact/model.safetensors")
            == bytes("runs/tiny/checkpoints/step_000006/model/model.safetensors")
    );

    // A run from a model in bf16: what it gives away and what it keeps is bf16, what it goes on from is not.
    let set = ["model={path=\"out/tiny\"}", "run.name=next", "run.steps=1", "checkpoint.keep_model_every=1"];
    let sets: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
    let ended = place.run(&[&["train", "tiny.toml", "--set", "sft.steps=1"], &sets[..]].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    let of = |folder: &str| {
        dtypes(&place.path(&format!("runs/next/{folder}/step_000001/model/model.safetensors")))
    };
    assert_eq!((of("checkpoints"), of("models")), (vec!["F32".to_owned()], vec!["BF16".to_owned()]));
    assert_eq!(place.run(&["export", "runs/next", "out/next"]).code, 0);
    assert_eq!(dtypes(&place.path("out/next/model.safetensors")), ["BF16"]);
    assert!(place.read("out/next/README.md").contains("Trained from `tiny` by SFT"));
    // And one from that: the precision of the first model counts.
    let set = ["model={path=\"runs/next\"}", "run.name=last", "run.steps=1"];
    let sets: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
    assert_eq!(place.run(&[&["train", "tiny.toml", "--set", "sft.steps=1"], &sets[..]].concat()).code, 0);
    assert_eq!(place.run(&["export", "runs/last", "out/last"]).code, 0);
    assert_eq!(dtypes(&place.path("out/last/model.safetensors")), ["BF16"]);
    assert!(place.read("out/last/README.md").contains("Trained from `next@1` by SFT"));
    // Whoever looks no longer finds the model.
    fs::rename(place.path("out/tiny"), place.path("out/away")).unwrap();
    let refused = place.run(&["export", "runs/next", "out/again"]);
    assert!(refused.code == 2 && refused.err.contains("say which: --dtype bf16"), "{}", refused.err);
    assert_eq!(place.run(&["export", "runs/next", "out/again", "--dtype", "f16"]).code, 0);
}

#[test]
fn paths_begin_at_the_recipe_and_a_run_goes_on_from_everywhere() {
    let place = Place::new();
    let files = "[data]\ntype = \"files\"\n[[data.train]]\npath = \"../data/train.jsonl\"\npreset = \"countdown_tasks\"\n\
                 [[data.eval]]\npath = \"here.jsonl\"\npreset = \"countdown_tasks\"\n";
    for folder in ["recipes", "data", "elsewhere"] {
        fs::create_dir(place.path(folder)).unwrap();
    }
    place.write("recipes/base.toml", place.read("tiny.toml"));
    place.write("recipes/x.toml", format!("base = \"base.toml\"\n{files}"));
    place.write("data/train.jsonl", problems(8));
    place.write("recipes/here.jsonl", problems(2));
    let few = ["--set", "run.steps=1", "--set", "sft.steps=1"];
    let ended = place.run(&[&["train", "recipes/x.toml"], &few[..]].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    let resolved = place.read("runs/tiny/resolved.toml");
    for file in ["data/train.jsonl", "recipes/here.jsonl"] {
        let whole = place.path(file).canonicalize().unwrap().display().to_string();
        assert!(resolved.contains(&format!("path = \"{whole}\"")), "{resolved}");
        assert!(place.json("runs/tiny/inputs.json")["files"].get(&whole).is_some());
    }
    let run = place.path("runs/tiny").display().to_string();
    let elsewhere = place.path("elsewhere");
    let resume = ["train", run.as_str(), "--resume", "--set", "run.steps=1"];
    let again = place.run_in(&elsewhere, &resume);
    assert_eq!(again.code, 0, "{}", again.err);
    let recipe = place.path("recipes/x.toml").display().to_string();
    let runs = place.path("runs").display().to_string();
    let args = [
        "train",
        recipe.as_str(),
        "--runs",
        &runs,
        "--resume",
        "--set",
        "run.steps=1",
        "--set",
        "sft.steps=1",
    ];
    let again = place.run_in(&elsewhere, &args);
    assert_eq!(again.code, 0, "{}", again.err);
    // What is not beside the recipe may be where one is, and that is said.
    fs::rename(place.path("recipes/here.jsonl"), place.path("here.jsonl")).unwrap();
    let checked = place.run(&["check", "recipes/x.toml"]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    assert!(checked.out.contains("taken from the working directory: here.jsonl"), "{}", checked.out);
    fs::remove_file(place.path("here.jsonl")).unwrap();
    let refused = place.run(&["check", "recipes/x.toml"]);
    let expected =
        "recipes/here.jsonl: expected an existing file; a path in a recipe begins at the recipe's folder";
    assert!(refused.code == 2 && refused.err.contains(expected), "{}", refused.err);
    // Behind --set a path begins where one is.
    place.write("mine.jsonl", problems(2));
    let set = "data.eval.0.path=mine.jsonl";
    assert_eq!(place.run(&["check", "recipes/x.toml", "--set", set]).code, 0);
}
