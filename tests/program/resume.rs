//! Stop anywhere and continue = never stopped, bit for bit.

use std::fs;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::place::{
    FILES, FINISHED, Place, RECIPE, assert_same_run, copy, finish, problems, send, wait_until,
};

/// A moment that no earlier test run has tried.
fn random_ms(most: u64) -> u64 {
    u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos()) / 1000 % most
}

#[test]
fn three_steps_resume_and_three_more_are_six() {
    let place = Place::after_step_3();
    let rows = place.lines("runs/tiny/metrics.jsonl");
    assert!(
        rows.iter().filter(|row| row["optim/param_delta"].as_f64().unwrap() > 0.0).count() >= 4,
        "learns nothing"
    );
    let ended = place.run(&["train", "tiny.toml", "--resume"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("continuing after step 3 of 6"), "{}", ended.err);
    assert!(!ended.err.contains("no group had a signal"), "{}", ended.err);
    assert!(!ended.out.contains("step 3/6") && ended.out.contains("step 4/6"), "{}", ended.out);
    assert_same_run(&FINISHED.path("runs/tiny"), &place.path("runs/tiny"));
}

/// The folder knows its own recipe, overrides included, and under which name it lies where.
#[test]
fn a_run_continues_from_its_folder_alone() {
    let place = Place::after_step_3();
    let train = |args: &[&str]| place.run(&[&["train"], args].concat());
    let ended = train(&["runs/tiny"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("runs/tiny: a folder") && ended.err.contains("--resume"), "{}", ended.err);
    for other in [["--name", "b"], ["--runs", "b"]] {
        let ended = train(&[&["runs/tiny", "--resume"], other.as_slice()].concat());
        assert!(ended.code == 2 && ended.err.contains("leave out --name and --runs"), "{}", ended.err);
    }
    fs::rename(place.path("runs/tiny"), place.path("runs/moved here")).unwrap();
    fs::remove_file(place.path("tiny.toml")).unwrap();
    let ended = train(&["runs/moved here/", "--resume"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("continuing after step 3 of 6"), "{}", ended.err);
    assert_eq!(place.read("runs/moved here/recipe.toml"), RECIPE);
    let resolved = place.read("runs/moved here/resolved.toml");
    place.write("runs/moved here/resolved.toml", resolved.replace("\"moved here\"", "\"tiny\""));
    assert_same_run(&FINISHED.path("runs/tiny"), &place.path("runs/moved here"));
}

/// The same with a reference, its KL penalty, and a single update per step, which measures for itself.
#[test]
fn a_run_with_a_reference_resumes_too() {
    let recipe = RECIPE.replace("minibatches = 2", "minibatches = 1");
    let place = killed_after_step_2_and_resumed(recipe + "[loss.kl]\ncoef = 0.1\nestimator = \"k3\"\n");
    let last = place.lines("runs/whole/metrics.jsonl").pop().unwrap();
    assert!(
        last["policy/kl_ref"].as_f64().unwrap() > 0.0 && last["loss/kl"].as_f64().unwrap() > 0.0,
        "{last}"
    );
}

/// The groups of heads of step 1 hold until step 5, beyond the checkpoint.
#[test]
fn a_run_with_rhythm_credit_resumes_with_its_groups_of_heads() {
    let credit = "[signals]\nhorizon = [2, 8]\nregroup_every = 5\n[[credit]]\ntype = \"rhythm\"\n";
    let place = killed_after_step_2_and_resumed(RECIPE.to_owned() + credit);
    let rows = place.lines("runs/whole/metrics.jsonl");
    assert!(rows.iter().all(|row| row["credit/boosted_frac"].as_f64().unwrap() > 0.0));
    let state = |step: u64| place.json(&format!("runs/whole/checkpoints/step_{step:06}/state.json"));
    assert_eq!(state(2)["head_groups"], state(4)["head_groups"]);
}

/// By libtorch's operations, whose attention is read on the way and whose groups of heads are carried over.
#[test]
fn a_run_by_operations_resumes_too() {
    let credit = "[signals]\nhorizon = [2, 8]\nregroup_every = 5\n[[credit]]\ntype = \"rhythm\"\n";
    let by_ops = RECIPE.replace("scratch = \"countdown2m\"", "scratch = \"countdown2m\"\nbackend = \"ops\"");
    let place = killed_after_step_2_and_resumed(by_ops + credit);
    assert_eq!(place.json("runs/whole/env.json")["backend"], "ops");
}

/// Critic and its optimiser, the adapted weight of the penalty, and everything else that PPO brings along.
#[test]
fn a_run_with_a_critic_resumes_too() {
    let recipe = RECIPE.replace("type = \"group\"\n[loss.policy]\ntype = \"clip\"", "type = \"gae\"\nlambda = 0.9\n[critic]\n\
         optim = { lr = 1e-3 }\nwarmup_steps = 1\n[importance_sampling]\n[overlong]\ntype = \"penalty\"\nbuffer = 8\n\
         [loss]\nentropy_bonus = 0.01\n[loss.policy]\ntype = \"clip\"\ndual_clip = 3.0\n[loss.kl]\ncoef = 0.1\nestimator = \"k1\"\n\
         place = \"reward\"\nadaptive = { target = 0.01, horizon = 100 }");
    let place =
        killed_after_step_2_and_resumed(recipe.replace("minibatches = 2", "minibatches = 2\nepochs = 2"));
    let rows = place.lines("runs/whole/metrics.jsonl");
    let of = |row: usize, key: &str| rows[row][key].as_f64();
    // The policy waits one step for the critic.
    assert_eq!((of(0, "optim/param_delta"), of(0, "loss/policy")), (None, None), "{}", rows[0]);
    assert_eq!(rows.len(), 6);
    for row in 0..rows.len() {
        assert!(of(row, "loss/value").unwrap() > 0.0 && of(row, "optim/critic_grad_norm").unwrap() > 0.0);
        // The learning rate ends at 0.
        assert!(row == 0 || row == 5 || of(row, "optim/param_delta").unwrap() > 0.0);
        assert!((of(row, "mismatch/importance_mean").unwrap() - 1.0).abs() < 0.01, "row {row}");
        assert!(of(row, "reward/overlong/mean").unwrap() <= 0.0);
    }
    // A new critic expects nothing, which explains nothing.
    assert_eq!(of(0, "value/explained_variance"), Some(0.0));
    assert!(of(5, "value/explained_variance").is_some_and(|share| share != 0.0));
    assert!(of(5, "eval/heldout/explained_variance").is_some());
    // From divergence 0 on the weight falls by a fifth of 16 in 100 a step.
    assert_eq!(of(0, "policy/kl_coef"), Some(0.1));
    assert!((of(1, "policy/kl_coef").unwrap() - 0.1 * (1.0 - 0.2 * 0.16)).abs() < 1e-9, "{}", rows[1]);
    let line = &place.lines("runs/whole/rollouts/step_000003.jsonl")[0];
    let n = line["tokens"].as_array().unwrap().len();
    assert_eq!([line["values"].as_array().unwrap().len(), line["returns"].as_array().unwrap().len()], [n, n]);
    let config = place.json("runs/whole/checkpoints/step_000006/critic/config.json");
    assert_eq!(config["architectures"][0], "Qwen3ForTokenClassification");
}

/// Continuations are asked for behind the responses, controls draw lots of their own, and end within the run.
#[test]
fn a_run_of_segment_values_under_controls_resumes_too() {
    let segment = "type = \"segment\"\nmask_above = 0.95\nmask_counts = \"kept\"\n[values]\ncuts = 3\ncontinuations = 3\n\
                   rule = { type = \"low_prob\", below = 0.9, interval = 2 }\n[[credit]]\ntype = \"entropy\"\nshuffle = true\n\
                   sum = \"keep\"\nuntil = 0.7\n[loss.policy]";
    let place = killed_after_step_2_and_resumed(RECIPE.replace("type = \"group\"\n[loss.policy]", segment));
    let rows = place.lines("runs/whole/metrics.jsonl");
    let of = |row: usize, key: &str| rows[row][key].as_f64().unwrap();
    for row in 0..6 {
        assert!(of(row, "values/prefixes") > 8.0 && of(row, "values/tokens_frac") > 0.3, "row {row}");
        // The control is over behind the fourth of six steps.
        assert_eq!(of(row, "credit/boosted_frac") > 0.0, row < 4, "row {row}");
        assert!((of(row, "credit/gain_mean") - 1.0).abs() < 1e-6, "row {row}");
    }
    // Who continues is not trained on.
    let continues = |line: &&Value| !line["parent"].is_null();
    let lines = place.lines("runs/whole/rollouts/step_000003.jsonl");
    assert!(lines.iter().filter(continues).count() > 8);
    assert!(
        lines.iter().filter(continues).all(|line| line["trained"] == Value::Bool(false)),
        "{}",
        lines[20]
    );
}

/// Prompts that gave no signal are replaced by further rounds, which move the sampler on.
#[test]
fn a_run_that_refills_resumes_too() {
    let advantage =
        "type = \"group\"\n[groups]\nzero_variance = \"refill\"\nrefill_rounds = 2\n[loss.policy]";
    let place = killed_after_step_2_and_resumed(RECIPE.replace("type = \"group\"\n[loss.policy]", advantage));
    let rows = place.lines("runs/whole/metrics.jsonl");
    let sum = |key: &str| rows.iter().map(|row| row[key].as_f64().unwrap()).sum::<f64>();
    assert!(sum("group/refill_rounds") >= 1.0, "every group had a signal at once");
    assert!(sum("group/discarded") >= 1.0);
    let last = rows.last().unwrap();
    assert_eq!(last["progress/prompts"].as_f64().unwrap(), 24.0 + sum("group/discarded"));
    assert_eq!(last["progress/samples"].as_f64().unwrap(), 4.0 * (24.0 + sum("group/discarded")));
}

/// Roots that wait for their branches, the running mean of influence, and paths that hold tokens of two policies.
#[test]
fn runs_on_trees_resume_under_every_schedule() {
    let tree = "type = \"tree\"\nroots = 3\nbranches = 2\ncontinuations = 2\n[explore.rule]\ntype = \"attention\"\ndistance = 1\n\
                min_start = 0\nmin_gap = 0\n[explore.expand]\ntype = \"difficulty\"\n[sampling]";
    let recipe = RECIPE
        .replace("type = \"group\"\nsize = 4\n[sampling]", tree)
        .replace("[advantage]\ntype = \"group\"", "[advantage]\ntype = \"tree\"");
    for schedule in ["on_policy", "one_step_off", "overlapped"] {
        // A tree that grows twice takes a call more, which one call a step has no room for.
        let rounds = if schedule == "overlapped" { 2 } else { 1 };
        let recipe =
            recipe.replace("continuations = 2\n", &format!("continuations = 2\nrounds = {rounds}\n"));
        // Entropies come from a pass of the learner's, which moves no ratio.
        let more = "[sampler]\ntype = \"adaptive\"\ntarget = 400\nmost = 8\n[[credit]]\ntype = \"entropy\"\n";
        let recipe = format!("{recipe}{more}[pipeline]\ntype = \"{schedule}\"\n");
        let place = killed_after_step_2_and_resumed(recipe);
        let ahead = place.path("runs/whole/checkpoints/step_000002/pending.json").is_file();
        assert_eq!(ahead, schedule != "on_policy");
        let rows = place.lines("runs/whole/metrics.jsonl");
        let prompts = |row: usize| rows[row]["progress/prompts"].as_f64().unwrap();
        assert!((2..6).any(|row| prompts(row) - prompts(row - 1) > 4.0), "more than the first 4");
        let age = if schedule == "on_policy" { 0.0 } else { 1.0 };
        assert!(rows.iter().skip(1).all(|row| row["off_policy/age_max"] == age), "{schedule}");
        assert!(rows.iter().all(|row| row["tree/leaves"].as_f64().unwrap() > 6.0), "{schedule}");
        let mut n_sampled = 0;
        for step in 1..=6 {
            let lines = place.lines(&format!("runs/whole/rollouts/step_{step:06}.jsonl"));
            assert_trees(&lines);
            let sampled = lines.iter().all(|line| line["old_logprobs"] == line["logprobs"]);
            assert_eq!(sampled, schedule == "one_step_off" && step > 1, "{schedule}, step {step}");
            let shared = |line: &Value| line["fork_at"].as_u64().unwrap_or(0);
            n_sampled +=
                lines.iter().map(|l| l["tokens"].as_array().unwrap().len() as u64 - shared(l)).sum::<u64>();
        }
        let discarded: f64 = rows.iter().map(|row| row["group/discarded"].as_f64().unwrap()).sum();
        let counted = rows[5]["progress/tokens_generated"].as_f64().unwrap() as u64;
        assert!(counted == n_sampled || (discarded > 0.0 && counted > n_sampled), "{counted}, {n_sampled}");
    }
}

/// Branches begin as the responses that they leave did, tokens and log-probabilities alike.
fn assert_trees(lines: &[Value]) {
    let mut n_forks = 0;
    for line in lines.iter().filter(|line| !line["parent"].is_null()) {
        let same =
            |other: &&Value| other["prompt_id"] == line["prompt_id"] && other["sample"] == line["parent"];
        let parent = lines.iter().find(same).unwrap();
        let at = line["fork_at"].as_u64().unwrap() as usize;
        assert!(at > 0 && at < parent["tokens"].as_array().unwrap().len());
        for key in ["tokens", "logprobs"] {
            let start = |line: &Value| line[key].as_array().unwrap()[..at].to_vec();
            assert_eq!(start(line), start(parent), "{key}");
        }
        n_forks += 1;
    }
    assert!(n_forks > 4, "{n_forks}");
}

/// Trains as `recipe` says, `whole`, and again with a kill -9 after step 2 and a resume, `cut`: both are the same.
fn killed_after_step_2_and_resumed(recipe: String) -> Place {
    killed_and_resumed_in(Place::warmed(), &recipe)
}

/// In `place`, where all that `recipe` names lies: a run to its end, and one that is killed after step 2 and goes on.
pub(crate) fn killed_and_resumed_in(place: Place, recipe: &str) -> Place {
    place.write("other.toml", recipe.replace("every = 3\nkeep", "every = 2\nkeep"));
    assert_eq!(place.run(&["train", "other.toml", "--name", "whole"]).code, 0);
    let count = |file: &str| place.read(file).lines().count();
    let child = place.start_until(&["train", "other.toml", "--name", "cut"], || {
        place.path("runs/cut/checkpoints/step_000002/manifest.json").is_file()
    });
    send(&child, "KILL");
    assert_eq!(finish(child).code, -1);
    assert!(count("runs/cut/metrics.jsonl") < 6, "the kill came too late to say anything");
    assert_eq!(place.run(&["train", "other.toml", "--name", "cut", "--resume"]).code, 0);

    // Names are free, so the recipes written down differ in just that.
    for file in ["resolved.toml", "recipe.toml"] {
        assert_eq!(
            place.read(&format!("runs/whole/{file}")),
            place.read(&format!("runs/cut/{file}")).replace("\"cut\"", "\"whole\"")
        );
        fs::remove_file(place.path("runs/cut").join(file)).unwrap();
        fs::remove_file(place.path("runs/whole").join(file)).unwrap();
    }
    assert_same_run(&place.path("runs/whole"), &place.path("runs/cut"));
    place
}

#[test]
fn a_run_cannot_be_resumed_behind_its_checkpoint() {
    let place = Place::warmed();
    place.write("tiny.toml", RECIPE.replace("schedule = \"cosine\"\n", ""));
    let train = |steps, more: &[&str]| {
        let steps = format!("run.steps={steps}");
        place.run(&[&["train", "tiny.toml", "--set", &steps], more].concat())
    };
    assert_eq!(train(2, &[]).code, 0);
    let resolved = place.read("runs/tiny/resolved.toml");
    let ended = train(1, &["--resume"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    let expected = "[run] steps: got 1, but the newest checkpoint of the run, runs/tiny/checkpoints/step_000002, has 2 steps; \
                    set steps to at least 2";
    assert!(ended.err.contains(expected), "{}", ended.err);
    assert_eq!(place.read("runs/tiny/resolved.toml"), resolved);

    let ended = train(2, &["--resume"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("runs/tiny/checkpoints/step_000002/model"), "{}", ended.out);
}

#[test]
fn signals_save_say_so_and_cost_nothing() {
    let place = Place::warmed();
    let mut args = vec!["train", "tiny.toml"];
    for (signal, code) in [("INT", 130), ("HUP", 129), ("TERM", 143)] {
        let metrics = place.path("runs/tiny/metrics.jsonl");
        let before = fs::read_to_string(&metrics).map_or(0, |text| text.lines().count());
        let child = place.start_until(&args, || {
            fs::read_to_string(&metrics).is_ok_and(|text| text.lines().count() > before)
        });
        thread::sleep(Duration::from_millis(random_ms(20)));
        let ended = stop(child, signal);
        assert_eq!(ended.code, code, "{}", ended.err);
        let said =
            ended.err.lines().find(|line| line.starts_with(&format!("SIG{signal}: stopped after step ")));
        let (_, saved) = said.unwrap_or_else(|| panic!("{}", ended.err)).split_once(", saved in ").unwrap();
        assert!(place.path(saved).join("manifest.json").is_file(), "{saved}");
        assert!(saved.ends_with(place.read("runs/tiny/checkpoints/latest").trim()), "{saved}");
        assert!(
            ended.err.ends_with(concat!(
                "go on with: ",
                env!("CARGO_BIN_EXE_rlcredit"),
                " train runs/tiny --resume\n"
            )),
            "{}",
            ended.err
        );
        args = vec!["train", "runs/tiny", "--resume"];
    }
    assert_eq!(place.run(&args).code, 0);
    // Where it stopped there are checkpoints that an undisturbed run does not write.
    for entry in fs::read_dir(place.path("runs/tiny/checkpoints")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !["step_000003", "step_000006"].iter().any(|name| path.ends_with(name)) {
            fs::remove_dir_all(path).unwrap();
        }
    }
    assert_same_run(&FINISHED.path("runs/tiny"), &place.path("runs/tiny"));
}

/// The row of the step waits in the checkpoint, not in metrics.jsonl, for what is still to be evaluated.
#[test]
fn a_run_that_a_signal_ends_in_an_evaluation_goes_on_with_it() {
    let (undisturbed, place) = (Place::warmed(), Place::warmed());
    let args = ["train", "tiny.toml", "--set", "eval.samples=24"];
    assert_eq!(undisturbed.run(&args).code, 0);
    let sampled = place.path("runs/tiny/rollouts/step_000003.jsonl");
    let ended = stop(place.start_until(&args, || sampled.is_file()), "TERM");
    assert_eq!(ended.code, 143, "{}", ended.err);
    assert!(ended.err.contains("SIGTERM: stopped after step 3, saved in "), "{}", ended.err);
    assert_eq!(place.lines("runs/tiny/metrics.jsonl").len(), 2);
    assert!(!place.path("runs/tiny/eval/step_000003.json").exists());
    // And once more, where it goes on with the evaluation.
    let resume = ["train", "runs/tiny", "--resume"];
    let rows = place.path("runs/tiny/metrics.jsonl");
    let grown = || fs::read_to_string(&rows).is_ok_and(|text| text.lines().count() > 2);
    place.start_until(&resume, grown).kill().unwrap();
    thread::sleep(Duration::from_millis(100));
    let ended = place.run(&resume);
    assert_eq!(ended.code, 0, "{}", ended.err);
    // The checkpoint with the row that waited is replaced by one like any other.
    assert_same_run(&undisturbed.path("runs/tiny"), &place.path("runs/tiny"));
}

/// A grader may take its time, and may end by the same signal: it is not waited for, and nothing is learned from what it says
/// then.
#[test]
fn a_signal_does_not_wait_for_graders() {
    let place = Place::warmed();
    let slow = "while IFS= read -r line; do if [ -e slow ]; then : > asked; sleep 60; fi; id=${line#*:}; echo \"{\\\"id\\\":${id%%,*},\\\"value\\\":1}\"; done";
    let grader = format!(
        "reward=[{{type=\"command\", program=[\"sh\", \"-c\", {slow:?}], workers=1, deadline_s=60}}]"
    );
    let args = ["train", "tiny.toml", "--set", &grader, "--set", "eval.every=0", "--set", "eval.samples=1"];
    let (asked, metrics) = (place.path("asked"), place.path("runs/tiny/metrics.jsonl"));
    let child = place.start_until(&args, || {
        if fs::metadata(&metrics).is_ok_and(|rows| rows.len() > 0) {
            place.write("slow", "");
        }
        asked.is_file()
    });
    let start = Instant::now();
    let ended = stop(child, "TERM");
    assert_eq!(ended.code, 143, "{}", ended.err);
    // The grader sleeps for 60 s; the machine may be slow.
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}: {}", start.elapsed(), ended.err);
}

/// While another thread gathers, waiting for it is a part of the step.
#[test]
fn a_step_takes_as_long_as_it_waits_for_its_responses() {
    let place = Place::warmed();
    let slow = "while IFS= read -r line; do sleep 0.05; id=${line#*:}; echo \"{\\\"id\\\":${id%%,*},\\\"value\\\":1}\"; done";
    let grader = format!("reward=[{{type=\"command\", program=[\"sh\", \"-c\", {slow:?}], workers=1}}]");
    let settings = ["eval.every=0", "eval.samples=1", "run.steps=3", "pipeline={type=\"overlapped\"}"];
    let set = settings.into_iter().chain([grader.as_str()]).flat_map(|set| ["--set", set]);
    let ended = place.run(&["train", "tiny.toml"].into_iter().chain(set).collect::<Vec<_>>());
    assert_eq!(ended.code, 0, "{}", ended.err);
    // Sixteen responses, graded one after the other.
    for row in place.lines("runs/tiny/metrics.jsonl") {
        assert!(row["time/step"].as_f64().unwrap() > 0.5, "{row}");
    }
}

/// The bars of a run are drawn on a terminal that goes away; the run goes on to its end.
#[test]
fn a_run_survives_its_terminal() {
    let place = Place::warmed();
    let first_row = "while [ ! -s runs/tiny/metrics.jsonl ]; do sleep 0.02; done";
    let run = format!("setsid {} train tiny.toml & {first_row}", env!("CARGO_BIN_EXE_rlcredit"));
    let screen = place.command("script", &["--quiet", "--command", &run, "/dev/null"]).spawn().unwrap();
    let seen = screen.wait_with_output().unwrap();
    assert!(seen.status.success() && seen.stdout.contains(&0x1b), "bars are drawn: {seen:?}");
    let latest = place.path("runs/tiny/checkpoints/latest");
    wait_until("the run ends", || fs::read_to_string(&latest).is_ok_and(|name| name.trim() == "step_000006"));
    assert_same_run(&FINISHED.path("runs/tiny"), &place.path("runs/tiny"));
}

/// A place with a recipe, `long.toml`, whose SFT takes a while.
fn with_a_long_warm_start() -> Place {
    let place = Place::new();
    let recipe = RECIPE.replace("steps = 20\nbatch_size = 8", "steps = 300\nbatch_size = 1");
    place.write("long.toml", recipe.replace("steps = 6", "steps = 1"));
    place
}

#[test]
fn a_stop_during_the_warm_start_costs_nothing() {
    let (whole, cut) = (with_a_long_warm_start(), with_a_long_warm_start());
    assert_eq!(whole.run(&["train", "long.toml"]).code, 0);
    let begun = || cut.path("runs/.warm_starts").is_dir();
    let child = cut.start_until(&["train", "long.toml"], begun);
    thread::sleep(Duration::from_millis(100));
    let ended = stop(child, "TERM");
    assert_eq!(ended.code, 143, "{}", ended.err);
    assert!(
        ended.err.contains("SIGTERM: stopping, and saving what is there (again: quit without saving)"),
        "{}",
        ended.err
    );
    assert!(
        ended.err.ends_with(concat!(
            "go on with: ",
            env!("CARGO_BIN_EXE_rlcredit"),
            " train runs/tiny --resume\n"
        )),
        "{}",
        ended.err
    );
    let saved = ended.err.split_once("stopped in SFT, saved after step ").map(|(_, rest)| rest);
    let ended = cut.run(&["train", "runs/tiny", "--resume"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    // On a machine that is very busy the signal may come before the first step.
    if let Some(step) = saved.and_then(|rest| rest.split(' ').next()) {
        assert!(ended.err.contains(&format!("SFT: going on after step {step} from ")), "{}", ended.err);
    }
    assert!(ended.err.contains("SFT: done in"), "{}", ended.err);
    assert_same_run(&whole.path("runs/tiny"), &cut.path("runs/tiny"));
    assert_eq!(sft_weights(&cut), sft_weights(&whole));
}

/// Signals leave time to save; a kill leaves what was saved on the way.
#[test]
fn a_killed_warm_start_goes_on_from_what_was_saved_on_the_way() {
    let args = ["train", "long.toml"];
    let (whole, cut) = (with_a_long_warm_start(), with_a_long_warm_start());
    assert_eq!(whole.run(&args).code, 0);
    let saved = || {
        let folders = fs::read_dir(cut.path("runs/.warm_starts")).into_iter().flatten().flatten();
        folders.into_iter().any(|folder| folder.path().join("step_000250/manifest.json").is_file())
    };
    let child = cut.start_until(&args, saved);
    send(&child, "KILL");
    assert_eq!(finish(child).code, -1);
    let ended = cut.run(&["train", "long.toml", "--resume"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("SFT: going on after step 250 from "), "{}", ended.err);
    assert_eq!(sft_weights(&cut), sft_weights(&whole));
    assert_same_run(&whole.path("runs/tiny"), &cut.path("runs/tiny"));
}

/// The weights of the only SFT there is, of which no part is left over.
fn sft_weights(place: &Place) -> Vec<u8> {
    let folders: Vec<_> = fs::read_dir(place.path("runs/.warm_starts")).unwrap().collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    let folder = folders[0].as_ref().unwrap().path();
    let latest = fs::read_to_string(folder.join("latest")).unwrap();
    fs::read(folder.join(latest.trim()).join("model/model.safetensors")).unwrap()
}

#[test]
fn files_that_changed_since_the_run_began_are_refused() {
    let place = Place::new();
    copy(&FINISHED.path("runs/tiny/checkpoints/step_000006/model"), &place.path("model"));
    place.write("train.jsonl", problems(4));
    place.write("eval.jsonl", problems(1));
    place.write("texts.jsonl", "{\"prompt\": \"1 2\", \"response\": \"3\"}\n");
    let args = [
        "train",
        "tiny.toml",
        "--set",
        "run.steps=1",
        "--set",
        "model={path=\"model\"}",
        "--set",
        FILES,
        "--set",
        "sft={steps=1, batch_size=1, lr=1e-3, source={type=\"jsonl\", path=\"texts.jsonl\"}}",
        "--resume",
    ];
    let ended = place.run(&args[..args.len() - 1]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    for file in ["train.jsonl", "eval.jsonl", "texts.jsonl", "model/tokenizer.json", "model/config.json"] {
        let before = place.read(file);
        let inputs = place.json("runs/tiny/inputs.json");
        let whole = place.path(file).display().to_string();
        let hash = inputs["files"][whole.as_str()]["sha256"].as_str().unwrap()[..12].to_owned();
        place.write(file, before.clone() + "\n");
        let ended = place.run(&args);
        assert_eq!(ended.code, 3, "{file}: {}", ended.err);
        let expected = format!(" now, SHA-256 {hash}... when the run began");
        assert!(
            ended.err.contains(&format!("  {file}: SHA-256 ")) && ended.err.contains(&expected),
            "{}",
            ended.err
        );
        place.write(file, before);
    }
    assert_eq!(place.run(&args).code, 0);
}

#[test]
fn a_run_goes_on_in_the_precision_it_began_in() {
    let place = Place::after_step_3();
    let env = place.json("runs/tiny/env.json");
    let (own, other) = if env["dtype"] == "bf16" { ("bf16", "f32") } else { ("f32", "bf16") };
    assert_eq!(env["dtype"], own);
    let resume = |dtype| {
        let set = format!("model.dtype={dtype}");
        place.run(&["train", "tiny.toml", "--resume", "--set", &set])
    };
    let ended = resume(other);
    assert_eq!(ended.code, 3, "{}", ended.err);
    let said = format!("computes in {other} here, in {own} in the run so far; add --set model.dtype={own}");
    assert!(ended.err.contains(&said), "{}", ended.err);
    let ended = resume(own);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let weights = "runs/tiny/checkpoints/step_000006/model/model.safetensors";
    assert!(fs::read(place.path(weights)).unwrap() == fs::read(FINISHED.path(weights)).unwrap());
}

#[test]
fn a_run_that_ran_out_of_memory_may_decode_fewer_rows_at_once() {
    let place = Place::after_step_3();
    let ended = place.run(&["train", "tiny.toml", "--resume", "--set", "sampling.max_num_seqs=3"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(place.lines("runs/tiny/metrics.jsonl").len(), 6);
}

#[test]
fn a_warm_start_is_shared_by_runs_with_its_settings_only() {
    let place = Place::warmed();
    let kept = |args: &[&str]| {
        let args: Vec<&str> =
            ["train", "tiny.toml", "--set", "run.steps=1"].iter().chain(args).copied().collect();
        let ended = place.run(&args);
        assert_eq!(ended.code, 0, "{}", ended.err);
        ended.err.contains("SFT: taken from runs/.warm_starts/")
    };
    assert!(kept(&["--name", "a"]));
    assert!(kept(&["--name", "b", "--set", "optim.lr=1e-4"]));
    assert!(!kept(&["--name", "c", "--set", "run.seed=1"]));
    assert!(!kept(&["--name", "d", "--set", "sft.steps=2"]));
    let weights = |name: &str| {
        let folder = fs::read_dir(place.path(&format!("runs/{name}/eval"))).unwrap().count();
        (folder, place.read(&format!("runs/{name}/eval/step_000000.heldout.jsonl")))
    };
    assert_eq!(weights("a"), weights("b"));
    assert_ne!(weights("a"), weights("d"));
}

#[test]
fn runs_that_want_the_same_warm_start_at_once_make_it_once() {
    let place = Place::new();
    let start = |name| {
        let args = ["train", "tiny.toml", "--set", "run.steps=1", "--set", "eval.samples=1", "--name", name];
        place.program(&args).spawn().unwrap()
    };
    let ended = [start("a"), start("b")].map(finish);
    assert!(ended.iter().all(|run| run.code == 0), "{ended:?}");
    let count = |said: &str| ended.iter().filter(|run| run.err.contains(said)).count();
    assert_eq!((count("SFT: done in"), count("SFT: taken from")), (1, 1), "{ended:?}");
}

#[test]
fn a_start_that_was_killed_before_it_wrote_anything_is_simply_repeated() {
    let place = Place::warmed();
    for folder in ["rollouts", "eval", "checkpoints"] {
        fs::create_dir_all(place.path("runs/tiny").join(folder)).unwrap();
    }
    let ended = place.run(&["train", "tiny.toml", "--resume"]);
    assert_eq!(ended.code, 3);
    assert!(ended.err.contains("start it without --resume"), "{}", ended.err);
    assert_eq!(place.run(&["train", "tiny.toml", "--set", "run.steps=1"]).code, 0);
}

#[test]
fn two_processes_cannot_train_in_one_folder() {
    let place = Place::warmed();
    let args = ["train", "tiny.toml", "--set", "run.steps=100000"];
    let child = place.start_until(&args, || place.path("runs/tiny/rollouts/step_000001.jsonl").is_file());
    let second = place.run(&["train", "tiny.toml", "--set", "run.steps=100000", "--resume"]);
    assert_eq!(second.code, 2);
    assert!(second.err.contains("runs/tiny: another process is training in this folder"), "{}", second.err);
    let second = place.run(&args);
    assert_eq!(second.code, 2);
    assert!(second.err.contains("runs/tiny: another process is training in this folder"), "{}", second.err);
    assert_eq!(stop(child, "INT").code, 130);
}

/// `kill -9` at random moments, twice each run; `scripts/kill_test` tries more of them.
#[test]
fn killed_runs_end_in_the_same_weights() {
    let place = Place::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kill_test");
    let args = [script, "--kills", "4", "--stops", "2", "--program", env!("CARGO_BIN_EXE_rlcredit")];
    let ended = finish(place.command("python3", &args).spawn().unwrap());
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert_eq!(
        ended.out.lines().filter(|line| line.starts_with("kill ") && line.ends_with("same")).count(),
        4
    );
}

/// With as many kinds as ends too, where two cycles side by side would go round together.
#[test]
fn each_kind_of_killed_run_meets_each_end() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kill_test");
    let code = "import itertools, runpy, sys; pairs = runpy.run_path(sys.argv[1])['pairs']('abc', 'xyz'); \
                print(len(set(itertools.islice(pairs, 9))))";
    let ended = finish(Place::new().command("python3", &["-c", code, script]).spawn().unwrap());
    assert_eq!((ended.code, ended.out.trim()), (0, "9"), "{}", ended.err);
}

fn stop(child: Child, signal: &str) -> super::place::Ended {
    send(&child, signal);
    finish(child)
}
