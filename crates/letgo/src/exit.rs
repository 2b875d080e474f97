//! [`Exit`]: the exit codes.

use std::process::ExitCode;

use crate::complaint::Complaint;

/// How a verb ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// The report is whole; what was to be done was done.
    Whole,
    /// A finding at or above `--fail-on`, a reading that is not complete, or something that was to
    /// be done fell short.
    Attention,
    /// The command line was wrong.
    Usage,
    /// No report could be made; nothing was written.
    NoReport,
    /// A program could not be started.
    NotStarted,
    /// There is no such program.
    NotFound,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Whole => 0,
            Exit::Attention => 1,
            Exit::Usage => 2,
            Exit::NoReport => 3,
            // As shells have it.
            Exit::NotStarted => 126,
            Exit::NotFound => 127,
        }
    }

    /// What an error ends with: what its complaint says, or no report.
    pub fn of(error: &anyhow::Error) -> Exit {
        let complaint = error.downcast_ref::<Complaint>();
        complaint.map_or(Exit::NoReport, |complaint| complaint.exit)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
