//! Whether what the footer of a Parquet file states can be: a library takes some hundred bytes of memory for a few of it.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use anyhow::{Context, Result, ensure};

use super::thrift::Thrift;

/// Most bytes of a footer: of a small file, and of one of which it is no more than its share.
const FREE: u64 = 8 * MB;
const SHARE: u64 = 16;
const MOST: u64 = 128 * MB;
/// Most columns, groups of them included; columns of all row groups; and notes of the writer.
const MAX_COLUMNS: u64 = 100_000;
const MAX_CHUNKS: u64 = 500_000;
const MAX_NOTES: u64 = 100_000;
/// Most groups of columns within one another.
const MAX_DEPTH: usize = 64;

const MB: u64 = 1 << 20;

/// Checks what the footer of `file` says of the columns: how many there are, and how deep they lie.
pub(super) fn check(mut file: &File) -> Result<()> {
    let size = file.metadata()?.len();
    ensure!(size >= 12, "it has {size} bytes");
    let mut end = [0; 8];
    file.seek(SeekFrom::End(-8))?;
    file.read_exact(&mut end)?;
    let [a, b, c, d, mark @ ..] = end;
    ensure!(&mark == b"PAR1", "the mark at its end is missing");
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    ensure!(length <= size - 12, "its footer has {length} bytes of {size}");
    let most = FREE.max(size / SHARE).min(MOST);
    ensure!(
        length <= most,
        "its footer has {length} bytes, more than the {} MB that are read of such a file",
        most / MB
    );
    file.seek(SeekFrom::End(-8 - i64::try_from(length)?))?;
    let mut thrift = Thrift::new(BufReader::new(file), length);
    let mut chunks = 0;
    thrift.fields(&mut |thrift, number, _| {
        match number {
            2 => columns(thrift).context("its columns")?,
            4 => groups(thrift, &mut chunks).context("its row groups")?,
            5 => notes(thrift).context("its notes")?,
            _ => return Ok(false),
        }
        Ok(true)
    })
}

/// The list of row groups: how many columns all of them have.
fn groups(thrift: &mut Thrift<impl Read>, chunks: &mut u64) -> Result<()> {
    let (n, _) = thrift.list()?;
    for _ in 0..n {
        *chunks += 1;
        thrift.fields(&mut |thrift, number, _| {
            if number == 1 {
                let (n, kind) = thrift.list()?;
                *chunks += n;
                (0..n).try_for_each(|_| thrift.skip(kind, 1))?;
            }
            Ok(number == 1)
        })?;
        ensure!(*chunks <= MAX_CHUNKS, "they have more than the {MAX_CHUNKS} columns that are read");
    }
    Ok(())
}

/// What the writer has noted, names and texts: how many.
fn notes(thrift: &mut Thrift<impl Read>) -> Result<()> {
    let (n, kind) = thrift.list()?;
    ensure!(n <= MAX_NOTES, "they are {n}, more than the {MAX_NOTES} that are read");
    (0..n).try_for_each(|_| thrift.skip(kind, 1))
}

/// The list of columns, each group before those within it: how many these are.
fn columns(thrift: &mut Thrift<impl Read>) -> Result<()> {
    let (n, _) = thrift.list()?;
    ensure!(n <= MAX_COLUMNS, "they are {n}, more than the {MAX_COLUMNS} that are read");
    // Columns that are missing still, of each group around the next one.
    let mut open: Vec<i64> = Vec::new();
    for index in 0..n {
        let mut inner = 0;
        thrift.fields(&mut |thrift, number, _| {
            if number == 5 {
                inner = thrift.integer()?;
            }
            Ok(number == 5)
        })?;
        ensure!(inner >= 0 && (inner as u64) < n - index, "a group of {inner} among {} columns", n - index);
        if let Some(last) = open.last_mut() {
            *last -= 1;
        }
        if inner > 0 {
            open.push(inner);
        }
        ensure!(open.len() <= MAX_DEPTH, "they lie more than {MAX_DEPTH} deep");
        while open.last() == Some(&0) {
            open.pop();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::io::Write;

    use super::*;

    /// What is said of a file of `size` bytes before `footer`.
    fn checked(size: u64, footer: &[u8]) -> Result<(), String> {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(size).unwrap();
        file.seek(SeekFrom::End(0)).unwrap();
        let length = u32::try_from(footer.len()).unwrap();
        file.write_all(&[footer, &length.to_le_bytes(), b"PAR1"].concat()).unwrap();
        check(&file).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_large_file_may_have_a_large_footer() {
        // Who wrote it, in 9 MB.
        let text = vec![b'x'; 9 << 20];
        let footer = [&b"\x68\x80\x80\xc0\x04"[..], &text, b"\0"].concat();
        assert_eq!(checked(200 << 20, &footer), Ok(()));
        let error = checked(100 << 20, &footer).unwrap_err();
        assert_eq!(error, "its footer has 9437190 bytes, more than the 8 MB that are read of such a file");
    }

    #[test]
    fn few_bytes_that_take_much_memory_are_refused() {
        let of = |head: &[u8], n: usize| [head, b"\xfc\xc0\xc4\x3c", &vec![0; n], b"\0\0"].concat();
        // A million, each an empty struct: columns of a row group, and notes.
        let error = checked(100, &of(b"\x49\x1c\x19", 991_808)).unwrap_err();
        assert_eq!(error, "its row groups: they have more than the 500000 columns that are read");
        let error = checked(100, &of(b"\x59", 991_808)).unwrap_err();
        assert_eq!(error, "its notes: they are 991808, more than the 100000 that are read");
        let error = checked(100, &of(b"\x29", 991_808)).unwrap_err();
        assert_eq!(error, "its columns: they are 991808, more than the 100000 that are read");
    }
}
