//! `command`: a program that gets a run as it goes on, an object of JSON a line on its standard input.
//!
//! ```text
//! {"type": "run", "name": "countdown", "id": "c0ffee0123456789", "folder": "/data/runs/countdown", "steps": 140,
//!  "after_step": 0, "recipe": {...}, "metrics": {"reward/mean": "Mean reward of ...", ...}}
//! {"type": "row", "step": 1, "time": 1767225599.5, "metrics": {"reward/mean": 0.2, ...}}
//! {"type": "sample", "step": 20, "prompt_id": 17, "prompt": "...", "gold": "45", "responses": [{...}, ...]}
//! {"type": "end", "outcome": "done"}                                      or "stopped", "failed", with a "message"
//! ```
//!
//! The description comes first, also to a program that is started again; `after_step` is the last step whose row does not come
//! again: 0 in a new run, and where a run goes on, or the program, the step that it goes on behind. A number that is not finite is
//! null. After the line `end` its input is closed; input that ends without one is a run that was killed.
//!
//! A thread of its own writes. Where the program does not keep up, [`QUEUE`] lines wait and further ones are left out, which is
//! said; where it ends, it is started again. It leads a process group of its own, so that a Ctrl-C that stops the run leaves it
//! the time to end.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use rewards::is_masked;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use super::SinkSettings;
use super::feeder::{Feeder, Line};
use crate::observe::{About, Ending, MetricSink, Sample, glossary};
use crate::types::{MetricRow, Rules, Step, masked};

/// Lines that wait for a program that does not keep up.
const QUEUE: usize = 1024;

/// Keys of the `command` sink.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommandSink {
    /// The program and its arguments; a program without a slash is looked for in `PATH`.
    #[serde(serialize_with = "masked_words")]
    pub program: Vec<String>,
    /// Name under which it is spoken of, and of the file in the run's folder that has what it says: `sinks/NAME.log`.
    #[serde(default = "name")]
    pub name: String,
    /// How long the end of the run waits for it to take what is left and end, in seconds; then it is left alone.
    #[serde(default = "finish_s")]
    pub finish_s: f64,
    /// Variables that it gets although they are called like a token or a key, as `WANDB_API_KEY` is. It gets all others without
    /// being asked.
    #[serde(default)]
    pub pass_env: Vec<String>,
}

fn name() -> String {
    "command".to_owned()
}

fn finish_s() -> f64 {
    30.0
}

fn masked_words<S: Serializer>(words: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    words.iter().map(|word| masked(word)).collect::<Vec<_>>().serialize(serializer)
}

impl SinkSettings for CommandSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn rules(&self) -> Rules {
        let Self { program, name, finish_s, pass_env: _ } = self;
        let mut rules = Rules::default();
        let expected = "a program and its arguments, such as [\"python3\", \"scripts/sinks/wandb_sink.py\"]";
        let is_named = program.first().is_some_and(|program| !program.is_empty());
        rules.expect("program", "none", expected, is_named);
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let is_name = !name.is_empty() && name.len() <= 64 && name.chars().all(fits);
        rules.expect("name", format_args!("{name:?}"), "letters, digits, `_` and `-`, at most 64", is_name);
        rules.expect("finish_s", finish_s, "0 to 3600 seconds", (0.0..=3600.0).contains(finish_s));
        rules
    }

    fn missing(&self) -> Option<String> {
        let program = self.program.first()?;
        if let Some(word) = self.program.iter().find(|word| is_masked(word)) {
            return Some(format!(
                "program: got {word:?}: passwords and tokens of addresses are not written down; let the program read an \
                 environment variable, named in pass_env"
            ));
        }
        let error = which::which(program).err()?;
        Some(format!("program: {program}: expected a program that can be started: {error}"))
    }

    fn reaches_out(&self) -> String {
        let words: Vec<String> = self.program.iter().map(|word| masked(word)).collect();
        let gives = if self.pass_env.is_empty() {
            String::new()
        } else {
            format!(" and {}", self.pass_env.join(", "))
        };
        format!("gives its rows{gives} to the program `{}`", words.join(" "))
    }

    fn open(&self, about: &About, said: &Path) -> Box<dyn MetricSink> {
        let (lines, to_write) = sync_channel(QUEUE);
        let (ended, end) = channel();
        let last_words = Arc::new(Mutex::new(None));
        let feeder = Feeder {
            config: self.clone(),
            said: said.join(format!("{}.log", self.name)),
            about: description(about),
            withheld: about.withheld.clone(),
            after: about.after,
            last_words: Arc::clone(&last_words),
            process: None,
            starts: 0,
        };
        thread::spawn(move || {
            feeder.feed(&to_write);
            // Nobody may wait for it any more.
            _ = ended.send(());
        });
        Box::new(Command {
            name: self.name.clone(),
            finish_s: self.finish_s,
            lines: Some(lines),
            last_words,
            end,
            left_out: 0,
        })
    }
}

/// The first line, less where it goes on.
fn description(about: &About) -> Value {
    let entries = glossary::ENTRIES.iter().map(|entry| (entry.key.to_owned(), Value::from(entry.meaning)));
    json!({
        "type": "run",
        "name": about.name,
        "id": about.id,
        "folder": about.folder,
        "steps": about.steps,
        "after_step": about.after,
        "recipe": about.recipe,
        "metrics": entries.collect::<serde_json::Map<_, _>>(),
    })
}

/// The run's side of a program.
struct Command {
    name: String,
    finish_s: f64,
    /// None once the run has ended.
    lines: Option<SyncSender<Line>>,
    /// The line that ends the run, which has its place also where no line more may wait.
    last_words: Arc<Mutex<Option<String>>>,
    /// Hears when the program has ended.
    end: Receiver<()>,
    left_out: u64,
}

impl Command {
    /// Sends `line`, which is of `step`.
    fn send(&mut self, step: Step, line: &Value) {
        let Some(lines) = &self.lines else { return };
        let row = (line["type"] == "row").then_some(step);
        let line = Line { row, text: format!("{line}\n") };
        // To one that was given up nothing more is sent, as it was said.
        let Err(TrySendError::Full(_)) = lines.try_send(line) else { return };
        self.left_out += 1;
        if self.left_out == 1 {
            let name = &self.name;
            tracing::warn!(
                "sink `{name}` does not keep up: {QUEUE} lines wait for it, and that of step {step} is left out; the run goes on"
            );
        }
    }
}

impl MetricSink for Command {
    fn write(&mut self, step: Step, row: &MetricRow) -> Result<()> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
        self.send(step, &json!({"type": "row", "step": step, "time": time, "metrics": row}));
        Ok(())
    }

    fn sample(&mut self, sample: &Sample) -> Result<()> {
        let mut line = json!({"type": "sample"});
        if let (Value::Object(line), Value::Object(sample)) = (&mut line, serde_json::to_value(sample)?) {
            line.extend(sample);
        }
        self.send(sample.step, &line);
        Ok(())
    }

    fn end(&mut self, ending: &Ending) {
        let Some(lines) = self.lines.take() else { return };
        let line = match ending {
            Ending::Done => json!({"type": "end", "outcome": "done"}),
            Ending::Stopped => json!({"type": "end", "outcome": "stopped"}),
            Ending::Failed(message) => {
                json!({"type": "end", "outcome": "failed", "message": masked(message)})
            }
        };
        *self.last_words.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{line}\n"));
        // Only now the thread hears that nothing more comes, and looks for the last words.
        drop(lines);
        let name = &self.name;
        if self.left_out > 0 {
            tracing::warn!("sink `{name}` did not keep up: {} lines were left out", self.left_out);
        }
    }
}

impl Drop for Command {
    /// Waits for the program, for as long as it may take.
    fn drop(&mut self) {
        self.end(&Ending::Stopped);
        let (name, patience) = (&self.name, Duration::from_secs_f64(self.finish_s));
        if self.end.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(
                "sink `{name}` has not ended within {} s ([[observe.sink]] finish_s) and is left alone",
                self.finish_s
            );
        }
    }
}
