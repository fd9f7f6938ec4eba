//! What a Parquet file says of itself, in Thrift's compact protocol, as far as its sizes can be checked before a library
//! takes memory by them.
//!
//! ```text
//! struct   fields, then 0; a field is its number (mostly a step of 1 to 15 in the high half of a byte), its kind, its value
//! integer  7 bits a byte, the lowest first, the sign in the lowest bit
//! ```

use std::io::{self, Read};

use anyhow::{Context, Result, bail, ensure};

/// Kinds of values.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
const UUID: u8 = 13;

/// Most structs and lists within one another, and most items of all lists.
const MAX_DEPTH: usize = 32;
const MAX_ITEMS: u64 = 16_000_000;

/// Reads values one after the other, of `left` bytes at most.
pub(super) struct Thrift<R> {
    reader: R,
    left: u64,
    /// Items of lists read so far.
    items: u64,
}

impl<R: Read> Thrift<R> {
    pub(super) fn new(reader: R, left: u64) -> Self {
        Self { reader, left, items: 0 }
    }

    /// Bytes that have not been read.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Reads a struct. `on` is told of each field, its number and kind, and either reads its value and says so, or leaves it.
    pub(super) fn fields(&mut self, on: &mut dyn FnMut(&mut Self, i64, u8) -> Result<bool>) -> Result<()> {
        let mut number = 0;
        loop {
            let head = self.byte()?;
            let kind = head & 0xf;
            if kind == 0 {
                return Ok(());
            }
            number = match head >> 4 {
                0 => self.integer()?,
                step => number + i64::from(step),
            };
            if !on(self, number, kind)? {
                self.skip(kind, 0)?;
            }
        }
    }

    /// The head of a list: how many items of which kind follow.
    pub(super) fn list(&mut self) -> Result<(u64, u8)> {
        let head = self.byte()?;
        let n = if head >> 4 == 15 { self.unsigned()? } else { u64::from(head >> 4) };
        ensure!(n <= self.left, "a list of {n} items in {} bytes", self.left);
        // A byte can be an item that takes some ten bytes of memory.
        self.items += n;
        ensure!(self.items <= MAX_ITEMS, "lists of more than {MAX_ITEMS} items");
        Ok((n, head & 0xf))
    }

    pub(super) fn integer(&mut self) -> Result<i64> {
        let bits = self.unsigned()?;
        Ok((bits >> 1) as i64 ^ -((bits & 1) as i64))
    }

    /// An integer that is no less than 0.
    pub(super) fn size(&mut self) -> Result<u64> {
        let n = self.integer()?;
        u64::try_from(n).ok().with_context(|| format!("a size of {n}"))
    }

    /// Passes over a value of this kind, which lies `depth` deep in others.
    pub(super) fn skip(&mut self, kind: u8, depth: usize) -> Result<()> {
        ensure!(depth < MAX_DEPTH, "values within one another more than {MAX_DEPTH} deep");
        match kind {
            TRUE | FALSE => Ok(()),
            BYTE => self.pass(1),
            4..=6 => self.unsigned().map(drop),
            DOUBLE => self.pass(8),
            UUID => self.pass(16),
            BINARY => {
                let n = self.unsigned()?;
                self.pass(n)
            }
            LIST | SET => {
                let (n, of) = self.list()?;
                (0..n).try_for_each(|_| self.skip_item(of, depth + 1))
            }
            MAP => self.skip_map(depth + 1),
            STRUCT => self.fields(&mut |thrift, _, kind| thrift.skip(kind, depth + 1).map(|()| true)),
            _ => bail!("a value of the unknown kind {kind}"),
        }
    }

    /// In lists and maps truths take a byte.
    fn skip_item(&mut self, kind: u8, depth: usize) -> Result<()> {
        if matches!(kind, TRUE | FALSE) { self.pass(1) } else { self.skip(kind, depth) }
    }

    fn skip_map(&mut self, depth: usize) -> Result<()> {
        let n = self.unsigned()?;
        ensure!(n <= self.left, "a map of {n} items in {} bytes", self.left);
        let kinds = if n > 0 { self.byte()? } else { 0 };
        (0..n).try_for_each(|_| {
            self.skip_item(kinds >> 4, depth)?;
            self.skip_item(kinds & 0xf, depth)
        })
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.left = self.left.checked_sub(1).context("it ends too early")?;
        self.reader.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    fn unsigned(&mut self) -> Result<u64> {
        let mut bits = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            bits |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(bits);
            }
        }
        bail!("an integer of more than 64 bits")
    }

    fn pass(&mut self, n: u64) -> Result<()> {
        self.left = self.left.checked_sub(n).context("it ends too early")?;
        let n_read = io::copy(&mut self.reader.by_ref().take(n), &mut io::sink())?;
        ensure!(n_read == n, "it ends too early");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn fields_are_read_or_passed_over() {
        // 1: -3, 2: list of two texts, 3: {1: true}, 20: 7, and a byte behind all.
        let bytes = b"\x15\x05\x19\x28\x01x\x01y\x1c\x11\x00\x05\x28\x0e\x00\xff";
        let mut thrift = Thrift::new(&bytes[..], bytes.len() as u64);
        let mut found = Vec::new();
        thrift
            .fields(&mut |thrift, number, kind| {
                let is_integer = kind == 5;
                if is_integer {
                    found.push((number, thrift.integer()?));
                }
                Ok(is_integer)
            })
            .unwrap();
        assert_eq!(found, [(1, -3), (20, 7)]);
        assert_eq!(thrift.left(), 1);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let deep = [0x1c; 200];
        for (bytes, expected) in [
            (&b""[..], "it ends too early"),
            (b"\x18\x05ab", "it ends too early"),
            (b"\x19\xfc\xff\xff\xff\x7f", "a list of 268435455 items in 0 bytes"),
            (b"\x1e", "unknown kind 14"),
            (b"\x15\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "more than 64 bits"),
            (&deep, "more than 32 deep"),
        ] {
            let error = Thrift::new(bytes, bytes.len() as u64).skip(STRUCT, 0).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
