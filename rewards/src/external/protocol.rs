//! Requests and replies, see the [module](super).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::is_name;
use crate::{CORRECT, Response, Status, Task, Verdict};

/// What an external grader is asked.
#[derive(Serialize)]
pub(super) struct Request<'a> {
    pub id: u64,
    task: &'a Task,
    response: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<usize>,
    cut_off: bool,
    #[serde(skip_serializing_if = "is_false")]
    is_answer: bool,
    #[serde(skip_serializing_if = "is_false")]
    in_thought: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// What it replies.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    id: u64,
    value: f64,
    correct: Option<bool>,
    #[serde(default)]
    parts: BTreeMap<String, f64>,
    status: Option<Status>,
    answer: Option<String>,
    note: Option<String>,
}

/// Why an external grader gives no verdict.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    pub status: Status,
    pub note: String,
}

impl Failure {
    pub(super) fn error(note: impl Into<String>) -> Self {
        Self { status: Status::Error, note: note.into() }
    }

    pub(super) fn timeout(deadline_s: f64) -> Self {
        Self { status: Status::Timeout, note: format!("no reply within {deadline_s} s") }
    }

    pub(super) fn verdict(self) -> Verdict {
        Verdict { note: Some(self.note), ..Verdict::from_correct(false, self.status) }
    }
}

impl<'a> Request<'a> {
    pub(super) fn new(id: u64, (task, response): &'a (&'a Task, Response<'a>)) -> Self {
        let Response { text, tokens, cut_off, is_answer, in_thought } = *response;
        Self { id, task, response: text, tokens, cut_off, is_answer, in_thought }
    }

    /// As JSON on one line.
    pub(super) fn line(&self) -> Result<String, Failure> {
        serde_json::to_string(self)
            .map_err(|error| Failure::error(format!("the task cannot be written: {error}")))
    }
}

/// The verdict in `text`, the reply to request `id`.
pub(super) fn verdict(id: u64, text: &[u8]) -> Result<Verdict, Failure> {
    let garbage = |what: String| {
        let text = String::from_utf8_lossy(text);
        let shown: String = text.trim_end().chars().take(200).collect();
        Failure::error(format!("not a reply, {what}: {shown}"))
    };
    let reply: Reply = serde_json::from_slice(text).map_err(|error| garbage(error.to_string()))?;
    let Reply { id: got, value, correct, mut parts, status, answer, note } = reply;
    if got != id {
        return Err(garbage(format!("`id` is {got} instead of {id}")));
    }
    if let Some(name) = parts.keys().find(|name| !is_name(name)) {
        return Err(garbage(format!("part {name:?} is not named by letters, digits, `_`, `-` and `.`")));
    }
    if !value.is_finite() || parts.values().any(|part| !part.is_finite()) {
        return Err(garbage("a number is not finite".into()));
    }
    let correct = correct.unwrap_or(value >= 1.0);
    parts.insert(CORRECT.into(), f64::from(u8::from(correct)));
    Ok(Verdict { answer, note, ..Verdict::new(value, parts, status.unwrap_or(Status::Ok)) })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::Question;

    #[test]
    fn a_request_says_what_is_known() {
        let task = Task::Question(Question::new("42"));
        let line = |response| Request::new(7, &(&task, response)).line().unwrap();
        let read = |line: String| serde_json::from_str::<Value>(&line).unwrap();
        let response = Response { tokens: Some(3), cut_off: true, ..Response::new("a\nb") };
        assert!(!line(response).contains('\n'));
        let task_json = json!({"type": "question", "answer": "42"});
        let expected = json!({"id": 7, "task": task_json, "response": "a\nb", "tokens": 3, "cut_off": true});
        assert_eq!(read(line(response)), expected);
        let expected =
            json!({"id": 7, "task": task_json, "response": "a", "cut_off": false, "is_answer": true});
        assert_eq!(read(line(Response { is_answer: true, ..Response::new("a") })), expected);
        let expected =
            json!({"id": 7, "task": task_json, "response": "a", "cut_off": false, "in_thought": true});
        assert_eq!(read(line(Response { in_thought: true, ..Response::new("a") })), expected);
    }

    #[test]
    fn a_reply_becomes_a_verdict() {
        let read = |reply: Value| verdict(7, reply.to_string().as_bytes()).unwrap();
        for (value, correct) in [(0.0, false), (0.5, false), (1.0, true), (2.0, true)] {
            let verdict = read(json!({"id": 7, "value": value}));
            assert_eq!((verdict.value, verdict.correct(), verdict.status), (value, correct, Status::Ok));
        }
        let all = json!({"id": 7, "value": -1, "correct": true, "parts": {"a.b": 2}, "status": "unparsable", "answer": "x",
            "note": "why"});
        let verdict = read(all);
        assert_eq!((verdict.value, verdict.parts["a.b"], verdict.correct()), (-1.0, 2.0, true));
        assert_eq!((verdict.status, verdict.answer.as_deref()), (Status::Unparsable, Some("x")));
        assert_eq!(verdict.note.as_deref(), Some("why"));
    }

    #[test]
    fn garbage_is_named() {
        for (reply, expected) in [
            ("", "EOF"),
            ("hello", "expected value"),
            ("{\"id\": 8, \"value\": 1}", "`id` is 8 instead of 7"),
            ("{\"id\": 7}", "missing field `value`"),
            ("{\"id\": 7, \"value\": 1, \"corect\": true}", "unknown field `corect`"),
            ("{\"id\": 7, \"value\": 1e999}", "out of range"),
            ("{\"id\": 7, \"value\": NaN}", "expected"),
            ("{\"id\": 7, \"value\": 1, \"parts\": {\"a/b\": 1}}", "part \"a/b\""),
            ("{\"id\": 7, \"value\": 1} {}", "trailing"),
        ] {
            let failure = verdict(7, reply.as_bytes()).unwrap_err();
            assert_eq!(failure.status, Status::Error);
            assert!(failure.note.contains(expected), "{}", failure.note);
        }
        assert!(verdict(7, b"\xff\xfe").is_err());
    }
}
