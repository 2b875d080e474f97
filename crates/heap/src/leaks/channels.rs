//! The queues of channels that goroutines wait for, read with the graph.
//!
//! A channel whose elements hold no pointers holds none for the GC either, so that the graph has
//! no copy of it.

use letgo_goruntime::{Census, Runtime};
use letgo_target::{Addr, ReadMemory, gather};
use rustc_hash::FxHashSet;

use super::candidates::Sudogs;
use crate::bits::index;
use crate::{Error, Graph};

/// Reads them; of a channel that cannot be read nothing is known.
///
/// # Errors
/// Only what makes the whole target unreadable.
pub(crate) fn read_channels(
    graph: &mut Graph,
    runtime: &Runtime,
    memory: &dyn ReadMemory,
    census: &Census,
) -> Result<(), Error> {
    let layout = runtime.layout();
    let sudogs = Sudogs { graph, layout };
    let waiting = census
        .goroutines
        .iter()
        .filter(|one| super::is_channel(one.wait_reason));
    let mut channels: FxHashSet<Addr> = FxHashSet::default();
    for one in waiting {
        let waits = graph.bytes(one.g).map(|g| sudogs.listed(one, g));
        for at in waits.into_iter().flatten() {
            channels.extend(graph.bytes(at).map(|sudog| layout.sudog.c.addr(sudog)));
        }
    }
    let size = u64::from(layout.hchan.size);
    let items = channels.iter().filter(|at| !at.is_null());
    let gathered = gather(memory, items.map(|at| (*at, size)))?;
    let fields = [layout.hchan.recvq_first, layout.hchan.sendq_first];
    for at in channels {
        if let Some(bytes) = gathered.get(at, index(size)) {
            let firsts = fields.map(|field| field.addr(bytes));
            graph.roots.channels.insert(at, firsts);
        }
    }
    Ok(())
}
