//! `env.json`: what a run ran on.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::files::{read_regular, set_aside, write_whole};
use crate::kernel::instructions;
use crate::model::{Backend, Dtype, Placement};
use crate::types::{RunId, masked};

/// What shapes the last bits of a result beside recipe and inputs: the order in which kernels add numbers depends on it.
const SHAPING: [&str; 5] = ["libtorch", "device", "backend", "instructions", "threads"];

/// The commit that this program was built from, and whether files of it had been changed since; `unknown commit` where it was built
/// outside of a checkout.
pub(crate) const BUILT_FROM: &str = env!("RLCREDIT_COMMIT");

/// What one process of a run ran on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Environment {
    /// The run; absent where there is none, as in an evaluation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Version of rlcredit.
    pub rlcredit: String,
    /// Version of libtorch.
    pub libtorch: String,
    /// Where the policy lives: `cpu`, `cuda:0`, ...
    pub device: String,
    /// Precision of the forward and backward pass.
    pub dtype: Dtype,
    /// What computes it.
    pub backend: Backend,
    /// Threads that libtorch computes with.
    pub threads: usize,
    /// The processor's instructions that kernels are chosen by, see [`crate::kernel::instructions`].
    pub instructions: String,
    /// The checkout that the running program lies in, if any, as it is when the process starts: the program itself may
    /// have been built from an earlier state.
    pub git: Option<Git>,
    /// The command line, what is secret of addresses in it masked.
    pub command: Vec<String>,
    /// When the process started, UTC, `2026-01-31T23:59:59Z`.
    pub started: String,
}

/// A state of a git checkout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Git {
    /// Hash of the commit.
    pub commit: String,
    /// Whether tracked files differ from it.
    pub dirty: bool,
}

impl Environment {
    /// What this process runs on, given what only libtorch knows.
    #[must_use]
    pub(crate) fn gather(
        libtorch: &str,
        device: &str,
        dtype: Dtype,
        backend: Backend,
        threads: usize,
    ) -> Self {
        Self {
            run: None,
            rlcredit: env!("CARGO_PKG_VERSION").to_owned(),
            libtorch: libtorch.to_owned(),
            device: device.to_owned(),
            dtype,
            backend,
            threads,
            instructions: instructions(),
            git: Git::of_this_program(),
            command: std::env::args_os().map(|arg| masked(&arg.to_string_lossy())).collect(),
            started: Timestamp::now().strftime("%FT%TZ").to_string(),
        }
    }

    /// What this process runs on, which computes by `backend` at `placement`.
    #[must_use]
    pub(crate) fn here(placement: Placement, backend: Backend) -> Self {
        let device = placement.device_name();
        let threads = usize::try_from(tch::get_num_threads()).unwrap_or_default();
        Self::gather(env!("LIBTORCH_VERSION"), &device, placement.dtype(), backend, threads)
    }

    /// Writes what this process runs on to `path`, the `env.json` of a run; what earlier processes of the run ran on is kept
    /// under `earlier`. Says what a person should know of the earlier ones.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn write(&self, path: &Path) -> Result<Vec<String>> {
        let (merged, notes) = match read_regular(path, u64::MAX) {
            Ok(before) => match self.after(&before) {
                Ok((merged, note)) => (merged, note.into_iter().collect()),
                Err(error) => {
                    let aside = set_aside(path)?;
                    let note = format!(
                        "{}: damaged, {error:#}; it is set aside as {}, and another one begun",
                        path.display(),
                        aside.display()
                    );
                    (serde_json::to_value(self)?, vec![note])
                }
            },
            Err(_) => (serde_json::to_value(self)?, Vec::new()),
        };
        write_whole(path, |mut w| {
            serde_json::to_writer_pretty(&mut w, &merged)?;
            Ok(w.write_all(b"\n")?)
        })?;
        Ok(notes)
    }

    /// This environment, with that of `before` (the text of an `env.json`) and those before it under `earlier`; with it, in
    /// what the two differ that shapes the last bits.
    fn after(&self, before: &[u8]) -> Result<(Value, Option<String>)> {
        let mut before: Map<String, Value> = serde_json::from_slice(before).context("not a JSON object")?;
        let mut earlier = match before.shift_remove("earlier") {
            Some(Value::Array(earlier)) => earlier,
            _ => Vec::new(),
        };
        let mut merged = serde_json::to_value(self)?;
        let note = difference(&merged, &before);
        earlier.push(Value::Object(before));
        merged["earlier"] = Value::Array(earlier);
        Ok((merged, note))
    }
}

/// What of [`SHAPING`] is otherwise now than before, as far as is known of that.
fn difference(now: &Value, before: &Map<String, Value>) -> Option<String> {
    let said = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let differs = |key: &&str| before.get(*key).is_some_and(|value| *value != now[*key]);
    let parts = SHAPING.into_iter().filter(differs);
    let parts: Vec<String> =
        parts.map(|key| format!("{key} {} now, {} before", said(&now[key]), said(&before[key]))).collect();
    (!parts.is_empty()).then(|| {
        format!(
            "the run goes on elsewhere than before ({}): from here on its result is as good, but no longer the same to \
             the last bit as without a stop",
            parts.join("; ")
        )
    })
}

impl Git {
    fn of_this_program() -> Option<Self> {
        let program = std::env::current_exe().ok()?;
        let git = |args: &[&str]| {
            let output = Command::new("git").arg("-C").arg(program.parent()?).args(args).output().ok()?;
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let commit = git(&["rev-parse", "HEAD"])?;
        let dirty = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
        Some(Self { commit, dirty })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn earlier_environments_are_kept_in_order() {
        let mut environment = Environment::gather("2.11.0", "cpu", Dtype::Bf16, Backend::Cpu, 2);
        let first = serde_json::to_vec(&environment).unwrap();
        environment.threads = 3;
        let second = serde_json::to_vec(&environment.after(&first).unwrap().0).unwrap();
        environment.threads = 4;
        let (third, note) = environment.after(&second).unwrap();
        assert!(note.unwrap().contains("(threads 4 now, 3 before): from here on"));
        let known = serde_json::json!({ "threads": 4, "libtorch": "2.11.0", "device": "cpu" });
        let after = |known: &Value| environment.after(known.to_string().as_bytes()).unwrap().1;
        assert_eq!(after(&known), None, "earlier versions say less");
        let known = serde_json::json!({ "threads": 4, "libtorch": "2.9.0", "instructions": "x86-64" });
        let said = after(&known).unwrap();
        assert!(said.contains("libtorch 2.11.0 now, 2.9.0 before; instructions "), "{said}");
        assert_eq!(third["threads"], 4);
        let earlier: Vec<_> =
            third["earlier"].as_array().unwrap().iter().map(|e| e["threads"].clone()).collect();
        assert_eq!(earlier, [2, 3]);
        assert!(third["earlier"][1].get("earlier").is_none());
        assert_eq!(third["libtorch"], "2.11.0");
        assert!(environment.after(b"[]").is_err());
    }
}
