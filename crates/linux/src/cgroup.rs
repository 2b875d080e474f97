//! What a process's memory cgroup says: usage, limits, events, pressure; version 1 and 2.
//!
//! `/proc/PID/cgroup` names the cgroup in each hierarchy, `mountinfo` where the hierarchies are
//! mounted; [`find`] joins the two. Our own mounts are tried first. A sidecar that cannot see the
//! target's cgroup in its own mounts looks through the target's (`/proc/PID/root`).
//!
//! Does not write, and does not judge how near a limit is.
//!
//! Source: Documentation/admin-guide/cgroup-v2.rst, Documentation/admin-guide/cgroup-v1/memory.rst,
//! cgroups(7), cgroup_namespaces(7).

mod container;
mod freezer;
mod pids;
mod place;
mod pressure;
mod stat;
mod v1;
mod v2;

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Error, Process};

pub(crate) use freezer::frozen_by;
pub(crate) use pids::processes_of;

pub use container::{Container, Runtime, container_of, container_of_path};
pub use place::{Membership, Mount, Place, Version, find, parse_membership, parse_mounts};
pub use pressure::{Pressure, PressureScope, Stall, parse_pressure};

/// A bound, and the cgroup that sets it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bound {
    /// The bound in bytes.
    pub bytes: u64,
    /// Path of the cgroup that sets it, in its hierarchy; nothing where that is outside of what we
    /// can see.
    pub at: Option<String>,
}

/// What a memory cgroup says. Bytes unless said otherwise; what the kernel does not tell is absent.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Memory {
    /// 1 or 2.
    pub version: Version,
    /// Path in its hierarchy, as seen from our cgroup namespace.
    pub path: String,
    /// What is charged now, with all its descendants.
    pub usage: u64,
    /// `usage` less inactive file pages: what the kubelet goes by.
    pub working_set: u64,
    /// The tightest hard limit between here and the root: `memory.max`, `limit_in_bytes`.
    pub limit: Option<Bound>,
    /// The tightest `memory.high`, where reclaim slows the processes down; version 2 only.
    pub high: Option<Bound>,
    /// `memory.low` of this cgroup: protected where possible; version 2 only.
    pub low: Option<u64>,
    /// `memory.min` of this cgroup: protected always; version 2 only.
    pub min: Option<u64>,
    /// `soft_limit_in_bytes`; version 1 only.
    pub soft_limit: Option<u64>,
    /// The most that was ever charged.
    pub peak: Option<u64>,
    /// Anonymous memory.
    pub anon: Option<u64>,
    /// Page cache, with shared memory.
    pub file: Option<u64>,
    /// Inactive page cache, the first to be reclaimed.
    pub inactive_file: Option<u64>,
    /// Shared memory, part of `file`.
    pub shmem: Option<u64>,
    /// Kernel memory: page tables, stacks, slab, sockets.
    pub kernel: Option<u64>,
    /// Slab, part of `kernel`; version 2 only.
    pub slab: Option<u64>,
    /// Socket buffers.
    pub sock: Option<u64>,
    /// Swapped out.
    pub swap: Option<u64>,
    /// The tightest limit on what may be swapped out; on version 1 on memory and swap together.
    pub swap_limit: Option<Bound>,
    /// Times that the limit was reached and nothing could be reclaimed; version 2 only.
    pub oom_events: Option<u64>,
    /// Processes killed for it.
    pub oom_kills: Option<u64>,
    /// Times that the limit was hit: `max` of `memory.events`, `failcnt`.
    pub limit_hits: Option<u64>,
    /// Times that `memory.high` was exceeded; version 2 only.
    pub high_hits: Option<u64>,
    /// An OOM kill takes all processes of the cgroup; version 2 only.
    pub oom_group: Option<bool>,
    /// Time lost waiting for memory.
    pub pressure: Option<Pressure>,
}

/// What the memory cgroup of `process` says.
pub(crate) fn memory_of(process: &Process) -> Result<Option<Memory>, Error> {
    let members = process.cgroups()?;
    let ours = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    if let Some(memory) = read_through(&members, &ours, Path::new("/")) {
        return Ok(Some(memory));
    }
    let Ok(theirs) = process.text("mountinfo", "reading the mounts") else {
        return Ok(None);
    };
    let root = format!("/proc/{}/root", process.pid());
    Ok(read_through(&members, &theirs, Path::new(&root)))
}

fn read_through(members: &[Membership], mountinfo: &str, root: &Path) -> Option<Memory> {
    let places = find(members, &parse_mounts(mountinfo));
    places.iter().find_map(|place| read(root, place))
}

/// Reads the memory cgroup at `place`, below `root` (`/`, or a recorded tree). Nothing where it is
/// the root of the hierarchy, or has no memory controller.
pub fn read(root: &Path, place: &Place) -> Option<Memory> {
    let mut memory = match place.version {
        Version::V1 => v1::read(root, place)?,
        Version::V2 => v2::read(root, place)?,
    };
    if memory.pressure.is_none() {
        memory.pressure = pressure::of_host(root);
    }
    Some(memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Live, on whatever hierarchy this machine has.
    #[test]
    fn our_own_memory_cgroup_reads_plausibly() {
        let process = Process::open_self().unwrap();
        let Some(memory) = process.memory_cgroup().unwrap() else {
            eprintln!("SKIPPED: this process is in no memory cgroup beside the root");
            return;
        };
        assert!(memory.usage > 0);
        assert!(memory.working_set <= memory.usage);
        if let Some(peak) = memory.peak {
            assert!(peak > 0);
        }
        let total = crate::system::meminfo().total;
        assert!(memory.anon.is_some_and(|anon| anon > 0 && anon < total));
    }
}
