//! What may change of a run as it goes on, and what the run remembers of it.

use super::place::{FINISHED, Place, RECIPE, assert_same_run};

/// What people did to the run `tiny`: each event and its step.
fn events(place: &Place) -> Vec<(String, u64)> {
    let told = place.lines("runs/tiny/history.jsonl");
    told.iter()
        .map(|line| (line["event"].as_str().unwrap().to_owned(), line["step"].as_u64().unwrap()))
        .collect()
}

fn resume(place: &Place, more: &[&str]) -> super::place::Ended {
    place.run(&[&["train", "tiny.toml", "--resume"], more].concat())
}

#[test]
fn a_run_is_never_shortened_or_changed_because_a_set_is_forgotten() {
    let place = Place::warmed();
    place.write("tiny.toml", RECIPE.replace("schedule = \"cosine\"\n", ""));
    let given = ["train", "tiny.toml", "--set", "run.steps=2", "--set", "checkpoint.every=1"];
    assert_eq!(place.run(&given).code, 0);
    let resolved = place.read("runs/tiny/resolved.toml");
    let ended = resume(&place, &[]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    for part in [
        "runs/tiny: what the run was given by --set would be lost:\n",
        "  checkpoint.every: 3 now, 1 in the run\n",
        "  run.steps: 6 now, 2 in the run\n",
        "go on by the run's own recipe: /",
        "/rlcredit train runs/tiny --resume; or say with --set",
    ] {
        assert!(ended.err.contains(part), "{part}: {}", ended.err);
    }
    assert_eq!(place.read("runs/tiny/resolved.toml"), resolved);
    // Said anew it may be something else, and so may what the recipe itself says.
    place.write("tiny.toml", place.read("tiny.toml").replace("keep = 0", "keep = 9"));
    let ended = resume(&place, &["--set", "run.steps=3", "--set", "checkpoint.every=1"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(events(&place), [("begun".to_owned(), 0), ("resumed".to_owned(), 2)]);
    let last = place.lines("runs/tiny/history.jsonl").pop().unwrap();
    let keys: Vec<&str> =
        last["changes"].as_array().unwrap().iter().map(|c| c["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["checkpoint.keep", "run.steps"]);
    assert!(last["changes"].as_array().unwrap().iter().all(|change| change["effect"] == "nothing"));
}

#[test]
fn what_shapes_learning_changes_where_it_is_allowed_and_the_run_remembers() {
    let place = Place::after_step_3();
    let ended = resume(&place, &["--set", "optim.lr=2e-3", "--set", "loss.entropy_bonus=0.01"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    for part in [
        "the recipe differs from that of the run in what shapes it:\n  loss.entropy_bonus: 0.01 now, 0.0 in the run\n  optim.lr: 0.002 now, 0.001 in the run\n",
        "(--allow loss.entropy_bonus --allow optim.lr)",
        "fork the run (/",
        "/rlcredit train --from runs/tiny --name NEW --set KEY=VALUE)",
    ] {
        assert!(ended.err.contains(part), "{part}: {}", ended.err);
    }
    let ended = resume(
        &place,
        &[
            "--set",
            "optim.lr=2e-3",
            "--set",
            "loss.entropy_bonus=0.01",
            "--allow",
            "loss",
            "--allow",
            "optim.lr",
        ],
    );
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("optim.lr: 0.002 now, 0.001 in the run"), "{}", ended.err);
    let last = place.lines("runs/tiny/history.jsonl").pop().unwrap();
    assert_eq!((&last["event"], &last["step"]), (&"resumed".into(), &3.into()));
    let change = &last["changes"][1];
    assert_eq!(
        (&change["key"], &change["before"], &change["now"], &change["effect"]),
        (&"optim.lr".into(), &"0.001".into(), &"0.002".into(), &"learning".into())
    );
    let rates = |place: &Place| -> Vec<f64> {
        place.lines("runs/tiny/metrics.jsonl").iter().map(|row| row["optim/lr"].as_f64().unwrap()).collect()
    };
    let (own, before) = (rates(&place), rates(&FINISHED));
    assert_eq!(own[..3], before[..3]);
    assert!((own[4] / before[4] - 2.0).abs() < 1e-9);
    // What has changed is the run's own from then on.
    assert!(place.read("runs/tiny/resolved.toml").contains("lr = 0.002"));
    assert_eq!(place.run(&["train", "runs/tiny", "--resume"]).code, 0);
}

/// What the state keeps of the old settings makes way.
#[test]
fn a_change_that_is_allowed_takes_effect() {
    let place = Place::warmed();
    place.write("tiny.toml", RECIPE.to_owned() + "[loss.kl]\ncoef = 0.1\n[signals]\nhorizon = [2, 8]\nregroup_every = 0\n[[credit]]\ntype = \"rhythm\"\n");
    let given = ["train", "tiny.toml", "--set", "checkpoint.every=1"];
    let child =
        place.start_until(&given, || place.path("runs/tiny/checkpoints/step_000002/manifest.json").is_file());
    super::place::send(&child, "KILL");
    super::place::finish(child);
    let args = [
        "--set",
        "checkpoint.every=1",
        "--set",
        "loss.kl.coef=0.5",
        "--set",
        "signals.head_fraction=0.5",
        "--allow",
        "loss.kl",
        "--allow",
        "signals",
    ];
    let ended = resume(&place, &args);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("begins anew: the weight of the KL penalty"), "{}", ended.err);
    assert!(ended.err.contains("begins anew: the groups of heads"), "{}", ended.err);
    let coef = |row: &serde_json::Value| row["policy/kl_coef"].as_f64().unwrap();
    let rows = place.lines("runs/tiny/metrics.jsonl");
    assert_eq!((coef(&rows[0]), coef(rows.last().unwrap())), (0.1, 0.5));
}

/// An evaluation by another measure is not held against the best of before.
#[test]
fn another_measure_of_the_best_begins_anew() {
    let place = Place::warmed();
    let set = [
        "--set",
        "checkpoint.best=eval/heldout/pass@2",
        "--set",
        "run.steps=3",
        "--set",
        "eval.every=1",
        "--set",
        "optim.schedule=constant",
    ];
    assert_eq!(place.run(&[&["train", "tiny.toml"][..], &set].concat()).code, 0);
    let more = [
        "train",
        "runs/tiny",
        "--resume",
        "--set",
        "checkpoint.best=eval/heldout/greedy",
        "--set",
        "run.steps=4",
        "--set",
        "eval.samples=3",
    ];
    let ended = place.run(&more);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("begins anew: what is the best evaluation"), "{}", ended.err);
    assert_eq!(place.read("runs/tiny/checkpoints/best"), "step_000004\n");
    assert!(ended.out.contains("(avg@2)"), "{}", ended.out);
    assert_eq!(place.run(&["compare", "--of", "runs/tiny"]).code, 0);
}

#[test]
fn what_changes_speed_or_measuring_alone_may_change_and_what_the_run_began_with_may_not() {
    let place = Place::after_step_3();
    let ended = resume(&place, &["--set", "eval.samples=3", "--set", "batch.max_tokens=600"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let last = place.lines("runs/tiny/history.jsonl").pop().unwrap();
    let effects: Vec<_> =
        last["changes"].as_array().unwrap().iter().map(|change| &change["effect"]).collect();
    assert_eq!(effects, ["speed_or_measuring", "speed_or_measuring"]);
    assert_eq!(place.json("runs/tiny/eval/step_000006.json")["heldout"]["k"], 3);

    let place = Place::after_step_3();
    for (set, key) in [
        ("run.seed=1", "run.seed: 1 now, 0 in the run (the run began with it)"),
        ("data.max_number=8", "data.max_number: 8 now, 9 in the run (the run began with it)"),
        ("loss.kl.coef=0.1", "loss.kl.coef: 0.1 now, absent in the run (the run began with it)"),
        (
            "sampler={type=\"adaptive\", target=8, most=8}",
            "sampler.type: \"adaptive\" now, \"uniform\" in the run (the run began with it)",
        ),
    ] {
        let section = set.split(['.', '=']).next().unwrap();
        let ended = resume(&place, &["--set", set, "--allow", section]);
        assert_eq!(ended.code, 3, "{set}: {}", ended.err);
        assert!(ended.err.contains(key) && ended.err.contains("fork the run"), "{set}: {}", ended.err);
        assert!(!ended.err.contains("(--allow"), "{set}: {}", ended.err);
    }
    assert_eq!(place.run(&["train", "runs/tiny", "--resume"]).code, 0);
    assert_same_run(&FINISHED.path("runs/tiny"), &place.path("runs/tiny"));
}

#[test]
fn weights_that_a_run_began_with_are_known_again() {
    let place = Place::new();
    super::place::copy(&FINISHED.path("runs/tiny/checkpoints/step_000006/model"), &place.path("model"));
    let recipe =
        RECIPE.split("[sft]").next().unwrap().replace("scratch = \"countdown2m\"", "path = \"model\"");
    let rest = &RECIPE[RECIPE.find("[data]").unwrap()..];
    place.write("tiny.toml", recipe + rest);
    // Killed before its first checkpoint, it begins again: from the same weights or not at all.
    let child = place.start_until(&["train", "tiny.toml"], || {
        place.path("runs/tiny/rollouts/step_000001.jsonl").is_file()
    });
    super::place::send(&child, "KILL");
    super::place::finish(child);
    let weights = place.path("model/model.safetensors");
    let whole = std::fs::read(&weights).unwrap();
    let mut other = whole.clone();
    *other.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, &other).unwrap();
    let ended = place.run(&["train", "runs/tiny", "--resume"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(ended.err.contains("  model/model.safetensors: SHA-256 "), "{}", ended.err);
    std::fs::write(&weights, &whole).unwrap();
    let ended =
        place.run(&["train", "runs/tiny", "--resume", "--set", "run.steps=3", "--allow", "run.steps"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    // Behind a checkpoint nothing is read of them.
    std::fs::write(&weights, &other).unwrap();
    let ended = place.run(&["train", "runs/tiny", "--resume"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("the weights that the run began with have changed"), "{}", ended.err);
}

/// Updates that change nothing find nothing better.
#[test]
fn a_run_that_gets_no_better_ends_early_and_keeps_its_best() {
    let place = Place::warmed();
    let set = |text: &'static str| ["--set", text];
    let args = [
        &["train", "tiny.toml"][..],
        &set("optim.lr=1e-30"),
        &set("optim.schedule=constant"),
        &set("run.steps=9"),
        &set("checkpoint.best=eval/heldout/avg@2"),
        &set("checkpoint.keep=1"),
        &set("checkpoint.every=0"),
        &set("eval.every=1"),
        &set("eval.patience=2"),
    ]
    .concat();
    let ended = place.run(&args);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let said = "stopping early: eval/heldout/avg@2 has not risen above ";
    assert!(ended.err.contains(said) && ended.err.contains("(step 1) in 2 evaluations"), "{}", ended.err);
    assert!(
        ended.out.contains("tiny: ended early, behind step 3 of 9") && ended.out.contains("after 3 steps"),
        "{}",
        ended.out
    );
    assert_eq!(place.lines("runs/tiny/metrics.jsonl").len(), 3);
    assert_eq!(events(&place).pop().unwrap(), ("stopped_early".to_owned(), 3));
    let named = |file: &str| place.read(&format!("runs/tiny/checkpoints/{file}")).trim().to_owned();
    assert_eq!((named("best"), named("latest")), ("step_000001".to_owned(), "step_000003".to_owned()));
    assert!(
        place.path("runs/tiny/checkpoints/step_000001/manifest.json").is_file(),
        "the best is kept beside the newest"
    );
    // It is over, until there is more patience.
    let ended = place.run(&["train", "runs/tiny", "--resume"]);
    assert!(ended.code == 0 && ended.out.contains("ended early, behind step 3 of 9"), "{}", ended.out);
    let ended = place.run(&["train", "runs/tiny", "--resume", "--set", "eval.patience=4"]);
    assert!(
        ended.code == 0 && ended.out.contains("ended early, behind step 5 of 9"),
        "{}{}",
        ended.out,
        ended.err
    );
}

#[test]
fn evaluations_come_when_they_are_asked_for_and_not_otherwise() {
    let place = Place::warmed();
    let evals = |args: &[&str]| {
        let ended = place.run(&[&["train", "tiny.toml", "--set", "run.steps=2"], args].concat());
        assert_eq!(ended.code, 0, "{}", ended.err);
        let name = args.last().unwrap();
        let mut found: Vec<String> = std::fs::read_dir(place.path(&format!("runs/{name}/eval")))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name.ends_with(".json"))
            .collect();
        found.sort();
        found
    };
    assert_eq!(evals(&["--set", "eval.every=0", "--name", "none"]), Vec::<String>::new());
    assert_eq!(evals(&["--set", "eval.before=false", "--name", "after"]), ["step_000002.json"]);
    assert_eq!(evals(&["--name", "all"]), ["before_sft.json", "step_000000.json", "step_000002.json"]);
    for (sets, problem) in [
        (&["checkpoint.best=eval/other/avg@2"][..], "[checkpoint] `best`"),
        (&["checkpoint.best=eval/heldout/avg@9"], "[checkpoint] `best`"),
        (&["checkpoint.best=reward/mean"], "[checkpoint] `best`"),
        (&["checkpoint.best=eval/heldout/avg@2", "eval.every=0"], "[checkpoint] `best`"),
        (&["eval.patience=2"], "[eval] `patience`"),
    ] {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        let ended = place.run(&[&["train", "tiny.toml", "--name", "wrong"], &sets[..]].concat());
        assert!(ended.code == 2 && ended.err.contains(problem), "{sets:?}: {}", ended.err);
    }
}
