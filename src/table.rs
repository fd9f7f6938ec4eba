//! Tables as text: Markdown that can also be read as it is, and plain columns.

use tabled::builder::Builder;
use tabled::settings::object::{Columns, Object, Rows};
use tabled::settings::style::LineChar;
use tabled::settings::{Alignment, Modify, Padding, Style};

/// A header and rows with as many cells; all columns but the first are numbers, which stand at the right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    /// Names of the columns.
    pub header: Vec<String>,
    /// The cells.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// As Markdown, its columns aligned.
    pub(crate) fn markdown(&self) -> String {
        let escaped = |cell: &String| cell.replace('|', "\\|");
        let mut table = self.built(escaped);
        table.with(Style::markdown());
        // The last dash (an offset of 0 is the end) of the line above the first row says where the column's text stands.
        let numbers = Rows::one(1).intersect(Columns::new(1..));
        table.with(Modify::new(numbers).with(LineChar::horizontal(':', 0)));
        table.to_string()
    }

    /// As columns two blanks apart, for a terminal.
    pub(crate) fn plain(&self) -> String {
        let mut table = self.built(String::clone);
        table.with(Style::empty()).with(Padding::new(0, 2, 0, 0));
        table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    fn built(&self, cell: impl Fn(&String) -> String) -> tabled::Table {
        let rows = [&self.header].into_iter().chain(&self.rows);
        let mut table = Builder::from_iter(rows.map(|row| row.iter().map(&cell))).build();
        table.with(Modify::new(Columns::new(1..)).with(Alignment::right()));
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let cells = |cells: [&str; 3]| cells.map(String::from).to_vec();
        Table {
            header: cells(["set", "n", "avg@4"]),
            rows: vec![cells(["a|b", "30", "0.0 ± 5.7"]), cells(["math500", "500", "12.5 ± 2.0"])],
        }
    }

    #[test]
    fn markdown_is_aligned() {
        let expected = [
            "| set     |   n |      avg@4 |",
            "|---------|----:|-----------:|",
            "| a\\|b    |  30 |  0.0 ± 5.7 |",
            "| math500 | 500 | 12.5 ± 2.0 |",
        ];
        assert_eq!(table().markdown(), expected.join("\n"));
    }

    #[test]
    fn plain_columns_have_no_lines() {
        let expected = ["set        n       avg@4", "a|b       30   0.0 ± 5.7", "math500  500  12.5 ± 2.0"];
        assert_eq!(table().plain(), expected.join("\n"));
    }
}
