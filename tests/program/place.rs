//! A working directory of its own for each test, and the program run in it.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A run of six small steps: 22 prompts, so that the end of the first epoch falls within the sixth, two minibatches, a
/// learning rate that changes with every step, and SFT after which some responses earn a reward.
pub(crate) const RECIPE: &str = r#"
[run]
name = "tiny"
steps = 6
[model]
scratch = "countdown2m"
[sft]
steps = 20
batch_size = 8
lr = 1e-2
[sft.source]
type = "countdown_demos"
max_lines = 1
guesses = 1
[data]
type = "countdown"
numbers = [3, 3]
max_number = 9
targets = [1, 30]
train_items = 22
eval_items = 8
[explore]
type = "group"
size = 4
[sampling]
max_new_tokens = 24
[[reward]]
type = "countdown"
preset = "tinyzero"
[advantage]
type = "group"
[loss.policy]
type = "clip"
[optim]
lr = 1e-3
schedule = "cosine"
warmup_steps = 2
[batch]
prompts = 4
minibatches = 2
max_tokens = 512
[eval]
every = 3
samples = 2
[checkpoint]
every = 3
keep = 0
"#;

/// Countdown problems from two files, for `--set`.
pub(crate) const FILES: &str = "data={type=\"files\", train=[{path=\"train.jsonl\", preset=\"countdown_tasks\"}], \
                         eval=[{path=\"eval.jsonl\", preset=\"countdown_tasks\"}]}";

/// `n` problems for such a file.
pub(crate) fn problems(n: u32) -> String {
    (1..=n).map(|i| format!("{{\"nums\": [{i}, 2], \"target\": {}}}\n", i + 2)).collect()
}

/// Longest time that anything here may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The place where [`RECIPE`] has run undisturbed to its end, once per test process.
pub(crate) static FINISHED: LazyLock<Place> = LazyLock::new(|| {
    let place = Place::new();
    let done = place.run(&["train", "tiny.toml"]);
    assert_eq!(done.code, 0, "{}", done.err);
    place
});

/// A folder with `tiny.toml` in it.
pub(crate) struct Place {
    dir: TempDir,
}

/// How the program ended and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("tiny.toml"), RECIPE).unwrap();
        Self { dir }
    }

    /// A place whose runs find SFT of [`RECIPE`] ready.
    pub(crate) fn warmed() -> Self {
        let place = Self::new();
        copy(&FINISHED.path("runs/.warm_starts"), &place.path("runs/.warm_starts"));
        place
    }

    /// A place that holds the finished run of [`RECIPE`] as it was after step 3.
    pub(crate) fn after_step_3() -> Self {
        let place = Self::new();
        copy(&FINISHED.path("runs"), &place.path("runs"));
        let run = place.path("runs/tiny");
        fs::remove_dir_all(run.join("checkpoints/step_000006")).unwrap();
        fs::write(run.join("checkpoints/latest"), "step_000003\n").unwrap();
        for step in 4..=6 {
            fs::remove_file(run.join(format!("rollouts/step_{step:06}.jsonl"))).unwrap();
        }
        for name in ["step_000006.json", "step_000006.heldout.jsonl"] {
            fs::remove_file(run.join("eval").join(name)).unwrap();
        }
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Each line of a file as JSON.
    pub(crate) fn lines(&self, name: &str) -> Vec<Value> {
        self.read(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    /// The program, to be run here, and with the loss of a terminal not ignored, as it is where tests run under `nohup`.
    pub(crate) fn program(&self, args: &[&str]) -> Command {
        let args: Vec<&str> = ["--default-signal=HUP,INT,QUIT", env!("CARGO_BIN_EXE_rlcredit")]
            .iter()
            .chain(args)
            .copied()
            .collect();
        self.command("env", &args)
    }

    /// The program in a shell that has first run `limits`.
    pub(crate) fn limited(&self, limits: &str, args: &[&str]) -> Ended {
        let script = format!("{limits}; exec \"$0\" \"$@\"");
        let args: Vec<&str> =
            ["-c", &script, env!("CARGO_BIN_EXE_rlcredit")].iter().chain(args).copied().collect();
        finish(self.command("sh", &args).spawn().unwrap())
    }

    pub(crate) fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.dir.path()).env_remove("RUST_BACKTRACE");
        // Several tests run at once; threads of theirs that wait for each other on the same cores cost far more than
        // one each.
        command.env("OMP_NUM_THREADS", "1").env("RAYON_NUM_THREADS", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        finish(self.program(args).spawn().unwrap())
    }

    /// The program, run in another folder.
    pub(crate) fn run_in(&self, folder: &Path, args: &[&str]) -> Ended {
        finish(self.program(args).current_dir(folder).spawn().unwrap())
    }

    /// Starts the program and comes back as soon as `holds`.
    pub(crate) fn start_until(&self, args: &[&str], holds: impl Fn() -> bool) -> Child {
        let mut child = self.program(args).spawn().unwrap();
        wait_until(&format!("{args:?} comes that far"), || {
            let holds = holds();
            assert!(holds || child.try_wait().unwrap().is_none(), "{args:?} ended too early");
            holds
        });
        child
    }
}

/// Comes back as soon as `holds`.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "in vain: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits for the end of `child`; a panic or control codes in what it says fail the test.
pub(crate) fn finish(mut child: Child) -> Ended {
    let mut pipe = child.stderr.take().unwrap();
    let listener = thread::spawn(move || {
        let mut err = String::new();
        pipe.read_to_string(&mut err).unwrap();
        err
    });
    let mut out = String::new();
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_string(&mut out).unwrap();
    }
    let (status, err) = (child.wait().unwrap(), listener.join().unwrap());
    for text in [&out, &err] {
        assert!(!text.contains("panicked") && !text.contains("stack backtrace"), "{text}");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    }
    Ended { code: status.code().unwrap_or(-1), out, err }
}

/// Sends `signal` (`INT`, `TERM`, `KILL`) to `child`.
pub(crate) fn send(child: &Child, signal: &str) {
    let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file below `folder` by its path within, without `tb` and hidden ones.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() && name != "tb" {
                open.push(entry.path());
            } else if entry.path().is_file() && !name.starts_with('.') {
                found.push(entry.path().strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Asserts that two runs left the same behind: the same files, bit for bit but for times.
pub(crate) fn assert_same_run(one: &Path, other: &Path) {
    // What it ran on and said differs, and so does when; the manifest has the hash of `state.json`, which has a time.
    let counts = |path: &PathBuf| {
        !["env.json", "history.jsonl", "manifest.json", "run.log", "report.html"]
            .contains(&&*path.file_name().unwrap().to_string_lossy())
    };
    let kept = |folder: &Path| files(folder).into_iter().filter(counts).collect::<Vec<_>>();
    assert_eq!(kept(one), kept(other));
    for file in kept(one) {
        let read = |folder: &Path| fs::read(folder.join(&file)).unwrap();
        let (a, b) = (read(one), read(other));
        match file.to_str().unwrap() {
            "metrics.jsonl" => assert_eq!(without_times(&a), without_times(&b)),
            name if name.ends_with("state.json") => assert_eq!(without_wall(&a), without_wall(&b), "{name}"),
            name => assert!(a == b, "{name} differs"),
        }
    }
}

/// The rows of a `metrics.jsonl` less what depends on the clock and on the machine's memory.
pub(crate) fn without_times(text: &[u8]) -> Vec<Value> {
    let timed = |key: &str| key.starts_with("time/") || key.starts_with("perf/") || key == "progress/wall_s";
    let row = |line: &str| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        row.as_object_mut().unwrap().retain(|key, _| !timed(key));
        row
    };
    std::str::from_utf8(text).unwrap().lines().map(row).collect()
}

fn without_wall(text: &[u8]) -> Value {
    let mut state: Value = serde_json::from_slice(text).unwrap();
    assert!(state["progress"]["wall_s"].is_number());
    state["progress"]["wall_s"] = Value::Null;
    state
}
