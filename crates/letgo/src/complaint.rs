//! [`Complaint`]: one sentence on what is wrong, and one on what to do next.
//!
//! Whatever comes from below as an error without a next step is given the most useful general one.

use std::fmt;

use letgo_report::page::{Ink, Line, Page};

use crate::exit::Exit;
use crate::terminal::Terminal;

/// What is wrong, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Complaint {
    /// What is wrong: a sentence without a full stop.
    pub wrong: String,
    /// What to do next: a sentence without a full stop.
    pub next: String,
    /// What to choose from, where there is a choice.
    pub choices: Vec<String>,
    /// The exit code.
    pub exit: Exit,
}

impl Complaint {
    /// The command line asks for something that is not clear or not possible.
    pub fn usage(wrong: impl Into<String>, next: impl Into<String>) -> Complaint {
        Complaint {
            wrong: wrong.into(),
            next: next.into(),
            choices: Vec::new(),
            exit: Exit::Usage,
        }
    }

    /// No report can be made.
    pub fn no_report(wrong: impl Into<String>, next: impl Into<String>) -> Complaint {
        Complaint {
            exit: Exit::NoReport,
            ..Complaint::usage(wrong, next)
        }
    }

    /// Adds what to choose from.
    #[must_use]
    pub fn among(mut self, choices: Vec<String>) -> Complaint {
        self.choices = choices;
        self
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.wrong)
    }
}

impl std::error::Error for Complaint {}

/// An error as standard error shows it: what is wrong, the choices, what to do.
pub fn told(error: &anyhow::Error, terminal: &Terminal) -> String {
    let general;
    let complaint = match error.downcast_ref::<Complaint>() {
        Some(complaint) => complaint,
        None => {
            let wrong = format!("{error:#}");
            general = Complaint::no_report(wrong, "`letgo doctor` says what this machine allows");
            &general
        }
    };
    let mut page = Page::new(terminal.stderr);
    let mut line = Line::new().add(Ink::Red, "letgo: ");
    let indent = line.width();
    let room = page.width().saturating_sub(indent);
    for part in letgo_report::page::wrap(&sentence(&complaint.wrong), room) {
        page.line(line.pad_to(indent).add(Ink::Plain, part));
        line = Line::new();
    }
    for choice in &complaint.choices {
        page.line(Line::new().pad_to(indent + 2).add(Ink::Plain, choice));
    }
    page.wrapped(indent, Ink::Plain, &sentence(&complaint.next));
    page.finish()
}

/// Text that begins with a capital and ends with a full stop.
fn sentence(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    let Some(first) = chars.next() else {
        return String::new();
    };
    first.to_uppercase().chain(chars).chain(['.']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_from_below_still_says_what_to_do() {
        let error = anyhow::anyhow!("inner").context("outer");
        let text = told(&error, &Terminal::plain());
        assert_eq!(
            text,
            "letgo: Outer: inner.\n       `letgo doctor` says what this machine allows.\n"
        );
        assert_eq!(Exit::of(&error), Exit::NoReport);
    }

    #[test]
    fn a_name_of_a_target_in_an_error_cannot_act_on_the_terminal() {
        let complaint = Complaint::usage("\x1b[2J is not a name", "give another");
        let text = told(&complaint.into(), &Terminal::plain());
        assert!(!text.contains('\x1b'), "{text}");
    }
}
