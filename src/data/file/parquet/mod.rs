//! Rows of a Parquet file. The library that reads it panics over some damages, and takes the memory that the file asks
//! for; so what the file states is checked first, and a panic is an error.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::TreeBuilder;

use self::lists::{BATCH, Counted};
use super::rows::{Fault, Row};
use crate::caught::caught;
use crate::data::jsonl::short;
use crate::files::open_regular;

mod guard;
mod lists;
mod thrift;
mod value;

/// The rows, one row group after the other. Nothing follows a [`Fault::File`].
pub struct Parquet {
    reader: SerializedFileReader<File>,
    name: String,
    /// The next row group.
    group: usize,
    /// Rows of the current one.
    rows: Box<dyn Iterator<Item = Result<parquet::record::Row, ParquetError>>>,
    /// Rows read so far.
    number: usize,
    failed: bool,
}

impl Parquet {
    /// Those of the file `path`.
    ///
    /// # Errors
    /// If it is no file, cannot be opened, is no whole Parquet file, or states sizes that cannot be or are beyond what is read.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = open_regular(path).with_context(|| format!("{name}: cannot be read"))?;
        let reader = || -> Result<SerializedFileReader<File>> {
            guard::footer(&file)?;
            Ok(SerializedFileReader::new(file.try_clone()?)?)
        };
        let reader = caught(reader).unwrap_or_else(|said| Err(anyhow!(said)));
        let reader = reader.map_err(|error| {
            let error = short(&format!("{error:#}"));
            anyhow!("{name}: not a whole Parquet file; if it was downloaded, download it again: {error}")
        })?;
        let checked = caught(|| guard::sizes(&file, reader.metadata()));
        checked
            .unwrap_or_else(|said| Err(anyhow!(said)))
            .with_context(|| format!("{name}: cannot be read"))?;
        Ok(Self { reader, name, group: 0, rows: Box::new(std::iter::empty()), number: 0, failed: false })
    }

    /// Opens the next row group; `None` behind the last.
    fn advance(&mut self) -> Option<Result<(), ParquetError>> {
        let metadata = self.reader.metadata();
        let open = |group| {
            let reader = Counted(self.reader.get_row_group(group)?);
            let columns = metadata.file_metadata().schema_descr_ptr();
            TreeBuilder::new().with_batch_size(BATCH).as_iter(columns, &reader)
        };
        let rows = (self.group < metadata.num_row_groups()).then(|| open(self.group))?;
        self.group += 1;
        Some(rows.map(|rows| self.rows = Box::new(rows)))
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

impl Iterator for Parquet {
    type Item = Result<Row, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let read = caught(|| {
            let row = self.read()?;
            Some(row.map_err(anyhow::Error::from).and_then(|row| value::fields(&row)))
        });
        // Nothing is read of the file after a panic.
        let read = read.unwrap_or_else(|said| Some(Err(anyhow!("{said}"))))?;
        self.number += 1;
        let place = format!("{}:{}", self.name, self.number);
        Some(match read {
            Ok((fields, bytes)) => Ok(Row { place, fields, bytes }),
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
