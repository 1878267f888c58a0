//! Text tables for terminals and pipes.

use std::fmt::Display;

use comfy_table::{CellAlignment, Table, presets::NOTHING};

/// Number of blanks between two columns.
const GAP: u16 = 2;

/// One cell.
pub(super) struct Cell {
    text: String,
    alignment: CellAlignment,
}

impl Cell {
    /// Text, which is aligned to the left of its column.
    pub(super) fn text(value: impl Display) -> Self {
        Self { text: value.to_string(), alignment: CellAlignment::Left }
    }

    /// A number, which is aligned to the right of its column.
    pub(super) fn number(value: impl Display) -> Self {
        Self { text: value.to_string(), alignment: CellAlignment::Right }
    }
}

/// A header and rows with the same number of cells, one line each. A name in the header is aligned like the cells below
/// it.
pub(super) fn text_table(header: &[&str], rows: &[Vec<Cell>]) -> String {
    let cell = |text: &str, alignment| comfy_table::Cell::new(text).set_alignment(alignment);
    let below = |i: usize| rows.first().map_or(CellAlignment::Left, |row| row[i].alignment);
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header(header.iter().enumerate().map(|(i, name)| cell(name, below(i))));
    for row in rows {
        table.add_row(row.iter().map(|own| cell(&own.text, own.alignment)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    table.trim_fmt() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_two_blanks_apart() {
        let row = |name: &str, rows: u64, words: &str| vec![Cell::text(name), Cell::number(rows), Cell::text(words)];
        let rows = [row("a", 7, ""), row("Müller", 1200, "x y"), row("", 0, "σ²")];
        let expected = "name    rows  what\na          7\nMüller  1200  x y\n           0  σ²\n";
        assert_eq!(text_table(&["name", "rows", "what"], &rows), expected);
        assert_eq!(text_table(&["name", "rows"], &[]), "name  rows\n");
    }
}
