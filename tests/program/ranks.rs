//! Several ranks train as one: the same responses, the same weights up to the order of sums, nothing lost when one of them is.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Child;

use safetensors::SafeTensors;
use serde_json::Value;

use super::place::{Ended, FINISHED, Place, RECIPE, assert_same_run, copy, finish, send, wait_until};

/// The program in `size` processes that know of each other, each with further arguments of its own.
fn start(place: &Place, size: usize, args: &[&str], own: impl Fn(usize) -> Vec<&'static str>) -> Vec<Child> {
    start_in(&vec![place; size], args, own)
}

/// As [`start`], each in a place of its own.
fn start_in(places: &[&Place], args: &[&str], own: impl Fn(usize) -> Vec<&'static str>) -> Vec<Child> {
    let size = places.len();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let child = |rank: usize| {
        let mut command = places[rank].program(&[args, &own(rank)].concat());
        command.env("RANK", rank.to_string()).env("WORLD_SIZE", size.to_string());
        command.env("MASTER_ADDR", "127.0.0.1").env("MASTER_PORT", &port).spawn().unwrap()
    };
    (0..size).map(child).collect()
}

fn run(place: &Place, size: usize, args: &[&str]) -> Vec<Ended> {
    start(place, size, args, |_| Vec::new()).into_iter().map(finish).collect()
}

#[track_caller]
fn all_well(ended: &[Ended]) {
    assert!(ended.iter().all(|ended| ended.code == 0), "{ended:?}");
    let silent = ended[1..].iter().all(|ended| ended.out.is_empty() && ended.err.is_empty());
    assert!(silent, "the first rank alone speaks: {ended:?}");
}

/// A place with the policy that [`RECIPE`] has learnt, and a recipe that goes on from it without SFT, `more` at its end.
fn learnt(more: &str) -> Place {
    let place = Place::new();
    copy(&FINISHED.path("runs/tiny/checkpoints/step_000006/model"), &place.path("policy"));
    let (before, rest) = RECIPE.split_once("[sft]").unwrap();
    let (_, behind) = rest.split_once("[data]").unwrap();
    let before = before.replace("scratch = \"countdown2m\"", "path = \"policy\"\ndtype = \"f32\"");
    place.write("tiny.toml", format!("{before}[data]{behind}{more}"));
    place
}

/// As [`learnt`], with trees of branches.
fn learnt_in_trees(more: &str) -> Place {
    let place = learnt(more);
    let tree = "type = \"tree\"\nroots = 2\nbranches = 1\ncontinuations = 1";
    place.write("tiny.toml", place.read("tiny.toml").replace("type = \"group\"\nsize = 4", tree));
    place
}

/// What two runs answered and learned, the second with other ranks.
#[track_caller]
fn assert_close(one: &Path, other: &Path, models: &[&str]) {
    for step in 1..=6 {
        let answers = |run: &Path| -> Vec<Value> {
            let text = fs::read_to_string(run.join(format!("rollouts/step_{step:06}.jsonl"))).unwrap();
            let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            rows.map(|row| serde_json::json!([row["prompt_id"], row["sample"], row["tokens"], row["reward"]]))
                .collect()
        };
        assert_eq!(answers(one), answers(other), "step {step}");
    }
    for model in models {
        let read = |run: &Path| {
            fs::read(run.join("checkpoints/step_000006").join(model).join("model.safetensors")).unwrap()
        };
        let (a, b) = (read(one), read(other));
        let (a, b) = (SafeTensors::deserialize(&a).unwrap(), SafeTensors::deserialize(&b).unwrap());
        let mut furthest = 0f32;
        for (name, a) in a.tensors() {
            let numbers =
                |bytes: &[u8]| bytes.as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)).collect::<Vec<_>>();
            let (a, b) = (numbers(a.data()), numbers(b.tensor(&name).unwrap().data()));
            furthest = a.iter().zip(&b).fold(furthest, |most, (a, b)| most.max((a - b).abs()));
        }
        // A tenth of the learning rate: where a gradient is next to nothing, Adam makes much of how it was rounded.
        assert!(furthest < 1e-4, "{model}: {furthest:e}");
    }
}

/// Trains the recipe with `more` by one process and by several, and holds what comes of it against each other.
fn check(more: &str, sizes: &[(usize, &str)], models: &[&str]) {
    let place = learnt(more);
    let alone = place.run(&["train", "tiny.toml", "--name", "alone"]);
    assert_eq!(alone.code, 0, "{}", alone.err);
    for (size, shard) in sizes {
        let (name, set) = (format!("by_{size}_{shard}"), format!("parallel.shard=\"{shard}\""));
        all_well(&run(&place, *size, &["train", "tiny.toml", "--name", &name, "--set", &set]));
        assert_close(&place.path("runs/alone"), &place.path(&format!("runs/{name}")), models);
    }
}

#[test]
fn ranks_learn_what_one_process_learns_whatever_they_share() {
    let credit = "[signals]\nhorizon = [2, 8]\n[[credit]]\ntype = \"rhythm\"\n";
    check(credit, &[(2, "none"), (2, "optimizer"), (3, "gradients")], &["model"]);
}

#[test]
fn ranks_learn_with_a_critic_and_a_reference() {
    let ppo = "[critic.optim]\nlr = 1e-3\n[loss.kl]\ncoef = 0.1\nestimator = \"k3\"\n";
    let place = learnt(ppo);
    let recipe =
        place.read("tiny.toml").replace("[advantage]\ntype = \"group\"", "[advantage]\ntype = \"gae\"");
    place.write("tiny.toml", recipe);
    let alone = place.run(&["train", "tiny.toml", "--name", "alone"]);
    assert_eq!(alone.code, 0, "{}", alone.err);
    all_well(&run(&place, 2, &["train", "tiny.toml", "--name", "both"]));
    assert_close(&place.path("runs/alone"), &place.path("runs/both"), &["model", "critic"]);
}

#[test]
fn ranks_grow_trees_one_step_off_and_gather_beside_learning() {
    for more in [
        "[pipeline]\ntype = \"one_step_off\"\n[sampler]\ntype = \"adaptive\"\ntarget = 12\nmost = 6\n",
        "[pipeline]\ntype = \"overlapped\"\n",
    ] {
        let place = match more.contains("one_step_off") {
            true => learnt_in_trees(more),
            false => learnt(more),
        };
        let alone = place.run(&["train", "tiny.toml", "--name", "alone"]);
        assert_eq!(alone.code, 0, "{}", alone.err);
        all_well(&run(&place, 2, &["train", "tiny.toml", "--name", "both"]));
        assert_close(&place.path("runs/alone"), &place.path("runs/both"), &["model"]);
    }
}

/// Who answers which prompt must not depend on what was answered before the run was left: who computes together rounds together.
#[test]
fn ranks_go_on_bit_for_bit_one_step_off() {
    let place = learnt_in_trees("[pipeline]\ntype = \"one_step_off\"\n");
    all_well(&run(&place, 3, &["train", "tiny.toml"]));
    all_well(&run(&place, 3, &["train", "tiny.toml", "--name", "again"]));
    let again = place.path("runs/again");
    fs::remove_dir_all(again.join("checkpoints/step_000006")).unwrap();
    place.write("runs/again/checkpoints/latest", "step_000003\n");
    all_well(&run(&place, 3, &["train", "runs/again", "--resume"]));
    let name = |text: String| text.replace("\"again\"", "\"tiny\"");
    place.write("runs/again/resolved.toml", name(place.read("runs/again/resolved.toml")));
    assert_same_run(&place.path("runs/tiny"), &again);
}

/// Machines may have files of their own.
#[test]
fn ranks_that_have_loaded_other_weights_do_not_begin() {
    let (place, other) = (learnt(""), learnt(""));
    let mut weights = fs::read(other.path("policy/model.safetensors")).unwrap();
    let last = weights.len() - 2;
    weights[last] ^= 1;
    fs::write(other.path("policy/model.safetensors"), weights).unwrap();
    let runs = place.path("runs");
    let args = ["train", "tiny.toml", "--runs", runs.to_str().unwrap()];
    let ended: Vec<Ended> =
        start_in(&[&place, &other], &args, |_| Vec::new()).into_iter().map(finish).collect();
    for ended in &ended {
        assert_eq!(ended.code, 2, "{}", ended.err);
        let expected = "rank 1 has loaded other weights than rank 0";
        assert!(ended.err.contains(expected), "{}", ended.err);
    }
}

/// With SFT, which ranks make together too.
#[test]
fn a_rank_that_is_killed_costs_no_checkpoint_and_is_called_by_its_number() {
    let place = Place::new();
    all_well(&run(&place, 2, &["train", "tiny.toml", "--name", "whole"]));
    let mut ranks = start(&place, 2, &["train", "tiny.toml"], |_| Vec::new());
    let saved = place.path("runs/tiny/checkpoints/step_000003");
    wait_until("a checkpoint is there", || saved.exists());
    send(&ranks[1], "KILL");
    let _ = ranks[1].wait();
    let first = finish(ranks.remove(0));
    assert_eq!(first.code, 5, "{}", first.err);
    assert!(first.err.contains(": rank 1 was lost ("), "{}", first.err);
    assert!(first.err.contains("step_000003; start all ranks again, with --resume"), "{}", first.err);
    all_well(&run(&place, 2, &["train", "tiny.toml", "--resume"]));
    let resolved = place.read("runs/tiny/resolved.toml");
    place.write("runs/tiny/resolved.toml", resolved.replace("\"tiny\"", "\"whole\""));
    assert_same_run(&place.path("runs/whole"), &place.path("runs/tiny"));
}

#[test]
fn other_numbers_of_ranks_go_on_from_what_is_saved() {
    let place = Place::after_step_3();
    let end = "run.steps=6";
    all_well(&run(&place, 2, &["train", "tiny.toml", "--resume", "--set", end]));
    let last = place.path("runs/tiny/checkpoints/step_000006");
    assert!(last.join("optimizer-00001-of-00002.safetensors").exists());
    // What three ranks cut anew is what two have saved, and what one joins is what three have.
    fs::remove_dir_all(&last).unwrap();
    place.write("runs/tiny/checkpoints/latest", "step_000003\n");
    all_well(&run(&place, 3, &["train", "tiny.toml", "--resume"]));
    let again = place.run(&["train", "tiny.toml", "--resume"]);
    assert_eq!(again.code, 0, "{}", again.err);
    assert!(again.err.contains("6 steps done, the last one; --set run.steps=N"), "{}", again.err);
    assert!(again.err.contains("saved by 3 ranks, continued by 1 rank: "), "{}", again.err);
}

#[test]
fn ranks_that_are_about_to_make_different_runs_do_not_begin() {
    let place = learnt("");
    let lr = |rank: usize| if rank == 1 { vec!["--set", "optim.lr=2e-3"] } else { Vec::new() };
    let ended: Vec<Ended> = start(&place, 2, &["train", "tiny.toml"], lr).into_iter().map(finish).collect();
    for ended in &ended {
        assert_eq!(ended.code, 2, "{}", ended.err);
        assert!(
            ended.err.contains("the processes are not of one mind about the recipe: rank 0 has"),
            "{}",
            ended.err
        );
    }
    assert!(!place.path("runs/tiny").exists());
}

#[test]
fn a_stop_is_a_stop_of_all() {
    let place = learnt("");
    let ranks = start(&place, 2, &["train", "tiny.toml", "--set", "run.steps=500"], |_| Vec::new());
    let rows = place.path("runs/tiny/metrics.jsonl");
    wait_until("a step is done", || fs::read_to_string(&rows).is_ok_and(|text| text.lines().count() > 1));
    send(&ranks[1], "TERM");
    let ended: Vec<Ended> = ranks.into_iter().map(finish).collect();
    assert!(ended.iter().all(|ended| ended.code == 143), "{ended:?}");
    assert!(ended[0].err.contains("SIGTERM: stopped after step"), "{}", ended[0].err);
    let newest = place.read("runs/tiny/checkpoints/latest");
    assert!(place.path("runs/tiny/checkpoints").join(newest.trim()).join("manifest.json").is_file());
}

/// From a checkpoint, and from a step without one; the best checkpoint is the same for all.
#[test]
fn ranks_fork_together() {
    let more = "[critic.optim]\nlr = 1e-3\n[loss.kl]\ncoef = 0.1\nestimator = \"k3\"\n[parallel]\nshard = \"gradients\"\n";
    let place = learnt(more);
    let recipe =
        place.read("tiny.toml").replace("[advantage]\ntype = \"group\"", "[advantage]\ntype = \"gae\"");
    place.write("tiny.toml", recipe.replace("keep = 0", "keep = 0\nbest = \"eval/heldout/avg@2\""));
    all_well(&run(&place, 2, &["train", "tiny.toml"]));
    let rows =
        |run: &str| super::place::without_times(place.read(&format!("runs/{run}/metrics.jsonl")).as_bytes());
    let bytes =
        |run: &str, file: &str| fs::read(place.path(&format!("runs/{run}/checkpoints/{file}"))).unwrap();
    for step in [3, 5] {
        let (from, name) = (format!("runs/tiny@{step}"), format!("from_{step}"));
        all_well(&run(&place, 2, &["train", "--from", &from, "--name", &name]));
        assert_eq!(rows(&name), rows("tiny")[step..], "step {step}");
        for model in ["model", "critic"] {
            let file = format!("step_000006/{model}/model.safetensors");
            assert!(bytes(&name, &file) == bytes("tiny", &file), "step {step}, {model}");
        }
        let best = String::from_utf8(bytes(&name, "best")).unwrap();
        assert!(
            place.path(&format!("runs/{name}/checkpoints/{}/manifest.json", best.trim())).is_file(),
            "{best}"
        );
        assert_eq!(place.lines(&format!("runs/{name}/history.jsonl")).len(), 1);
    }
}
