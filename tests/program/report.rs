//! How runs went, on one page: of runs that are done, forked, several, old, damaged and diverged.

use std::fs;

use serde_json::Value;

use super::inspect::drive_page;
use super::place::{FINISHED, Place, copy};

/// What the page at `page` has to show.
fn data(place: &Place, page: &str) -> Value {
    let page = place.read(page);
    let (_, rest) = page.split_once("id=\"data\">").unwrap();
    let (data, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(data).unwrap()
}

/// The finished run with its page, and room for more runs.
fn place() -> Place {
    let place = Place::new();
    copy(&FINISHED.path("runs"), &place.path("runs"));
    place
}

fn steps(course: &Value) -> Vec<u64> {
    course["steps"].as_array().unwrap().iter().map(|step| step.as_u64().unwrap()).collect()
}

#[test]
fn a_run_that_is_done_has_a_page_that_shows_its_numbers_in_a_browser() {
    let data = data(&FINISHED, "runs/tiny/report.html");
    let run = &data["runs"][0];
    assert_eq!((&run["name"], &run["ending"]["kind"]), (&"tiny".into(), &"done".into()));
    assert_eq!(run["notes"], serde_json::json!([]));
    assert_eq!(steps(&run["course"]), [1, 2, 3, 4, 5, 6]);
    let rows = FINISHED.lines("runs/tiny/metrics.jsonl");
    let shown = run["course"]["columns"]["reward/mean"][4].as_f64().unwrap();
    assert!((shown - rows[4]["reward/mean"].as_f64().unwrap()).abs() < 1e-5);
    let moments: Vec<Option<u64>> =
        run["evaluations"].as_array().unwrap().iter().map(|one| one["step"].as_u64()).collect();
    assert_eq!(moments, [None, Some(0), Some(3), Some(6)]);
    let last = &FINISHED.json("runs/tiny/eval/step_000006.json")["heldout"];
    let of_page = &run["evaluations"][3]["avg"];
    for (end, shown) in last["ci95"].as_array().unwrap().iter().zip(of_page["ci95"].as_array().unwrap()) {
        assert!((end.as_f64().unwrap() - shown.as_f64().unwrap()).abs() < 1e-5);
    }
    let settings = run["settings"].as_array().unwrap();
    let of = |key: &str| settings.iter().find(|one| one["key"] == key);
    assert_eq!(of("optim.schedule").unwrap()["default"], "\"constant\"");
    assert!(of("optim.lr").unwrap()["default"].is_null() && of("optim.eps").is_none());
    assert_eq!(run["history"][0]["event"], "begun");
    assert_eq!(run["responses"]["n_kept"], 6);
    assert_eq!(run["responses"]["samples"].as_array().unwrap().len(), 18);
    drive_page(&FINISHED.path("runs/tiny/report.html"), &FINISHED.path("runs/tiny/metrics.jsonl"));
}

#[test]
fn forks_and_several_runs_are_shown_side_by_side() {
    let place = place();
    let forked = ["train", "--from", "runs/tiny@3", "--name", "fork", "--set", "optim.lr=2e-3"];
    let ended = place.run(&forked);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("runs/fork/report.html"), "{}", ended.err);
    let one = data(&place, "runs/fork/report.html");
    let fork = &one["runs"][0];
    assert_eq!((steps(&fork["course"]), steps(&fork["before"]["course"])), (vec![4, 5, 6], vec![1, 2, 3]));
    let ended = place.run(&["report", "runs/tiny", "runs/fork"]);
    assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (0, "report.html\n", ""));
    let both = data(&place, "report.html");
    let differing: Vec<&Value> =
        both["differing"].as_array().unwrap().iter().map(|one| &one["key"]).collect();
    assert_eq!(differing, ["optim.lr"]);
    assert_eq!(both["differing"][0]["values"], serde_json::json!(["0.001", "0.002"]));
    drive_page(&place.path("report.html"), &place.path("runs/tiny/metrics.jsonl"));
    drive_page(&place.path("runs/fork/report.html"), &place.path("runs/fork/metrics.jsonl"));

    // Without its parent a fork shows what is its own, and says so.
    fs::remove_dir_all(place.path("runs/tiny")).unwrap();
    let ended = place.run(&["report", "runs/fork", "--html", "alone.html"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("runs/tiny: the run that this was forked from"), "{}", ended.err);
    assert!(data(&place, "alone.html")["runs"][0]["before"].is_null());
}

#[test]
fn what_is_missing_or_damaged_is_left_out_and_said() {
    let place = place();
    let run = place.path("runs/tiny");
    for name in ["history.jsonl", "env.json", "resolved.toml", "manifest.json"] {
        fs::remove_file(run.join(name)).unwrap();
    }
    let metrics = place.read("runs/tiny/metrics.jsonl");
    place.write("runs/tiny/metrics.jsonl", metrics.replace("{\"step\":5,", "\0"));
    place.write("runs/tiny/rollouts/step_000002.jsonl", "{\"prompt_id\": 1}\n");
    place.write("runs/tiny/eval/step_000003.json", "<script>");
    let ended = place.run(&["report", "runs/tiny"]);
    assert_eq!((ended.code, ended.out.as_str()), (0, "runs/tiny/report.html\n"), "{}", ended.err);
    let data = data(&place, "runs/tiny/report.html");
    let run = &data["runs"][0];
    assert_eq!(steps(&run["course"]), [1, 2, 3, 4]);
    assert_eq!(run["ending"]["kind"], "stopped");
    assert!(run["history"].is_null() && run["settings"].is_null());
    let notes = run["notes"].as_array().unwrap();
    for part in [
        "history.jsonl",
        "env.json",
        "resolved.toml",
        "line 5",
        "step_000002.jsonl: line 1",
        "step_000003.json",
    ] {
        assert!(notes.iter().any(|note| note.as_str().unwrap().contains(part)), "{part}: {notes:?}");
        assert!(ended.err.contains(part), "{part}: {}", ended.err);
    }
    drive_page(&place.path("runs/tiny/report.html"), &place.path("runs/tiny/metrics.jsonl"));

    fs::remove_file(place.path("runs/tiny/metrics.jsonl")).unwrap();
    place.write("runs/tiny/history.jsonl", "{\n");
    assert_eq!(place.run(&["report", "runs/tiny"]).code, 0);
}

#[test]
fn a_response_is_linked_to_its_page_once_that_is_made() {
    let place = place();
    let command =
        ["inspect", "--run", "runs/tiny", "--step", "3", "--html", "runs/tiny/inspect/step_000003.html"];
    let ended = place.run(&command);
    assert_eq!(ended.code, 0, "{}", ended.err);
    fs::create_dir(place.path("pages")).unwrap();
    for (out, before) in [("runs/tiny/report.html", ""), ("pages/all.html", "../runs/tiny/")] {
        assert_eq!(place.run(&["report", "runs/tiny", "--html", out]).code, 0);
        let data = data(&place, out);
        for sample in data["runs"][0]["responses"]["samples"].as_array().unwrap() {
            let expected = (sample["step"] == 3).then(|| {
                format!("{before}inspect/step_000003.html#{}.{}", sample["prompt_id"], sample["sample"])
            });
            assert_eq!(sample["link"].as_str(), expected.as_deref());
        }
    }
}

#[test]
fn what_is_no_run_is_refused() {
    let place = place();
    for (args, said) in [
        (&["runs/tiny", "--html", "runs/tiny/resolved.toml"][..], "expected a name that ends in .html"),
        (&["none"], "none: there is no such folder"),
        (&["runs"], "runs: not a run"),
        (&["runs/tiny", "runs/../runs/tiny"], "named twice"),
    ] {
        let ended = place.run(&[&["report"], args].concat());
        assert!(ended.code == 2 && ended.err.contains(said), "{args:?}: {}", ended.err);
    }
}
