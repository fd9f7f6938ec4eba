//! What the pages of a column state, and what they unpack to.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use anyhow::{Context, Error, Result, anyhow, ensure};
use parquet::basic::{Compression, Type as PhysicalType};
use parquet::file::metadata::ColumnChunkMetaData;

use super::guard::Sums;
use super::thrift::Thrift;

/// Most bytes of a page, and of all that is read at a time, a page and a dictionary of each column.
const MAX_PAGE: u64 = 256 * MB;
const MAX_AT_ONCE: u64 = 384 * MB;
/// Most values of a dictionary, and bytes that each takes besides its own where it is a text.
const MAX_WORDS: u64 = 4_000_000;
const WORD: u64 = 32;
/// Most bytes that a page packed in frames of LZ4 has, each of which stands for 255 at most.
const MAX_LZ4: u64 = MAX_PAGE / 255;

const MB: u64 = 1 << 20;

/// Bytes of the pages of a column, unpacked.
#[derive(Default)]
pub(super) struct Pages {
    largest: u64,
    /// Of the dictionary, and of what is kept for each of its values.
    dictionary: u64,
    /// Why the column is not read, which what lies behind that page is not either.
    too_large: Option<Error>,
}

impl Pages {
    /// Those of `column` in `file`, of which `sums` is told.
    ///
    /// # Errors
    /// If their sizes cannot be, or add up to more than is read.
    pub(super) fn read(file: &File, column: &ColumnChunkMetaData, sums: &mut Sums) -> Result<Self> {
        let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
        let (start, length) = (u64::try_from(start)?, u64::try_from(column.compressed_size())?);
        let size = file.metadata()?.len();
        let end = start.checked_add(length).filter(|end| *end <= size);
        let end =
            end.with_context(|| format!("its pages lie at {start}, {length} bytes, in a file of {size}"))?;
        sums.add_stored(length)?;
        let (mut pages, mut at) = (Self::default(), start);
        let mut reader = BufReader::new(file);
        reader.seek(SeekFrom::Start(start))?;
        while at < end && pages.too_large.is_none() {
            let mut thrift = Thrift::new(&mut reader, end - at);
            let page = Page::read(&mut thrift).with_context(|| format!("the page at {at}"))?;
            let left = thrift.left();
            at = end - left;
            page.check(left).with_context(|| format!("the page at {at}"))?;
            let mut packed = (&mut reader).take(page.packed);
            let unpacked = page.unpacked(&mut packed, column.compression());
            let behind = packed.limit();
            reader.seek_relative(i64::try_from(behind)?)?;
            sums.add_page(page.values, unpacked)?;
            let too_large = page.too_large(unpacked, column.compression());
            pages.too_large = too_large.map(|error| error.context(format!("the page at {at}")));
            pages.add(&page, unpacked, column.column_type());
            at += page.packed;
        }
        Ok(pages)
    }

    fn add(&mut self, page: &Page, unpacked: u64, of: PhysicalType) {
        if page.kind == DICTIONARY {
            let word = if of == PhysicalType::BYTE_ARRAY { WORD } else { 0 };
            self.dictionary = self.dictionary.max(unpacked + word * page.values);
        } else {
            self.largest = self.largest.max(unpacked);
        }
    }

    /// Bytes that reading the column takes at a time.
    pub(super) fn at_once(&self) -> u64 {
        self.largest + self.dictionary
    }

    /// Why the column is not read, where `at_once` bytes are read at a time of it and of those before it.
    pub(super) fn too_large(self, at_once: u64) -> Option<Error> {
        self.too_large.or_else(|| {
            let (at_once, most) = (at_once / MB, MAX_AT_ONCE / MB);
            let text = format!(
                "with those before it {at_once} MB in pages to be read at a time, more than the {most} MB that are read"
            );
            (at_once > most).then(|| anyhow!(text))
        })
    }
}

/// Kinds of pages.
const DATA: u64 = 0;
const DICTIONARY: u64 = 2;
const DATA_2: u64 = 3;

/// What the header of a page states.
struct Page {
    kind: u64,
    packed: u64,
    unpacked: u64,
    /// How many: of the rows or, in a dictionary, its own.
    values: u64,
}

impl Page {
    fn read(thrift: &mut Thrift<impl Read>) -> Result<Self> {
        let (mut kind, mut packed, mut unpacked, mut values) = (None, None, None, None);
        thrift.fields(&mut |thrift, number, _| {
            match number {
                1 => kind = Some(thrift.size()?),
                2 => unpacked = Some(thrift.size()?),
                3 => packed = Some(thrift.size()?),
                5 | 7 | 8 => thrift.fields(&mut |thrift, inner, _| {
                    if inner == 1 {
                        values = Some((number, thrift.size()?));
                    }
                    Ok(inner == 1)
                })?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let kind = kind.context("its kind is missing")?;
        let of_kind = match kind {
            DATA => values.filter(|(number, _)| *number == 5),
            DICTIONARY => values.filter(|(number, _)| *number == 7),
            DATA_2 => values.filter(|(number, _)| *number == 8),
            // Others are passed over.
            _ => Some((0, 0)),
        };
        let (_, values) = of_kind.context("how many values it has is missing")?;
        let (packed, unpacked) = packed.zip(unpacked).context("its sizes are missing")?;
        Ok(Self { kind, packed, unpacked, values })
    }

    /// Whether its sizes can be, where `left` bytes of the column stand behind its header.
    fn check(&self, left: u64) -> Result<()> {
        let Self { kind, packed, unpacked, values } = self;
        ensure!(*packed <= left, "{packed} bytes are more than the {left} that the column has left");
        let is_too_many = *kind == DICTIONARY && values > unpacked;
        ensure!(!is_too_many, "its dictionary has {values} values in {unpacked} bytes");
        Ok(())
    }

    /// Why a page that unpacks to so many bytes is not read.
    fn too_large(&self, unpacked: u64, compression: Compression) -> Option<Error> {
        let Self { kind, packed, values, .. } = self;
        if unpacked > MAX_PAGE {
            let most = MAX_PAGE / MB;
            let text = format!(
                "it unpacks to {unpacked} bytes or more, beyond the {most} MB that are read of a page"
            );
            return Some(anyhow!(text));
        }
        if *kind == DICTIONARY && *values > MAX_WORDS {
            let text = format!("its dictionary has {values} values, more than the {MAX_WORDS} that are read");
            return Some(anyhow!(text));
        }
        let is_lz4 = compression == Compression::LZ4 && *packed > MAX_LZ4;
        is_lz4.then(|| anyhow!("{packed} bytes are more than the {MAX_LZ4} that are read of LZ4"))
    }

    /// Bytes that come of it: as stated where unpacking stops there, and otherwise counted, to a little beyond the most.
    fn unpacked(&self, packed: impl Read, compression: Compression) -> u64 {
        let mut unpacking: Box<dyn Read + '_> = match compression {
            _ if self.unpacked > MAX_PAGE => return self.unpacked,
            Compression::GZIP(_) => Box::new(flate2::read::MultiGzDecoder::new(packed)),
            Compression::BROTLI(_) => Box::new(brotli::Decompressor::new(packed, 1 << 16)),
            _ => return self.unpacked,
        };
        // What is broken is reported by who reads it.
        let n = io::copy(&mut (&mut unpacking).take(MAX_PAGE + 1), &mut io::sink()).unwrap_or(0);
        n.max(self.unpacked)
    }
}
