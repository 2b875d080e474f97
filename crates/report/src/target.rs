//! [`Target`]: which process was read, where it runs, and what its environment asked for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::RunState;

/// The process.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// Process id, in the pid namespace that letgo runs in.
    pub pid: u32,
    /// Path of the executable, as the target sees it.
    pub exe: String,
    /// The executable was replaced or deleted since the start.
    #[serde(default, skip_serializing_if = "is_false")]
    pub exe_deleted: bool,
    /// Path of the Go library that was read, where the executable itself is no Go program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library: Option<String>,
    /// Go release with its experiments, as the build info has it: `go1.26.6-X:nogreenteagc`.
    pub go_version: String,
    /// Path of the main module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Version of the main module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module_version: Option<String>,
    /// Revision that it was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcs_revision: Option<String>,
    /// Neither a symbol table nor DWARF.
    pub stripped: bool,
    /// Position-independent.
    pub pie: bool,
    /// Built with cgo.
    pub cgo: bool,
    /// Whether the kernel lets it run, whatever letgo does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RunState>,
    /// Time since it started, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_ns: Option<u64>,
    /// The memory cgroup that it runs in, if there is one beside the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
}

/// A container, or a plain cgroup with memory accounting. Bytes unless said otherwise.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Container {
    /// The container's id; the cgroup's path where no container runtime is recognised.
    pub id: String,
    /// Kubernetes pod: `namespace/name`, or the pod's uid where the name is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Path of the cgroup in its hierarchy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// The tightest limit between here and the root; null is none.
    pub limit: Option<u64>,
    /// What is charged now: anonymous, file, kernel and socket memory of all its processes.
    pub current: u64,
    /// `current` less inactive file pages: what the kubelet goes by.
    pub working_set: u64,
    /// 1 or 2.
    pub cgroup_version: u32,
    /// The most that was ever charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<u64>,
    /// `memory.high`, where reclaim begins to slow the processes down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<u64>,
    /// Anonymous memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anon: Option<u64>,
    /// Page cache, including shared memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<u64>,
    /// Kernel memory: page tables, stacks, slab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<u64>,
    /// Socket buffers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sock: Option<u64>,
    /// Swapped out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap: Option<u64>,
    /// Times that the limit was reached and nothing could be reclaimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom_events: Option<u64>,
    /// Processes killed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom_kills: Option<u64>,
    /// Time lost waiting for memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pressure: Option<Pressure>,
}

/// Pressure stall information of memory, as shares of time between 0 and 1.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Pressure {
    /// Some task waited, over the last 10 seconds.
    pub some_10s: f64,
    /// Some task waited, over the last 60 seconds.
    pub some_60s: f64,
    /// All tasks waited, over the last 10 seconds.
    pub full_10s: f64,
    /// All tasks waited, over the last 60 seconds.
    pub full_60s: f64,
}

/// What the environment asked for at the start, beside what is in force now.
///
/// An absent setting was neither asked for nor read.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// `GOGC`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gogc: Option<Setting>,
    /// `GOMEMLIMIT`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gomemlimit: Option<Setting>,
    /// `GODEBUG`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub godebug: Option<Setting>,
}

impl Environment {
    /// Whether no setting is known.
    pub fn is_empty(&self) -> bool {
        *self == Environment::default()
    }

    /// The settings that are known, by the names of their variables.
    pub fn settings(&self) -> impl Iterator<Item = (&'static str, &Setting)> {
        [
            ("GOGC", &self.gogc),
            ("GOMEMLIMIT", &self.gomemlimit),
            ("GODEBUG", &self.godebug),
        ]
        .into_iter()
        .filter_map(|(name, setting)| Some((name, setting.as_ref()?)))
    }
}

/// One variable of the environment against the live value.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Setting {
    /// As the environment had it at the start; absent where it was not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// In force now, in the same words; absent where it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<String>,
    /// Both are known and differ: the program, or somebody else, changed it.
    pub differs: bool,
}

fn is_false(value: &bool) -> bool {
    !*value
}
