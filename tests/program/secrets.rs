//! Passwords and tokens of addresses: used, and neither shown nor kept.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::place::{Place, RECIPE, finish};

/// A server that pays 1 for every other response, its address, and who has asked it.
fn grader() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut length, mut line) = (0, String::new());
            while reader.read_line(&mut line).unwrap() > 2 {
                let head = line.trim().to_lowercase();
                if let Some(value) = head.strip_prefix("content-length: ") {
                    length = value.parse().unwrap();
                } else if head.starts_with("authorization: ") {
                    list.lock().unwrap().push(line.trim().to_owned());
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let request: Value = serde_json::from_slice(&body).unwrap();
            let value = request["id"].as_u64().unwrap() % 2;
            let reply = json!({ "id": request["id"], "value": value }).to_string();
            let n = reply.len();
            let _ =
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {n}\r\nConnection: close\r\n\r\n{reply}");
        }
    });
    (host, asked)
}

fn recipe(url: &str) -> String {
    let reward = "type = \"countdown\"\npreset = \"tinyzero\"";
    assert!(RECIPE.contains(reward));
    RECIPE.replace(reward, &format!("type = \"http\"\nurl = \"{url}\"")).replace("cosine", "constant")
}

fn assert_unsaid(text: &str) {
    for secret in ["hunter2", "abc123"] {
        assert!(!text.contains(secret), "{text}");
    }
}

fn assert_unkept(folder: &Path) {
    for name in ["env.json", "recipe.toml", "resolved.toml"] {
        assert_unsaid(&fs::read_to_string(folder.join(name)).unwrap());
    }
}

#[test]
fn what_is_secret_of_an_address_is_used_and_not_kept() {
    let (host, asked) = grader();
    let place = Place::new();
    place.write("http.toml", recipe(&format!("http://me:hunter2@{host}/grade?token=abc123")));
    let url = format!("reward.0.url=http://me:hunter2@{host}/other?token=abc123");
    let steps = |n: u32| format!("run.steps={n}");
    let run = |args: &[&str]| {
        let mut command = place.program(args);
        command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1").env("GRADER_PASSWORD", "hunter2");
        let ended = finish(command.spawn().unwrap());
        assert_unsaid(&ended.err);
        assert_unsaid(&ended.out);
        ended
    };
    let first = run(&["train", "http.toml", "--set", &steps(1), "--set", &url]);
    assert_eq!(first.code, 0, "{}", first.err);
    // Basic me:hunter2
    assert!(asked.lock().unwrap().iter().all(|who| who.ends_with("bWU6aHVudGVyMg==")));
    assert!(!asked.lock().unwrap().is_empty());
    let folder = place.path("runs/tiny");
    assert_unkept(&folder);
    assert!(place.read("runs/tiny/resolved.toml").contains("***@"));

    let refused = run(&["train", "runs/tiny", "--resume", "--set", &steps(2)]);
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("`url`: got") && refused.err.contains("name the recipe"), "{}", refused.err);
    for args in [
        &["train", "http.toml", "--resume", "--set", &steps(2), "--set", &url][..],
        &["train", "runs/tiny", "--resume", "--set", &steps(3), "--set", &url],
    ] {
        let resumed = run(args);
        assert_eq!(resumed.code, 0, "{}", resumed.err);
    }
    assert_unkept(&folder);
    // Made anew from what was given, it is the file that the run has sealed.
    let anew = run(&["check", "http.toml", "--resolved", "--set", &steps(3), "--set", &url]);
    assert_eq!(anew.out, place.read("runs/tiny/resolved.toml"));

    // A variable is kept, and known wherever it is set.
    place.write("named.toml", recipe(&format!("http://me:${{GRADER_PASSWORD}}@{host}/grade")));
    for args in [
        &["train", "named.toml", "--name", "named", "--set", &steps(1)][..],
        &["train", "runs/named", "--resume", "--set", &steps(2)],
    ] {
        let ended = run(args);
        assert_eq!(ended.code, 0, "{}", ended.err);
    }
    assert!(place.read("runs/named/resolved.toml").contains("me:${GRADER_PASSWORD}@"));
    assert_unkept(&place.path("runs/named"));

    let wrong = "reward.0.url=ftp://me:hunter2@host/?key=abc123";
    for args in [
        &["check", "http.toml", "--set", wrong][..],
        &["check", "http.toml", "--set", "reward.0.ulr=http://me:hunter2@host/"],
        &["grade", "rows.jsonl", "--reward", "{type=\"http\", url=\"http://me:hunter2@h/\""],
        &[
            "compare",
            "http.toml",
            "--vary",
            "reward.0.url=http://me:hunter2@host/?key=abc123,http://host/",
            "--out",
            "out",
        ],
    ] {
        assert_eq!(run(args).code, 2, "{args:?}");
    }
}
