//! Whether the sizes that a Parquet file states can be: libraries take memory by them before they read, and a small file
//! can state, or unpack to, more than a machine has.
//!
//! ```text
//! "PAR1"  pages of each column, each behind a header  ...  footer: schema, row groups  its length, 4 bytes  "PAR1"
//! ```

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use anyhow::{Context, Result, bail, ensure};
use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::schema::types::Type;

use super::thrift::Thrift;

const MAX_FOOTER: u64 = 8 << 20;
/// Most groups of columns within one another.
const MAX_DEPTH: usize = 64;
/// Most bytes of a page, and of all pages that are read at a time, one and a dictionary of each column.
const MAX_PAGE: u64 = 256 << 20;
const MAX_PAGES: u64 = 512 << 20;
/// Most values of a dictionary, which take some ten bytes each besides their own.
const MAX_WORDS: u64 = 4_000_000;
/// Rows, and bytes unpacked, that any file may have, and how many more for each of its bytes.
const FREE_ROWS: u64 = 1_000_000;
const ROWS_A_BYTE: u64 = 1;
const FREE_BYTES: u64 = 512 << 20;
const UNPACKED_A_BYTE: u64 = 200;

const MB: u64 = 1 << 20;

/// Checks what the footer of `file` says of the columns: how many there are, and how deep they lie.
pub fn footer(mut file: &File) -> Result<()> {
    let size = file.metadata()?.len();
    ensure!(size >= 12, "it has {size} bytes");
    let mut end = [0; 8];
    file.seek(SeekFrom::End(-8))?;
    file.read_exact(&mut end)?;
    let [a, b, c, d, mark @ ..] = end;
    ensure!(&mark == b"PAR1", "the mark at its end is missing");
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    ensure!(length <= size - 12, "its footer has {length} bytes of {size}");
    ensure!(
        length <= MAX_FOOTER,
        "its footer has {length} bytes, more than the {} MB that are read",
        MAX_FOOTER / MB
    );
    file.seek(SeekFrom::End(-8 - i64::try_from(length)?))?;
    let mut thrift = Thrift::new(BufReader::new(file), length);
    thrift.fields(&mut |thrift, number, _| {
        if number == 2 {
            columns(thrift).context("its columns")?;
        }
        Ok(number == 2)
    })
}

/// The list of columns, each group before those within it: how many these are.
fn columns(thrift: &mut Thrift<impl Read>) -> Result<()> {
    let (n, _) = thrift.list()?;
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

/// Checks the names of the columns, and all sizes that `metadata` and the pages of `file` state.
pub fn sizes(file: &File, metadata: &ParquetMetaData) -> Result<()> {
    let size = file.metadata()?.len();
    let schema = metadata.file_metadata().schema();
    ensure!(!schema.get_fields().is_empty(), "it has no columns");
    names(schema)?;
    let (mut rows, mut unpacked) = (0, 0);
    for (index, group) in metadata.row_groups().iter().enumerate() {
        let n = group.num_rows();
        rows += u64::try_from(n).ok().with_context(|| format!("row group {index} has {n} rows"))?;
        let most = FREE_ROWS + size.saturating_mul(ROWS_A_BYTE);
        ensure!(
            rows <= most,
            "it has {rows} rows in {size} bytes, more than the {most} that are read of such a file"
        );
        let mut at_once = 0;
        for column in group.columns() {
            let pages = pages(file, column, size);
            let pages = pages
                .with_context(|| format!("row group {index}, column {}", column.column_path().string()))?;
            at_once += pages.largest + pages.dictionary;
            unpacked += pages.all;
        }
        ensure!(
            at_once <= MAX_PAGES,
            "row group {index} has {} MB in pages to be read at a time, more than the {} MB that are read",
            at_once / MB,
            MAX_PAGES / MB
        );
    }
    let most = FREE_BYTES + size.saturating_mul(UNPACKED_A_BYTE);
    ensure!(
        unpacked <= most,
        "its {size} bytes unpack to {} MB, more than the {} MB that are read of such a file",
        unpacked / MB,
        most / MB
    );
    Ok(())
}

/// In a group each column has a name of its own, and there is one.
fn names(group: &Type) -> Result<()> {
    let mut names: Vec<&str> = group.get_fields().iter().map(|field| field.name()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        bail!("two columns have the name {:?}", pair[0]);
    }
    for field in group.get_fields().iter().filter(|field| field.is_group()) {
        ensure!(!field.get_fields().is_empty(), "the group {:?} has no columns", field.name());
        self::names(field)?;
    }
    Ok(())
}

/// Bytes of the pages of a column, unpacked.
#[derive(Default)]
struct Pages {
    largest: u64,
    dictionary: u64,
    all: u64,
}

fn pages(mut file: &File, column: &ColumnChunkMetaData, size: u64) -> Result<Pages> {
    let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
    let (start, length) = (u64::try_from(start)?, u64::try_from(column.compressed_size())?);
    let end = start.checked_add(length).filter(|end| *end <= size);
    let end =
        end.with_context(|| format!("its pages lie at {start}, {length} bytes, in a file of {size}"))?;
    let (mut at, mut pages) = (start, Pages::default());
    while at < end {
        file.seek(SeekFrom::Start(at))?;
        let mut thrift = Thrift::new(BufReader::with_capacity(512, file), end - at);
        let page = Page::read(&mut thrift).with_context(|| format!("the page at {at}"))?;
        let behind = thrift.left();
        at = end - behind;
        page.check(behind).with_context(|| format!("the page at {at}"))?;
        file.seek(SeekFrom::Start(at))?;
        let unpacked = page.unpacked(file.take(page.packed), column.compression())?;
        match page.words {
            Some(_) => pages.dictionary = pages.dictionary.max(unpacked),
            None => pages.largest = pages.largest.max(unpacked),
        }
        pages.all += unpacked;
        at += page.packed;
    }
    Ok(pages)
}

/// What the header of a page states.
#[derive(Default)]
struct Page {
    packed: u64,
    unpacked: u64,
    /// Values of a dictionary.
    words: Option<u64>,
}

impl Page {
    fn read(thrift: &mut Thrift<impl Read>) -> Result<Self> {
        let mut page = Self::default();
        thrift.fields(&mut |thrift, number, _| {
            match number {
                2 => page.unpacked = thrift.size()?,
                3 => page.packed = thrift.size()?,
                7 => thrift.fields(&mut |thrift, number, _| {
                    if number == 1 {
                        page.words = Some(thrift.size()?);
                    }
                    Ok(number == 1)
                })?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(page)
    }

    /// Whether its sizes can be, where `left` bytes of the column stand behind its header.
    fn check(&self, left: u64) -> Result<()> {
        let Self { packed, unpacked, words } = self;
        ensure!(*packed <= left, "{packed} bytes are more than the {left} that the column has left");
        ensure!(*unpacked <= MAX_PAGE, "{}", too_large(*unpacked));
        let most = MAX_WORDS.min(*unpacked);
        let words = words.unwrap_or(0);
        ensure!(
            words <= most,
            "its dictionary has {words} values in {unpacked} bytes, more than the {most} that are read"
        );
        Ok(())
    }

    /// Bytes that come of it: as stated where unpacking stops there, and otherwise counted.
    fn unpacked(&self, packed: impl Read, compression: Compression) -> Result<u64> {
        let mut unpacking: Box<dyn Read + '_> = match compression {
            Compression::GZIP(_) => Box::new(flate2::read::MultiGzDecoder::new(packed)),
            Compression::BROTLI(_) => Box::new(brotli::Decompressor::new(packed, 1 << 16)),
            // Of frames, each byte stands for 255 at most.
            Compression::LZ4 => {
                let most = MAX_PAGE / 255;
                ensure!(
                    self.packed <= most,
                    "{} bytes are more than the {most} that are read of LZ4",
                    self.packed
                );
                return Ok(self.unpacked);
            }
            _ => return Ok(self.unpacked),
        };
        // What is broken is reported by who reads it.
        let n = io::copy(&mut (&mut unpacking).take(MAX_PAGE + 1), &mut io::sink()).unwrap_or(0);
        ensure!(n <= MAX_PAGE, "{}", too_large(n));
        Ok(n.max(self.unpacked))
    }
}

fn too_large(bytes: u64) -> String {
    format!("it unpacks to {bytes} bytes or more, beyond the {} MB that are read of a page", MAX_PAGE / MB)
}
