//! Servers as graders, played by a thread that reads requests and writes what a script says.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rewards::{HttpConfig, HttpReward, Question, Response, Reward, RewardSettings, Status, Task, Verdict};
use serde_json::{Value, json};

/// What the server does with the nth request for a response, counted from 0: a status and a body, or nothing at all.
type Script = fn(&Value, usize) -> Option<(u16, String)>;

/// A server on a free port; its address and the number of requests so far.
fn serve(script: Script) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/grade", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let counted = Arc::clone(&counted);
            thread::spawn(move || answer(stream, script, &counted));
        }
    });
    (url, count)
}

/// Reads one request and answers it.
fn answer(stream: TcpStream, script: Script, count: &AtomicUsize) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).unwrap_or(0) > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() || length == 0 {
        return;
    }
    let request: Value = serde_json::from_slice(&body).unwrap();
    let mut stream = stream;
    match script(&request, count.fetch_add(1, Ordering::SeqCst)) {
        Some((status, body)) => {
            let length = body.len();
            _ = write!(
                stream,
                "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
        }
        // The connection stays open for longer than anybody waits.
        None => thread::sleep(Duration::from_secs(60)),
    }
}

fn grader(url: String, deadline_s: f64, retries: u32) -> HttpReward {
    HttpReward::new(HttpConfig { url, name: "http".into(), concurrency: 4, deadline_s, retries }).unwrap()
}

fn score(reward: &HttpReward, text: &str) -> Verdict {
    reward.score(&Task::Question(Question::new("42")), &Response::new(text))
}

fn good(request: &Value, _: usize) -> Option<(u16, String)> {
    let right = request["response"] == request["task"]["answer"];
    Some((200, json!({"id": request["id"], "value": f64::from(u8::from(right))}).to_string()))
}

#[test]
fn responses_are_graded_in_order() {
    let (url, count) = serve(good);
    let task = Task::Question(Question::new("42"));
    let items: Vec<_> =
        (0..40).map(|n| (&task, Response::new(if n % 3 == 0 { "42" } else { "7" }))).collect();
    let verdicts = grader(url, 5.0, 0).score_all(&items).unwrap();
    let right: Vec<bool> = verdicts.iter().map(Verdict::correct).collect();
    assert_eq!(right, (0..40).map(|n| n % 3 == 0).collect::<Vec<_>>());
    assert_eq!(count.load(Ordering::SeqCst), 40);
}

#[test]
fn a_failing_server_is_asked_again() {
    let (url, count) = serve(|request, n| if n < 2 { Some((503, "busy".into())) } else { good(request, n) });
    assert!(score(&grader(url.clone(), 5.0, 2), "42").correct());
    assert_eq!(count.load(Ordering::SeqCst), 3);

    let (url, count) = serve(|_, _| Some((500, "no model".into())));
    let verdict = score(&grader(url, 5.0, 1), "42");
    assert_eq!(verdict.status, Status::Error);
    assert_eq!(
        verdict.note.as_deref(),
        Some("the server replied with status 500 Internal Server Error: no model")
    );
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[test]
fn a_refusal_and_garbage_are_not_asked_again() {
    let (url, count) = serve(|_, _| Some((404, String::new())));
    assert_eq!(score(&grader(url, 5.0, 3), "42").status, Status::Error);
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let (url, count) = serve(|_, _| Some((200, "{}".into())));
    assert_eq!(score(&grader(url, 5.0, 3), "42").status, Status::Error);
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let (url, _) = serve(|_, _| Some((200, " ".repeat(2_000_000))));
    assert_eq!(score(&grader(url, 5.0, 3), "42").status, Status::Error);
}

#[test]
fn the_deadline_holds() {
    let (url, _) = serve(|_, _| None);
    let start = Instant::now();
    let verdict = score(&grader(url, 0.3, 5), "42");
    assert_eq!((verdict.status, verdict.note.as_deref()), (Status::Timeout, Some("no reply within 0.3 s")));
    assert!(start.elapsed() < Duration::from_secs(2));
}

/// Neither a reply that does not come is waited for, nor, after six failures, the pause of 3.2 s.
#[test]
fn a_stop_waits_for_no_reply_and_no_pause() {
    let silent: Script = |_, _| None;
    let busy: Script = |_, _| Some((503, "busy".into()));
    let task = Task::Question(Question::new("42"));
    for (script, n_items, n_requests) in [(silent, 4, 4), (busy, 1, 6)] {
        let (url, count) = serve(script);
        let items = vec![(&task, Response::new("42")); n_items];
        let mut stopped = None;
        let mut go_on = || {
            let goes_on = count.load(Ordering::SeqCst) < n_requests;
            stopped = stopped.or((!goes_on).then(Instant::now));
            goes_on
        };
        let error = grader(url, 60.0, 100).score_while(&items, &mut go_on).unwrap_err();
        assert!(error.ends_with("it was stopped"), "{error}");
        assert!(stopped.unwrap().elapsed() < Duration::from_secs(2), "{:?}", stopped.unwrap().elapsed());
        thread::sleep(Duration::from_millis(200));
        assert_eq!(count.load(Ordering::SeqCst), n_requests, "nothing is asked after a stop");
    }
}

#[test]
fn a_server_that_is_not_there_is_an_error() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let reward = grader(format!("http://127.0.0.1:{port}/"), 5.0, 1);
    let task = Task::Question(Question::new("42"));
    let error = reward.score_all(&vec![(&task, Response::new("42")); 100]).unwrap_err();
    let expected =
        format!("the server http://127.0.0.1:{port}/ does not work as a grader: it has answered none of the");
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn settings_that_cannot_work_are_named() {
    let problems = |url: &str| {
        let config: HttpConfig = serde_json::from_value(json!({"url": url})).unwrap();
        config.rules().problems()
    };
    assert!(problems("http://localhost:8000/grade").is_empty());
    for url in ["", "localhost", "https://example.org", "ftp://x", "http://"] {
        assert_eq!(
            problems(url),
            [format!("url: got {url:?}, expected an address that begins with http://")]
        );
    }
}

#[test]
fn secrets_of_an_address_are_not_written_down() {
    let config = |url: &str| -> HttpConfig { serde_json::from_value(json!({ "url": url })).unwrap() };
    let whole = config("http://me:pass@host:8000/grade?token=abc");
    assert!(whole.rules().problems().is_empty() && whole.missing().is_none());
    let written = serde_json::to_value(&whole).unwrap();
    assert_eq!(written["url"], "http://***@host:8000/grade?token=***");
    // Read back it leads nowhere, and says so before anybody is asked.
    let lost = serde_json::from_value::<HttpConfig>(written).unwrap();
    assert!(lost.rules().problems().is_empty());
    assert!(lost.missing().unwrap().starts_with("url: got \"http://***@host:8000/"), "{:?}", lost.missing());
    // A variable is none, and stays.
    let named = config("http://me:${CARGO_PKG_NAME}@host");
    assert_eq!(serde_json::to_value(&named).unwrap()["url"], named.url.as_str());
    assert!(named.rules().problems().is_empty() && named.missing().is_none());
    let unset = config("http://me:${RLCREDIT_NO_SUCH_VARIABLE}@host");
    assert!(unset.missing().unwrap().contains("RLCREDIT_NO_SUCH_VARIABLE is not set"));
    assert!(HttpReward::new(unset).is_err());
    let problem = config("ftp://me:pass@host").rules().problems().remove(0);
    assert!(problem.contains("ftp://***@host") && !problem.contains("pass"), "{problem}");
}
