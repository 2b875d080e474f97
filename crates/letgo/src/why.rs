//! `letgo why`: where every resident page belongs, and what stands out.

use anyhow::Result;

use crate::cli::WhyArgs;
use crate::exit::Exit;
use crate::select::{self, ThisHost};
use crate::terminal::Terminal;

/// Reads one process and writes the report.
///
/// # Errors
/// A [`crate::complaint::Complaint`], or what the crates below say.
pub fn run(args: &WhyArgs, _terminal: &Terminal) -> Result<Exit> {
    let pid = select::resolve(&args.selection, &ThisHost)?;
    anyhow::bail!("process {pid} cannot be read yet")
}
