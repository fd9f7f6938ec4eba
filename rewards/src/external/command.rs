//! `command`: a program that grades over its standard input and output, see the [module](super).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::crew::{Crew, Item};
use super::process::Process;
use super::protocol::Failure;
use super::stop::Stop;
use crate::external::{self, common_rules, lost};
use crate::{
    Response, Reward, RewardSettings, Rules, Status, Task, TaskKind, Verdict, is_masked, mask, masked,
};

/// Keys of the `command` grader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandConfig {
    /// The program and its arguments; a program without a slash is looked for in `PATH`.
    #[serde(serialize_with = "mask::serialize_all")]
    pub program: Vec<String>,
    /// Name under which its values are reported.
    #[serde(default = "name")]
    pub name: String,
    /// How many of it run at once, 1 to 1024.
    #[serde(default = "workers")]
    pub workers: usize,
    /// How long one response may take, with the start of the program where it has to be started, in seconds.
    #[serde(default = "deadline_s")]
    pub deadline_s: f64,
    /// Variables that it gets although they are called like a token or a key, as `HF_TOKEN` is, or named by another grader's
    /// address. It gets all that are neither without being asked.
    #[serde(default)]
    pub pass_env: Vec<String>,
}

fn name() -> String {
    "command".into()
}

fn workers() -> usize {
    4
}

fn deadline_s() -> f64 {
    10.0
}

impl CommandConfig {
    /// The program and its arguments as a person may see them.
    fn shown(&self) -> String {
        let words: Vec<String> = self.program.iter().map(|word| masked(word)).collect();
        words.join(" ")
    }
}

impl RewardSettings for CommandConfig {
    fn rules(&self) -> Rules {
        let Self { program, name, workers, deadline_s, pass_env: _ } = self;
        let mut rules = common_rules(name, *deadline_s, ("workers", *workers));
        let expected = "a program and its arguments, such as [\"python3\", \"grader.py\"]";
        rules.expect("program", "none", expected, program.first().is_some_and(|program| !program.is_empty()));
        rules
    }

    /// That the program cannot be started as it is meant to be.
    fn missing(&self) -> Option<String> {
        let program = self.program.first()?;
        if let Some(argument) = self.program.iter().find(|argument| is_masked(argument)) {
            return Some(lost(
                "program",
                argument,
                "let the program read an environment variable, named in pass_env",
            ));
        }
        let error = which::which(program).err()?;
        Some(format!("program: {program}: expected a program that can be started: {error}"))
    }

    fn judges(&self, _: TaskKind) -> bool {
        true
    }

    fn reaches_out(&self) -> Option<String> {
        let starts = format!("starts the program `{}`", self.shown());
        Some(if self.pass_env.is_empty() {
            starts
        } else {
            format!("{starts} and gives it {}", self.pass_env.join(", "))
        })
    }

    fn build(&self, withheld: &[String]) -> Result<Box<dyn Reward>, String> {
        Ok(Box::new(CommandReward::new(self.clone()).withholding(withheld)))
    }
}

/// A grader that is another program, of which a few run at once; they are started when first needed, and again when they
/// fail. The responses that one of them grades say nothing about those of another: each should give its verdict from the
/// request alone.
///
/// A program that fails on its first request has failed on it. Where it fails on a later one, that is asked again of one
/// started anew in the time that is left: verdicts do not depend on what was asked before.
pub struct CommandReward {
    config: CommandConfig,
    /// Environment variables that the programs do not get, unless the settings name them.
    withheld: Vec<String>,
    workers: Vec<Mutex<Option<Process>>>,
    crew: Crew,
    next_id: AtomicU64,
}

impl CommandReward {
    /// The grader that `config` describes.
    pub fn new(config: CommandConfig) -> Self {
        let workers = (0..config.workers.max(1)).map(|_| Mutex::new(None)).collect();
        Self { config, withheld: Vec::new(), workers, crew: Crew::default(), next_id: AtomicU64::new(0) }
    }

    /// Has it keep `variables` of the environment from its programs as well, unless its settings name them.
    #[must_use]
    pub fn withholding(self, variables: &[String]) -> Self {
        Self { withheld: variables.to_vec(), ..self }
    }

    /// Grades `item` in `worker`, which holds the program only while it works. A stop ends it as its deadline does.
    fn grade(&self, worker: &mut Option<Process>, item: &Item<'_>, stop: &Stop) -> Result<Verdict, Failure> {
        let (start, deadline) = (Instant::now(), Duration::from_secs_f64(self.config.deadline_s));
        loop {
            let is_fresh = worker.is_none();
            let process = match worker {
                Some(process) => process,
                None => worker.insert(Process::start(&self.config, &self.withheld)?),
            };
            let id = self.next_id.fetch_add(1, Ordering::Relaxed);
            let left = deadline.saturating_sub(start.elapsed());
            let failure = match process.ask(id, item, left, stop) {
                Ok(verdict) => return Ok(verdict),
                Err(failure) => failure,
            };
            *worker = None;
            if is_fresh || failure.status == Status::Timeout {
                return Err(failure);
            }
            if start.elapsed() >= deadline {
                return Err(Failure::timeout(self.config.deadline_s));
            }
        }
    }
}

impl Reward for CommandReward {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn score(&self, task: &Task, response: &Response<'_>) -> Verdict {
        external::one(self, task, response)
    }

    fn score_all(&self, items: &[Item<'_>]) -> Result<Vec<Verdict>, String> {
        self.score_while(items, &mut || true)
    }

    fn score_while(
        &self,
        items: &[Item<'_>],
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Verdict>, String> {
        let grade = |worker: &mut &Mutex<Option<Process>>, item: &Item<'_>, stop: &Stop| {
            self.grade(&mut worker.lock().unwrap_or_else(PoisonError::into_inner), item, stop)
        };
        let program = || self.config.program.join(" ");
        let verdicts = self.crew.grade_all(self.workers.iter(), items, go_on, grade);
        verdicts.map_err(|reason| format!("the program {:?} does not work as a grader: {reason}", program()))
    }
}
