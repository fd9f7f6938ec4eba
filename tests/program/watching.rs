//! What a run tells while it goes on: console, log, samples, sinks, TensorBoard.

use std::fs;

use serde_json::Value;

use super::place::{Place, RECIPE, finish};

/// A sink that keeps what it gets, from every process in turn.
const KEEPS: &str = "observe.sink=[{type=\"command\", name=\"kept\", program=[\"sh\", \"-c\", \"echo begun; cat >> got.jsonl\"]}]";

/// Lines of a `run.log`: level and text.
fn log(place: &Place) -> Vec<(String, String)> {
    let text = place.read("runs/tiny/run.log");
    let line = |line: &str| {
        let (time, rest) = line.split_at(25);
        // What goes on under another line has no time of its own.
        let is_own = time.starts_with("20") && time.ends_with("Z ");
        (if is_own { rest[..5].trim().to_owned() } else { String::new() }, rest[6..].to_owned())
    };
    text.lines().map(line).collect()
}

#[test]
fn a_run_tells_its_folder_and_its_sinks_all_of_it_once() {
    let place = Place::after_step_3();
    for name in ["run.log", "samples.jsonl"] {
        fs::remove_file(place.path("runs/tiny").join(name)).unwrap();
    }
    let ended = place.run(&["train", "tiny.toml", "--resume", "--set", KEEPS, "--set", "observe.samples=2"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.lines().all(|line| line.chars().count() <= 80 || line.contains('/')), "{}", ended.out);

    let got = place.lines("got.jsonl");
    let kinds: Vec<&str> = got.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["run", "sample", "row", "row", "sample", "row", "end"]);
    assert_eq!(
        (&got[0]["after_step"], &got[0]["name"], &got[0]["steps"]),
        (&3.into(), &"tiny".into(), &6.into())
    );
    assert_eq!(got[0]["id"], place.json("runs/tiny/manifest.json")["run"]);
    assert_eq!(got[0]["recipe"]["optim"]["lr"], 1e-3);
    assert_eq!(got[6]["outcome"], "done");
    let rows = place.lines("runs/tiny/metrics.jsonl");
    for (line, row) in [2, 3, 5].into_iter().zip(&rows[3..]) {
        let mut expected = row.clone();
        expected.as_object_mut().unwrap().remove("step");
        assert_eq!((&got[line]["step"], &got[line]["metrics"]), (&row["step"], &expected));
    }
    assert_eq!(place.read("runs/tiny/sinks/kept.log"), "begun\n");

    let samples = place.lines("runs/tiny/samples.jsonl");
    assert_eq!(samples.iter().map(|sample| sample["step"].as_u64().unwrap()).collect::<Vec<_>>(), [4, 6]);
    for sample in &samples {
        let rollouts =
            place.lines(&format!("runs/tiny/rollouts/step_{:06}.jsonl", sample["step"].as_u64().unwrap()));
        for response in sample["responses"].as_array().unwrap() {
            let is_it = |line: &&Value| {
                (&line["prompt_id"], &line["sample"]) == (&sample["prompt_id"], &response["sample"])
            };
            let line = rollouts.iter().find(is_it).unwrap();
            for key in ["text", "answer", "reward", "finish"] {
                assert_eq!(line[key], response[key], "{key}");
            }
            assert_eq!((&line["prompt"], &line["gold"]), (&sample["prompt"], &sample["gold"]));
        }
        assert!(ended.out.contains(&format!("sample of step {}, prompt ", sample["step"])), "{}", ended.out);
    }

    let said = log(&place);
    let has =
        |level: &str, start: &str| said.iter().any(|(own, text)| own == level && text.starts_with(start));
    assert!(has("INFO", "continuing after step 3 of 6") && has("INFO", "step 4/6  reward "), "{said:?}");
    assert!(has("INFO", "tiny: 6 steps done in") && has("INFO", "sample of step 4, prompt"), "{said:?}");
    assert!(!said.iter().any(|(level, _)| level == "DEBUG"), "{said:?}");

    // In TensorBoard's file the samples stand beside what was there before.
    let tb = fs::read_dir(place.path("runs/tiny/tb")).unwrap().next().unwrap().unwrap().path();
    let events = fs::read(tb).unwrap();
    let n = |part: &str| events.windows(part.len()).filter(|window| *window == part.as_bytes()).count();
    assert_eq!(
        (n("gold answer:"), n("_hparams_/session_end_info"), n("custom_scalars__config__")),
        (2, 1, 1)
    );
    assert!(n("[optim]\n    lr = 0.001") > 0, "the recipe");

    // The run is done, and told again: nothing comes twice but its description.
    let ended =
        place.run(&["train", "tiny.toml", "--resume", "-q", "--set", KEEPS, "--set", "observe.samples=2"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let more = place.lines("got.jsonl").split_off(got.len());
    assert_eq!(more.iter().map(|line| line["type"].as_str().unwrap()).collect::<Vec<_>>(), ["run", "end"]);
    assert_eq!(more[0]["after_step"], 6);
    assert_eq!(place.lines("runs/tiny/samples.jsonl"), samples);
    assert!(log(&place).len() > said.len(), "goes on with the log");
    let note = "note: [[observe.sink]] of the run gives its rows to the program `sh -c echo begun; cat >> got.jsonl`";
    let ended = place.run(&["train", "runs/tiny", "--resume"]);
    assert!(ended.code == 0 && ended.err.contains(note), "{}", ended.err);
}

#[test]
fn a_quiet_run_says_its_end_and_a_verbose_one_what_its_phases_do() {
    let place = Place::warmed();
    let train = |flag: &str, name: &str| {
        place.run(&[
            "train",
            "tiny.toml",
            flag,
            "--name",
            name,
            "--set",
            "run.steps=2",
            "--set",
            "observe.samples=1",
        ])
    };
    let quiet = train("-q", "quiet");
    assert!(quiet.code == 0 && quiet.err.lines().all(|line| line.starts_with("warning: ")), "{}", quiet.err);
    assert!(
        quiet.out.starts_with("\nquiet: 2 steps done in ") && !quiet.out.contains("step 1/2"),
        "{}",
        quiet.out
    );
    let log = place.read("runs/quiet/run.log");
    assert!(log.contains("INFO  step 1/2  reward ") && log.contains("INFO  sample of step 2, "), "{log}");

    let verbose = train("-v", "tiny");
    assert_eq!(verbose.code, 0, "{}", verbose.err);
    for part in ["debug: generate: done in ", "debug: update: done in ", "debug: step 2: generate "] {
        assert!(verbose.err.contains(part), "{part}: {}", verbose.err);
        let kept = part.replace("debug: ", "DEBUG ");
        assert!(place.read("runs/tiny/run.log").contains(&kept), "{kept}");
    }

    let mut command = place.program(&["train", "tiny.toml", "--name", "heard", "--set", "run.steps=1"]);
    let heard = finish(command.env("RUST_LOG", "off,rlcredit::run=debug").spawn().unwrap());
    assert!(
        heard.err.contains("debug: step 1: generate ") && !heard.err.contains("debug: generate:"),
        "{}",
        heard.err
    );
    let mut command = place.program(&["check", "tiny.toml"]);
    let heard = finish(command.env("RUST_LOG", "a=b=c").spawn().unwrap());
    assert!(heard.code == 0 && heard.err.contains("warning: RUST_LOG is left aside: "), "{}", heard.err);
}

#[test]
fn what_ends_a_run_is_in_its_log_and_a_sink_that_fails_does_not() {
    let place = Place::warmed();
    let dies = "observe.sink=[{type=\"command\", program=[\"sh\", \"-c\", \"echo no room >&2; exit 3\"]}]";
    let ended = place.run(&["train", "tiny.toml", "--set", dies, "--set", "run.steps=2"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("warning: sink `command` ended with exit status 3"), "{}", ended.err);
    assert!(ended.err.contains("runs/tiny/sinks/command.log"), "{}", ended.err);
    assert!(place.read("runs/tiny/sinks/command.log").starts_with("no room\n"));
    assert!(place.read("runs/tiny/run.log").contains(" WARN  sink `command` ended with exit status 3"));

    for (set, problem) in [
        (
            "observe.sink=[{type=\"command\", program=[\"/no/such\"]}]",
            "[[observe.sink]] #1 `program`: /no/such: expected a",
        ),
        ("observe.sink=[{type=\"command\", program=[]}]", "[[observe.sink]] #1 `program`: got none"),
        ("observe.sink=[{type=\"comand\", program=[\"cat\"]}]", "did you mean \"command\"?"),
    ] {
        let refused = place.run(&["check", "tiny.toml", "--set", set]);
        assert!(refused.code == 2 && refused.err.contains(problem), "{}", refused.err);
    }

    let too_large = RECIPE.replace("preset = \"tinyzero\"", "preset = \"tinyzero\"\nweight = 1e300");
    let too_large = too_large.replace("[advantage]\n", "[advantage]\nscale = \"none\"\n");
    place.write("broken.toml", too_large.replace("size = 4", "size = 16"));
    let broken =
        place.run(&["train", "broken.toml", "--name", "broken", "--set", "run.steps=20", "--set", KEEPS]);
    assert_eq!(broken.code, 4, "{}", broken.err);
    let last = broken.err.lines().last().unwrap().strip_prefix("error: ").unwrap().to_owned();
    assert!(place.read("runs/broken/run.log").contains(&format!(" ERROR {last}")), "{last}");
    let end = place.lines("got.jsonl").pop().unwrap();
    assert_eq!((&end["outcome"], &end["message"]), (&Value::from("failed"), &Value::from(last)));
    // Before the first step, too.
    let elsewhere = Place::new();
    std::fs::create_dir(elsewhere.path("runs")).unwrap();
    elsewhere.write("runs/.warm_starts", "no folder");
    let broken = elsewhere.run(&["train", "tiny.toml", "--set", KEEPS]);
    assert!(broken.code == 1 && broken.err.contains("runs/.warm_starts"), "{}", broken.err);
    assert_eq!(elsewhere.lines("got.jsonl").pop().unwrap()["outcome"], "failed");
}
