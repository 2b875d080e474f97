//! `letgo lab`: runs the experiments on this machine and shows the seed's claim beside each figure.
//!
//! Works from a checkout: the Go programs are in `lab/`, built by the `go` of this machine, which
//! fetches other releases itself. The target of an experiment is always a child of ours.
//!
//! However this process ends, what it started ends too and the machine is as it was: patients and
//! the load generator are tied to us by the kernel, and huge pages have a keeper ([`huge_pages`]).
//! So a signal needs no handler here. Results are written as each experiment ends.
//!
//! Figures are of one machine on one day; no test depends on any. Knows no Go structure.

mod advice;
pub mod args;
mod bench;
mod busy;
mod child;
mod go;
mod http;
mod huge_pages;
mod lines;
mod load;
mod machine;
mod patient;
mod plan;
mod race;
mod release;
mod returned;
mod rows;
mod signal;
mod survivors;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::SystemTime;

use anyhow::Result;
use letgo_report::lab::LabReport;
use letgo_report::{markdown, text, units};

use crate::cli::Output;
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::own;
use crate::terminal::Terminal;
use args::{LabArgs, LabVerb, RunArgs};
use bench::Bench;
use plan::Plan;
use rows::Rows;

/// All experiments, in the order in which they are listed.
const PLANS: [Plan; 6] = [
    release::PLAN,
    survivors::PLAN,
    signal::PLAN,
    advice::PLAN,
    busy::PLAN,
    race::PLAN,
];

/// Lists the experiments, or runs some.
///
/// # Errors
/// A [`Complaint`] where nothing can be run here, or an output cannot be written.
pub fn run(args: &LabArgs, quiet: bool, terminal: &Terminal) -> Result<Exit> {
    match &args.verb {
        LabVerb::List => {
            terminal.print(&plan::list(&PLANS, terminal.stdout))?;
            Ok(Exit::Whole)
        }
        LabVerb::Run(args) => run_all(args, quiet, terminal),
    }
}

fn run_all(args: &RunArgs, quiet: bool, terminal: &Terminal) -> Result<Exit> {
    let plans = plan::named(&PLANS, &args.names)?;
    let bench = Bench::new(args, quiet)?;
    let mut report = LabReport {
        schema: LabReport::SCHEMA.into(),
        letgo: own::cost(),
        at: units::rfc3339(SystemTime::now()),
        machine: machine::now(),
        experiments: Vec::new(),
    };
    let mut exit = Exit::Whole;
    let mut done = Vec::new();
    for plan in plans {
        let mut rows = Rows::new(plan.columns);
        let result = (plan.run)(&bench, &mut rows);
        if let Err(error) = &result {
            rows.note(format!("Ended early: {error:#}."));
        }
        if result.is_err() || rows.has_gaps() {
            exit = Exit::Attention;
        }
        let mut one = LabReport {
            experiments: vec![plan.experiment(rows)],
            ..report.clone()
        };
        if let Some(file) = &args.out {
            append(file, &markdown::lab(&one))?;
        }
        if args.output == Output::Text {
            terminal.print(&text::lab(&one, terminal.stdout))?;
        }
        done.append(&mut one.experiments);
    }
    report.experiments = done;
    if args.output == Output::Json {
        terminal.print(&letgo_report::json(&report)?)?;
    }
    Ok(exit)
}

fn append(file: &Path, text: &str) -> Result<(), Complaint> {
    let opened = OpenOptions::new().create(true).append(true).open(file);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        Complaint::no_report(
            format!("cannot write {}: {error}", file.display()),
            "give --out a file that may be written to",
        )
    })
}
