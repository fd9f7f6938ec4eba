//! Files with one JSON value a line; what is wrong with one is said by file and line.

use std::{fs, path::Path};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use serde::de::DeserializeOwned;

/// Reads every line of `path` as a `Line` and hands it to `accept` with its place, `file:number`. Blank lines are passed
/// over; `expected` says in words or by example what a line should be.
///
/// # Errors
/// If the file cannot be read or has no line; if lines are not a `Line` or `accept` refuses them, each with file, line
/// number and reason, and `expected`; of many the first few and how many there are.
pub fn read<Line: DeserializeOwned, T>(
    path: &Path,
    expected: &str,
    accept: impl Fn(Line, &str) -> Result<T>,
) -> Result<Vec<T>> {
    let file = path.display();
    let content = fs::read(path).with_context(|| format!("{file}: cannot be read"))?;
    let lines =
        (1..).zip(content.split(|&byte| byte == b'\n')).filter(|(_, line)| !line.trim_ascii().is_empty());
    let values = lines.map(|(number, line)| {
        let place = format!("{file}:{number}");
        let value = serde_json::from_slice(line).map_err(|error| without_line(&error));
        let value = value.and_then(|line| accept(line, &place));
        value.map_err(|reason| anyhow!("{place}: {reason:#}; expected {expected}"))
    });
    let values = all(values)?;
    ensure!(!values.is_empty(), "{file}: holds no lines; expected one of these a line: {expected}");
    Ok(values)
}

/// All of `values`.
///
/// # Errors
/// Everything wrong with them, a line each; of many the first few and how many there are.
pub fn all<T>(values: impl Iterator<Item = Result<T>>) -> Result<Vec<T>> {
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

/// The message of `error` with its column only: its line counts within the one line that was read.
pub(super) fn without_line(error: &serde_json::Error) -> Error {
    let message = error.to_string();
    let reason = message.rsplit_once(" at line ").map_or(message.as_str(), |(reason, _)| reason);
    anyhow!("{reason} at column {}", error.column())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

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
            (
                b"2\n{\"a\": 1",
                "numbers.jsonl:2: invalid type: map, expected u32 at column 0; expected an even number",
            ),
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
}
