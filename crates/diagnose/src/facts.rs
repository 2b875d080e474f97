//! [`Facts`]: all that the rules may know, as plain data.
//!
//! The caller joins the runtime's counters, the account and what the kernel says; nothing here
//! reads. What could not be read is `None` or empty, never zero by accident: a rule that needs it
//! stays silent. Sizes are bytes, times nanoseconds, unless a field says otherwise.

use std::collections::BTreeMap;

use letgo_account::{Leaf, Reached};
use letgo_goruntime::RuntimeStats;
use serde::{Deserialize, Serialize};

use crate::backlog::Backlog;
use crate::containers::Containers;
use crate::group::{GoroutineGroup, Outliving};
use crate::holder::Holder;

/// What one reading of one process brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Which process.
    pub target: Target,
    /// What bytes are, here and in the findings.
    pub measure: Measure,
    /// The kernel's `Rss` of the process; by [`Measure::Virtual`] what the runtime had taken from
    /// the kernel and not given back.
    pub rss_bytes: u64,
    /// `VmSwap`.
    pub swap_bytes: u64,
    /// `VmLck`: pages that were locked cannot be returned.
    pub locked_bytes: u64,
    /// `LazyFree` of `smaps`: given up by `MADV_FREE`, and still here.
    pub lazy_free_bytes: u64,
    /// The account, leaf by leaf. Absent leaves hold nothing.
    pub leaves: BTreeMap<Leaf, LeafBytes>,
    /// The runtime's own counters; of the later of two light readings if there were two.
    pub stats: RuntimeStats,
    /// Time since the last GC ended, by the target's monotonic clock; `None` before the first.
    pub last_gc_age_ns: Option<u64>,
    /// The scavenger's own goal, `scavenge.gcPercentGoal`: heap bytes that it leaves resident.
    /// `u64::MAX` while it has nothing to do. `None` where it was not read.
    pub scavenge_goal: Option<u64>,
    /// What moved between two light readings.
    pub rates: Option<Rates>,
    /// Heap spans in use, by slot size.
    pub size_classes: Vec<SizeClass>,
    /// What is reachable, by size class; `None` where there is no graph.
    pub reached: Option<Reached>,
    /// Goroutines.
    pub goroutines: Goroutines,
    /// Goroutines by what they do where; `None` where their stacks were not looked at.
    pub goroutine_groups: Option<Vec<GoroutineGroup>>,
    /// Goroutines that hold contexts of requests that have ended; `None` where nobody looked.
    pub outliving: Option<Vec<Outliving>>,
    /// Channels by type with what they hold, the most bytes first; `None` where nobody looked.
    pub backlogs: Option<Vec<Backlog>>,
    /// The variables that hold most alone, the largest first, then goroutines likewise; `None`
    /// where nobody looked.
    pub holders: Option<Vec<Holder>>,
    /// What maps and slices have beyond what they need; `None` where nobody looked.
    pub containers: Option<Containers>,
    /// OS threads.
    pub threads: Threads,
    /// Buckets of the memory, block and mutex profiles.
    pub profile: Profile,
    /// The largest mappings of the leaves that have mappings, most resident first.
    pub mappings: Vec<Mapping>,
    /// `/sys/kernel/mm/transparent_hugepage/enabled`.
    pub thp: Thp,
    /// The memory cgroup, if the process is in one beside the root.
    pub container: Option<Container>,
    /// `MemTotal` of the host, 0 where unknown.
    pub host_memory_bytes: u64,
    /// What the environment asked for.
    pub environment: Environment,
    /// `runtime.debug`: switches in force now.
    pub debug: DebugVars,
    /// glibc's malloc.
    pub malloc: Malloc,
}

impl Facts {
    /// Resident bytes of a leaf; by [`Measure::Virtual`] those of its address space.
    pub fn resident(&self, leaf: Leaf) -> u64 {
        self.leaf(leaf).resident_bytes
    }

    /// A leaf's bytes, all zero where the account has none.
    pub fn leaf(&self, leaf: Leaf) -> LeafBytes {
        self.leaves.get(&leaf).copied().unwrap_or_default()
    }
}

/// What bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measure {
    /// Resident: the kernel's page table was read.
    #[default]
    Resident,
    /// Of address space, in RAM or not: there is no page table, as of a core file. Whatever is
    /// called resident counts address space then, and only leaves that the runtime's own
    /// structures account for hold any; rules that need more say nothing.
    Virtual,
}

/// The process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Its pid, as remedies name it.
    pub pid: u32,
    /// Path of the executable.
    pub exe: String,
    /// Time since it started.
    pub uptime_ns: u64,
    /// Go release: 24 of `go1.24.11`.
    pub go_minor: u32,
    /// Patch: 11 of `go1.24.11`.
    pub go_patch: u32,
    /// Built with cgo.
    pub cgo: bool,
    /// Paths of the modules that it was built from, without versions.
    pub modules: Vec<String>,
    /// Whether it can run at all.
    pub state: State,
    /// The file that was read instead, where there may be no process any more: remedies name it.
    pub file: Option<String>,
}

/// Whether the kernel lets a process run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Running, or sleeping of its own accord.
    #[default]
    Runs,
    /// Stopped by a signal or a tracer (`T` or `t` in `/proc/PID/stat`).
    Stopped,
    /// In a frozen cgroup.
    Frozen,
}

/// One leaf of the account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeafBytes {
    /// In RAM, where that is known: see [`Measure`].
    pub resident_bytes: u64,
    /// Of address space.
    pub virtual_bytes: u64,
    /// In swap.
    pub swap_bytes: u64,
    /// Of the resident ones, backed by huge pages.
    pub huge_bytes: u64,
}

/// What moved between two light readings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Time between the two.
    pub window_ns: u64,
    /// Bytes allocated in a second (`TotalAlloc`).
    pub alloc_bytes_per_s: f64,
    /// GC cycles that ended in a second (`NumGC`).
    pub gc_cycles_per_s: f64,
    /// GC's share of the CPU time that GOMAXPROCS allows, between 0 and 1, of the cycles that
    /// ended in the window. `None` where the release does not keep it.
    pub gc_cpu_fraction: Option<f64>,
    /// The part of it that idle Ps spent: time that the program did not want.
    pub gc_idle_cpu_fraction: Option<f64>,
    /// `heap_live` of the first reading.
    pub heap_live_before: u64,
    /// `heap_live` of the second.
    pub heap_live_after: u64,
    /// `HeapReleased` of the first reading.
    pub heap_released_before: u64,
    /// `HeapReleased` of the second.
    pub heap_released_after: u64,
}

/// Heap spans in use of one slot size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SizeClass {
    /// Number of the class; 0 is large objects, one a span.
    pub class: u8,
    /// Bytes of a slot; 0 for class 0.
    pub slot_bytes: u64,
    /// Spans.
    pub spans: u64,
    /// Slots in them.
    pub slots: u64,
    /// Slots that hold an object.
    pub used_slots: u64,
    /// Resident bytes of free slots.
    pub free_resident_bytes: u64,
}

/// Goroutines, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Goroutines {
    /// Not dead.
    pub count: u64,
    /// Dead `g`s that `allgs` keeps.
    pub dead: u64,
    /// Bytes that one `g` takes from the heap, its size class; 0 where unknown.
    pub g_bytes: u64,
    /// Stacks of those that are not dead, virtual.
    pub stack_bytes: u64,
}

/// OS threads, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Threads {
    /// By `/proc/PID/task`.
    pub count: u64,
    /// Of the runtime (`allm`).
    pub runtime_count: u64,
}

/// Profile buckets, counted. They are never freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Buckets of the memory profile.
    pub memory_count: u64,
    /// Their bytes, header, stack and record.
    pub memory_bytes: u64,
    /// Buckets of the block profile.
    pub block_count: u64,
    /// Their bytes.
    pub block_bytes: u64,
    /// Buckets of the mutex profile.
    pub mutex_count: u64,
    /// Their bytes.
    pub mutex_bytes: u64,
}

/// A mapping, or the part of one that belongs to a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The leaf that it counts for.
    pub leaf: Leaf,
    /// File, `[heap]`, or empty.
    pub name: String,
    /// In RAM.
    pub resident_bytes: u64,
    /// Of address space.
    pub virtual_bytes: u64,
}

/// The kernel's setting for transparent huge pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Thp {
    /// Not read.
    #[default]
    Unknown,
    /// For all anonymous memory.
    Always,
    /// Where a program asks for it.
    Madvise,
    /// Never.
    Never,
}

/// A memory cgroup. What its version or kernel does not have is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Container {
    /// The container's id, or the cgroup's path.
    pub id: String,
    /// 1 or 2.
    pub version: u32,
    /// The tightest limit between here and the root.
    pub limit: Option<u64>,
    /// Charged now.
    pub current: u64,
    /// `current` less inactive file pages.
    pub working_set: u64,
    /// The most that was ever charged to the cgroup which has the limit.
    pub peak: Option<u64>,
    /// Page cache, shared memory included.
    pub file: Option<u64>,
    /// Kernel memory.
    pub kernel: Option<u64>,
    /// Socket buffers.
    pub sock: Option<u64>,
    /// Processes killed for want of memory.
    pub oom_kills: Option<u64>,
    /// Share of the last 10 s, between 0 and 1, that some task waited for memory.
    pub pressure_some_10s: Option<f64>,
}

/// The variables of the environment that the runtime and glibc read at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// The environment could be read. Otherwise an absent variable says nothing.
    pub known: bool,
    /// `GOGC`
    pub gogc: Option<String>,
    /// `GOMEMLIMIT`
    pub gomemlimit: Option<String>,
    /// `GODEBUG`
    pub godebug: Option<String>,
    /// `MALLOC_ARENA_MAX`
    pub malloc_arena_max: Option<String>,
}

/// Switches of `runtime.debug` and the profiler's rate; `None` where not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DebugVars {
    /// `debug.madvdontneed`: 0 returns memory by `MADV_FREE`.
    pub madvdontneed: Option<i32>,
    /// `debug.disablethp`
    pub disablethp: Option<i32>,
    /// `debug.profstackdepth`, go1.23 and later.
    pub profstackdepth: Option<i32>,
    /// `runtime.MemProfileRate`, bytes a sample; 0 is off.
    pub mem_profile_rate: Option<i64>,
}

/// glibc's malloc, as far as its own headers prove it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Malloc {
    /// Arenas beside the main one in `[heap]`.
    pub arenas: u64,
    /// Resident bytes of those arenas, among the leaf `cgo.malloc`.
    pub arena_resident_bytes: u64,
}
