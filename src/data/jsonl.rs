//! Files with one JSON value a line; what is wrong with one is said by file and line.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::json::{self, MAX_BYTES};
use crate::files::open_regular;

/// Why there is no value where one was looked for; both name the place.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It is none; those behind it can be read.
    Row(Error),
    /// The file cannot be read on.
    File(Error),
}

/// The values of a file, one a line, each with its place, `file:number`. Blank lines are passed over; nothing follows a
/// [`Fault::File`].
pub(crate) struct Lines {
    reader: Reader,
    name: String,
    /// Of the line that was read last, from 1.
    number: usize,
    line: Vec<u8>,
    failed: bool,
}

/// A file of text, behind the mark with which some programs begin one.
pub(super) type Reader = BufReader<File>;

/// Opens the text in the file `path`.
///
/// # Errors
/// If it is no file or cannot be read, or is UTF-16.
pub(super) fn open(path: &Path) -> Result<Reader> {
    let unreadable = || format!("{}: cannot be read", path.display());
    let mut reader = BufReader::with_capacity(1 << 16, open_regular(path).with_context(unreadable)?);
    let start = reader.fill_buf().with_context(unreadable)?;
    let is_wide = [b"\xff\xfe", b"\xfe\xff"].iter().any(|mark| start.starts_with(*mark));
    ensure!(
        !is_wide,
        "{}: the text is UTF-16, expected UTF-8; save the file in that encoding",
        path.display()
    );
    let mark = if start.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    reader.consume(mark);
    Ok(reader)
}

impl Lines {
    /// Those of the file `path`.
    ///
    /// # Errors
    /// If it is no file or cannot be opened.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let (reader, name) = (open(path)?, path.display().to_string());
        Ok(Self { reader, name, number: 0, line: Vec::new(), failed: false })
    }

    /// Reads the next line, `None` behind the last.
    fn advance(&mut self) -> Result<Option<()>> {
        self.line.clear();
        self.number += 1;
        let most = MAX_BYTES as u64 + 1;
        let n_read = self.reader.by_ref().take(most).read_until(b'\n', &mut self.line);
        let n_read = n_read.context("cannot be read")?;
        let is_whole = self.line.len() <= MAX_BYTES;
        ensure!(is_whole, "the line has more than the {} MB that are read of one", MAX_BYTES >> 20);
        Ok((n_read > 0).then_some(()))
    }
}

impl Iterator for Lines {
    type Item = Result<(String, Value), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            let read = self.advance();
            let place = format!("{}:{}", self.name, self.number);
            match read {
                Ok(None) => return None,
                Ok(Some(())) if self.line.trim_ascii().is_empty() => {}
                Ok(Some(())) => {
                    let value = json::parse(self.line.trim_ascii_end())
                        .map_err(|error| Fault::Row(anyhow!("{place}: {error:#}")));
                    return Some(value.map(|value| (place, value)));
                }
                Err(error) => {
                    self.failed = true;
                    return Some(Err(Fault::File(error.context(place))));
                }
            }
        }
        None
    }
}

/// Reads every line of `path` as a `Line` and hands it to `accept` with its place, `file:number`. Blank lines are passed
/// over; `expected` says in words or by example what a line should be.
///
/// # Errors
/// If the file cannot be read or has no line; if lines are not a `Line` or `accept` refuses them, each with file, line
/// number and reason, and `expected`; of many the first few and how many there are.
pub(crate) fn read<Line: DeserializeOwned, T>(
    path: &Path,
    expected: &str,
    accept: impl Fn(Line, &str) -> Result<T>,
) -> Result<Vec<T>> {
    let values = Lines::open(path)?.map(|line| match line {
        Ok((place, value)) => {
            let line = serde_json::from_value(value).map_err(Error::from);
            let value = line.and_then(|line| accept(line, &place));
            value.map_err(|reason| anyhow!("{place}: {}; expected {expected}", short(&format!("{reason:#}"))))
        }
        Err(Fault::Row(error)) => Err(anyhow!("{error:#}; expected {expected}")),
        Err(Fault::File(error)) => Err(error),
    });
    let values = all(values)?;
    let file = path.display();
    ensure!(!values.is_empty(), "{file}: holds no lines; expected one of these a line: {expected}");
    Ok(values)
}

/// The beginning of what is said of a value, which may have the value in it.
pub(super) fn short(reason: &str) -> String {
    const MOST: usize = 600;
    match reason.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &reason[..end]),
        None => reason.to_owned(),
    }
}

/// All of `values`.
///
/// # Errors
/// Everything wrong with them, a line each; of many the first few and how many there are.
pub(crate) fn all<T>(values: impl Iterator<Item = Result<T>>) -> Result<Vec<T>> {
    const SHOWN: usize = 8;
    let (mut good, mut wrong) = (Vec::new(), Vec::new());
    for value in values {
        match value {
            Ok(value) => good.push(value),
            Err(error) => wrong.push(format!("{error:#}")),
        }
    }
    if wrong.is_empty() {
        return Ok(good);
    }
    let more = wrong.len().saturating_sub(SHOWN);
    wrong.truncate(SHOWN);
    if more > 0 {
        wrong.push(format!("... and {more} more"));
    }
    bail!(wrong.join("\n"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::fs;

    use super::*;

    fn read_numbers(content: &[u8]) -> Result<Vec<u32>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("numbers.jsonl");
        fs::write(&path, content).unwrap();
        read(&path, "an even number", |n: u32, _| {
            ensure!(n.is_multiple_of(2), "{n} is odd");
            Ok(n / 2)
        })
    }

    #[test]
    fn reads_lines_with_and_without_a_last_line_end() {
        assert_eq!(read_numbers(b"2\n4\r\n\n6").unwrap(), [1, 2, 3]);
    }

    #[test]
    fn names_file_line_reason_and_expectation() {
        for (content, expected) in [
            (&b"2\n\n3\n"[..], "numbers.jsonl:3: 3 is odd; expected an even number"),
            (b"2\n{\"a\": 1}", "numbers.jsonl:2: invalid type: map, expected u32; expected an even number"),
            (b"2\n4 5\n", "numbers.jsonl:2: trailing characters at column 3; expected an even number"),
            (b" \n", "numbers.jsonl: holds no lines; expected one of these a line: an even number"),
        ] {
            let error = read_numbers(content).unwrap_err().to_string();
            assert!(error.ends_with(expected), "{error}");
        }
        let many = format!("2\n{}4\n", "1\n".repeat(11));
        let error = read_numbers(many.as_bytes()).unwrap_err().to_string();
        let lines: Vec<&str> = error.lines().collect();
        assert!(lines.len() == 9 && lines[7].contains("numbers.jsonl:9: 1 is odd"), "{error}");
        assert_eq!(lines[8], "... and 3 more");
        assert!(read_numbers(b"\"\xff\"\n").unwrap_err().to_string().contains("numbers.jsonl:1: "));
        let error = read(Path::new("no/such.jsonl"), "", |n: u32, _| Ok(n)).unwrap_err();
        assert!(format!("{error:#}").starts_with("no/such.jsonl: cannot be read: "));
    }
    #[test]
    fn a_mark_at_the_start_is_none_of_the_text() {
        assert_eq!(read_numbers(b"\xef\xbb\xbf2\n4").unwrap(), [1, 2]);
        assert!(read_numbers(b"\xef\xbb\xbf").unwrap_err().to_string().contains("holds no lines"));
        for wide in [&b"\xff\xfe2\0\n\0"[..], b"\xfe\xff\x002\0\n"] {
            let error = read_numbers(wide).unwrap_err().to_string();
            assert!(
                error.ends_with("the text is UTF-16, expected UTF-8; save the file in that encoding"),
                "{error}"
            );
        }
    }

    #[test]
    fn an_enormous_line_ends_the_reading_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.jsonl");
        let enormous = format!("2\n\"{}\"\n4\n", "a".repeat(MAX_BYTES));
        fs::write(&path, enormous).unwrap();
        let lines: Vec<_> = Lines::open(&path).unwrap().collect();
        assert!(lines.len() == 2 && lines[0].is_ok());
        let Err(Fault::File(error)) = &lines[1] else { panic!("{:?}", lines[1]) };
        let error = format!("{error:#}");
        assert!(
            error.ends_with("x.jsonl:2: the line has more than the 64 MB that are read of one"),
            "{error}"
        );
    }

    #[test]
    fn what_is_said_of_an_enormous_value_is_short() {
        let error = read_numbers(format!("\"{}\"", "a".repeat(10_000)).as_bytes()).unwrap_err().to_string();
        assert!(error.len() < 1000 && error.ends_with("…; expected an even number"), "{error}");
    }
}
