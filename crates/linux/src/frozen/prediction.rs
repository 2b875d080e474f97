//! [`Prediction`]: what a frozen copy of a process would cost, and what stands against it.
//!
//! The pause is the time that the kernel takes to copy the page table of anonymous memory, entry by
//! entry, and the time to stop the threads. Both are longer where the target has to wait for a
//! processor, as it does where no priority can be lent to it. How fast entries are copied and how
//! long is waited is learnt from the reading of `smaps` that the prediction is made of (see
//! [`super::pace`]). The memory is the copied page table, and a page for each one that the target
//! writes to while the copy lives.
//!
//! Nothing is stopped or changed for it.
//!
//! Source: mm/memory.c `copy_page_range`, kernel/fork.c; docs/design/0006-frozen-copy.md has the
//! measurements.

use std::fs;
use std::time::Duration;

use letgo_target::OS_PAGE;

use super::Hindrance;
use super::pace::Pace;
use crate::preflight::{has_class_64, tracer_of};
use crate::process::{Smaps, Status};
use crate::{Error, Process, cgroup, system};

/// To copy the page table of a GiB of 4 KiB pages.
const NS_PER_GIB_SMALL: u64 = 30_000_000;
/// To copy the page table of a GiB of 2 MiB pages.
const NS_PER_GIB_HUGE: u64 = 2_000_000;
/// A fork takes so many thirds of the time of a walk over the same pages.
const THIRDS_OF_A_WALK: u32 = 4;
/// To write a mapping's part of `smaps`, which a fork does not.
const NS_PER_MAPPING: u64 = 12_000;
/// What was walked just now is believed down to this part of what is known from elsewhere.
const LEAST: f64 = 0.5;
/// And up to this one. Small pages vary with what else uses the caches.
const MOST_SMALL: f64 = 2.5;
/// A fork looks at one entry of a huge page, the walk sometimes at 512 records.
const MOST_HUGE: f64 = 1.5;
/// To stop a thread and let it go.
const NS_PER_THREAD: u64 = 15_000;
/// To find a thread, make the call and come back.
const NS_FIXED: u64 = 500_000;
/// For each thread that others have on a processor: a thread that is woken waits for its turn,
/// several times; not one that is lent a priority.
const TURNS: Duration = Duration::from_micros(1_200);
/// More of them than so many do not matter: who has slept comes first.
const CROWD: f64 = 4.0;
/// An entry of a page table.
const ENTRY_BYTES: u64 = 8;
/// Of the anonymous memory, the part for whose copies there must be room: one in this many.
const RESERVE_PART: u64 = 4;
/// The least room that must be there for copies.
const RESERVE_LEAST: u64 = 32 << 20;
/// Resident bytes that do not go into a copy and do not matter either: a guard page, a seed of
/// random numbers.
const NOT_COPIED_SMALL: u64 = 64 << 10;

/// What a copy would cost. An estimate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prediction {
    /// How long all threads would be held.
    pub pause: Duration,
    /// What copied pages can take at most: all of its private anonymous memory.
    pub copy_on_write_bytes: u64,
    /// What the copy's page table takes.
    pub page_table_bytes: u64,
    /// What is left below the tightest limit of its memory cgroup or of the machine, whichever is
    /// less; nothing where neither is known.
    pub headroom: Option<u64>,
}

impl Prediction {
    /// Of the process's own figures, and of how it went to read them.
    pub(super) fn new(
        smaps: &Smaps,
        threads: u64,
        headroom: Option<u64>,
        pace: &Pace,
    ) -> Prediction {
        let threads = Duration::from_nanos(threads.saturating_mul(NS_PER_THREAD));
        let turns = match pace.lent {
            true => Duration::ZERO,
            false => TURNS.mul_f64(pace.crowd.min(CROWD)),
        };
        let ours = Duration::from_nanos(NS_FIXED).saturating_add(turns);
        let copying = copying(smaps, pace);
        Prediction {
            pause: ours.saturating_add(threads).saturating_add(copying),
            copy_on_write_bytes: smaps.total.anonymous,
            // A table is deposited for each huge page, in case that it must be split.
            page_table_bytes: smaps.total.anonymous.saturating_add(smaps.total.swap) / OS_PAGE
                * ENTRY_BYTES,
            headroom,
        }
    }

    /// The room that must be there for page tables and for pages copied while the copy is read.
    pub fn reserve(&self) -> u64 {
        let copies = (self.copy_on_write_bytes / RESERVE_PART).max(RESERVE_LEAST);
        self.page_table_bytes + copies.min(self.copy_on_write_bytes)
    }
}

/// The time in which the kernel copies the page table, waiting for a processor included.
fn copying(smaps: &Smaps, pace: &Pace) -> Duration {
    let huge = smaps.total.anon_huge_pages;
    let small = smaps.total.anonymous.saturating_sub(huge);
    let time = |bytes: u64, per_gib: u64| {
        Duration::from_nanos((bytes >> 10).saturating_mul(per_gib) >> 20)
    };
    let small = time(small, NS_PER_GIB_SMALL);
    let huge = time(huge, NS_PER_GIB_HUGE);
    let text = NS_PER_MAPPING.saturating_mul(smaps.mappings.len() as u64);
    let walk = pace.walk.saturating_sub(Duration::from_nanos(text));
    let least = (small + huge).mul_f64(LEAST);
    let most = small.mul_f64(MOST_SMALL) + huge.mul_f64(MOST_HUGE);
    let fork = match pace.walk.is_zero() {
        true => small + huge,
        false => (walk * THIRDS_OF_A_WALK / 3).clamp(least, most),
    };
    fork.mul_f64(pace.stretch())
}

/// What is left of memory for a process, and where that is the case.
pub(super) fn headroom(process: &Process) -> Result<Option<(u64, String)>, Error> {
    let machine = system::meminfo().available;
    let machine = (machine > 0).then(|| (machine, "the machine".to_owned()));
    let memory = process.memory_cgroup()?;
    let cgroup = memory.and_then(|memory| {
        let limits = [memory.limit.as_ref(), memory.high.as_ref()];
        let limit = limits
            .into_iter()
            .flatten()
            .min_by_key(|limit| limit.bytes)?;
        let at = limit.at.clone().unwrap_or(memory.path);
        let at = format!("its cgroup {at}");
        Some((limit.bytes.saturating_sub(memory.working_set), at))
    });
    Ok([machine, cgroup].into_iter().flatten().min())
}

/// What a copy would cost, and everything that can be known to stand against it.
///
/// # Errors
/// The process could not be looked at.
pub(super) fn predict(process: &Process) -> Result<(Prediction, Vec<Hindrance>), Error> {
    let status = process.status()?;
    let (smaps, pace) = Pace::of(process, || process.smaps());
    let smaps = smaps?;
    let headroom = headroom(process)?;
    let left = headroom.as_ref().map(|(bytes, _)| *bytes);
    let prediction = Prediction::new(&smaps, status.threads.into(), left, &pace);
    let mut found = of_process(process, &status)?;
    found.extend(of_memory(process.pid(), &smaps, &prediction, headroom));
    process.verify()?;
    Ok((prediction, found))
}

/// What of the process, but for its memory, stands against a copy. Cheap.
pub(super) fn of_process(process: &Process, status: &Status) -> Result<Vec<Hindrance>, Error> {
    let pid = process.pid();
    let mut found = Vec::new();
    if status.seccomp != 0 {
        let mode = status.seccomp;
        found.push(Hindrance::Seccomp { pid, mode });
    }
    if status.tracer != 0 {
        let (tracer, name) = tracer_of(status.tracer);
        found.push(Hindrance::Traced { pid, tracer, name });
    }
    if status.shadow_stack {
        found.push(Hindrance::ShadowStack { pid });
    }
    if !has_class_64(process)? {
        found.push(Hindrance::ThirtyTwoBit { pid });
    }
    if let Some(cgroup) = cgroup::frozen_by(process)? {
        found.push(Hindrance::Frozen { pid, cgroup });
    }
    if let (Ok(own), Ok(children)) = (process.link("ns/pid"), process.link("ns/pid_for_children"))
        && own != children
    {
        found.push(Hindrance::PidNamespace { pid });
    }
    if let Some((now, most)) = cgroup::processes_of(process)?
        && now >= most
    {
        found.push(Hindrance::Processes { pid, now, most });
    }
    Ok(found)
}

fn of_memory(
    pid: u32,
    smaps: &Smaps,
    prediction: &Prediction,
    headroom: Option<(u64, String)>,
) -> Vec<Hindrance> {
    let mut found = Vec::new();
    let sum = |wanted: &dyn Fn(&str) -> bool| -> u64 {
        let mappings = smaps.mappings.iter();
        let wanted = mappings.filter(|mapping| mapping.flags.split_whitespace().any(wanted));
        wanted
            .map(|mapping| mapping.bytes.rss + mapping.bytes.swap)
            .sum()
    };
    // Devices are not copied either, and have no resident bytes.
    let bytes = sum(&|flag| matches!(flag, "dc" | "wf"));
    if bytes > NOT_COPIED_SMALL {
        found.push(Hindrance::NotCopied { pid, bytes });
    }
    if let Some((headroom, at)) = headroom
        && headroom < prediction.reserve()
    {
        found.push(Hindrance::Memory {
            pid,
            needed: prediction.reserve(),
            headroom,
            at,
        });
    }
    found.extend(of_commit(pid, smaps));
    found
}

fn of_commit(pid: u32, smaps: &Smaps) -> Option<Hindrance> {
    let mode = fs::read_to_string("/proc/sys/vm/overcommit_memory").ok()?;
    if mode.trim() != "2" {
        return None;
    }
    let counted = smaps
        .mappings
        .iter()
        .filter(|mapping| mapping.has_flag("ac"));
    let needed = counted.map(|mapping| mapping.mapping.range.len()).sum();
    let memory = system::meminfo();
    let left = memory.commit_limit.saturating_sub(memory.committed);
    (needed > left).then_some(Hindrance::Commit { pid, needed, left })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Use;

    fn smaps(anonymous: u64, anon_huge_pages: u64) -> Smaps {
        Smaps {
            total: Use {
                anonymous,
                anon_huge_pages,
                ..Use::default()
            },
            ..Smaps::default()
        }
    }

    /// On a quiet machine of which nothing else is known.
    fn predicted(smaps: &Smaps, threads: u64) -> Prediction {
        Prediction::new(smaps, threads, None, &Pace::default())
    }

    #[test]
    fn a_walk_tells_the_time_of_a_fork_and_a_crowd_stretches_it() {
        let pace = Pace {
            walk: Duration::from_millis(60),
            ..Pace::default()
        };
        let quiet = Prediction::new(&smaps(2 << 30, 0), 0, None, &pace);
        assert_eq!(quiet.pause, Duration::from_nanos(80_500_000));
        let crowded = Pace {
            waited: Duration::from_millis(30),
            crowd: 2.0,
            others: 1.0,
            ..pace
        };
        let lent = Pace {
            lent: true,
            ..crowded
        };
        let crowded = Prediction::new(&smaps(2 << 30, 0), 0, None, &crowded);
        assert_eq!(crowded.pause, Duration::from_nanos(122_900_000));
        let lent = Prediction::new(&smaps(2 << 30, 0), 0, None, &lent);
        assert_eq!(lent.pause, quiet.pause);
    }

    #[test]
    fn a_walk_that_cannot_be_true_is_bounded() {
        let pace = |ms| Pace {
            walk: Duration::from_millis(ms),
            ..Pace::default()
        };
        let of = |ms| Prediction::new(&smaps(1 << 30, 0), 0, None, &pace(ms)).pause;
        assert_eq!(of(1), Duration::from_nanos(15_500_000));
        assert_eq!(of(10_000), Duration::from_nanos(75_500_000));
    }

    #[test]
    fn huge_pages_are_copied_faster() {
        let gib = 1 << 30;
        let small = predicted(&smaps(gib, 0), 10);
        assert_eq!(small.pause, Duration::from_nanos(30_650_000));
        assert_eq!(small.page_table_bytes, 2 << 20);
        let huge = predicted(&smaps(gib, gib), 10);
        assert_eq!(huge.pause, Duration::from_nanos(2_650_000));
        let none = predicted(&smaps(u64::MAX, 0), u64::MAX);
        assert!(none.pause > Duration::from_secs(1));
    }

    #[test]
    fn a_small_process_needs_no_more_than_itself_twice() {
        let prediction = predicted(&smaps(4 << 20, 0), 1);
        assert_eq!(prediction.reserve(), (4 << 20) + (8 << 10));
        let prediction = predicted(&smaps(1 << 30, 0), 1);
        assert_eq!(prediction.reserve(), (256 << 20) + (2 << 20));
    }

    #[test]
    fn memory_that_is_kept_from_a_copy_is_counted() {
        let text = "\
10000-90000 rw-p 00000000 00:00 0
Rss:                 512 kB
VmFlags: rd wr mr mw me dc ac
";
        let smaps = crate::process::parse_smaps(text).unwrap();
        let prediction = predicted(&smaps, 1);
        let found = of_memory(7, &smaps, &prediction, Some((0, "x".into())));
        assert_eq!(
            found,
            [Hindrance::NotCopied {
                pid: 7,
                bytes: 512 << 10
            }]
        );
    }
}
