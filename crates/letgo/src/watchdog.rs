//! `letgo watchdog`, which nobody types: puts everything back when the letgo that started it dies.

use anyhow::Result;
use letgo_linux::journal::{JournalDir, Who};
use letgo_linux::watchdog::{Ending, recover, wait_for_parent};

use crate::cli::WatchdogArgs;
use crate::exit::Exit;

/// Waits for the end of the letgo that started us.
///
/// # Errors
/// Where the process cannot be looked at: its journal then stays for the next letgo that writes.
pub fn run(args: &WatchdogArgs) -> Result<Exit> {
    // Opened before there is anything to do, so that nothing can be in the way later.
    let dir = JournalDir::standard()?;
    if wait_for_parent() == Ending::Died {
        recover(args.pid, args.start_ticks, dir, Who::this("watchdog"))?;
    }
    Ok(Exit::Whole)
}
