//! [`Table`]: columns as wide as what stands in them.

use unicode_width::UnicodeWidthStr;

use crate::page::{Ink, Line, Page, harmless, trim, wrap};

/// Spaces between columns.
const GAP: usize = 2;

/// One cell: its text and ink.
pub(super) type Cell = (Ink, String);

/// A cell in plain ink.
pub(super) fn plain(text: impl Into<String>) -> Cell {
    (Ink::Plain, text.into())
}

/// Where a column's text stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// At its left edge.
    Left,
    /// At its right edge.
    Right,
}

/// A header and rows of equal length.
pub(super) struct Table<'a> {
    heads: Vec<(&'a str, Side)>,
    rows: Vec<Row>,
    elastic: Vec<usize>,
}

/// Cells of a line, or of several where the last one is wrapped.
struct Row {
    cells: Vec<Cell>,
    wraps: bool,
}

/// Lines that a wrapped cell takes at most, and how far the further ones are indented.
const MOST_LINES: usize = 4;
const INDENT: usize = 2;

/// An elastic column keeps at least this.
const NARROWEST: usize = 8;

impl<'a> Table<'a> {
    /// A table with these columns and no rows.
    pub(super) fn new(heads: &[(&'a str, Side)]) -> Table<'a> {
        Table {
            heads: heads.to_vec(),
            rows: Vec::new(),
            elastic: Vec::new(),
        }
    }

    /// Adds a row; missing cells are empty.
    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(Row {
            cells,
            wraps: false,
        });
    }

    /// Adds a row whose last cell goes on in further lines where it is too wide, and is not cut.
    pub(super) fn row_wrapped(&mut self, cells: Vec<Cell>) {
        self.rows.push(Row { cells, wraps: true });
    }

    /// Lets these columns be trimmed where the page is too narrow for the table.
    pub(super) fn elastic(&mut self, columns: &[usize]) {
        self.elastic = columns.to_vec();
    }

    /// Writes the header, if any column has one, and the rows, indented.
    pub(super) fn write(self, page: &mut Page, indent: usize) {
        let mut widths = self.widths();
        if !page.look().whole {
            self.shrink(&mut widths, page.width().saturating_sub(indent));
        }
        if self.heads.iter().any(|(head, _)| !head.is_empty()) {
            let heads = self.heads.iter();
            let cells: Vec<Cell> = heads.map(|(head, _)| (Ink::Dim, (*head).into())).collect();
            self.write_row(page, indent, &widths, &cells);
        }
        for row in &self.rows {
            match row.wraps {
                true => self.write_wrapped(page, indent, &widths, &row.cells),
                false => self.write_row(page, indent, &widths, &row.cells),
            }
        }
    }

    /// Writes a row, and what is left of its last cell below.
    fn write_wrapped(&self, page: &mut Page, indent: usize, widths: &[usize], row: &[Cell]) {
        let (Some((ink, text)), Some(width)) = (row.last(), widths.get(row.len() - 1)) else {
            return;
        };
        let text = harmless(text);
        if text.width() <= *width {
            return self.write_row(page, indent, widths, row);
        }
        let first = wrap(&text, *width).into_iter().next().unwrap_or_default();
        let rest = text.get(first.len()..).unwrap_or_default().trim_start();
        let mut lines = vec![first];
        lines.extend(wrap(rest, width.saturating_sub(INDENT)));
        // What is beyond is cut, at the end of the last of them.
        let rest = lines.split_off(lines.len().min(MOST_LINES - 1)).join(" ");
        lines.extend(Some(rest).filter(|rest| !rest.is_empty()));
        let mut cells = row.to_vec();
        for (number, line) in lines.into_iter().enumerate() {
            let stem = " ".repeat(if number == 0 { 0 } else { INDENT });
            if let Some(cell) = cells.last_mut() {
                *cell = (*ink, stem + &line);
            }
            self.write_row(page, indent, widths, &cells);
            let others = cells.len() - 1;
            cells
                .iter_mut()
                .take(others)
                .for_each(|cell| *cell = plain(""));
        }
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.heads.iter().map(|(head, _)| head.width()).collect();
        for row in &self.rows {
            for (width, (_, text)) in widths.iter_mut().zip(&row.cells) {
                *width = (*width).max(harmless(text).width());
            }
        }
        widths
    }

    /// Takes columns from the widest elastic column until all fit, or none can give more.
    fn shrink(&self, widths: &mut [usize], room: usize) {
        let gaps = GAP * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > room {
            let columns = widths.iter_mut().enumerate();
            let elastic = columns.filter(|(i, _)| self.elastic.contains(i));
            match elastic.map(|(_, width)| width).max() {
                Some(width) if *width > NARROWEST => *width -= 1,
                _ => return,
            }
        }
    }

    fn write_row(&self, page: &mut Page, indent: usize, widths: &[usize], row: &[Cell]) {
        let mut line = Line::new().pad_to(indent);
        let mut column = indent;
        for ((width, (_, side)), (ink, text)) in widths.iter().zip(&self.heads).zip(row) {
            let text = trim(page.look(), &harmless(text), *width);
            let text_width = text.width();
            let start = match side {
                Side::Left => column,
                Side::Right => column + width.saturating_sub(text_width),
            };
            line = line.pad_to(start).add(*ink, text);
            column += width + GAP;
        }
        page.line(line);
    }
}
