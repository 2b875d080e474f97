//! Verbs that findings already name, and that a later version has.
//!
//! A finding says what is right to do. Where this version cannot do it, whoever reads or types the
//! command is told so, and what helps meanwhile.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use letgo_report::page::{Ink, Look, Page};
use letgo_report::{Finding, WhyReport};

use crate::cli::COMING;
use crate::complaint::Complaint;

/// What to say of a command line that asks for a verb to come; nothing where it is wrong otherwise.
pub fn complaint(error: &clap::Error) -> Option<Complaint> {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    let ContextValue::String(asked) = error.get(ContextKind::InvalidSubcommand)? else {
        return None;
    };
    let (verb, meanwhile) = COMING.iter().find(|(verb, _)| verb == asked)?;
    let wrong = format!("`letgo {verb}` is not in this version yet");
    Some(Complaint::usage(wrong, *meanwhile))
}

/// The line below a report whose findings name verbs to come; empty where none does.
pub fn note(report: &WhyReport, look: Look) -> String {
    let named = |verb: &&str| report.findings.iter().any(|finding| names(finding, verb));
    let verbs: Vec<&str> = COMING.iter().map(|(verb, _)| *verb).filter(named).collect();
    let Some((last, others)) = verbs.split_last() else {
        return String::new();
    };
    let (list, are) = match others {
        [] => (format!("letgo {last}"), "is"),
        _ => (format!("letgo {} and {last}", others.join(", ")), "are"),
    };
    let text = format!("{list} {are} not in this version yet.");
    let mut page = Page::new(look);
    page.gap();
    page.wrapped(0, Ink::Dim, &text);
    page.finish()
}

/// Whether a finding offers `letgo VERB`.
fn names(finding: &Finding, verb: &str) -> bool {
    let command = format!("letgo {verb}");
    let remedies = finding.remedies.iter();
    let mut texts = remedies.flat_map(|remedy| [&remedy.command, &remedy.expect]);
    texts.any(|text| {
        text.match_indices(&command).any(|(at, found)| {
            let next = text
                .get(at + found.len()..)
                .and_then(|rest| rest.chars().next());
            next.is_none_or(|char| !char.is_alphanumeric())
        })
    })
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::Cli;

    fn sample(name: &str) -> WhyReport {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../report/samples");
        let json = std::fs::read_to_string(format!("{dir}/{name}.json")).unwrap();
        serde_json::from_str(&json).unwrap()
    }

    fn said(args: &[&str]) -> Option<Complaint> {
        complaint(&Cli::try_parse_from(args).unwrap_err())
    }

    #[test]
    fn what_exists_is_not_to_come() {
        let command = Cli::command();
        let verbs: Vec<&str> = command
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        assert!(COMING.iter().all(|(verb, _)| !verbs.contains(verb)));
    }

    /// Every verb that the book of findings names is there or to come.
    #[test]
    fn every_verb_of_a_finding_is_there_or_to_come() {
        let book = include_str!("../../../docs/findings.md");
        let command = Cli::command();
        let mut verbs: Vec<&str> = command
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        verbs.extend(COMING.iter().map(|(verb, _)| verb));
        let named = book.split("`letgo ").skip(1);
        let named: Vec<&str> = named
            .filter_map(|rest| rest.split([' ', '`']).next())
            .collect();
        assert!(named.len() > 10, "{named:?}");
        let missing = named.iter().filter(|verb| !verbs.contains(verb));
        assert_eq!(missing.collect::<Vec<_>>(), [&""; 0]);
    }

    #[test]
    fn a_verb_to_come_is_told_apart_from_a_word_that_is_none() {
        let coming = said(&["letgo", "alloc", "4242"]).unwrap();
        assert!(
            coming
                .wrong
                .contains("`letgo alloc` is not in this version")
        );
        assert!(coming.next.contains("heap profile"));
        assert_eq!(said(&["letgo", "heep", "4242"]), None);
        assert_eq!(said(&["letgo", "why"]), None);
    }

    #[test]
    fn a_report_says_which_of_its_commands_are_to_come() {
        let mut idle = sample("why-idle");
        idle.findings[0].remedies[0].command = "letgo alloc 4242".into();
        idle.findings[0].remedies[0].expect = "letgo plan 4242 shows the trade".into();
        let text = note(&idle, Look::PLAIN);
        assert_eq!(
            text,
            "\nletgo plan and alloc are not in this version yet.\n"
        );
        assert_eq!(note(&sample("why-healthy"), Look::PLAIN), "");
    }
}
