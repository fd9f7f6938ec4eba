//! How many values a row has, from the repetition levels of its pages, before they are put together: a few bytes can
//! stand for a list of a billion.
//!
//! ```text
//! levels   0 where a row begins, runs of one level or of 8 n levels packed in bits
//! page     version 1: length, 4 bytes, levels, ...; version 2: levels, ...
//! ```

use std::sync::Arc;

use parquet::basic::{Encoding, Type as PhysicalType};
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::RowGroupReader;
use parquet::record::reader::RowIter;
use parquet::schema::types::{ColumnDescriptor, Type};

/// Rows that are read at a time.
pub(super) const BATCH: usize = 256;
/// Most values of one column in one row, and in a batch of rows.
const MAX_ROW: usize = 1_000_000;
const MAX_BATCH: usize = 4_000_000;
/// Most bytes of the texts of one row, each taken to be as long as the longest.
const MAX_ROW_BYTES: usize = 256 << 20;

/// A row group whose lists are counted as its pages are read.
pub(super) struct Counted<'f>(pub Box<dyn RowGroupReader + 'f>);

impl RowGroupReader for Counted<'_> {
    fn metadata(&self) -> &RowGroupMetaData {
        self.0.metadata()
    }

    fn num_columns(&self) -> usize {
        self.0.num_columns()
    }

    fn get_column_page_reader(&self, index: usize) -> Result<Box<dyn PageReader>> {
        let pages = self.0.get_column_page_reader(index)?;
        let column = self.metadata().column(index).column_descr_ptr();
        Ok(if column.max_rep_level() == 0 {
            pages
        } else {
            Box::new(Pages { pages, column, count: Count::default() })
        })
    }

    fn get_column_bloom_filter(&self, index: usize) -> Option<&Sbbf> {
        self.0.get_column_bloom_filter(index)
    }

    fn get_row_iter(&self, projection: Option<Type>) -> Result<RowIter<'_>> {
        self.0.get_row_iter(projection)
    }
}

/// The pages of a column of lists.
struct Pages {
    pages: Box<dyn PageReader>,
    column: Arc<ColumnDescriptor>,
    count: Count,
}

impl Pages {
    fn check(&mut self, page: &Page) -> Result<()> {
        let most = self.column.max_rep_level();
        let bits = (u16::BITS - most.unsigned_abs().leading_zeros()) as usize;
        let n = page.num_values() as usize;
        let counted = match page {
            Page::DictionaryPage { buf, .. } => {
                let is_text = self.column.physical_type() == PhysicalType::BYTE_ARRAY;
                self.count.longest = if is_text { longest(buf) } else { 0 };
                Ok(())
            }
            Page::DataPage { buf, rep_level_encoding: Encoding::RLE, .. } => {
                let length =
                    buf.get(..4).and_then(|length| length.try_into().ok()).map_or(0, u32::from_le_bytes);
                let levels = buf.get(4..).unwrap_or_default();
                self.count.levels(&levels[..levels.len().min(length as usize)], bits, n)
            }
            Page::DataPageV2 { buf, rep_levels_byte_len, .. } => {
                self.count.levels(buf.get(..*rep_levels_byte_len as usize).unwrap_or_default(), bits, n)
            }
            // Another encoding of long ago: all may be one row's.
            Page::DataPage { .. } => self.count.run(1, n),
        };
        counted.map_err(|error| {
            ParquetError::General(format!("column {}: {error}", self.column.path().string()))
        })
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        page.iter().try_for_each(|page| self.check(page))?;
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}

/// Bytes of the longest text of a dictionary: each stands behind its length, 4 bytes.
fn longest(mut words: &[u8]) -> usize {
    let mut longest = 0;
    while let Some((length, rest)) = words.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        longest = longest.max(length);
        words = rest.get(length..).unwrap_or_default();
    }
    longest
}

#[derive(Debug, Default)]
struct Count {
    rows: usize,
    /// Values of the row that was read last, and of its batch.
    of_row: usize,
    of_batch: usize,
    /// Bytes of the longest text of the dictionary.
    longest: usize,
}

impl Count {
    /// Counts `n` values, whose levels of `bits` bits `levels` holds; those that it lacks are taken to be of one row.
    fn levels(&mut self, mut levels: &[u8], bits: usize, mut n: usize) -> Result<(), String> {
        while n > 0 {
            let Some((head, rest)) = varint(levels) else { return self.run(1, n) };
            levels = rest;
            if head & 1 == 0 {
                let run = n.min(head >> 1);
                let level = levels
                    .iter()
                    .take(bits.div_ceil(8))
                    .rev()
                    .fold(0, |level, byte| level << 8 | usize::from(*byte));
                levels = levels.get(bits.div_ceil(8)..).unwrap_or_default();
                self.run(level, run)?;
                n -= run;
                continue;
            }
            let packed = (head >> 1).saturating_mul(8);
            for index in 0..packed.min(n) {
                let bit = |at: usize| levels.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
                let is_start = (index * bits..(index + 1) * bits).all(|at| !bit(at));
                self.run(usize::from(!is_start), 1)?;
            }
            levels = levels.get((head >> 1).saturating_mul(bits)..).unwrap_or_default();
            n -= packed.min(n);
        }
        Ok(())
    }

    /// Counts `n` values of `level` one after the other.
    fn run(&mut self, level: usize, n: usize) -> Result<(), String> {
        if level == 0 {
            self.rows += n;
            let of_batch = self.rows % BATCH;
            self.of_batch = if of_batch < n { of_batch } else { self.of_batch + n };
            self.of_row = n.min(1);
        } else {
            self.of_batch += n;
            self.of_row += n;
        }
        let row = self.rows;
        if self.of_row > MAX_ROW {
            return Err(format!("row {row} of the row group has more than {MAX_ROW} values"));
        }
        if self.of_batch > MAX_BATCH {
            return Err(format!(
                "the {BATCH} rows up to row {row} of the row group have more than {MAX_BATCH} values"
            ));
        }
        if self.of_row.saturating_mul(self.longest) > MAX_ROW_BYTES {
            let most = MAX_ROW_BYTES >> 20;
            return Err(format!("row {row} of the row group may have more than {most} MB of texts"));
        }
        Ok(())
    }
}

fn varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let n = 1 + bytes.iter().take(9).position(|byte| *byte < 0x80)?;
    let value = bytes[..n].iter().rev().fold(0_u64, |value, byte| value << 7 | u64::from(byte & 0x7f));
    Some((usize::try_from(value).ok()?, &bytes[n..]))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn rows_are_counted_in_runs_and_in_packed_levels() {
        // A run of 3 rows, one of 4 more values of the last, and 8 levels packed: 0 1 1 0 1 0 0 0, of which 7 are there.
        let mut count = Count::default();
        count.levels(&[6, 0, 8, 1, 3, 0b0001_0110], 1, 14).unwrap();
        assert_eq!((count.rows, count.of_row, count.of_batch), (7, 1, 14));
        let mut count = Count::default();
        // Of two bits: 0 2 1 0.
        count.levels(&[3, 0b0001_1000, 0], 2, 4).unwrap();
        assert_eq!((count.rows, count.of_row), (2, 1));
    }

    #[test]
    fn a_batch_begins_anew() {
        let mut count = Count::default();
        for _ in 0..3 * BATCH {
            count.run(0, 1).unwrap();
            count.run(1, MAX_BATCH / BATCH - 1).unwrap();
        }
        count.run(0, 10 * BATCH).unwrap();
        assert_eq!((count.rows, count.of_batch), (13 * BATCH, 0));
    }

    #[test]
    fn more_than_there_is_memory_for_is_refused() {
        let error =
            Count::default().levels(&[0xfe, 0xff, 0xff, 0xff, 0x0f, 1], 1, 2_000_000_000).unwrap_err();
        assert_eq!(error, "row 0 of the row group has more than 1000000 values");
        let mut count = Count { longest: longest(&[2, 0, 0, 0, 9, 9, 0, 0, 0, 1]), ..Count::default() };
        assert_eq!(count.longest, 1 << 24);
        assert!(
            count.run(0, 1).is_ok() && count.run(1, 20).unwrap_err().contains("more than 256 MB of texts")
        );
        let mut count = Count::default();
        let rows = (0..BATCH).map(|_| count.run(0, 1).and_then(|()| count.run(1, 100_000)));
        assert!(rows.collect::<Result<Vec<_>, _>>().unwrap_err().contains("rows up to row 40"));
    }
}
