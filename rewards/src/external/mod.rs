//! Graders that are other programs: [`CommandReward`] starts them, [`HttpReward`] asks a server. Both speak one protocol,
//! an object of JSON for each response (`command`: one a line):
//!
//! ```text
//! request  {"id": 7, "task": {"type": "question", "answer": "42"}, "response": "...", "tokens": 120, "cut_off": false}
//! reply    {"id": 7, "value": 1.0}
//! ```
//!
//! `tokens` is left out where it is not known; `"is_answer": true` stands there where the response is the bare answer, and
//! `"in_thought": true` where the prompt has opened a thought (it ends in `<think>`), so that without a `</think>` in the
//! response there is no answer. A reply may also hold `correct` (a boolean; without it a value of 1 or more is correct), `parts` (an object from names of
//! letters, digits, `_`, `-` and `.` to numbers), `status` ("ok", "unparsable", "timeout", "error"; "ok" where not
//! given), `answer` (the text that was judged) and `note` (what a person should read beside the response). Numbers are finite, and
//! there are no other keys.
//!
//! Whatever a program does instead, its response is not graded (worth 0, and trained on nowhere), with the status `timeout`
//! where it took longer than its deadline, else `error`, and a note that says what happened. Where [`PATIENCE`] responses in a row have failed, the rest of
//! those at hand are not tried. Only a grader that has never answered is an error, once [`PATIENCE_AT_FIRST`] responses have
//! failed: then it is the grader that is wrong, not the responses.

mod command;
mod crew;
mod environment;
mod http;
mod process;
mod protocol;
mod stop;
mod tail;
mod tree;
mod watchdog;

pub use command::{CommandConfig, CommandReward};
pub use environment::withhold;
pub use http::{HttpConfig, HttpReward};

use crate::{Response, Reward, Rules, Task, Verdict};
use protocol::Failure;

/// Failures in a row after which the rest of the responses at hand is not tried.
pub const PATIENCE: usize = 64;

/// Failures after which a grader that has never answered is taken not to work.
pub const PATIENCE_AT_FIRST: usize = 16;

/// Longest reply, in bytes.
const MAX_REPLY: usize = 1 << 20;

/// What `grader`, which grades many at once, says of one response.
fn one(grader: &impl Reward, task: &Task, response: &Response<'_>) -> Verdict {
    let verdicts = grader.score_all(&[(task, *response)]);
    let verdict = verdicts.map(|mut all| all.pop().unwrap_or_else(Verdict::undecided));
    verdict.unwrap_or_else(|error| Failure::error(error).verdict())
}

/// A name under which metrics can be reported.
fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && name.len() <= 64 && name.chars().all(fits)
}

/// What to say of an address at `key` that was written down without what is secret of it, `text`; `variable` is how an
/// environment variable can stand for it.
fn lost(key: &str, text: &str, variable: &str) -> String {
    format!(
        "{key}: got {text:?}: passwords and tokens of addresses are not written down; name the recipe that has it instead of \
         the run, give it with --set, or {variable}"
    )
}

/// What the keys that both kinds have may be.
fn common_rules(name: &str, deadline_s: f64, (at_once_key, at_once): (&str, usize)) -> Rules {
    let mut rules = Rules::default();
    let expected = "letters, digits, `_`, `-` and `.`, at most 64";
    rules.expect("name", format_args!("{name:?}"), expected, is_name(name));
    let expected = "above 0 and at most 3600 seconds";
    rules.expect("deadline_s", deadline_s, expected, deadline_s > 0.0 && deadline_s <= 3600.0);
    rules.expect(at_once_key, at_once, "1 to 1024", (1..=1024).contains(&at_once));
    rules
}
