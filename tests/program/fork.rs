//! New runs from checkpoints of others.

use std::fs;

use serde_json::Value;

use super::place::{Ended, FINISHED, Place, RECIPE, assert_same_run, copy, without_times};

/// The finished run of [`RECIPE`] as the parent of forks.
fn place() -> Place {
    let place = Place::new();
    copy(&FINISHED.path("runs"), &place.path("runs"));
    place
}

fn fork(place: &Place, name: &str, more: &[&str]) -> Ended {
    place.run(&[&["train", "--from", "runs/tiny@3", "--name", name], more].concat())
}

/// The rows of a run by step.
fn rows(place: &Place, run: &str) -> Vec<Value> {
    without_times(place.read(&format!("runs/{run}/metrics.jsonl")).as_bytes())
}

#[test]
fn a_fork_that_changes_nothing_is_what_the_parent_became() {
    let place = place();
    let ended = fork(&place, "same", &[]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("forked from runs/tiny behind step 3"), "{}", ended.err);
    assert!(!ended.err.contains("begins anew"), "{}", ended.err);
    assert_eq!(rows(&place, "same"), rows(&place, "tiny")[3..]);
    for file in [
        "checkpoints/step_000006/model/model.safetensors",
        "checkpoints/step_000006/optimizer.safetensors",
        "rollouts/step_000004.jsonl",
        "eval/step_000006.json",
    ] {
        let read = |run: &str| fs::read(place.path(&format!("runs/{run}/{file}"))).unwrap();
        assert!(read("same") == read("tiny"), "{file}");
    }
    let begun = &place.lines("runs/same/history.jsonl")[0];
    assert_eq!((&begun["event"], &begun["step"]), (&"forked".into(), &3.into()));
    let parent = &place.json("runs/tiny/manifest.json")["run"];
    assert_eq!((&begun["parent"]["run"], &begun["parent"]["step"]), (parent, &3.into()));
    assert_ne!(&place.json("runs/same/manifest.json")["run"], parent);

    // It stands alone, also where it is cut short before its own first checkpoint.
    fs::rename(place.path("runs/tiny"), place.path("runs/gone")).unwrap();
    let ended = place.run(&["train", "runs/same", "--resume"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    copy(&place.path("runs/same"), &place.path("runs/again"));
    fs::remove_dir_all(place.path("runs/again/checkpoints/step_000006")).unwrap();
    fs::write(place.path("runs/again/checkpoints/latest"), "step_000003\n").unwrap();
    let ended = place.run(&["train", "runs/again", "--resume"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    for run in ["same", "again"] {
        fs::remove_file(place.path(&format!("runs/{run}/resolved.toml"))).unwrap();
    }
    assert_same_run(&place.path("runs/same"), &place.path("runs/again"));
}

#[test]
fn a_fork_says_what_it_changes_and_what_of_its_parent_no_longer_fits() {
    let place = place();
    let ended = fork(
        &place,
        "other",
        &["--set", "optim.lr=2e-3", "--set", "data.max_number=8", "--set", "loss.kl.coef=0.1"],
    );
    assert_eq!(ended.code, 0, "{}", ended.err);
    for part in [
        "optim.lr: 0.002 now, 0.001 in the run",
        "begins anew: the order of prompts, the weight of the KL penalty, the reference of the KL penalty, which is the policy of this step",
    ] {
        assert!(ended.err.contains(part), "{part}: {}", ended.err);
    }
    let rows = rows(&place, "other");
    assert_eq!(rows.len(), 3);
    assert!(rows[0]["policy/kl_ref"].as_f64().unwrap() < rows[2]["policy/kl_ref"].as_f64().unwrap());
    let changes = place.lines("runs/other/history.jsonl")[0]["changes"].clone();
    assert!(
        changes
            .as_array()
            .unwrap()
            .iter()
            .any(|change| change["key"] == "optim.lr" && change["now"] == "0.002")
    );
    // Forked again, it takes the reference along.
    let ended = place.run(&["train", "--from", "runs/other@best", "--name", "third"]);
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(ended.err.contains("[run] steps: got 6"), "{}", ended.err);
    let ended = place.run(&["train", "--from", "runs/other@3", "--name", "third"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(self::rows(&place, "third"), rows);
}

/// A critic that the parent had none of begins anew, and one that it had is left behind.
#[test]
fn a_fork_may_have_another_algorithm() {
    let place = place();
    let ppo = RECIPE.replace(
        "type = \"group\"\n[loss.policy]",
        "type = \"gae\"\n[critic]\noptim = { lr = 1e-3 }\n[loss.policy]",
    );
    place.write("ppo.toml", ppo);
    let ended = place.run(&["train", "ppo.toml", "--from", "runs/tiny@3", "--name", "ppo"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("begins anew: the critic"), "{}", ended.err);
    assert!(rows(&place, "ppo").iter().all(|row| row["loss/value"].as_f64().unwrap() > 0.0));
    let ended = place.run(&["train", "tiny.toml", "--from", "runs/ppo@3", "--name", "grpo"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(rows(&place, "grpo"), rows(&place, "tiny")[3..]);
}

/// From the checkpoint before it, by the responses that were kept in between.
#[test]
fn a_step_without_a_checkpoint_is_come_to_again() {
    let place = place();
    let ended = place.run(&["train", "--from", "runs/tiny@5", "--name", "late"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("forked from runs/tiny behind step 5"), "{}", ended.err);
    assert_eq!(rows(&place, "late"), rows(&place, "tiny")[5..]);
    let weights = |run: &str| {
        fs::read(place.path(&format!("runs/{run}/checkpoints/step_000006/model/model.safetensors"))).unwrap()
    };
    assert!(weights("late") == weights("tiny"));
    assert!(place.path("runs/late/checkpoints/step_000005/manifest.json").is_file());

    // Where attention was measured, heads change, and trees wait for their branches.
    let tree = "type = \"tree\"\nroots = 3\nbranches = 2\ncontinuations = 2\n[explore.rule]\ntype = \"attention\"\ndistance = 1\n\
                min_start = 0\nmin_gap = 0\n[sampling]";
    let rhythm = "[signals]\nhorizon = [2, 8]\n[[credit]]\ntype = \"rhythm\"\n[loss.kl]\ncoef = 0.1\n";
    let trees = RECIPE
        .replace("type = \"group\"\nsize = 4\n[sampling]", tree)
        .replace("[advantage]\ntype = \"group\"", "[advantage]\ntype = \"tree\"");
    for (name, recipe) in [
        ("rhythm", RECIPE.to_owned() + rhythm),
        (
            "refill",
            RECIPE.replace(
                "[loss.policy]",
                "[groups]\nzero_variance = \"refill\"\nrefill_rounds = 2\n[loss.policy]",
            ),
        ),
        ("trees", trees.clone() + "[pipeline]\ntype = \"one_step_off\"\n"),
        ("trees_on_policy", trees),
    ] {
        place.write(&format!("{name}.toml"), recipe);
        assert_eq!(place.run(&["train", &format!("{name}.toml"), "--name", name]).code, 0);
        let child = format!("{name}_late");
        let ended = place.run(&["train", "--from", &format!("runs/{name}@5"), "--name", &child]);
        assert_eq!(ended.code, 0, "{name}: {}", ended.err);
        assert_eq!(rows(&place, &child), rows(&place, name)[5..], "{name}");
    }

    // Other responses than those that it learned from do not lead there.
    // (One with an advantage: of others nothing is learned.)
    let path = "runs/tiny/rollouts/step_000004.jsonl";
    let lines = place.read(path);
    let learned = |line: &&str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["advantages"]
            .as_array()
            .is_some_and(|all| all.iter().any(|advantage| advantage.as_f64() != Some(0.0)))
    };
    let line = lines.lines().find(learned).expect("a response with an advantage");
    let other = line
        .replacen("\"tokens\":[", "\"tokens\":[9,", 1)
        .replacen("\"logprobs\":[", "\"logprobs\":[-1.0,", 1)
        .replacen("\"advantages\":[", "\"advantages\":[0.0,", 1);
    place.write(path, lines.replacen(line, &other, 1));
    let ended = place.run(&["train", "--from", "runs/tiny@5", "--name", "other"]);
    assert!(
        ended.code == 2 && ended.err.contains("take a step that has a checkpoint"),
        "{} {}",
        ended.code,
        ended.err
    );
}

/// What was changed later is not of the steps before it.
#[test]
fn a_fork_goes_on_as_its_parent_did_then() {
    let place = Place::after_step_3();
    let ended =
        place.run(&["train", "tiny.toml", "--resume", "--set", "optim.lr=2e-3", "--allow", "optim.lr"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    // Behind step 3 by what it went on by then, and before that by what it began with.
    assert_eq!(place.run(&["train", "--from", "runs/tiny@3", "--name", "changed"]).code, 0);
    assert_eq!(rows(&place, "changed"), rows(&place, "tiny")[3..]);
    assert_eq!(place.lines("runs/changed/history.jsonl")[0].get("changes"), None);
    let finished = without_times(&fs::read(FINISHED.path("runs/tiny/metrics.jsonl")).unwrap());
    assert_ne!(rows(&place, "tiny")[5], finished[5]);
    // A checkpoint of the time before the change, as the finished run of the old settings has it.
    copy(&FINISHED.path("runs/tiny"), &place.path("runs/old"));
    place.write(
        "runs/old/history.jsonl",
        "{\"event\":\"begun\",\"step\":0,\"at\":\"\",\"rlcredit\":\"\",\"command\":\"\"}\n{\"event\":\"resumed\",\"step\":6,\"at\":\"\",\
         \"rlcredit\":\"\",\"command\":\"\",\"changes\":[{\"key\":\"optim.lr\",\"before\":\"0.001\",\"now\":\"0.5\",\"effect\":\"learning\"}]}\n",
    );
    fs::remove_file(place.path("runs/old/manifest.json")).unwrap();
    place.write(
        "runs/old/resolved.toml",
        place.read("runs/old/resolved.toml").replace("lr = 0.001\n", "lr = 0.5\n"),
    );
    let ended = place.run(&["train", "--from", "runs/old@3", "--name", "before"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(rows(&place, "before"), finished[3..]);
    let ended = place.run(&["replay", "runs/old", "--step", "4"]);
    assert!(ended.code == 0 && ended.err.contains("to the last bit"), "{}", ended.err);
}

#[test]
fn what_cannot_be_forked_is_refused_and_leaves_nothing() {
    let place = place();
    fs::remove_file(place.path("runs/tiny/rollouts/step_000004.jsonl")).unwrap();
    for (args, code, part) in [
        (&["--from", "runs/tiny@4", "--name", "x"][..], 2, "the responses of step 4 would have to be kept"),
        (&["--from", "runs/none@3", "--name", "x"], 2, "runs/none"),
        (&["--from", "runs/tiny@3"], 2, "--name"),
        (&["--from", "runs/tiny@3", "--name", "tiny"], 2, "already holds a run"),
        (&["--from", "runs/tiny@6", "--name", "x"], 2, "set steps above that: --set run.steps=12"),
        (
            &["--from", "runs/tiny@3", "--name", "x", "--set", "model.scale_heads=\"0.0=0.5\""],
            2,
            "a fork goes on with the weights of",
        ),
    ] {
        let ended = place.run(&[&["train"], args].concat());
        assert!(ended.code == code && ended.err.contains(part), "{args:?}: {} {}", ended.code, ended.err);
        assert!(!place.path("runs/x/resolved.toml").exists(), "{args:?}");
    }
    // A fork that was killed before it had its parent's checkpoint does not begin from nothing.
    assert_eq!(fork(&place, "half", &[]).code, 0);
    fs::remove_dir_all(place.path("runs/half/checkpoints")).unwrap();
    fs::create_dir_all(place.path("runs/half/checkpoints")).unwrap();
    fs::remove_file(place.path("runs/half/metrics.jsonl")).unwrap();
    let manifest = place.read("runs/half/manifest.json");
    place.write("runs/half/manifest.json", manifest.replace("\"saved\": 6", "\"saved\": null"));
    let ended = place.run(&["train", "runs/half", "--resume"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(ended.err.contains(" train --from runs/tiny@3 --name half\n"), "{}", ended.err);
}
