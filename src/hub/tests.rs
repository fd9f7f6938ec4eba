//! Hubs that do not behave.
#![expect(clippy::unwrap_used, reason = "tests")]

mod server;

use std::fs;
use std::io::{self, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use self::server::{Asked, Server, git_tag, large_tag, reply};
use super::hash::ContentHash;
use super::trouble::Trouble;
use super::*;
use crate::interrupt::StopSignal;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Where the model's files are asked for.
const FILES: &str = "/org/tiny/resolve/0123456789abcdef0123456789abcdef01234567/";

const TOKENIZER: &[u8] = b"{\"a tokenizer\": true}";

/// Where the cache lies in a test's folder: so deep that names which lead out of it end there.
const HOME: &str = "1/2/3/4/5/hf";

/// A hub at `endpoint`, asked with a token and again soon, and the folder of its cache.
fn hub(endpoint: &str) -> (Hub, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join(HOME).display().to_string();
    let find = |name: &str| match name {
        "HF_HOME" => Some(home.clone()),
        "HF_ENDPOINT" => Some(endpoint.to_owned()),
        "HF_TOKEN" => Some("secret".to_owned()),
        _ => None,
    };
    let hub = Hub::from_variables(&find, None).unwrap();
    (Hub { patience: Patience { pause: Duration::from_millis(5), ..hub.patience }, ..hub }, dir)
}

fn model() -> HubModel {
    "org/tiny".parse().unwrap()
}

/// What came of fetching everything from `server`, and the folder around the cache.
fn fetched(server: &Server, files: Files) -> (Result<Snapshot, String>, TempDir) {
    let (hub, dir) = hub(&server.address);
    (hub.fetch(&model(), files, None).map_err(|error| format!("{error:#}")), dir)
}

/// The list of a model with a tokenizer, a configuration and weights.
fn list(stream: &TcpStream) {
    let names = ["tokenizer.json", "config.json", "model.safetensors", "../../etc/passwd"];
    let siblings: Vec<_> = names.iter().map(|name| serde_json::json!({ "rfilename": name })).collect();
    let list = serde_json::json!({ "sha": COMMIT, "siblings": siblings }).to_string();
    reply(stream, "200 OK", "Content-Type: application/json\r\n", list.as_bytes());
}

fn content(path: &str) -> Vec<u8> {
    match path.rsplit('/').next().unwrap() {
        "tokenizer.json" => TOKENIZER.to_vec(),
        "config.json" => b"{}".to_vec(),
        _ => (0..200_000_u32).flat_map(u32::to_le_bytes).collect(),
    }
}

/// A hub as it should be.
fn honest(asked: &Asked, stream: &TcpStream) {
    if asked.path.starts_with("/api/") {
        return list(stream);
    }
    let content = content(&asked.path);
    let tag = if asked.path.ends_with("safetensors") { large_tag(&content) } else { git_tag(&content) };
    let headers = format!("ETag: {tag}\r\nX-Repo-Commit: {COMMIT}\r\n");
    match asked.from {
        None => reply(stream, "200 OK", &headers, &content),
        Some(from) => {
            let range = format!("Content-Range: bytes {from}-{}/{}\r\n", content.len() - 1, content.len());
            reply(stream, "206 Partial Content", &(headers + &range), &content[from..]);
        }
    }
}

/// A hub that is honest but for what `odd` says of a question; it gives true where it has answered.
fn but(odd: impl Fn(&Asked, usize, &TcpStream) -> bool + Send + Sync + 'static) -> Server {
    Server::new(move |asked, before, stream| {
        if !odd(asked, before, &stream) {
            honest(asked, &stream);
        }
    })
}

/// That what `server` says is refused in words that hold `said`.
fn refused(server: &Server, said: &str) {
    let (hub, dir) = hub(&server.address);
    refused_by(&hub, &dir, said);
}

fn refused_by(hub: &Hub, dir: &TempDir, said: &str) {
    let begun = Instant::now();
    let error = format!("{:#}", hub.fetch(&model(), Files::All, None).unwrap_err());
    assert!(error.contains(said) && error.contains("org/tiny@main"), "expected {said}, got {error}");
    assert!(!error.contains("secret") && error.len() < 900, "{error}");
    assert_eq!(strays(dir.path(), &dir.path().join(HOME)), Vec::<PathBuf>::new());
    assert!(begun.elapsed() < Duration::from_secs(240), "{said}: {:?}", begun.elapsed());
}

/// What lies below `folder` and neither in `home` nor on the way there.
fn strays(folder: &Path, home: &Path) -> Vec<PathBuf> {
    let there = crate::files::list(folder).unwrap().into_iter().map(|entry| entry.path());
    let (way, others): (Vec<_>, Vec<_>) = there.partition(|path| home.starts_with(path));
    let further = way.iter().filter(|path| *path != home).flat_map(|path| strays(path, home));
    others.into_iter().chain(further).collect()
}

#[test]
fn what_lies_outside_of_the_cache_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join(HOME);
    fs::create_dir_all(home.join("hub")).unwrap();
    assert!(strays(dir.path(), &home).is_empty());
    let outside = home.join("hub/models/blobs/../../../../../outside");
    fs::create_dir_all(home.join("hub/models/blobs")).unwrap();
    fs::write(outside, "").unwrap();
    fs::write(dir.path().join("outside"), "").unwrap();
    assert_eq!(strays(dir.path(), &home).len(), 2);
}

#[test]
fn an_honest_hub_is_asked_once_for_each_file() {
    let server = but(|_, _, _| false);
    let (hub, _dir) = hub(&server.address);
    let snapshot = hub.fetch(&model(), Files::All, None).unwrap();
    for name in ["tokenizer.json", "config.json", "model.safetensors"] {
        assert_eq!(fs::read(snapshot.folder.join(name)).unwrap(), content(name), "{name}");
        assert_eq!(server.asked_for(name), 1);
    }
    assert!(server.asked().iter().all(|asked| asked.authorization.as_deref() == Some("Bearer secret")));
    assert_eq!(hub.fetch(&model(), Files::All, None).unwrap(), snapshot);
    assert_eq!(server.asked().len(), 5);
    // Another commit of the same contents has them already.
    let other = Shelf::new(&hub.cache, &model());
    fs::remove_dir_all(other.snapshot(COMMIT)).unwrap();
    hub.fetch(&model(), Files::All, None).unwrap();
    assert!(server.asked().iter().all(|asked| asked.from.is_none()));
}

#[test]
fn the_token_stays_with_the_hub() {
    let store = Server::new(|asked, _, stream| match asked.path.strip_prefix("/back") {
        // Back to the hub.
        Some(hub) => reply(&stream, "302 Found", &format!("Location: {}\r\n", &hub[1..]), b""),
        None => reply(&stream, "200 OK", "ETag: \"not a hash\"\r\n", &content(&asked.path)),
    });
    let away = store.address.clone();
    let own = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let known = std::sync::Arc::clone(&own);
    let server = but(move |asked, _, stream| {
        let tag = large_tag(&content(&asked.path));
        let linked = format!("X-Linked-ETag: {tag}\r\nX-Linked-Size: 800000\r\n");
        let location = match asked.path.as_str() {
            path if path.ends_with("model.safetensors") => format!("{away}/model.safetensors"),
            // By way of the other host back to the hub.
            path if path.starts_with(FILES) && path.ends_with("config.json") => {
                format!("{away}/back/{}/moved/config.json", known.get().unwrap())
            }
            // Within the hub.
            path if path.starts_with(FILES) => "/moved/tokenizer.json".to_owned(),
            _ => return false,
        };
        let linked = if asked.path.ends_with("safetensors") { linked } else { String::new() };
        reply(stream, "302 Found", &format!("{linked}Location: {location}\r\n"), b"");
        true
    });
    own.set(server.address.clone()).unwrap();
    let (got, _dir) = fetched(&server, Files::All);
    got.unwrap();
    assert!(store.asked().len() >= 2 && store.asked().iter().all(|asked| asked.authorization.is_none()));
    let asked = server.asked();
    let with_token = |end: &str| {
        let of = asked.iter().filter(|asked| asked.path.ends_with(end));
        of.map(|asked| asked.authorization.is_some()).collect::<Vec<_>>()
    };
    assert_eq!(with_token("tokenizer.json"), [true, true]);
    assert_eq!(with_token("config.json"), [true, false]);
}

#[test]
fn what_is_no_hash_or_commit_names_no_file() {
    let (hub, dir) = hub("http://127.0.0.1:9");
    let refused = |server: &Server, said: &str| {
        let endpoint = Endpoint::parse(&server.address).unwrap();
        refused_by(&Hub { endpoint, ..hub.clone() }, &dir, said);
    };
    let absolute = dir.path().join("outside").display().to_string();
    for tag in ["\"../../../../../outside\"", &absolute, "\"\"", "\"abc\"", "W/\"1-2\"", "\"..\""] {
        let (tag, own) = (tag.to_owned(), tag.to_owned());
        let server = but(move |asked, _, stream| {
            let is_file = asked.path.starts_with(FILES);
            if is_file {
                reply(stream, "200 OK", &format!("ETag: {own}\r\n"), &content(&asked.path));
            }
            is_file
        });
        refused(&server, "no ETag that is the hash");
        let linked = but(move |asked, _, stream| {
            let is_file = asked.path.starts_with(FILES);
            if is_file {
                reply(stream, "302 Found", &format!("X-Linked-ETag: {tag}\r\nLocation: /x\r\n"), b"");
            }
            is_file
        });
        refused(&linked, "got the ETag");
    }
    for commit in ["../../../../../outside", &absolute, "main", "0123", ""] {
        let commit = commit.to_owned();
        let server = but(move |asked, _, stream| {
            let is_list = asked.path.starts_with("/api/");
            if is_list {
                let list = serde_json::json!({ "sha": commit, "siblings": [] }).to_string();
                reply(stream, "200 OK", "", list.as_bytes());
            }
            is_list
        });
        refused(&server, "expected 40 hexadecimal digits");
    }
    let other = but(|asked, _, stream| {
        let is_file = asked.path.starts_with(FILES);
        if is_file {
            let content = content(&asked.path);
            let headers = format!("ETag: {}\r\nX-Repo-Commit: ../../x\r\n", git_tag(&content));
            reply(stream, "200 OK", &headers, &content);
        }
        is_file
    });
    refused(&other, "got a file of the commit \"../../x\"");
}

/// A hub whose files, or whose list, `odd` answers.
fn odd(of_list: bool, odd: impl Fn(&Asked, &TcpStream) + Send + Sync + 'static) -> Server {
    but(move |asked, _, stream| {
        let is_odd = asked.path.starts_with("/api/") == of_list;
        if is_odd {
            odd(asked, stream);
        }
        is_odd
    })
}

#[test]
fn contents_that_were_not_promised_are_not_kept() {
    let bad_hash = |asked: &Asked, stream: &TcpStream| {
        let mut content = content(&asked.path);
        let tag = if asked.path.ends_with("safetensors") { large_tag(&content) } else { git_tag(&content) };
        content[0] ^= 1;
        reply(stream, "200 OK", &format!("ETag: {tag}\r\n"), &content);
    };
    refused(&odd(false, bad_hash), "damaged on the way: got git hash ");
    let large = but(move |asked, _, stream| {
        let is_large = asked.path.ends_with("safetensors");
        if is_large {
            bad_hash(asked, stream);
        }
        is_large
    });
    let (got, dir) = fetched(&large, Files::All);
    assert!(got.unwrap_err().contains("damaged on the way: got SHA-256 "));
    assert_eq!(large.asked_for("safetensors"), 1);
    let blobs = dir.path().join(HOME).join("hub/models--org--tiny/blobs");
    assert_eq!(fs::read_dir(blobs).unwrap().count(), 2);
    let longer = |asked: &Asked, stream: &TcpStream| {
        let content = content(&asked.path);
        reply(stream, "200 OK", &format!("ETag: {}\r\nX-Linked-Size: 3\r\n", git_tag(&content)), &content);
    };
    refused(&odd(false, longer), "sent more than the 3 bytes");
    let size = |asked: &Asked, stream: &TcpStream| {
        let content = content(&asked.path);
        let headers = format!("ETag: {}\r\nX-Linked-Size: {}\r\n", git_tag(&content), u64::MAX);
        reply(stream, "200 OK", &headers, &content);
    };
    refused(&odd(false, size), "expected at most 134217728");
    let encoded = |_: &Asked, stream: &TcpStream| {
        reply(stream, "200 OK", "Content-Encoding: gzip\r\n", b"\x1f\x8b");
    };
    for of_list in [true, false] {
        refused(&odd(of_list, encoded), "encoded as \"gzip\"");
    }
}

#[test]
fn weights_that_do_not_fit_are_not_begun() {
    let server = but(|asked, _, stream| {
        let is_large = asked.path.ends_with("safetensors");
        if is_large {
            let headers = format!("ETag: {}\r\nX-Linked-Size: {}\r\n", large_tag(b""), 1_u64 << 60);
            reply(stream, "200 OK", &headers, b"x");
        }
        is_large
    });
    refused(&server, "the disk is full");
    let endless = but(|asked, _, stream| {
        let is_large = asked.path.ends_with("safetensors");
        if is_large {
            let mut stream = stream;
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nETag: {}\r\n\r\n", large_tag(b""));
            while stream.write_all(&[0; 1 << 16]).is_ok() {}
        }
        is_large
    });
    refused(&endless, "does not say how long");
}

/// Sends `head` and then `piece` again and again, with a pause each time, as long as somebody listens.
fn endless(
    head: &'static str,
    piece: &'static [u8],
    pause: u64,
) -> impl Fn(&Asked, &TcpStream) + Send + Sync {
    move |_, mut stream| {
        let begun = Instant::now();
        let mut sent = stream.write_all(head.as_bytes());
        while sent.is_ok() && begun.elapsed() < Duration::from_secs(300) {
            sent = stream.write_all(piece);
            thread::sleep(Duration::from_millis(pause));
        }
    }
}

const GIT: &str = "HTTP/1.1 200 OK\r\nETag: \"0123456789abcdef0123456789abcdef01234567\"\r\n\r\n";

#[test]
fn answers_without_end_end() {
    for of_list in [true, false] {
        refused(
            &odd(of_list, endless("HTTP/1.1 200 OK\r\n", &[b'x'; 4096], 0)),
            "does not answer as a hub does",
        );
        let headers = endless("HTTP/1.1 200 OK\r\n", b"X-More: and more and more and more and more\r\n", 0);
        refused(&odd(of_list, headers), "does not answer as a hub does");
    }
    refused(
        &odd(true, endless("HTTP/1.1 200 OK\r\n\r\n", &[b' '; 1 << 16], 0)),
        "longer than 16777216 bytes",
    );
    refused(&odd(false, endless(GIT, &[0; 1 << 16], 0)), "sent more than the 134217728 bytes");
}

#[test]
fn a_hub_that_says_nothing_is_not_waited_for() {
    let quickly = |server: &Server, said: &str| {
        let (hub, dir) = hub(&server.address);
        let time = Duration::from_millis(300);
        let hub = Hub { patience: Patience { answer: time, piece: time, ..hub.patience }, ..hub };
        refused_by(&hub, &dir, said);
    };
    quickly(&odd(true, endless("", b"", 100)), "could not be fetched");
    quickly(&odd(true, endless("HTTP/1.1 200 OK\r\nX: ", b"x", 50)), "could not be fetched");
    quickly(&odd(true, endless("HTTP/1.1 200 OK\r\n\r\n", b" ", 50)), "the connection stalls");
    quickly(&odd(false, endless(GIT, b" ", 50)), "the connection stalls");
    let (nobody, dir) = hub("http://127.0.0.1:9");
    refused_by(&nobody, &dir, "check the connection");
}

#[test]
fn a_signal_ends_a_download() {
    let server = odd(true, |_, stream| reply(stream, "503 Busy", "Retry-After: 60\r\n", b""));
    let (hub, _dir) = hub(&server.address);
    let interrupt = Interrupt::default();
    let hub = hub.stopped_by(&interrupt);
    let asking = thread::spawn(move || format!("{:#}", hub.fetch(&model(), Files::All, None).unwrap_err()));
    thread::sleep(Duration::from_millis(200));
    interrupt.request(StopSignal::Terminate);
    assert_eq!(asking.join().unwrap(), "SIGTERM");
}

#[test]
fn what_passes_is_tried_again_from_the_first_question_on() {
    for (status, headers) in [
        ("500 Internal Server Error", ""),
        ("503 Service Unavailable", ""),
        ("429 Too Many Requests", "Retry-After: 1\r\n"),
        ("408 Request Timeout", ""),
    ] {
        let server = but(move |_, before, stream| {
            if before < 2 {
                reply(stream, status, headers, b"");
            }
            before < 2
        });
        let begun = Instant::now();
        let (got, _dir) = fetched(&server, Files::Texts);
        got.unwrap();
        let waited = begun.elapsed() > Duration::from_secs(2);
        assert!(waited || headers.is_empty(), "{status}");
    }
    // Connections that break before the head, within it and within the body.
    let breaks = but(|asked, before, mut stream| {
        let begun = match before % 4 {
            0 => "",
            1 => "HTTP/1.1 200",
            2 => "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"sha",
            _ => return false,
        };
        let begun = if asked.path.starts_with("/api/") { begun } else { "" };
        let _ = stream.write_all(begun.as_bytes());
        true
    });
    fetched(&breaks, Files::Texts).0.unwrap();
    let lasting = odd(true, |_, stream| reply(stream, "502 Bad Gateway", "", b""));
    refused(&lasting, "is busy or out of order (status 502); try again later");
    assert_eq!(lasting.asked().len(), 5);
}

#[test]
fn nobody_is_waited_for_as_long_as_he_likes() {
    for wait in ["1000000000", "99999999999999999999999", "Tue, 31 Dec 2199 23:59:59 GMT"] {
        let server = odd(true, move |_, stream| {
            reply(stream, "429 Too Many Requests", &format!("Retry-After: {wait}\r\n"), b"");
        });
        refused(&server, "asks to wait ");
        assert_eq!(server.asked().len(), 1);
    }
    for (status, said) in [("404 Not Found", "no such model"), ("418 I'm a teapot", "status 418")] {
        let server = odd(true, move |_, stream| reply(stream, status, "", b"\x1b[2J"));
        refused(&server, said);
        assert_eq!(server.asked().len(), 1);
    }
    let nothing = odd(true, |_, stream| reply(stream, "204 No Content", "", b""));
    refused(&nothing, "status 204");
}

#[test]
fn redirects_come_to_an_end() {
    let circle = odd(true, |asked, stream| {
        reply(stream, "302 Found", &format!("Location: {}x\r\n", asked.path), b"");
    });
    refused(&circle, "more than 8 redirects");
    assert_eq!(circle.asked().len(), 9);
    for wrong in ["file:///etc/passwd", "ftp://127.0.0.1/", "http://[", "//", "gopher:x"] {
        let server =
            odd(true, move |_, stream| reply(stream, "307 x", &format!("Location: {wrong}\r\n"), b""));
        let (got, _dir) = fetched(&server, Files::Texts);
        assert!(got.unwrap_err().contains("does not answer as a hub does"), "{wrong}");
    }
    let nowhere = odd(true, |_, stream| reply(stream, "302 Found", "", b""));
    refused(&nowhere, "status 302");
}

#[test]
fn what_is_no_description_of_a_model_is_said_to_be_none() {
    let page = odd(true, |_, stream| {
        reply(
            stream,
            "200 OK",
            "Content-Type: text/html\r\n",
            b"<!DOCTYPE html><title>Sign in\x1b[2J</title>",
        );
    });
    refused(&page, "text/html");
    let deep = odd(true, |_, stream| reply(stream, "200 OK", "", "[".repeat(1 << 20).as_bytes()));
    refused(&deep, "does not describe a model");
    let many = odd(true, |_, stream| {
        let names = "{\"rfilename\":\"a\"},".repeat(1 << 20);
        reply(
            stream,
            "200 OK",
            "",
            format!("{{\"sha\":\"{COMMIT}\",\"siblings\":[{names}{{}}]}}").as_bytes(),
        );
    });
    refused(&many, "longer than 16777216 bytes");
}

/// The place of the weights as long as they are not whole.
fn part(dir: &Path) -> PathBuf {
    let hash = ContentHash::of_tag(&large_tag(&content(""))).unwrap();
    dir.join(format!("{HOME}/hub/models--org--tiny/blobs/{hash}.incomplete"))
}

#[test]
fn a_broken_download_goes_on() {
    let content = content("");
    let broken = {
        let content = content.clone();
        move |asked: &Asked, _: usize, mut stream: &TcpStream| {
            let breaks = asked.path.ends_with("safetensors") && asked.from.unwrap_or(0) < 600_000;
            if breaks {
                let from = asked.from.unwrap_or(0);
                let (tag, end, n) = (large_tag(&content), content.len() - 1, content.len());
                let status = if from == 0 { "200 OK" } else { "206 Partial Content" };
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Range: bytes {from}-{end}/{n}\r\nETag: {tag}\r\n\r\n",
                    n - from
                );
                let _ = stream.write_all(&content[from..from + 250_000]);
            }
            breaks
        }
    };
    let server = but(broken);
    let (got, _dir) = fetched(&server, Files::All);
    assert_eq!(fs::read(got.unwrap().folder.join("model.safetensors")).unwrap(), content);
    let from: Vec<_> = server.asked().iter().filter_map(|asked| asked.from).collect();
    assert_eq!(from, [250_000, 500_000, 750_000]);
    // What is known of the file by then is not asked for again.
    assert_eq!(server.asked_for("safetensors"), 4);
}

/// A hub of weights with these contents that breaks off after `way` bytes each time, and goes on there if it `resumes`; from
/// the 20th question on it has none.
fn breaking(content: Vec<u8>, way: usize, resumes: bool) -> Server {
    let tag = large_tag(&content);
    but(move |asked, before, mut stream| {
        let is_large = asked.path.ends_with("safetensors") && before < 20;
        if is_large {
            let from = asked.from.filter(|_| resumes).unwrap_or(0);
            let n = content.len();
            let status = if from == 0 { "200 OK" } else { "206 Partial Content" };
            let range = format!("Content-Range: bytes {from}-{}/{n}\r\n", n - 1);
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{range}ETag: {tag}\r\n\r\n", n - from);
            let end = n.min(from + way);
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&content[from..end]));
        }
        is_large
    })
}

#[test]
fn who_gets_further_each_time_may_break_off_often() {
    let content = vec![7; 17_000_000 * 6 + 1];
    let server = breaking(content, 17_000_000, true);
    let (got, _dir) = fetched(&server, Files::All);
    got.unwrap();
    assert_eq!(server.asked_for("safetensors"), 7);
}

#[test]
fn who_begins_again_each_time_gets_nobody_further() {
    let server = breaking(vec![7; 40_000_000], 20_000_000, false);
    refused(&server, "could not be fetched");
    assert_eq!(server.asked_for("safetensors"), 5);
}

#[test]
fn what_an_earlier_try_left_is_of_use_or_goes() {
    let whole = content("");
    let longer = [&whole[..], b"more"].concat();
    let mut wrong = whole[..1000].to_vec();
    wrong[7] ^= 1;
    for (left, from) in [
        (&whole[..100], &[100][..]),
        (&whole[..], &[]),
        (&longer[..], &[]),
        // What is found to be wrong in the end is fetched once more.
        (&wrong[..], &[1000]),
    ] {
        let server = but(|_, _, _| false);
        let (hub, dir) = hub(&server.address);
        hub.fetch(&model(), Files::Texts, None).unwrap();
        fs::write(part(dir.path()), left).unwrap();
        let snapshot = hub.fetch(&model(), Files::All, None).unwrap();
        assert_eq!(fs::read(snapshot.folder.join("model.safetensors")).unwrap(), whole);
        let asked: Vec<_> = server.asked().iter().filter_map(|asked| asked.from).collect();
        assert_eq!(asked, from, "{} bytes", left.len());
        assert!(!part(dir.path()).exists());
    }
    // Servers that cannot go on, or go on elsewhere.
    let from_the_start = but(|asked, _, stream| {
        let again = Asked { from: None, ..asked.clone() };
        honest(&again, stream);
        true
    });
    let (hub, dir) = hub(&from_the_start.address);
    hub.fetch(&model(), Files::Texts, None).unwrap();
    fs::write(part(dir.path()), &whole[..100]).unwrap();
    hub.fetch(&model(), Files::All, None).unwrap();
    let elsewhere = but(|asked, _, stream| {
        let other = Asked { from: asked.from.map(|from| from + 1), ..asked.clone() };
        honest(&other, stream);
        true
    });
    let hub = Hub { endpoint: Endpoint::parse(&elsewhere.address).unwrap(), ..hub };
    let shelf = Shelf::new(&hub.cache, &model());
    fs::remove_dir_all(shelf.snapshot(COMMIT)).unwrap();
    let (blob, part) = shelf.blob(&ContentHash::of_tag(&large_tag(&whole)).unwrap()).unwrap();
    fs::remove_file(blob).unwrap();
    fs::write(part, &whole[..100]).unwrap();
    let error = format!("{:#}", hub.fetch(&model(), Files::All, None).unwrap_err());
    assert!(error.contains("got the range \"bytes 101-"), "{error}");
}

#[test]
fn links_of_the_cache_are_not_followed_out_of_it() {
    let server = but(|_, _, _| false);
    let (hub, dir) = hub(&server.address);
    let outside = dir.path().join("outside");
    fs::write(&outside, "mine").unwrap();
    hub.fetch(&model(), Files::Texts, None).unwrap();
    std::os::unix::fs::symlink(&outside, part(dir.path())).unwrap();
    let error = format!("{:#}", hub.fetch(&model(), Files::All, None).unwrap_err());
    assert!(error.contains(".incomplete") && error.contains("cannot take it"), "{error}");
    assert_eq!(fs::read(&outside).unwrap(), b"mine");
    let link = Shelf::new(&hub.cache, &model()).snapshot(COMMIT).join("model.safetensors");
    std::os::unix::fs::symlink(&outside, link).unwrap();
    for offline in [true, false] {
        let hub = Hub { offline, ..hub.clone() };
        let error = format!("{:#}", hub.fetch(&model(), Files::All, None).unwrap_err());
        assert!(error.contains("leads out of the cache"), "{error}");
    }
}

#[test]
fn further_templates_that_lead_out_are_not_read() {
    let server = but(|_, _, _| false);
    let (hub, dir) = hub(&server.address);
    let snapshot = hub.fetch(&model(), Files::Texts, None).unwrap();
    let outside = dir.path().join("outside");
    fs::write(&outside, "mine").unwrap();
    let further = snapshot.folder.join("additional_chat_templates");
    fs::create_dir(&further).unwrap();
    std::os::unix::fs::symlink(&outside, further.join("rag.jinja")).unwrap();
    for offline in [true, false] {
        let hub = Hub { offline, ..hub.clone() };
        let error = format!("{:#}", hub.fetch(&model(), Files::Texts, None).unwrap_err());
        assert!(error.contains("rag.jinja: a link that leads out of the cache"), "{error}");
    }
}

#[test]
fn a_cache_that_cannot_be_written_but_has_it_all_is_enough() {
    let server = but(|_, _, _| false);
    let (hub, dir) = hub(&server.address);
    let snapshot = hub.fetch(&model(), Files::All, None).unwrap();
    let refs = dir.path().join(HOME).join("hub/models--org--tiny/refs");
    fs::remove_dir_all(&refs).unwrap();
    // In the way, as permissions are not in that of every user.
    fs::write(&refs, "").unwrap();
    assert_eq!(hub.fetch(&model(), Files::All, None).unwrap(), snapshot);
}

/// A hub of weights in shards, with an index of this content.
fn sharded(index: &str) -> Server {
    let index = index.to_owned();
    but(move |asked, _, stream| {
        if asked.path.starts_with("/api/") {
            let names = ["tokenizer.json", "config.json", WEIGHTS_INDEX, "x.safetensors", "y.safetensors"];
            let siblings: Vec<_> =
                names.iter().map(|name| serde_json::json!({ "rfilename": name })).collect();
            let list = serde_json::json!({ "sha": COMMIT, "siblings": siblings }).to_string();
            reply(stream, "200 OK", "", list.as_bytes());
        } else if asked.path.ends_with(WEIGHTS_INDEX) {
            let tag = git_tag(index.as_bytes());
            reply(stream, "200 OK", &format!("ETag: {tag}\r\n"), index.as_bytes());
        } else {
            return false;
        }
        true
    })
}

#[test]
fn an_index_is_read_as_where_its_weights_are_loaded() {
    let map = |entries: &str| format!("{{\"weight_map\": {{{entries}}}}}");
    let right = sharded(&map(r#""a": "x.safetensors", "b": "y.safetensors", "c": "x.safetensors""#));
    fetched(&right, Files::All).0.unwrap();
    assert_eq!((right.asked_for("x.safetensors"), right.asked_for("y.safetensors")), (1, 1));
    for (index, said) in [
        (map(r#""a": "x.safetensors", "a": "y.safetensors""#), "the key \"a\" stands twice"),
        (map(r#""a": "../x.safetensors""#), "expected the name of a file in the same folder"),
        (map(r#""a": "x?y""#), "expected letters, digits"),
        (map(r#""a": "x\u001b[2J""#), "expected letters, digits"),
        (map(r#""a": "z.safetensors""#), "names \"z.safetensors\", which the hub does not have"),
        (map(""), "got no files"),
        (map(&format!("\"a\": \"{}\"", "x".repeat(1_000_000))), "expected letters, digits"),
        (map("") + &" ".repeat(9 << 20), "expected at most 8388608"),
    ] {
        let server = sharded(&index);
        let error = fetched(&server, Files::All).0.unwrap_err();
        assert!(error.contains(said) && error.len() < 900, "expected {said}, got {error}");
        assert_eq!(server.asked_for(".safetensors"), 0, "{said}");
    }
}

#[test]
fn two_processes_fetch_a_file_once() {
    let server = but(|_, _, _| false);
    let (hub, _dir) = hub(&server.address);
    let mut shelf = Shelf::new(&hub.cache, &model());
    shelf.make_root().unwrap();
    let hash = ContentHash::of_tag(&git_tag(TOKENIZER)).unwrap();
    let lock = shelf.try_lock(&hash).unwrap().unwrap();
    let (blob, _) = shelf.blob(&hash).unwrap();
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        fs::write(blob, TOKENIZER).unwrap();
        drop(lock);
    });
    let snapshot = hub.fetch(&model(), Files::Texts, None).unwrap();
    other.join().unwrap();
    assert_eq!(fs::read(snapshot.folder.join("tokenizer.json")).unwrap(), TOKENIZER);
    assert_eq!(server.asked_for("tokenizer.json"), 1);
}

#[test]
fn who_checks_a_file_for_long_is_waited_for() {
    let server = but(|_, _, _| false);
    let (hub, _dir) = hub(&server.address);
    let hub = Hub { patience: Patience { held: Duration::from_millis(100), ..hub.patience }, ..hub };
    let mut shelf = Shelf::new(&hub.cache, &model());
    shelf.make_root().unwrap();
    let lock = shelf.try_lock(&ContentHash::of_tag(&git_tag(TOKENIZER)).unwrap()).unwrap().unwrap();
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(800));
        drop(lock);
    });
    hub.fetch(&model(), Files::Texts, None).unwrap();
    other.join().unwrap();
}

#[test]
fn a_full_disk_is_told_from_a_broken_connection() {
    let (hub, dir) = hub("http://127.0.0.1:9");
    let full = Trouble::Cache(io::Error::from(io::ErrorKind::StorageFull).into());
    let full = hub.refused(&model(), None, full).to_string();
    let cache = dir.path().join(HOME).join("hub").display().to_string();
    assert!(full.contains(&format!("no room for it in {cache}: the disk is full")), "{full}");
    let reset = ureq::Error::from(io::Error::from(io::ErrorKind::ConnectionReset));
    let broken = hub.refused(&model(), None, reset.into()).to_string();
    assert!(broken.contains("it goes on where it stopped"), "{broken}");
}

#[test]
fn names_and_revisions_are_checked() {
    let model: HubModel = "Qwen/Qwen3-0.6B@refs/pr/3".parse().unwrap();
    assert_eq!((model.name.as_str(), model.revision.as_str()), ("Qwen/Qwen3-0.6B", "refs/pr/3"));
    assert_eq!("gpt2".parse::<HubModel>().unwrap().to_string(), "gpt2@main");
    let commit = "AbCdEf0123".repeat(4);
    assert_eq!(HubModel::new("a/b", Some(&commit)).unwrap().revision, commit.to_lowercase());
    assert_eq!(HubModel::new("a/b", Some("AbC")).unwrap().revision, "AbC");
    for name in ["", "a/b/c", "/b", "a/", "../b", "a b/c", "a/.b", "a--b/c"] {
        let error = HubModel::new(name, None).unwrap_err().to_string();
        assert!(error.contains("expected the name of a model on the hub"), "{error}");
    }
    for revision in ["", "../x", "/x", "a//b", "a b", "a?b", ".."] {
        let error = HubModel::new("a/b", Some(revision)).unwrap_err().to_string();
        assert!(error.contains("expected a branch, tag or commit of a/b"), "{error}");
    }
}
