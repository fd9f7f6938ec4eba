//! A server on the loopback interface that says whatever a test wants it to say.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// What was asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub path: String,
    /// First byte of the range.
    pub from: Option<usize>,
    pub authorization: Option<String>,
}

/// A server; it ends with the test's process.
pub(super) struct Server {
    pub address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// One that leaves each connection to `answer`, with the number of questions before it.
    pub(super) fn new(answer: impl Fn(&Asked, usize, TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (list, answer) = (Arc::clone(&asked), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, list, answer) = (stream.unwrap(), Arc::clone(&list), Arc::clone(&answer));
                thread::spawn(move || {
                    let Some(asked) = read(&stream) else { return };
                    let mut list = list.lock().unwrap();
                    let before = list.len();
                    list.push(asked.clone());
                    drop(list);
                    answer(&asked, before, stream);
                });
            }
        });
        Self { address, asked }
    }

    /// What was asked so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The paths asked for that end so.
    pub(super) fn asked_for(&self, end: &str) -> usize {
        self.asked().iter().filter(|asked| asked.path.ends_with(end)).count()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(stream).lines();
    let mut asked = Asked { path: lines.next()?.ok()?.split(' ').nth(1)?.to_owned(), ..Asked::default() };
    for line in lines {
        let line = line.ok()?;
        match line.split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("range") => {
                let from = value.strip_prefix("bytes=")?.strip_suffix('-')?;
                asked.from = Some(from.parse().ok()?);
            }
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                asked.authorization = Some(value.to_owned());
            }
            _ if line.is_empty() => return Some(asked),
            _ => {}
        }
    }
    None
}

/// Answers with `body` whole; who has heard enough may hang up.
pub(super) fn reply(mut stream: &TcpStream, status: &str, headers: &str, body: &[u8]) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n");
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

/// The ETag of git for `content`.
pub(super) fn git_tag(content: &[u8]) -> String {
    let hash = Sha1::new_with_prefix(format!("blob {}\0", content.len())).chain_update(content).finalize();
    format!("\"{}\"", hex::encode(hash))
}

/// The ETag of a large file for `content`.
pub(super) fn large_tag(content: &[u8]) -> String {
    format!("\"{}\"", hex::encode(Sha256::digest(content)))
}
