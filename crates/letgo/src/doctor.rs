//! `letgo doctor`: what this machine allows, and how to grant what is missing.
//!
//! What is looked at is in `letgo_linux::doctor`; here it becomes a report.

use anyhow::Result;
use letgo_linux::{Error, Process, doctor, system};
use letgo_report::{Check, DoctorReport, State};

use crate::cli::DoctorArgs;
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::terminal::Terminal;
use crate::{output, own};

/// Looks at this machine, and at one process if asked to, and writes the checklist.
///
/// # Errors
/// There is no such process, or standard output cannot be written.
pub fn run(args: &DoctorArgs, terminal: &Terminal) -> Result<Exit> {
    if let Some(pid) = args.pid {
        exists(pid)?;
    }
    let report = DoctorReport {
        schema: DoctorReport::SCHEMA.into(),
        letgo: own::cost(),
        kernel: system::kernel().release,
        pid: args.pid,
        checks: doctor::probe(args.pid).into_iter().map(check).collect(),
    };
    output::doctor(&report, args, terminal)
}

/// Whether a process exists at all; that it may not be looked at is for the checklist.
fn exists(pid: u32) -> Result<(), Complaint> {
    match Process::open(pid) {
        Err(
            error @ (Error::NoSuchProcess { .. }
            | Error::Thread { .. }
            | Error::KernelThread { .. }
            | Error::Zombie { .. }),
        ) => Err(Complaint::no_report(
            error.to_string(),
            "`letgo ps` lists the Go programs that run on this host",
        )),
        _ => Ok(()),
    }
}

fn check(found: doctor::Check) -> Check {
    Check {
        name: found.name,
        state: match found.state {
            doctor::State::Ok => State::Ok,
            doctor::State::Limited => State::Limited,
            doctor::State::Missing => State::Missing,
        },
        detail: found.detail,
        fix: found.fix,
    }
}
