//! [`Roll`]: the goroutines that a patient started on purpose, by function, and what it knows of
//! them. `lab/patients/truth/roll.go` says what the classes mean.

use std::collections::{BTreeMap, BTreeSet};

use letgo_testkit::{Figures, Line};

/// The goroutines of one function.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Group {
    /// `leaked`, `stuck`, `either`, `kept` or `busy`.
    pub(crate) class: String,
    /// How many have not run since they waited, and how many have.
    pub(crate) waiting: usize,
    pub(crate) ran: usize,
    /// How the runtime calls the state.
    pub(crate) state: String,
    pub(crate) goids: BTreeSet<u64>,
}

/// All groups, by the name of the function.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Roll(pub(crate) BTreeMap<String, Group>);

const CLASSES: [&str; 5] = ["leaked", "stuck", "either", "kept", "busy"];

impl Roll {
    /// The roll in a patient's truth.
    pub(crate) fn of(figures: &Figures) -> Roll {
        let mut roll = Roll::default();
        roll.add(figures);
        roll
    }

    /// The roll that a command told.
    pub(crate) fn told(lines: &[Line]) -> Roll {
        let mut roll = Roll::default();
        for line in lines {
            roll.add(&line.figures);
        }
        roll
    }

    fn add(&mut self, figures: &Figures) {
        for (key, value) in figures.pairs() {
            let Some((word, function)) = key.split_once(':') else {
                continue;
            };
            let group = self.0.entry(function.to_owned()).or_default();
            match word {
                "ran" => group.ran = value.parse().unwrap(),
                "state" => group.state = value.replace('_', " "),
                "goids" => group.goids = numbers(value),
                class => {
                    assert!(CLASSES.contains(&class), "{key}");
                    class.clone_into(&mut group.class);
                    group.waiting = value.parse().unwrap();
                }
            }
        }
    }

    /// The goroutines of a class.
    pub(crate) fn goids(&self, class: &str) -> BTreeSet<u64> {
        let of = |group: &&Group| group.class == class;
        let groups = self.0.values().filter(of);
        groups.flat_map(|group| group.goids.clone()).collect()
    }

    /// The functions that hold any of these goroutines, for a message.
    pub(crate) fn functions(&self, goids: &BTreeSet<u64>) -> Vec<(&str, &str, usize)> {
        let hits = |group: &Group| group.goids.intersection(goids).count();
        let groups = self.0.iter().filter(|(_, group)| hits(group) > 0);
        groups
            .map(|(name, group)| (name.as_str(), group.class.as_str(), hits(group)))
            .collect()
    }
}

/// Numbers with commas between them; `-` is none.
pub(crate) fn numbers(text: &str) -> BTreeSet<u64> {
    let words = text.split(',').filter(|word| *word != "-");
    words.map(|word| word.parse().unwrap()).collect()
}
