//! The memory controller of cgroup version 2.
//!
//! All figures of a cgroup include its descendants. The root has no `memory.current`; a cgroup
//! without the controller has none of the files, but its processes are charged to the nearest
//! ancestor that has it, which is read instead.
//!
//! Source: Documentation/admin-guide/cgroup-v2.rst, "Memory Interface Files".

use std::path::Path;

use super::pressure::{PressureScope, parse_pressure};
use super::stat::Files;
use super::{Bound, Memory, Place, Version};

/// Reads the cgroup at `place`, or its nearest ancestor with a memory controller; nothing at the
/// root.
pub(super) fn read(root: &Path, place: &Place) -> Option<Memory> {
    let (files, path, usage) = place.upwards().find_map(|(dir, path)| {
        let files = Files::new(root, &dir);
        let usage = files.number("memory.current")?;
        Some((files, path, usage))
    })?;
    let stat = files.pairs("memory.stat");
    let stat = |key: &str| stat.as_ref()?.get(key);
    let events = files.pairs("memory.events");
    let event = |key: &str| events.as_ref()?.get(key);
    let inactive_file = stat("inactive_file");
    let pressure = files.text("memory.pressure");
    Some(Memory {
        version: Version::V2,
        path,
        usage,
        working_set: usage.saturating_sub(inactive_file.unwrap_or(0)),
        limit: tightest(root, place, "memory.max"),
        high: tightest(root, place, "memory.high"),
        low: files.number("memory.low"),
        min: files.number("memory.min"),
        soft_limit: None,
        peak: files.number("memory.peak"),
        anon: stat("anon"),
        file: stat("file"),
        inactive_file,
        shmem: stat("shmem"),
        kernel: stat("kernel"),
        slab: stat("slab"),
        sock: stat("sock"),
        swap: files.number("memory.swap.current"),
        swap_limit: tightest(root, place, "memory.swap.max"),
        oom_events: event("oom"),
        oom_kills: event("oom_kill"),
        limit_hits: event("max"),
        high_hits: event("high"),
        oom_group: files.number("memory.oom.group").map(|group| group != 0),
        pressure: pressure.and_then(|text| parse_pressure(&text, PressureScope::Cgroup)),
    })
}

/// The tightest bound between here and the mount's root. `max` is none, and does not parse.
fn tightest(root: &Path, place: &Place, name: &str) -> Option<Bound> {
    let bounds = place.upwards().filter_map(|(dir, path)| {
        let bytes = Files::new(root, &dir).number(name)?;
        Some(Bound {
            bytes,
            at: Some(path),
        })
    });
    bounds.min_by_key(|bound| bound.bytes)
}
