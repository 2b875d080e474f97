//! [`Exit`]: the exit codes of the reading verbs.

use std::process::ExitCode;

use crate::complaint::Complaint;

/// How a reading verb ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// The report is whole.
    Whole,
    /// A finding at or above `--fail-on`, or a reading that is not complete.
    Attention,
    /// The command line was wrong.
    Usage,
    /// No report could be made.
    NoReport,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Whole => 0,
            Exit::Attention => 1,
            Exit::Usage => 2,
            Exit::NoReport => 3,
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
