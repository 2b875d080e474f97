//! `letgo watchdog`, which nobody types: puts everything back when the letgo that started it dies.

use std::time::Instant;

use anyhow::{Context as _, Result};
use letgo_linux::frozen::reap_orphans;
use letgo_linux::journal::{JournalDir, Who};
use letgo_linux::watchdog::{Ending, recover, wait_for_parent};
use letgo_linux::{Gadgets, Process};

use crate::cli::WatchdogArgs;
use crate::exit::Exit;
use crate::frozen::ORPHANS;

/// Waits for the end of the letgo that started us.
///
/// # Errors
/// Where the process cannot be looked at: its journal then stays for the next letgo that writes.
pub fn run(args: &WatchdogArgs) -> Result<Exit> {
    if let Some(gadgets) = &args.copies {
        return remove_copies(args, gadgets);
    }
    // Opened before there is anything to do, so that nothing can be in the way later.
    let dir = JournalDir::standard()?;
    if wait_for_parent() == Ending::Died {
        recover(args.pid, args.start_ticks, dir, Who::this("watchdog"))?;
    }
    Ok(Exit::Whole)
}

/// As [`run`], for the frozen copies of a process.
fn remove_copies(args: &WatchdogArgs, gadgets: &str) -> Result<Exit> {
    let gadgets = Gadgets::decode(gadgets).context("no gadgets")?;
    if wait_for_parent() == Ending::Done {
        return Ok(Exit::Whole);
    }
    let removed = Process::open(args.pid).and_then(|process| {
        match process.start_ticks() == args.start_ticks {
            true => reap_orphans(&process, &gadgets, Instant::now() + ORPHANS),
            false => Ok(0),
        }
    });
    match removed {
        // Its children went to somebody who waits for all.
        Err(error) if error.is_gone() => Ok(Exit::Whole),
        removed => Ok(removed.map(|_| Exit::Whole)?),
    }
}
