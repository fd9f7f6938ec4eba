//! Whether the sizes that a Parquet file states can be: libraries take memory by them before they read, and a small file
//! can state, or unpack to, more than a machine has.
//!
//! ```text
//! "PAR1"  pages of each column, each behind a header  ...  footer: schema, row groups  its length, 4 bytes  "PAR1"
//! ```

use std::fs::File;

use anyhow::{Context, Result, bail, ensure};
use parquet::file::metadata::ParquetMetaData;
use parquet::schema::types::Type;

use super::pages::Pages;

/// Rows, values of all columns, and bytes unpacked, that any file may have, and how many more for each of its bytes.
const FREE_ROWS: u64 = 1_000_000;
const ROWS_A_BYTE: u64 = 1;
const FREE_VALUES: u64 = 10_000_000;
const VALUES_A_BYTE: u64 = 2;
const FREE_BYTES: u64 = 512 * MB;
const UNPACKED_A_BYTE: u64 = 200;
/// Most pages without any value, which few writers make.
const MAX_EMPTY: u64 = 10_000;

const MB: u64 = 1 << 20;

/// Which columns of a file are asked for, by their names.
pub(super) type Wanted<'w> = &'w dyn Fn(&str) -> bool;

/// Checks the names of the columns, and all sizes that `metadata` and the pages of `file` state of those that are `wanted`.
/// Which of the outermost columns are to be read; where nobody says which are wanted, those too large are not.
pub(super) fn sizes(
    file: &File,
    metadata: &ParquetMetaData,
    wanted: Option<Wanted<'_>>,
) -> Result<Vec<bool>> {
    let columns = metadata.file_metadata().schema_descr();
    let fields = columns.root_schema().get_fields();
    ensure!(!fields.is_empty(), "it has no columns");
    names(columns.root_schema())?;
    let is_wanted = |name: &str| wanted.is_none_or(|wanted| wanted(name));
    let mut read: Vec<bool> = fields.iter().map(|field| is_wanted(field.name())).collect();
    let (mut sums, mut first) = (Sums::read(file)?, None);
    for (index, group) in metadata.row_groups().iter().enumerate() {
        sums.add_rows(group.num_rows())?;
        let mut at_once = 0;
        for (inner, column) in group.columns().iter().enumerate() {
            let outermost = columns.get_column_root_idx(inner);
            if !read[outermost] {
                continue;
            }
            let place = || format!("row group {index}, column {}", column.column_path().string());
            let pages = Pages::read(file, column, &mut sums).with_context(place)?;
            let with_it = at_once + pages.at_once();
            let Some(error) = pages.too_large(with_it) else {
                at_once = with_it;
                continue;
            };
            let error = error.context(place());
            if wanted.is_some() {
                return Err(error);
            }
            read[outermost] = false;
            first.get_or_insert(error);
        }
    }
    match first {
        Some(error) if !read.contains(&true) => Err(error),
        _ => Ok(read),
    }
}

/// What the row groups and the pages read so far add up to, which each is checked with as it comes: a file can name the same
/// bytes many times, and one page can stand for any number of rows.
pub(super) struct Sums {
    size: u64,
    rows: u64,
    /// Bytes that the columns take in the file.
    stored: u64,
    values: u64,
    empty: u64,
    unpacked: u64,
}

impl Sums {
    fn read(file: &File) -> Result<Self> {
        let size = file.metadata()?.len();
        Ok(Self { size, rows: 0, stored: 0, values: 0, empty: 0, unpacked: 0 })
    }

    fn add_rows(&mut self, n: i64) -> Result<()> {
        self.rows += u64::try_from(n).ok().with_context(|| format!("a row group has {n} rows"))?;
        let (size, rows, most) = (self.size, self.rows, self.most(FREE_ROWS, ROWS_A_BYTE));
        ensure!(
            rows <= most,
            "it has {rows} rows in {size} bytes, more than the {most} that are read of such a file"
        );
        Ok(())
    }

    /// The pages of a column, so many bytes.
    pub(super) fn add_stored(&mut self, bytes: u64) -> Result<()> {
        self.stored += bytes;
        let Self { size, stored, .. } = self;
        ensure!(
            stored <= size,
            "with those before it {stored} bytes in a file of {size}: some lie in one another"
        );
        Ok(())
    }

    /// One page, with so many values, which unpacks to so many bytes.
    pub(super) fn add_page(&mut self, values: u64, unpacked: u64) -> Result<()> {
        self.values += values;
        self.empty += u64::from(values == 0);
        self.unpacked += unpacked;
        ensure!(self.empty <= MAX_EMPTY, "more than the {MAX_EMPTY} pages without values that are read");
        let (size, values, most) = (self.size, self.values, self.most(FREE_VALUES, VALUES_A_BYTE));
        ensure!(
            values <= most,
            "with those before it {values} values in {size} bytes, more than the {most} that are read of such a file"
        );
        let (unpacked, most) = (self.unpacked, self.most(FREE_BYTES, UNPACKED_A_BYTE));
        ensure!(
            unpacked <= most,
            "with those before it {} MB when unpacked in {size} bytes, more than the {} MB that are read of such a file",
            unpacked / MB,
            most / MB
        );
        Ok(())
    }

    fn most(&self, free: u64, a_byte: u64) -> u64 {
        free + self.size.saturating_mul(a_byte)
    }
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
