//! `letgo ps`: which Go programs run on this host.

use anyhow::Result;

use crate::cli::PsArgs;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Takes a light reading of every Go program and writes the table.
///
/// # Errors
/// Standard output cannot be written, or `/proc` cannot be listed.
pub fn run(_args: &PsArgs, _terminal: &Terminal) -> Result<Exit> {
    anyhow::bail!("processes cannot be read yet")
}
