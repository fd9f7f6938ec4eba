//! A run knows what is its own: what it reads back is what it wrote, and what only tells stops nothing.

use std::fs;

use serde_json::Value;

use super::place::{Ended, FINISHED, Place, RECIPE, assert_same_run, copy, finish};

const RUN: &str = "runs/tiny";

/// A place with the finished run, set back to step 3 as its own messages advise.
fn set_back() -> Place {
    let place = Place::new();
    copy(&FINISHED.path("runs"), &place.path("runs"));
    place.write("runs/tiny/checkpoints/latest", "step_000003\n");
    place
}

fn resume(place: &Place) -> Ended {
    place.run(&["train", "tiny.toml", "--resume"])
}

fn assert_refused(place: &Place, parts: &[&str]) {
    let ended = resume(place);
    assert_eq!(ended.code, 3, "{}", ended.err);
    for part in parts {
        assert!(ended.err.contains(part), "expected {part:?} in: {}", ended.err);
    }
}

fn assert_goes_on(place: &Place, parts: &[&str]) {
    let ended = resume(place);
    assert_eq!(ended.code, 0, "{}", ended.err);
    for part in parts {
        assert!(ended.err.contains(part), "expected {part:?} in: {}", ended.err);
    }
    assert_same_run(&FINISHED.path(RUN), &place.path(RUN));
}

/// Rewrites a file of JSON.
fn edit(place: &Place, name: &str, edit: impl FnOnce(&mut Value)) {
    let mut value = place.json(name);
    edit(&mut value);
    place.write(name, value.to_string());
}

#[test]
fn a_branch_that_is_left_leaves_nothing_behind() {
    let place = set_back();
    place.write("runs/tiny/checkpoints/step_000006/old", "");
    let step_6 = place.path("runs/tiny/checkpoints/step_000006");
    copy(&step_6, &place.path("runs/tiny/checkpoints/step_000009"));
    fs::remove_file(step_6.join("manifest.json")).unwrap();
    for later in ["rollouts/step_000009.jsonl", "eval/step_000009.json", "eval/step_000009.heldout.jsonl"] {
        place.write(&format!("runs/tiny/{later}"), "of another course\n");
    }
    assert_goes_on(
        &place,
        &["left behind step 3 and removed: step_000006, step_000009, 8 files of responses and eval"],
    );
}

#[test]
fn a_checkpoint_of_another_run_is_refused_by_its_name() {
    let place = set_back();
    let own = place.json("runs/tiny/manifest.json")["run"].as_str().unwrap().to_owned();
    assert_eq!(place.json("runs/tiny/env.json")["run"], own.as_str());
    let manifest = "runs/tiny/checkpoints/step_000003/manifest.json";
    assert_eq!(place.json(manifest)["run"], own.as_str());
    edit(&place, manifest, |manifest| manifest["run"] = "0123456789abcdef".into());
    assert_refused(
        &place,
        &[
            "runs/tiny/checkpoints/step_000003: a checkpoint of another run, 0123456789abcdef, and this run is ",
            &own,
            "to continue from step_000006 write that name into runs/tiny/checkpoints/latest",
        ],
    );
}

#[test]
fn a_recipe_that_the_run_did_not_write_is_refused() {
    let place = set_back();
    let resolved = place.read("runs/tiny/resolved.toml");
    place.write("runs/tiny/resolved.toml", resolved.replace("lr = 0.001", "lr = 0.003"));
    let said = [
        "runs/tiny/resolved.toml: damaged: SHA-256 ",
        "put it back, or remove ",
        "or make it anew with `/",
        "/rlcredit check ",
    ];
    assert_refused(&place, &said);
    let of_folder = place.run(&["train", RUN, "--resume"]);
    assert!(of_folder.code == 3 && of_folder.err.contains(said[0]), "{}", of_folder.err);
    place.write("runs/tiny/resolved.toml", resolved);
    let inputs = place.read("runs/tiny/inputs.json");
    place.write("runs/tiny/inputs.json", "{");
    assert_refused(
        &place,
        &["runs/tiny/inputs.json: damaged: 1 bytes, expected ", "; put it back, or remove "],
    );
    place.write("runs/tiny/inputs.json", inputs);
    assert_goes_on(&place, &[]);
}

#[test]
fn what_a_checkpoint_does_not_list_is_not_read() {
    let place = set_back();
    let strays =
        ["pending.json", "model/model.safetensors.index.json", "model/other.safetensors", "critic.json"];
    for stray in strays {
        place.write(&format!("runs/tiny/checkpoints/step_000003/{stray}"), "{");
    }
    let ended = place.run(&["sample", RUN, "1"]);
    assert_ne!(ended.code, 0);
    assert!(
        ended.err.contains(": not a file of this checkpoint, whose manifest.json does not list it"),
        "{}",
        ended.err
    );
    assert_eq!(resume(&place).code, 0);
    for stray in strays {
        fs::remove_file(place.path("runs/tiny/checkpoints/step_000003").join(stray)).unwrap();
    }
    assert_same_run(&FINISHED.path(RUN), &place.path(RUN));
}

#[test]
fn a_reference_is_sealed_as_a_checkpoint_is() {
    let place = Place::warmed();
    let recipe = RECIPE.replace("steps = 6", "steps = 2").replace("every = 3\nkeep", "every = 1\nkeep");
    place.write("tiny.toml", recipe + "[loss.kl]\ncoef = 0.1\nestimator = \"k3\"\n");
    assert_eq!(place.run(&["train", "tiny.toml"]).code, 0);
    let whole = place.path("whole");
    copy(&place.path(RUN), &whole);
    place.write("runs/tiny/checkpoints/latest", "step_000001\n");

    let weights = place.path("runs/tiny/reference/model.safetensors");
    let good = fs::read(&weights).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    fs::write(&weights, bad).unwrap();
    assert_refused(
        &place,
        &["runs/tiny/reference/model.safetensors: damaged: SHA-256 ", "put it back from a copy"],
    );
    fs::write(&weights, good).unwrap();
    let manifest = place.read("runs/tiny/reference/manifest.json");
    edit(&place, "runs/tiny/reference/manifest.json", |manifest| manifest["run"] = "0123456789abcdef".into());
    assert_refused(&place, &["runs/tiny/reference: a checkpoint of another run, 0123456789abcdef"]);
    fs::remove_file(place.path("runs/tiny/reference/manifest.json")).unwrap();
    assert_refused(&place, &["runs/tiny/reference: no checkpoint, its manifest.json is missing"]);
    place.write("runs/tiny/reference/manifest.json", manifest);
    // A run of an earlier version that was killed after its reference was sealed, and before anything else knew its id.
    fs::remove_file(place.path("runs/tiny/manifest.json")).unwrap();
    let take = |value: &mut Value| drop(value.as_object_mut().unwrap().remove("run"));
    for file in ["env.json", "checkpoints/step_000001/manifest.json", "checkpoints/step_000002/manifest.json"]
    {
        edit(&place, &format!("runs/tiny/{file}"), take);
    }
    let ended = resume(&place);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_same_run(&whole, &place.path(RUN));
}

#[test]
fn lost_rows_are_noticed_and_can_be_done_without() {
    let place = set_back();
    let rows = place.read("runs/tiny/metrics.jsonl");
    let lines: Vec<&str> = rows.split_inclusive('\n').collect();
    for (damaged, said) in [
        (
            [&[lines[0]], &lines[2..]].concat(),
            "metrics.jsonl, line 2: step 3 after step 1; put the file back",
        ),
        (
            [&lines[..2], &lines[1..]].concat(),
            "metrics.jsonl, line 3: step 2 after step 2; put the file back",
        ),
        (lines[..2].to_vec(), "the row of step 3, after which the run goes on, is missing"),
        (vec![lines[0], "{\"step\": 2, \"loss\n", lines[2]], "metrics.jsonl, line 2: not a JSON object"),
    ] {
        place.write("runs/tiny/metrics.jsonl", damaged.concat());
        assert_refused(&place, &[said, "or move it away: the run then goes on"]);
        assert_eq!(place.read("runs/tiny/metrics.jsonl"), damaged.concat());
    }
    fs::remove_file(place.path("runs/tiny/metrics.jsonl")).unwrap();
    let ended = resume(&place);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("metrics.jsonl: missing; the rows up to step 3 are lost"), "{}", ended.err);
    let steps: Vec<u64> =
        place.lines("runs/tiny/metrics.jsonl").iter().map(|row| row["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [4, 5, 6]);
    place.write("runs/tiny/metrics.jsonl", rows);
    assert_eq!(resume(&place).code, 0);
}

#[test]
fn damage_behind_the_checkpoint_and_in_what_only_tells_stops_nothing() {
    let place = set_back();
    let rows = place.read("runs/tiny/metrics.jsonl");
    place.write("runs/tiny/metrics.jsonl", rows.replace("{\"step\":5,", "\u{0}\u{0}"));
    place.write("runs/tiny/rollouts/step_000005.jsonl", "{");
    fs::remove_file(place.path("runs/tiny/rollouts/step_000004.jsonl")).unwrap();
    fs::create_dir(place.path("runs/tiny/rollouts/step_000004.jsonl")).unwrap();
    place.write("runs/tiny/eval/step_000006.json", b"\xff\0");
    place.write("runs/tiny/env.json", "[\"threads\"");
    fs::remove_file(place.path("runs/tiny/recipe.toml")).unwrap();
    fs::create_dir(place.path("runs/tiny/recipe.toml")).unwrap();
    fs::remove_dir_all(place.path("runs/tiny/tb")).unwrap();
    place.write("runs/tiny/tb", "");
    let ended = resume(&place);
    assert_eq!(ended.code, 0, "{}", ended.err);
    for said in [
        "runs/tiny/metrics.jsonl: damaged behind step 3, after which the run goes on; that part is cut off",
        "runs/tiny/env.json: damaged, ",
        "runs/tiny/recipe.toml: damaged; it is set aside as runs/tiny/recipe.toml.damaged",
        "runs/tiny/tb: damaged; it is set aside as runs/tiny/tb.damaged",
    ] {
        assert!(ended.err.contains(said), "expected {said:?} in: {}", ended.err);
    }
    assert_eq!(place.read("runs/tiny/env.json.damaged"), "[\"threads\"");
    for aside in ["env.json.damaged", "tb.damaged"] {
        fs::remove_file(place.path(RUN).join(aside)).unwrap();
    }
    fs::remove_dir(place.path("runs/tiny/recipe.toml.damaged")).unwrap();
    assert_same_run(&FINISHED.path(RUN), &place.path(RUN));
}

/// A process may be killed between putting a checkpoint aside and putting another in its place, also where it is the only one.
#[test]
fn a_checkpoint_that_was_being_replaced_is_put_back() {
    let place = set_back();
    let checkpoints = place.path("runs/tiny/checkpoints");
    fs::remove_dir_all(checkpoints.join("step_000006")).unwrap();
    fs::rename(checkpoints.join("step_000003"), checkpoints.join(".step_000003.old.tmp-1")).unwrap();
    assert_goes_on(&place, &[]);
}

#[test]
fn lost_checkpoints_do_not_begin_the_run_again() {
    let place = set_back();
    let checkpoints = place.path("runs/tiny/checkpoints");
    let rows = place.read("runs/tiny/metrics.jsonl");
    fs::remove_dir_all(&checkpoints).unwrap();
    let said = [
        "runs/tiny/checkpoints: the run has written checkpoints, the last of them of step 6, which are gone; put the folder back",
        "start under another --name or remove runs/tiny",
    ];
    assert_refused(&place, &said);
    fs::create_dir_all(&checkpoints).unwrap();
    assert_refused(&place, &said);
    for unread in ["", "step_3\n", "?"] {
        place.write("runs/tiny/checkpoints/latest", unread);
        assert_refused(&place, &said);
    }
    fs::remove_file(place.path("runs/tiny/checkpoints/latest")).unwrap();
    // Runs of earlier versions tell by their rows.
    fs::remove_file(place.path("runs/tiny/manifest.json")).unwrap();
    for behind in ["", "\0\n"] {
        place.write("runs/tiny/metrics.jsonl", format!("{rows}{behind}"));
        assert_refused(&place, &["the run has written checkpoints, which are gone", said[1]]);
    }
    place.write("runs/tiny/metrics.jsonl", &rows);
    place.write("runs/tiny/checkpoints/latest", "step_000003\n");
    assert_refused(&place, &["latest names step_000003, which is gone"]);
    assert_eq!(place.read("runs/tiny/metrics.jsonl"), rows);
}

/// Earlier versions wrote no id and no manifest of the run.
#[test]
fn a_run_of_an_earlier_version_goes_on_and_is_sealed_from_then_on() {
    let place = set_back();
    fs::remove_file(place.path("runs/tiny/manifest.json")).unwrap();
    let take = |value: &mut Value| drop(value.as_object_mut().unwrap().remove("run"));
    for file in ["env.json", "checkpoints/step_000003/manifest.json", "checkpoints/step_000006/manifest.json"]
    {
        edit(&place, &format!("runs/tiny/{file}"), take);
    }
    assert_goes_on(
        &place,
        &["runs/tiny: no manifest.json, as in runs of earlier versions: what the run wrote is taken as"],
    );
    let id = place.json("runs/tiny/manifest.json")["run"].clone();
    assert_eq!(place.json("runs/tiny/checkpoints/step_000006/manifest.json")["run"], id);
    assert!(!resume(&place).err.contains("no manifest.json"));
}

#[test]
fn a_run_that_moves_to_another_machine_is_told_what_that_means() {
    let place = set_back();
    edit(&place, "runs/tiny/env.json", |env| {
        env["threads"] = 7.into();
        env["instructions"] = "avx2".into();
    });
    let ended = resume(&place);
    assert_eq!(ended.code, 0, "{}", ended.err);
    for said in
        ["the run goes on elsewhere than before (instructions ", "threads 1 now, 7 before", "to the last bit"]
    {
        assert!(ended.err.contains(said), "{}", ended.err);
    }
    let ended = resume(&place);
    assert!(!ended.err.contains("elsewhere"), "{}", ended.err);
    assert_eq!(place.json("runs/tiny/env.json")["earlier"][0]["threads"], 7);
}

/// The command line goes before the variable, and this before OpenMP's own; an empty one says nothing.
#[test]
fn a_person_says_how_many_threads_compute() {
    let place = Place::warmed();
    let started = |name: &str, args: &[&str], variable: &str| {
        let args = [&["train", "tiny.toml", "--name", name, "--set", "run.steps=1"], args].concat();
        let mut program = place.program(&args);
        program.env("OMP_NUM_THREADS", "1").env("RLCREDIT_THREADS", variable);
        finish(program.spawn().unwrap())
    };
    for (name, args, variable, expected) in
        [("a", &["--threads", "3"][..], "2", 3), ("b", &[], "2", 2), ("c", &[], "", 1)]
    {
        let ended = started(name, args, variable);
        assert_eq!(ended.code, 0, "{}", ended.err);
        assert_eq!(place.json(&format!("runs/{name}/env.json"))["threads"], expected);
    }
    for (args, variable, said) in [
        (&["--threads", "0"][..], "", "--threads: got \"0\", expected a number of threads"),
        (&[], "many", "RLCREDIT_THREADS: got \"many\", expected a number of threads"),
    ] {
        let ended = started("d", args, variable);
        assert!(ended.code == 2 && ended.err.contains(said), "{}", ended.err);
    }
}

/// What `train` says of a name, `check` says in the same words.
#[test]
fn check_and_train_agree_on_names() {
    let place = Place::warmed();
    let long = "x".repeat(300);
    for name in ["", ".", "..", "a/b", "../a", ".warm_starts", "a.", "con", "a:b", " a", &long] {
        let said = ["check", "train"].map(|verb| {
            let ended = place.run(&[verb, "tiny.toml", "--name", name]);
            assert_eq!(ended.code, 2, "{verb} {name:?}: {}", ended.err);
            ended.err
        });
        assert!(said[0].contains("[run] `name`: got ") && said[1].contains(said[0].trim()), "{said:?}");
    }
    place.write("file", "");
    fs::create_dir_all(place.path("runs/other/mine")).unwrap();
    for args in [&["--runs", "file"][..], &["--runs", "file/runs"], &["--name", "other"]] {
        let said = ["check", "train"].map(|verb| place.run(&[&[verb, "tiny.toml"], args].concat()));
        assert!(said.iter().all(|ended| ended.code == 2), "{said:?}");
        assert!(said[1].err.contains(said[0].err.trim()), "{said:?}");
    }
    // A run that is there may be meant to be continued.
    let said = ["check", "train"].map(|verb| FINISHED.run(&[verb, "tiny.toml"]));
    assert_eq!((said[0].code, said[1].code), (0, 2));
    let (_, words) = said[1].err.split_once("error: ").unwrap();
    assert!(said[0].out.contains(&format!("note: {}", words.trim())), "{said:?}");
}
