//! The items of a file that is one JSON array, one at a time.

use std::io::{self, BufRead};
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use crate::data::json::{self, MAX_BYTES};
use crate::data::jsonl::{self, Fault, Reader};

/// Each item with its place, `file:number`, the number counting items from 1. Nothing follows a [`Fault::File`].
pub(super) struct Items {
    reader: Reader,
    name: String,
    number: usize,
    item: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Behind the bracket that opens the array.
    Start,
    /// Behind a comma.
    Within,
    Over,
}

impl Items {
    /// Those of the file `path`.
    ///
    /// # Errors
    /// If it is no file, cannot be read, or begins with something else than an array.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (mut reader, name) = (jsonl::open(path)?, path.display().to_string());
        let first = after_space(&mut reader).with_context(|| format!("{name}: cannot be read"))?;
        ensure!(
            first != Some(b'{'),
            "{name}: holds an object, expected one array of objects; a file with an object in each line is named .jsonl"
        );
        ensure!(first.is_some(), "{name}: holds nothing, expected one array of objects");
        ensure!(first == Some(b'['), "{name}: is no array, expected one array of objects");
        reader.consume(1);
        Ok(Self { reader, name, number: 0, item: Vec::new(), state: State::Start })
    }

    /// Reads up to the comma behind the item, or the bracket behind the last; `None` if the file ends before.
    fn advance(&mut self) -> Result<Option<u8>> {
        self.item.clear();
        let mut scan = Scan::default();
        loop {
            let content = self.reader.fill_buf().context("cannot be read")?;
            if content.is_empty() {
                return Ok(None);
            }
            let end = content.iter().position(|&byte| scan.ends_at(byte));
            let part = &content[..end.unwrap_or(content.len())];
            let is_whole = self.item.len() + part.len() <= MAX_BYTES;
            ensure!(is_whole, "the item has more than the {} MB that are read of one", MAX_BYTES >> 20);
            self.item.extend_from_slice(part);
            let (n_read, ended) = (part.len(), end.map(|end| content[end]));
            self.reader.consume(n_read + usize::from(ended.is_some()));
            if ended.is_some() {
                return Ok(ended);
            }
        }
    }

    fn value(&self) -> Result<Value> {
        let content = self.item.trim_ascii();
        ensure!(!content.is_empty(), "nothing stands between two commas, or behind the last");
        json::parse(content)
    }

    /// Reads the next item, and what must follow it.
    fn step(&mut self, place: &str) -> Result<State> {
        let unreadable = || format!("{place}: cannot be read");
        let ended = self.advance().with_context(|| place.to_owned())?;
        if ended.with_context(|| format!("{place}: the file ends within the array"))? == b',' {
            return Ok(State::Within);
        }
        let behind = after_space(&mut self.reader).with_context(unreadable)?;
        ensure!(
            behind.is_none(),
            "{place}: something stands behind the array, expected one array of objects"
        );
        Ok(State::Over)
    }
}

impl Iterator for Items {
    type Item = Result<(String, Value), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Over {
            return None;
        }
        self.number += 1;
        let place = format!("{}:{}", self.name, self.number);
        let is_first = self.state == State::Start;
        match self.step(&place) {
            Ok(state) => self.state = state,
            Err(error) => {
                self.state = State::Over;
                return Some(Err(Fault::File(error)));
            }
        }
        if is_first && self.state == State::Over && self.item.trim_ascii().is_empty() {
            return None;
        }
        let value = self.value().map_err(|error| Fault::Row(anyhow!("{place}: {error:#}")));
        Some(value.map(|value| (place, value)))
    }
}

/// The byte behind white space, which is read, and it not; `None` at the end.
fn after_space(reader: &mut Reader) -> io::Result<Option<u8>> {
    loop {
        let content = reader.fill_buf()?;
        let n = content.len();
        let space = content.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let found = content.get(space).copied();
        reader.consume(space);
        if found.is_some() || n == 0 {
            return Ok(found);
        }
    }
}

/// Where an item ends.
#[derive(Default)]
struct Scan {
    /// Brackets and braces that are open.
    depth: usize,
    in_text: bool,
    is_escaped: bool,
}

impl Scan {
    /// Whether `byte`, the next one, stands behind the item.
    fn ends_at(&mut self, byte: u8) -> bool {
        if self.in_text {
            self.in_text = byte != b'"' || self.is_escaped;
            self.is_escaped = byte == b'\\' && !self.is_escaped;
            return false;
        }
        match byte {
            b'"' => self.in_text = true,
            b'[' | b'{' => self.depth += 1,
            b',' | b']' if self.depth == 0 => return true,
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        false
    }
}
