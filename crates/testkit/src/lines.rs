//! The lines that a patient prints: `letgo.patient/1 <kind> key=value ...`.
//!
//! The format is described in `lab/patients/truth/doc.go`. This module parses one line; it does not
//! know which kinds exist.

use std::collections::BTreeMap;

/// What every line starts with.
const PREFIX: &str = "letgo.patient/1 ";

/// Named figures of a patient, such as its `runtime.MemStats`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Figures(BTreeMap<String, String>);

impl Figures {
    /// The figure as text, or nothing where the patient did not tell it.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The figure as a number.
    ///
    /// # Panics
    /// Where the patient did not tell it, or it is no number: then the test is wrong.
    pub fn get(&self, name: &str) -> u64 {
        let text = self.text(name);
        let number = text.and_then(|text| text.parse().ok());
        number.unwrap_or_else(|| panic!("the patient tells no number {name}: {text:?} in {self:?}"))
    }

    /// All pairs, as text.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> + '_ {
        let pairs = self.0.iter();
        pairs.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// All pairs of which both sides are numbers, as in `bysize`.
    pub fn numbers(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let pair =
            |(key, value): (&String, &String)| Some((key.parse().ok()?, value.parse().ok()?));
        self.0.iter().filter_map(pair)
    }

    /// The names of all figures.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether nothing was told.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn merge(&mut self, other: Figures) {
        self.0.extend(other.0);
    }
}

/// One line of a patient.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// `truth`, `ready`, `memstats`, `bysize`, `done`, `error`.
    pub kind: String,
    /// What follows it.
    pub figures: Figures,
}

impl Line {
    /// The parsed line, or nothing where it is not a patient's.
    pub fn parse(text: &str) -> Option<Line> {
        let mut words = text.trim_end().strip_prefix(PREFIX)?.split(' ');
        let kind = words.next().filter(|kind| !kind.is_empty())?.to_owned();
        let mut figures = Figures::default();
        for word in words.filter(|word| !word.is_empty()) {
            let (key, value) = word.split_once('=')?;
            figures.0.insert(key.to_owned(), value.to_owned());
        }
        Some(Line { kind, figures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_kind_and_pairs() {
        let line = Line::parse("letgo.patient/1 memstats HeapAlloc=12 HeapSys=4096\n").unwrap();
        assert_eq!(line.kind, "memstats");
        assert_eq!(line.figures.get("HeapSys"), 4096);
        assert_eq!(line.figures.text("HeapIdle"), None);
    }

    #[test]
    fn other_output_and_broken_pairs_are_no_lines() {
        for text in [
            "",
            "panic: x",
            "letgo.patient/2 ready",
            "letgo.patient/1 ",
            "letgo.patient/1 truth x",
        ] {
            assert_eq!(Line::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn sizes_are_numbers_on_both_sides() {
        let line = Line::parse("letgo.patient/1 bysize 8=3 16=4 note=7").unwrap();
        assert_eq!(
            line.figures.numbers().collect::<Vec<_>>(),
            [(16, 4), (8, 3)]
        );
    }

    #[test]
    #[should_panic(expected = "tells no number HeapAlloc")]
    fn a_missing_figure_is_never_zero() {
        Figures::default().get("HeapAlloc");
    }
}
