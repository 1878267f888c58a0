//! Aligned columns of text.

use std::fmt::Display;

/// One cell; numbers stand to the right.
pub(super) struct Cell {
    text: String,
    right: bool,
}

impl Cell {
    pub(super) fn text(value: impl Display) -> Self {
        Self { text: value.to_string(), right: false }
    }

    pub(super) fn number(value: impl Display) -> Self {
        Self { text: value.to_string(), right: true }
    }
}

/// A header and rows of as many cells, two spaces apart; a line each.
pub(super) fn text_table(header: &[&str], rows: &[Vec<Cell>]) -> String {
    let wide = |text: &str| text.chars().count();
    let width = |i: usize| rows.iter().map(|row| wide(&row[i].text)).chain([wide(header[i])]).max().unwrap_or(0);
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: Vec<(&str, bool)>| {
        let pad = |((text, right), width): ((&str, bool), &usize)| {
            if right { format!("{text:>width$}") } else { format!("{text:<width$}") }
        };
        let line = cells.into_iter().zip(&widths).map(pad).collect::<Vec<_>>().join("  ");
        line.trim_end().to_owned() + "\n"
    };
    let right = |i: usize| rows.first().is_some_and(|row| row[i].right);
    let mut text = line(header.iter().enumerate().map(|(i, name)| (*name, right(i))).collect());
    for row in rows {
        text += &line(row.iter().map(|cell| (cell.text.as_str(), cell.right)).collect());
    }
    text
}
