//! A text that grows line by line within a width: prose, sections, and rows in columns.

use super::layout::{columns, pad, wrap};
use super::style::{BOLD, paint};

/// Columns beyond which a name does not widen the column of all names.
const LONGEST_NAME: usize = 32;

/// The text so far.
pub(super) struct Page {
    pub text: String,
    pub width: usize,
}

/// A line in columns: what is done, to whom, and more about it. Cells may be styled, or empty.
pub(super) struct Row {
    pub mark: String,
    pub name: String,
    pub cells: Vec<String>,
}

impl Page {
    pub fn new(width: usize) -> Self {
        Self { text: String::new(), width }
    }

    /// Lines that fit as they are.
    pub fn lines(&mut self, indent: usize, lines: impl IntoIterator<Item = String>) {
        for line in lines {
            self.text.push_str(&" ".repeat(indent));
            self.text.push_str(line.trim_end());
            self.text.push('\n');
        }
    }

    /// Prose, wrapped under a hanging indent.
    pub fn prose(&mut self, indent: usize, text: &str) {
        // One width for all lines: the first has room to spare.
        let lines = wrap(text, self.width.saturating_sub(indent + 2));
        let mut lines =
            if columns(text) <= self.width.saturating_sub(indent) { vec![text.to_owned()] } else { lines };
        let rest = lines.split_off(1);
        self.lines(indent, lines);
        self.lines(indent + 2, rest);
    }

    /// An empty line between parts.
    pub fn begin(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// A title of its own.
    pub fn section(&mut self, title: &str) {
        self.begin();
        self.lines(0, [paint(BOLD, title)]);
    }

    /// A section of rows in columns, each followed by its details. Nothing where there are no rows.
    ///
    /// A row that is too long for the width goes on below its name.
    pub fn table(&mut self, title: &str, rows: &[Row], mut details: impl FnMut(&mut Self, usize)) {
        if rows.is_empty() {
            return;
        }
        self.section(title);
        let names = rows.iter().map(|row| columns(&row.name));
        let name = names.filter(|columns| *columns <= LONGEST_NAME).max().unwrap_or_default();
        let cells = rows.iter().map(|row| row.cells.len()).max().unwrap_or_default();
        let cell =
            |at: usize| rows.iter().filter_map(|row| row.cells.get(at)).map(|cell| columns(cell)).max();
        let widths: Vec<usize> = (0..cells).map(|at| cell(at).unwrap_or_default()).collect();
        for (index, row) in rows.iter().enumerate() {
            self.row(row, name, &widths);
            details(self, index);
        }
    }

    fn row(&mut self, row: &Row, name: usize, widths: &[usize]) {
        let head = format!("{} {}", row.mark, pad(&row.name, name));
        let cells = row.cells.iter().zip(widths).filter(|(_, width)| **width > 0);
        let cells = cells.map(|(cell, width)| format!("  {}", pad(cell, *width)));
        let line = format!("{head}{}", cells.collect::<Vec<_>>().concat());
        if columns(line.trim_end()) + 2 <= self.width {
            self.lines(2, [line]);
            return;
        }
        self.prose(2, &format!("{} {}", row.mark, row.name));
        let told: Vec<&str> = row.cells.iter().map(String::as_str).filter(|cell| !cell.is_empty()).collect();
        self.prose(4, &told.join(", "));
    }
}
