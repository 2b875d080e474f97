//! The memory controller of cgroup version 1.
//!
//! The `total_` figures of `memory.stat` include descendants, as the usage does. A limit that is
//! not set reads as the largest multiple of the os page below 2^63. `hierarchical_memory_limit` is
//! the tightest limit up to the true root, also where we cannot see that far.
//!
//! Source: Documentation/admin-guide/cgroup-v1/memory.rst, mm/memcontrol-v1.c.

use std::path::Path;

use super::stat::Files;
use super::{Bound, Memory, Place, Version};

/// `PAGE_COUNTER_MAX` in bytes, less some room for other page sizes.
const UNLIMITED: u64 = 0x7fff_ffff_0000_0000;

/// Reads the cgroup at `place`; nothing at the root, which has no limit and counts the host.
pub(super) fn read(root: &Path, place: &Place) -> Option<Memory> {
    let (dir, _) = place.upwards().next()?;
    let files = Files::new(root, &dir);
    let usage = files.number("memory.usage_in_bytes")?;
    if place.path == "/" && place.below.is_empty() && files.text("release_agent").is_some() {
        return None;
    }
    let stat = files.pairs("memory.stat")?;
    let total = |key: &str| stat.get(&format!("total_{key}")).or_else(|| stat.get(key));
    let inactive_file = total("inactive_file");
    let oom = files.pairs("memory.oom_control");
    Some(Memory {
        version: Version::V1,
        path: place.path.clone(),
        usage,
        working_set: usage.saturating_sub(inactive_file.unwrap_or(0)),
        limit: tightest(
            root,
            place,
            "memory.limit_in_bytes",
            stat.get("hierarchical_memory_limit"),
        ),
        high: None,
        low: None,
        min: None,
        soft_limit: files.number("memory.soft_limit_in_bytes").filter(is_set),
        peak: files.number("memory.max_usage_in_bytes"),
        anon: total("rss"),
        file: total("cache"),
        inactive_file,
        shmem: total("shmem"),
        kernel: files.number("memory.kmem.usage_in_bytes"),
        slab: None,
        sock: files.number("memory.kmem.tcp.usage_in_bytes"),
        swap: total("swap"),
        swap_limit: tightest(
            root,
            place,
            "memory.memsw.limit_in_bytes",
            stat.get("hierarchical_memsw_limit"),
        ),
        oom_events: None,
        oom_kills: oom.and_then(|oom| oom.get("oom_kill")),
        limit_hits: files.number("memory.failcnt"),
        high_hits: None,
        oom_group: None,
        pressure: None,
    })
}

fn is_set(limit: &u64) -> bool {
    *limit < UNLIMITED
}

/// The tightest limit in sight, or the kernel's own figure where an ancestor out of sight is
/// tighter.
fn tightest(root: &Path, place: &Place, name: &str, hierarchical: Option<u64>) -> Option<Bound> {
    let seen = place
        .upwards()
        .filter_map(|(dir, path)| {
            let bytes = Files::new(root, &dir).number(name).filter(is_set)?;
            Some(Bound {
                bytes,
                at: Some(path),
            })
        })
        .min_by_key(|bound| bound.bytes);
    let told = hierarchical.filter(is_set);
    match (seen, told) {
        (Some(seen), Some(told)) if told < seen.bytes => Some(Bound {
            bytes: told,
            at: None,
        }),
        (None, Some(told)) => Some(Bound {
            bytes: told,
            at: None,
        }),
        (seen, _) => seen,
    }
}
