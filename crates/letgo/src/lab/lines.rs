//! What a patient prints: `letgo.patient/1 <kind> key=value ...`.
//!
//! Described in `lab/patients/truth/doc.go`; other output is not a line.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

const PREFIX: &str = "letgo.patient/1 ";

/// A line of a patient.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Line {
    /// `truth`, `ready`, `memstats`, `done`, `error` and so on.
    pub(super) kind: String,
    /// What follows it.
    pub(super) figures: Figures,
}

/// What a patient tells, by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Figures(BTreeMap<String, String>);

impl Line {
    /// Nothing where it is not a patient's line.
    pub(super) fn parse(text: &str) -> Option<Line> {
        let mut words = text.trim_end().strip_prefix(PREFIX)?.split(' ');
        let kind = words.next().filter(|kind| !kind.is_empty())?.to_owned();
        let pair = |word: &str| {
            let (key, value) = word.split_once('=')?;
            Some((key.to_owned(), value.to_owned()))
        };
        let figures: Option<BTreeMap<_, _>> = words.map(pair).collect();
        Some(Line {
            kind,
            figures: Figures(figures?),
        })
    }
}

impl Figures {
    /// A number that the patient tells.
    ///
    /// # Errors
    /// It does not tell it.
    pub(super) fn get(&self, name: &str) -> Result<u64> {
        let number = self.0.get(name).and_then(|text| text.parse().ok());
        number.with_context(|| format!("the patient tells no {name}"))
    }

    /// Takes over what another line tells.
    pub(super) fn merge(&mut self, other: Figures) {
        self.0.extend(other.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_kind_and_pairs() {
        let line = Line::parse("letgo.patient/1 truth port=4242 go=go1.27.4\n").unwrap();
        assert_eq!(line.kind, "truth");
        assert_eq!(line.figures.get("port").unwrap(), 4242);
        assert!(line.figures.get("go").is_err());
        assert!(line.figures.get("bytes").is_err());
    }

    #[test]
    fn other_output_is_no_line() {
        for text in [
            "",
            "panic: x",
            "letgo.patient/1 ",
            "letgo.patient/1 truth x",
        ] {
            assert_eq!(Line::parse(text), None, "{text:?}");
        }
    }
}
