//! Rows of a Parquet file. The library that reads it panics over some damages, and takes the memory that the file asks
//! for; so what the file states is checked first, and a panic is an error.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::TreeBuilder;
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor, Type};

use self::guard::Wanted;
use self::lists::{BATCH, Counted};
use self::value::Found;
use super::rows::{Fault, Row};
use crate::caught::caught;
use crate::data::jsonl::short;
use crate::files::open_regular;

mod footer;
mod guard;
mod lists;
mod pages;
mod thrift;
mod value;

/// Bytes of texts that the rows of any file may have, and how many more for each of its bytes: a text that stands once in a
/// dictionary is copied into every row.
const FREE_TEXTS: u64 = 256 << 20;
const TEXTS_A_BYTE: u64 = 200;

/// The rows, one row group after the other. Nothing follows a [`Fault::File`].
pub(super) struct Parquet {
    reader: SerializedFileReader<File>,
    name: String,
    /// The columns that are read and, where these are not all, the names of all.
    read: SchemaDescPtr,
    columns: Option<Arc<[String]>>,
    /// Bytes that texts of the rows to come may have.
    texts_left: u64,
    /// The next row group.
    group: usize,
    /// Rows of the current one.
    rows: Box<dyn Iterator<Item = Result<parquet::record::Row, ParquetError>>>,
    /// Rows read so far.
    number: usize,
    failed: bool,
}

impl Parquet {
    /// Those of the file `path` with the columns that are `wanted`; without it with all but those too large to be read.
    ///
    /// # Errors
    /// If it is no file, cannot be opened, is no whole Parquet file, or states sizes that cannot be or are beyond what is read.
    pub(super) fn open(path: &Path, wanted: Option<Wanted<'_>>) -> Result<Self> {
        let name = path.display().to_string();
        let file = open_regular(path).with_context(|| format!("{name}: cannot be read"))?;
        let reader = || -> Result<SerializedFileReader<File>> {
            footer::check(&file)?;
            Ok(SerializedFileReader::new(file.try_clone()?)?)
        };
        let reader = caught(reader).unwrap_or_else(|said| Err(anyhow!(said)));
        let reader = reader.map_err(|error| {
            let error = short(&format!("{error:#}"));
            anyhow!("{name}: not a whole Parquet file; if it was downloaded, download it again: {error}")
        })?;
        let checked = caught(|| guard::sizes(&file, reader.metadata(), wanted));
        let is_read = checked
            .unwrap_or_else(|said| Err(anyhow!(said)))
            .with_context(|| format!("{name}: cannot be read"))?;
        let (read, columns) = chosen(reader.metadata().file_metadata().schema_descr_ptr(), &is_read)?;
        let texts_left = FREE_TEXTS + file.metadata()?.len().saturating_mul(TEXTS_A_BYTE);
        let rows = Box::new(std::iter::empty());
        Ok(Self { reader, name, read, columns, texts_left, group: 0, rows, number: 0, failed: false })
    }

    /// Opens the next row group; `None` behind the last.
    fn advance(&mut self) -> Option<Result<(), ParquetError>> {
        let metadata = self.reader.metadata();
        let open = |group| {
            let reader = Counted(self.reader.get_row_group(group)?);
            TreeBuilder::new().with_batch_size(BATCH).as_iter(self.read.clone(), &reader)
        };
        let rows = (self.group < metadata.num_row_groups()).then(|| open(self.group))?;
        self.group += 1;
        Some(rows.map(|rows| self.rows = Box::new(rows)))
    }

    /// Counts the texts of a row, which have so many bytes.
    fn within_texts(&mut self, size: usize) -> Result<()> {
        let left = self.texts_left.checked_sub(size as u64);
        let most = "the texts up to it have more bytes than are read of a file of its size";
        self.texts_left = left.context(most)?;
        Ok(())
    }

    /// The next row as it is stored; `None` behind the last.
    fn read(&mut self) -> Option<Result<parquet::record::Row, ParquetError>> {
        loop {
            if let Some(read) = self.rows.next() {
                return Some(read);
            }
            if let Err(error) = self.advance()? {
                return Some(Err(error));
            }
        }
    }
}

/// Those columns of a file that are read and, where these are not all, the names of all.
fn chosen(all: SchemaDescPtr, is_read: &[bool]) -> Result<(SchemaDescPtr, Option<Arc<[String]>>)> {
    if is_read.iter().all(|is_read| *is_read) {
        return Ok((all, None));
    }
    let root = all.root_schema();
    let columns = root.get_fields();
    let read = columns.iter().zip(is_read).filter(|(_, is_read)| **is_read);
    let read = read.map(|(column, _)| column.clone()).collect();
    let read = Type::group_type_builder(root.name()).with_fields(read).build()?;
    let names = columns.iter().map(|column| column.name().to_owned()).collect();
    Ok((Arc::new(SchemaDescriptor::new(Arc::new(read))), Some(names)))
}

impl Iterator for Parquet {
    type Item = Result<Row, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let read = caught(|| {
            let row = self.read()?;
            Some(row.map_err(anyhow::Error::from).and_then(value::fields))
        });
        // Nothing is read of the file after a panic.
        let read = read.unwrap_or_else(|said| Some(Err(anyhow!("{said}"))))?;
        self.number += 1;
        let place = format!("{}:{}", self.name, self.number);
        let read = read.and_then(|found| self.within_texts(found.size).map(|()| found));
        Some(match read {
            Ok(Found { fields, bytes, .. }) => {
                Ok(Row { place, fields, bytes, columns: self.columns.clone() })
            }
            Err(error) => {
                self.failed = true;
                let error = short(&format!("{error:#}"));
                Err(Fault::File(anyhow!(
                    "{place}: cannot be read; the file is damaged, or not supported: {error}"
                )))
            }
        })
    }
}
