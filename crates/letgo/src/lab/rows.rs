//! [`Rows`]: what an experiment has measured so far, run by run, and the median of it.
//!
//! A row is a few words that name it and samples by key. A key that a row never got is absent in
//! the report.

use std::collections::BTreeMap;

use letgo_report::Unit;
use letgo_report::lab::{Cell, Figure};

use super::plan::Head;

/// The rows and notes of an experiment in the making.
#[derive(Debug)]
pub(super) struct Rows {
    columns: &'static [Head],
    rows: Vec<Row>,
    notes: Vec<String>,
    failures: usize,
}

/// One row in the making.
#[derive(Debug, Default)]
pub(super) struct Row {
    words: BTreeMap<&'static str, String>,
    samples: BTreeMap<&'static str, Vec<i64>>,
}

impl Rows {
    /// No rows yet.
    pub(super) fn new(columns: &'static [Head]) -> Rows {
        Rows {
            columns,
            rows: Vec::new(),
            notes: Vec::new(),
            failures: 0,
        }
    }

    /// Begins a row, named by words; they and the samples must be columns.
    pub(super) fn row(&mut self, words: &[(&'static str, &str)]) -> &mut Row {
        let words = words.iter().map(|(key, word)| (*key, (*word).to_owned()));
        let row = Row {
            words: words.collect(),
            samples: BTreeMap::new(),
        };
        self.rows.push(row);
        let last = self.rows.len() - 1;
        &mut self.rows[last]
    }

    /// Says how it was measured; once, however often it is said.
    pub(super) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// Says what could not be measured, and why.
    pub(super) fn failed(&mut self, what: &str, error: &anyhow::Error) {
        self.failures += 1;
        self.note(format!("Not measured: {what}: {error:#}."));
    }

    /// Whether something could not be measured.
    pub(super) fn has_gaps(&self) -> bool {
        self.failures > 0
    }

    /// The rows by key, and the notes.
    pub(super) fn finish(self) -> (Vec<BTreeMap<String, Cell>>, Vec<String>) {
        let columns = self.columns;
        let rows = self.rows.into_iter().map(|row| row.finish(columns));
        (rows.collect(), self.notes)
    }
}

impl Row {
    /// Adds what one run measured.
    pub(super) fn add(&mut self, key: &'static str, value: impl TryInto<i64>) {
        // No figure of ours is near 2^63.
        let value = value.try_into().unwrap_or(i64::MAX);
        self.samples.entry(key).or_default().push(value);
    }

    /// Adds a figure that not every run has.
    pub(super) fn add_some(&mut self, key: &'static str, value: Option<impl TryInto<i64>>) {
        if let Some(value) = value {
            self.add(key, value);
        }
    }

    fn finish(self, columns: &[Head]) -> BTreeMap<String, Cell> {
        let known = |key: &str, text: bool| {
            let column = columns.iter().find(|(name, _, _)| *name == key);
            let fits = column.is_some_and(|(_, _, unit)| (*unit == Unit::Text) == text);
            assert!(fits, "no such column: {key}");
        };
        let mut cells = BTreeMap::new();
        for (key, word) in self.words {
            known(key, true);
            cells.insert(key.to_owned(), Cell::Text(word));
        }
        for (key, samples) in self.samples {
            known(key, false);
            let figure = figure(samples).map(Cell::Figure);
            cells.extend(figure.map(|cell| (key.to_owned(), cell)));
        }
        cells
    }
}

/// Median and range; the median of an even count is the mean of the two in the middle.
fn figure(mut samples: Vec<i64>) -> Option<Figure> {
    samples.sort_unstable();
    let upper = *samples.get(samples.len() / 2)?;
    let lower = *samples.get((samples.len() - 1) / 2)?;
    Some(Figure {
        median: lower + (upper - lower) / 2,
        least: *samples.first()?,
        most: *samples.last()?,
        runs: samples.len() as u64,
    })
}

/// The one in the middle, as a row shows it.
pub(super) fn median(samples: Vec<i64>) -> Option<i64> {
    figure(samples).map(|figure| figure.median)
}

/// How much of `before` is gone, in thousandths, rounded; below nothing where it grew.
pub(super) fn drop_permille(before: u64, after: u64) -> i64 {
    let (before, after) = (i128::from(before), i128::from(after));
    if before == 0 {
        return 0;
    }
    let twice = (before - after) * 2000 / before;
    let rounded = (twice + twice.signum()) / 2;
    i64::try_from(rounded).unwrap_or(i64::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Head] = &[
        ("go", "GO", Unit::Text),
        ("rss_bytes", "RSS", Unit::Bytes),
        ("time_ns", "TIME", Unit::Nanoseconds),
    ];

    #[test]
    fn medians_of_odd_and_even_counts() {
        let of = |samples: &[i64]| figure(samples.to_vec()).map(|figure| figure.median);
        assert_eq!(of(&[9, 1, 5]), Some(5));
        assert_eq!(of(&[4, 1, 3, 2]), Some(2));
        assert_eq!(of(&[10, 20]), Some(15));
        assert_eq!(of(&[7]), Some(7));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn the_range_is_of_all_runs() {
        let figure = figure(vec![5, -2, 9]).unwrap();
        assert_eq!((figure.least, figure.most, figure.runs), (-2, 9, 3));
    }

    #[test]
    fn a_drop_is_a_share_of_what_was_there() {
        assert_eq!(drop_permille(1000, 280), 720);
        assert_eq!(drop_permille(1000, 1000), 0);
        assert_eq!(drop_permille(1000, 1250), -250);
        assert_eq!(drop_permille(3, 2), 333);
        assert_eq!(drop_permille(3, 1), 667);
        assert_eq!(drop_permille(0, 5), 0);
    }

    #[test]
    fn what_was_not_measured_is_absent() {
        let mut rows = Rows::new(COLUMNS);
        let row = rows.row(&[("go", "1.27.4")]);
        row.add("rss_bytes", 5_u64);
        row.add_some("time_ns", None::<u64>);
        let (rows, _) = rows.finish();
        let keys: Vec<&str> = rows[0].keys().map(String::as_str).collect();
        assert_eq!(keys, ["go", "rss_bytes"]);
    }

    #[test]
    #[should_panic(expected = "no such column: rss")]
    fn a_sample_without_a_column_is_a_mistake() {
        let mut rows = Rows::new(COLUMNS);
        rows.row(&[]).add("rss", 5);
        rows.finish();
    }

    #[test]
    fn notes_are_said_once_and_failures_counted() {
        let mut rows = Rows::new(COLUMNS);
        rows.note("medians");
        rows.note("medians");
        assert!(!rows.has_gaps());
        rows.failed("release", &anyhow::anyhow!("refused"));
        assert!(rows.has_gaps());
        let (_, notes) = rows.finish();
        assert_eq!(notes, ["medians", "Not measured: release: refused."]);
    }
}
