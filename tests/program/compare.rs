//! `compare`: made in pieces it is the same as made at once, and what cannot work is said before anything is made.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use serde_json::Value;

use super::place::{FILES, FINISHED, Place, finish, send, without_times};

const COMPARE: [&str; 6] = ["compare", "tiny.toml", "--credit", "uniform,random", "--seeds", "2"];
const OUT: &str = "runs/compare_tiny";

fn rows(place: &Place, run: &str) -> usize {
    let path = place.path(&format!("{OUT}/runs/{run}/metrics.jsonl"));
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

/// When each file below `folder` was last changed.
fn changes(folder: PathBuf) -> BTreeMap<PathBuf, SystemTime> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.clone(), fs::metadata(&path).unwrap().modified().unwrap());
            }
        }
    }
    found
}

#[test]
fn a_comparison_that_was_killed_and_stopped_goes_on_where_it_was() {
    let place = Place::warmed();
    let child = place.start_until(&COMPARE, || rows(&place, "random_seed_0") > 0);
    send(&child, "KILL");
    assert_eq!(finish(child).code, -1);
    let first = changes(place.path(&format!("{OUT}/runs/uniform_seed_0")));
    let json = place.json(&format!("{OUT}/compare.json"));
    assert_eq!(
        (&json["partial"], &json["n_finished"], &json["n_runs"]),
        (&true.into(), &1.into(), &4.into())
    );

    let child = place.start_until(&COMPARE, || rows(&place, "uniform_seed_1") > 0);
    send(&child, "TERM");
    let ended = finish(child);
    assert_eq!(ended.code, 143, "{}", ended.err);
    for part in [
        "run 1 of 4, uniform, seed 0: finished before",
        "run 2 of 4, random, seed 0",
        "the same command goes on",
    ] {
        assert!(ended.err.contains(part), "{part}: {}", ended.err);
    }
    assert!(place.read(&format!("{OUT}/compare.md")).contains("**Partial: 2 of 4 runs are finished.**"));
    // As a loss of power leaves it behind the checkpoint.
    let torn = format!("{OUT}/runs/uniform_seed_1/metrics.jsonl");
    place.write(&torn, place.read(&torn) + "\0\0\0\n");
    let looked = place.run(&["compare", "--of", &format!("{OUT}/runs/uniform_seed_1")]);
    let said = "what is behind step ";
    assert!(looked.code == 0 && looked.out.contains(said), "{}{}", looked.out, looked.err);

    let ended = place.run(&COMPARE);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("run 4 of 4, random, seed 1; about "), "{}", ended.err);
    assert_eq!(
        changes(place.path(&format!("{OUT}/runs/uniform_seed_0"))),
        first,
        "a finished run was touched"
    );
    // SFT of seed 0 was there, that of seed 1 was made once.
    assert_eq!(ended.err.matches("SFT: done in").count() + ended.err.matches("taken from").count(), 1);
    assert_eq!(fs::read_dir(place.path("runs/.warm_starts")).unwrap().count(), 2);
    // The same run as without a comparison around it.
    let metrics = |path: PathBuf| without_times(&fs::read(path).unwrap());
    let (own, other) = (place.path(&format!("{OUT}/runs/uniform_seed_0")), FINISHED.path("runs/tiny"));
    assert_eq!(metrics(own.join("metrics.jsonl")), metrics(other.join("metrics.jsonl")));

    results_are_those_of_the_runs(&place);
    let before = changes(place.path(&format!("{OUT}/runs")));
    let again = place.run(&COMPARE);
    assert_eq!(again.code, 0, "{}", again.err);
    assert!(again.err.contains("run 4 of 4, random, seed 1: finished before"), "{}", again.err);
    assert!(again.out.contains("avg@2 at the end") && again.out.contains("compare.md"), "{}", again.out);
    assert_eq!(changes(place.path(&format!("{OUT}/runs"))), before);

    runs_by_folder_give_the_same_numbers(&place);
    let refused = place.run(&[&COMPARE[..], &["--set", "optim.lr=0.002"]].concat());
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(refused.err.contains("optim.lr: 0.002 now, 0.001 in the comparison"), "{}", refused.err);
}

/// Its policy is the last one, but nobody knows yet what it can do.
#[test]
fn a_run_that_was_stopped_in_its_last_evaluation_is_not_finished() {
    let place = Place::warmed();
    let args = ["compare", "tiny.toml", "--seeds", "1", "--credit", "uniform,random", "--out", OUT];
    let args = [&args[..], &["--set", "run.steps=1", "--set", "eval.samples=64"]].concat();
    let sampled = place.path(&format!("{OUT}/runs/uniform_seed_0/rollouts/step_000001.jsonl"));
    let child = place.start_until(&args, || sampled.is_file());
    send(&child, "TERM");
    assert_eq!(finish(child).code, 143);
    assert_eq!(rows(&place, "uniform_seed_0"), 0);
    let ended = place.run(&args);
    assert!(ended.code == 0 && !ended.err.contains("finished before"), "{}", ended.err);
    assert_eq!((rows(&place, "uniform_seed_0"), rows(&place, "random_seed_0")), (1, 1));
    let ended = place.run(&args);
    assert!(ended.code == 0 && ended.err.matches("finished before").count() == 2, "{}", ended.err);
}

fn results_are_those_of_the_runs(place: &Place) {
    let json = place.json(&format!("{OUT}/compare.json"));
    assert_eq!((&json["partial"], &json["samples"], &json["items"]), (&false.into(), &2.into(), &8.into()));
    assert_eq!(json["shared"], serde_json::json!({"policy": true, "prompts": true, "items": true}));
    assert_eq!(json["commands"], serde_json::json!([format!("rlcredit {}", COMPARE.join(" "))]));
    let last = |run: &str, key: &str| {
        let row = place.lines(&format!("{OUT}/runs/{run}/metrics.jsonl")).pop().unwrap();
        row[key].as_f64().unwrap()
    };
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{json}"));
    let mut ends = Vec::new();
    for (arm, name) in json["arms"].as_array().unwrap().iter().zip(["uniform", "random"]) {
        assert_eq!(arm["label"], name);
        let own = [0, 1].map(|seed| last(&format!("{name}_seed_{seed}"), "eval/heldout/avg@2"));
        let mean = number(&arm["measures"]["final_avg"]["mean"]);
        assert!((mean - (own[0] + own[1]) / 2.0).abs() < 1e-12, "{name}");
        // Steps 0, 3 and 6.
        assert_eq!(arm["runs"][1]["curve"].as_array().unwrap().len(), 3);
        assert!(number(&arm["runs"][1]["curve"][2]["seconds"]) > 0.0 && number(&arm["cost"]["tokens"]) > 0.0);
        let sampled = [0, 1].map(|seed| last(&format!("{name}_seed_{seed}"), "progress/tokens_generated"));
        assert!((number(&arm["cost"]["tokens"]) - (sampled[0] + sampled[1]) / 2.0).abs() < 1e-9, "{name}");
        assert_ne!(sampled[0], sampled[1]);
        ends.push(own);
    }
    // Both arms of a seed start from the same policy and answer the same problems.
    let start = |run: &str| place.read(&format!("{OUT}/runs/{run}/eval/step_000000.heldout.jsonl"));
    for seed in [0, 1] {
        assert_eq!(start(&format!("uniform_seed_{seed}")), start(&format!("random_seed_{seed}")));
    }
    assert_ne!(start("uniform_seed_0"), start("uniform_seed_1"));
    let difference = &json["arms"][1]["against_baseline"]["final_avg"];
    let expected = (ends[1][0] - ends[0][0] + ends[1][1] - ends[0][1]) / 2.0;
    assert!((number(&difference["mean"]) - expected).abs() < 1e-12, "{difference}");
    for file in ["curves_by_step", "curves_by_tokens", "curves_by_time"] {
        for extension in ["svg", "png"] {
            assert!(place.path(&format!("{OUT}/{file}.{extension}")).is_file());
        }
    }
}

fn runs_by_folder_give_the_same_numbers(place: &Place) {
    let folders = ["uniform_seed_0", "uniform_seed_1", "random_seed_0", "random_seed_1"];
    let folders = folders.map(|name| format!("{OUT}/runs/{name}"));
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let ended = place.run(&[&["compare", "--of"], &folders[..]].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    let (one, other) = (place.json(&format!("{OUT}/compare.json")), place.json("runs/compare/compare.json"));
    assert_eq!(one["arms"], other["arms"]);
    let refused = place.run(&["compare", "--of", folders[0], "--out", OUT]);
    assert!(refused.code == 2 && refused.err.contains("comparison with runs of its own"), "{}", refused.err);
}

#[test]
fn what_cannot_be_compared_is_refused_before_anything_is_made() {
    let place = Place::new();
    for (more, said) in [
        (&["--credit", "uniform,rythm"][..], "no credit strategy is called \"rythm\"; expected one of"),
        (
            &["--vary", "loss.policy.clip_hihg=0.2,0.3"],
            "arm loss.policy.clip_hihg=0.3: --vary loss.policy.clip_hihg=0.3: [loss.policy] `clip_hihg` is not a key",
        ),
        (&["--vary", "explore.size=4,1"], "arm explore.size=1: --vary explore.size=1: [explore] `size`"),
        (&["--credit", "random,uniform,random"], "arm random is there twice"),
        (&["--credit", "uniform", "--seeds", "0"], "--seeds: got 0, expected at least 1"),
        (&["--credit", "uniform", "--set", "optim.lr=-1"], "--set optim.lr=-1: [optim] `lr`"),
        (&["--credit", "uniform,random", "--vary", "signals.window=5,9"], "so [signals] has no effect"),
        (&["--credit", "uniform", "--baseline", "random"], "--baseline: no arm is called `random`"),
        (&["--of", "runs/tiny"], "cannot be used with"),
    ] {
        let ended = place.run(&[&["compare", "tiny.toml"], more].concat());
        assert_eq!(ended.code, 2, "{more:?}: {}", ended.err);
        assert!(ended.err.contains(said), "{more:?}: {}", ended.err);
        assert!(!place.path("runs").exists(), "{more:?}");
    }
}

/// An arm whose advantages are infinite in single precision, so that every update is refused until its run gives up.
#[test]
fn a_run_that_diverges_is_left_out_and_the_others_are_made() {
    let place = Place::warmed();
    let mut args = vec!["compare", "tiny.toml", "--vary", "reward.0.weight=1e300,1.0", "--seeds", "1"];
    for set in ["run.steps=10", "advantage.scale=none", "explore.size=16"] {
        args.extend(["--set", set]);
    }
    let ended = place.run(&args);
    assert_eq!(ended.code, 4, "{}", ended.err);
    let said = "error: 1 of 2 runs diverged; left out of the results: reward.0.weight=1e300, seed 0";
    assert!(ended.err.contains(said), "{}", ended.err);
    assert!(
        ended.out.contains("note: reward.0.weight=1e300, seed 0: left out, step 9 of 10"),
        "{}",
        ended.out
    );
    let json = place.json(&format!("{OUT}/compare.json"));
    let finished = |arm: usize| &json["arms"][arm]["runs"][0]["finished"];
    assert!(json["partial"] == true && finished(0) == false && finished(1) == true, "{json}");
    assert_eq!(json["arms"][1]["measures"]["final_avg"]["n"], 1);

    // It would diverge again, so it is left alone.
    let before = changes(place.path(&format!("{OUT}/runs")));
    let again = place.run(&args);
    assert_eq!(again.code, 4, "{}", again.err);
    for part in
        [said, "diverged before and is left alone; to try again, delete runs/compare_tiny/runs/reward"]
    {
        assert!(again.err.contains(part), "{part}: {}", again.err);
    }
    assert!(again.err.contains("updates in a row were not finite"), "why: {}", again.err);
    assert!(again.out.contains("left out, step 9 of 10, diverged; to try again, delete"), "{}", again.out);
    assert_eq!(changes(place.path(&format!("{OUT}/runs"))), before);
}

/// Problems of a file that is edited before a second command adds an arm.
#[test]
fn what_the_runs_of_a_seed_do_not_share_is_said() {
    let place = Place::new();
    let problems = |targets: &[u32]| -> String {
        targets.iter().map(|n| format!("{{\"nums\": [1, 2, 3], \"target\": {n}}}\n")).collect()
    };
    place.write("train.jsonl", problems(&[1, 2, 3, 4, 5, 6]));
    place.write("eval.jsonl", problems(&[7, 8]));
    let compare = |more: &[&str]| {
        let data = FILES;
        let mut args = vec!["compare", "tiny.toml", "--seeds", "1", "--out", "out", "--set", data];
        args.extend(["--set", "run.steps=1", "--set", "sft.steps=2"].iter().chain(more));
        let ended = place.run(&args);
        assert_eq!(ended.code, 0, "{}", ended.err);
        place.read("out/compare.md")
    };
    let both = compare(&["--credit", "uniform,random"]);
    assert!(
        both.contains("the runs of a seed share their starting policy, prompts and held-out items"),
        "{both}"
    );
    place.write("eval.jsonl", problems(&[7, 9]));
    let edited = compare(&["--credit", "entropy"]);
    for part in [
        "the runs of a seed share their starting policy and prompts",
        "Note: the runs do not have the same held-out items (they differ in the content of eval.jsonl)",
    ] {
        assert!(edited.contains(part), "{part}: {edited}");
    }
}
