//! The answer to a question in SQL, written row by row: as an aligned table, as CSV, as JSON.

use std::io::{self, BufWriter, Write};

use letgo_query::{Kind, Table, Take, Value};
use letgo_report::page::harmless;
use letgo_report::{SqlReport, units};

use crate::cli::HeapOutput;
use crate::inspect::described;

/// Rows that the widths of columns are taken from.
const MEASURED: usize = 1000;
/// Spaces between columns.
const GAP: usize = 2;
/// Columns that are shown in hex where people read.
const ADDRESSES: [&str; 9] = [
    "address",
    "dominator",
    "span",
    "base",
    "source",
    "target",
    "at",
    "value",
    "g",
];

/// What the tables are, for people and for SQLite's own tools.
pub(crate) fn help() -> String {
    let mut text = String::new();
    for table in described() {
        text += &format!("-- {}\ncreate table {} (\n", table.about(), table.name());
        text += &columns(&*table);
        text += ");\n\n";
    }
    text += "-- addr(n) writes an address in hex; 0xc000123440 may be written in a question.\n";
    text
}

fn columns(table: &dyn Table) -> String {
    let last = table.columns().len() - 1;
    let line = |(at, column): (usize, &letgo_query::Column)| {
        let comma = if at == last { "" } else { "," };
        let kind = match column.kind {
            Kind::Integer => "integer",
            Kind::Text => "text",
        };
        let declared = format!("{} {kind}{comma}", column.name);
        format!("  {declared:<26} -- {}\n", column.about)
    };
    table.columns().iter().enumerate().map(line).collect()
}

/// Writes an answer as it comes.
pub(crate) struct Answer<W: Write> {
    out: BufWriter<W>,
    form: HeapOutput,
    /// Of JSON: what comes before the rows.
    head: Option<Box<SqlReport>>,
    names: Vec<String>,
    widths: Vec<usize>,
    right: Vec<bool>,
    /// Rows whose widths are still being looked at.
    waiting: Vec<Vec<String>>,
    measured: bool,
    rows: u64,
}

impl<W: Write> Answer<W> {
    /// Nothing so far.
    pub(crate) fn new(out: W, form: HeapOutput, head: SqlReport) -> Answer<W> {
        Answer {
            out: BufWriter::new(out),
            form,
            head: Some(Box::new(head)),
            names: Vec::new(),
            widths: Vec::new(),
            right: Vec::new(),
            waiting: Vec::new(),
            measured: false,
            rows: 0,
        }
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// Those of writing.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        match self.form {
            HeapOutput::Json => writeln!(self.out, "\n  ]\n}}")?,
            HeapOutput::Csv => {}
            _ => {
                self.settle()?;
                writeln!(self.out, "\n{}", units::counted(self.rows, "row"))?;
            }
        }
        self.out.flush()
    }

    /// Fixes the widths and writes what waited for them.
    fn settle(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.measured, true) {
            return Ok(());
        }
        let names = self.names.iter().map(|name| harmless(name)).collect();
        let waiting = std::mem::take(&mut self.waiting);
        for row in std::iter::once(&names).chain(&waiting) {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in std::iter::once(names).chain(waiting) {
            self.line(&row)?;
        }
        Ok(())
    }

    fn line(&mut self, cells: &[String]) -> io::Result<()> {
        let mut line = String::new();
        for ((cell, width), right) in cells.iter().zip(&self.widths).zip(&self.right) {
            let fill = " ".repeat(width.saturating_sub(cell.chars().count()));
            line += &match right {
                true => format!("{fill}{cell}"),
                false => format!("{cell}{fill}"),
            };
            line += &" ".repeat(GAP);
        }
        writeln!(self.out, "{}", line.trim_end())
    }

    fn cell(&self, column: usize, value: &Value) -> String {
        let name = self.names.get(column).map(String::as_str);
        match value {
            Value::Null => "-".into(),
            Value::Integer(number) if name.is_some_and(|name| ADDRESSES.contains(&name)) => {
                format!("{:#x}", number.cast_unsigned())
            }
            Value::Integer(number) => number.to_string(),
            Value::Real(number) => number.to_string(),
            Value::Text(text) => harmless(text),
        }
    }
}

impl<W: Write> Take for Answer<W> {
    fn columns(&mut self, names: &[String]) -> io::Result<()> {
        self.names = unique(names);
        self.widths = vec![0; names.len()];
        self.right = vec![true; names.len()];
        match (self.form, self.head.take()) {
            (HeapOutput::Csv, _) => {
                let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
                writeln!(self.out, "{}", names.join(","))
            }
            (HeapOutput::Json, Some(mut head)) => {
                head.columns = self.names.clone();
                let text = letgo_report::json(&*head)?;
                let text = text.trim_end().trim_end_matches('}').trim_end();
                write!(self.out, "{}", text.trim_end_matches(']'))
            }
            _ => Ok(()),
        }
    }

    fn row(&mut self, values: &[Value]) -> io::Result<()> {
        self.rows += 1;
        match self.form {
            HeapOutput::Csv => {
                let cells: Vec<String> = values.iter().map(csv).collect();
                writeln!(self.out, "{}", cells.join(","))
            }
            HeapOutput::Json => {
                let lead = if self.rows == 1 { "" } else { "," };
                let cells = self.names.iter().zip(values);
                let row: serde_json::Map<String, serde_json::Value> = cells
                    .map(|(name, value)| (name.clone(), json(value)))
                    .collect();
                let row = serde_json::to_string(&row)?;
                write!(self.out, "{lead}\n    {row}")
            }
            _ => {
                for (right, value) in self.right.iter_mut().zip(values) {
                    *right &= !matches!(value, Value::Text(_)) || self.measured;
                }
                let cells = values.iter().enumerate();
                let cells: Vec<String> = cells.map(|(at, value)| self.cell(at, value)).collect();
                if self.measured {
                    return self.line(&cells);
                }
                self.waiting.push(cells);
                match self.waiting.len() < MEASURED {
                    true => Ok(()),
                    false => self.settle(),
                }
            }
        }
    }
}

/// Names of which none comes twice.
fn unique(names: &[String]) -> Vec<String> {
    let mut seen = std::collections::HashMap::new();
    let name = |name: &String| {
        let count = seen.entry(name.clone()).or_insert(0u32);
        *count += 1;
        match *count {
            1 => name.clone(),
            count => format!("{name}:{count}"),
        }
    };
    names.iter().map(name).collect()
}

/// A cell of CSV, in quotes where it needs them. Source: RFC 4180.
fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

fn csv(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => quoted(text),
    }
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Integer(number) => (*number).into(),
        Value::Real(number) => (*number).into(),
        Value::Text(text) => text.clone().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: HeapOutput) -> String {
        let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../report/samples/heap.json");
        let sample = std::fs::read_to_string(sample).unwrap();
        let sample: letgo_report::HeapReport = serde_json::from_str(&sample).unwrap();
        let head = SqlReport {
            schema: SqlReport::SCHEMA.into(),
            letgo: sample.letgo,
            target: sample.target,
            taken: sample.taken,
            question: "select 1".into(),
            columns: Vec::new(),
            rows: Vec::new(),
        };
        let mut out = Vec::new();
        let mut answer = Answer::new(&mut out, form, head);
        let names = ["address", "n", "name", "n"].map(str::to_owned);
        answer.columns(&names).unwrap();
        let rows = [
            [0xc000.into(), 7, 8].map(Value::Integer),
            [1, 70, 80].map(Value::Integer),
        ];
        for ([address, n, again], name) in rows.into_iter().zip(["a,\"b\"", "\x1b[2J"]) {
            answer.row(&[address, n, name.into(), again]).unwrap();
        }
        answer
            .row(&[Value::Null, Value::Real(1.5), Value::Null, Value::Null])
            .unwrap();
        answer.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_is_aligned_and_cannot_act_on_the_terminal() {
        let text = written(HeapOutput::Text);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "address    n  name       n:2");
        assert_eq!(lines[1], " 0xc000    7  a,\"b\"        8");
        assert_eq!(lines[2], "    0x1   70  \\u{1b}[2J   80");
        assert_eq!(lines[3], "      -  1.5  -            -");
        assert_eq!(lines[5], "3 rows");
    }

    #[test]
    fn csv_has_quotes_where_it_needs_them() {
        let text = written(HeapOutput::Csv);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "address,n,name,n");
        assert_eq!(lines[1], "49152,7,\"a,\"\"b\"\"\",8");
        assert_eq!(lines[3], ",1.5,,");
    }

    #[test]
    fn json_keeps_to_its_schema() {
        let report: SqlReport = serde_json::from_str(&written(HeapOutput::Json)).unwrap();
        assert_eq!(report.columns, ["address", "n", "name", "n:2"]);
        assert_eq!(report.rows.len(), 3);
        assert_eq!(report.rows[0]["address"], 49152);
        assert_eq!(report.rows[2]["n"], 1.5);
        assert!(report.rows[2]["name"].is_null());
    }

    #[test]
    fn help_names_every_table_and_column() {
        let text = help();
        for name in ["objects", "edges", "types", "spans", "goroutines", "roots"] {
            assert!(text.contains(&format!("create table {name} (")), "{text}");
        }
        assert!(text.contains("retained_bytes integer,"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 120), "{text}");
    }
}
