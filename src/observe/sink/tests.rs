#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::observe::{Ending, Sample};
use crate::types::MetricRow;

/// A folder for a program that is a shell's `script`, which is run in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn open(&self, script: &str, keys: &str) -> Box<dyn MetricSink> {
        let script = format!("cd {}\n{script}", self.0.path().display());
        let mut config: Value = serde_json::from_str(&format!("{{{keys}}}")).unwrap();
        config["type"] = "command".into();
        config["program"] = serde_json::json!(["sh", "-c", script]);
        let config: SinkConfig = serde_json::from_value(config).unwrap();
        let about =
            About { name: "tiny".into(), id: "c0ffee".into(), steps: 9, after: 3, ..About::default() };
        config.settings().open(&about, &self.path("sinks"))
    }

    /// The lines of a file, as JSON.
    fn lines(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits for a file.
    fn wait_for(&self, name: &str) {
        let begun = Instant::now();
        while !self.path(name).exists() {
            assert!(begun.elapsed() < Duration::from_secs(60), "in vain for {name}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn row(reward: f64) -> MetricRow {
    [("reward/mean", reward), ("loss/policy", f64::NAN)].into_iter().collect()
}

fn steps(lines: &[Value]) -> Vec<u64> {
    lines.iter().filter(|line| line["type"] == "row").map(|line| line["step"].as_u64().unwrap()).collect()
}

#[test]
fn a_program_gets_the_run_its_rows_and_its_end() {
    let place = Place::new();
    let mut sink = place.open("echo hello; cat > got.jsonl", "\"name\": \"mine\"");
    (4..=6).for_each(|step| sink.write(step, &row(0.5)).unwrap());
    sink.sample(&Sample { step: 7, gold: "45".into(), ..Sample::default() }).unwrap();
    sink.end(&Ending::Failed("http://me:pass@host is gone".into()));
    drop(sink);
    let got = place.lines("got.jsonl");
    assert_eq!(
        (&got[0]["type"], &got[0]["name"], &got[0]["after_step"]),
        (&"run".into(), &"tiny".into(), &3.into())
    );
    assert!(got[0]["metrics"]["reward/mean"].as_str().unwrap().starts_with("Mean reward"));
    assert_eq!(steps(&got), [4, 5, 6]);
    assert_eq!(got[1]["metrics"], serde_json::json!({"loss/policy": null, "reward/mean": 0.5}));
    assert_eq!((&got[4]["type"], &got[4]["gold"]), (&"sample".into(), &"45".into()));
    let end = serde_json::json!({"type": "end", "outcome": "failed", "message": "http://***@host is gone"});
    assert_eq!(got[5..], [end]);
    assert_eq!(fs::read_to_string(place.path("sinks/mine.log")).unwrap(), "hello\n");
}

/// What it had not read is lost with it, and nothing comes twice.
#[test]
fn a_program_that_dies_is_started_again_behind_the_last_row_that_it_got() {
    let place = Place::new();
    let script = "if [ -e second ]; then cat > second.jsonl
        else head -n 4 > first.jsonl; touch second; echo why >&2; exit 7; fi";
    let mut sink = place.open(script, "");
    sink.write(4, &row(0.0)).unwrap();
    sink.write(5, &row(0.0)).unwrap();
    // Before its row, which it does not stand for.
    sink.sample(&Sample { step: 6, ..Sample::default() }).unwrap();
    place.wait_for("second");
    // The shell is about to end.
    std::thread::sleep(Duration::from_millis(200));
    sink.write(6, &row(0.0)).unwrap();
    sink.write(7, &row(0.0)).unwrap();
    sink.end(&Ending::Done);
    drop(sink);
    assert_eq!(steps(&place.lines("first.jsonl")), [4, 5]);
    let second = place.lines("second.jsonl");
    assert_eq!((&second[0]["type"], &second[0]["after_step"]), (&"run".into(), &5.into()));
    assert_eq!(steps(&second), [6, 7]);
    assert_eq!(second.last().unwrap()["outcome"], "done");
    assert_eq!(fs::read_to_string(place.path("sinks/command.log")).unwrap(), "why\n");
}

#[test]
fn a_program_that_dies_again_and_again_is_given_up() {
    let place = Place::new();
    let mut sink = place.open("echo >> starts", "");
    let begun = Instant::now();
    while fs::read_to_string(place.path("starts")).unwrap_or_default().lines().count() < 4 {
        assert!(begun.elapsed() < Duration::from_secs(60));
        sink.write(4, &row(0.0)).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(500));
    (5..5000).for_each(|step| sink.write(step, &row(0.0)).unwrap());
    sink.end(&Ending::Done);
    drop(sink);
    assert_eq!(fs::read_to_string(place.path("starts")).unwrap().lines().count(), 4);
}

#[test]
fn a_program_that_takes_nothing_slows_nobody() {
    let place = Place::new();
    let mut sink = place.open("touch there; exec sleep 20", "\"finish_s\": 0.5");
    place.wait_for("there");
    let begun = Instant::now();
    // More than the pipe and the queue hold together.
    (4..10_000).for_each(|step| sink.write(step, &row(0.5)).unwrap());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let begun = Instant::now();
    sink.end(&Ending::Done);
    drop(sink);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn settings_that_cannot_work_are_named() {
    let config = |keys: &str| {
        serde_json::from_str::<SinkConfig>(&format!("{{\"type\": \"command\", {keys}}}")).unwrap()
    };
    let problems = |keys: &str| config(keys).settings().rules().problems();
    assert_eq!(problems(r#""program": ["cat"], "finish_s": 0"#), Vec::<String>::new());
    for (keys, problem) in [
        (r#""program": []"#, "program: got none, expected a program and its arguments"),
        (
            r#""program": ["cat"], "name": "a/b""#,
            "name: got \"a/b\", expected letters, digits, `_` and `-`, at most 64",
        ),
        (r#""program": ["cat"], "finish_s": -1"#, "finish_s: got -1, expected 0 to 3600 seconds"),
    ] {
        let found = problems(keys);
        assert!(found.len() == 1 && found[0].starts_with(problem), "{found:?}");
    }
    let missing = |keys: &str| config(keys).settings().missing();
    assert_eq!(missing(r#""program": ["cat"]"#), None);
    assert!(
        missing(r#""program": ["/no/such/sink"]"#).unwrap().starts_with("program: /no/such/sink: expected")
    );
    assert!(missing(r#""program": ["cat", "http://***@host/"]"#).unwrap().contains("pass_env"));
    let secret = config(r#""program": ["cat", "http://me:pass@host/"], "pass_env": ["WANDB_API_KEY"]"#);
    assert!(!serde_json::to_string(&secret).unwrap().contains("me:pass"));
    let expected = "gives its rows and WANDB_API_KEY to the program `cat http://***@host/`";
    assert_eq!(secret.settings().reaches_out(), expected);
}
