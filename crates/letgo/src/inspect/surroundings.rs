//! [`Surroundings`]: what the kernel says around a process: container, environment, host.
//!
//! Nothing here is needed for the account; what cannot be had is absent.

use std::time::Duration;

use letgo_diagnose::{State, Thp};
use letgo_linux::cgroup::{Container, Memory, Pressure, PressureScope};
use letgo_linux::{Process, system};
use serde::{Deserialize, Serialize};

/// The variables of the environment that the Go runtime or glibc read at the start.
const VARIABLES: [&str; 4] = ["GOGC", "GOMEMLIMIT", "GODEBUG", "MALLOC_ARENA_MAX"];

/// What surrounds a process. A snapshot keeps it, as JSON.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Surroundings {
    /// What its memory cgroup says, if it is in one beside the root.
    pub memory: Option<Memory>,
    /// The container, where a container runtime left its marks.
    pub container: Option<Container>,
    /// `VARIABLES` as they were at the start; `None` where the environment cannot be read.
    pub environment: Option<[Option<String>; 4]>,
    /// Time since it started.
    pub uptime: Option<Duration>,
    /// Threads now.
    pub threads: u64,
    /// Whether the kernel lets it run; absent of what is no process any more.
    #[serde(skip)]
    pub state: Option<State>,
    /// The kernel's setting for transparent huge pages.
    pub thp: Thp,
    /// `MemTotal`, 0 where unknown.
    pub host_memory_bytes: u64,
}

impl Surroundings {
    /// Looks around a process.
    pub fn of(process: &Process) -> Surroundings {
        let stat = process.stat().ok();
        Surroundings {
            memory: process.memory_cgroup().ok().flatten(),
            container: process.container().ok().flatten(),
            environment: environment(process),
            uptime: uptime(process),
            threads: stat.as_ref().map_or(0, |stat| stat.threads),
            state: Some(state(process, stat.map(|stat| stat.state))),
            thp: thp(),
            host_memory_bytes: system::meminfo().total,
        }
    }

    /// The container's id, or the cgroup's path where no container runtime is recognised.
    pub fn container_id(&self) -> Option<String> {
        let id = self
            .container
            .as_ref()
            .map(|container| container.id.clone());
        id.or_else(|| Some(self.memory.as_ref()?.path.clone()))
    }

    /// Memory pressure of the cgroup itself; the host's is not its own.
    pub fn pressure(&self) -> Option<Pressure> {
        let pressure = self.memory.as_ref()?.pressure?;
        (pressure.scope == PressureScope::Cgroup).then_some(pressure)
    }

    /// The pod's uid, where the container is one of Kubernetes.
    pub fn pod(&self) -> Option<String> {
        self.container.as_ref()?.pod_uid.clone()
    }

    /// A variable as it was at the start.
    pub fn variable(&self, name: &str) -> Option<String> {
        let index = VARIABLES.iter().position(|known| *known == name)?;
        self.environment.as_ref()?.get(index)?.clone()
    }
}

fn state(process: &Process, state: Option<char>) -> State {
    match state {
        Some('T' | 't') => State::Stopped,
        _ if process.is_frozen().unwrap_or(false) => State::Frozen,
        _ => State::Runs,
    }
}

fn environment(process: &Process) -> Option<[Option<String>; 4]> {
    let all = process.environ().ok()?;
    Some(VARIABLES.map(|name| {
        let mut entries = all.iter().filter_map(|entry| entry.split_once('='));
        entries
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
    }))
}

/// The kernel's setting for all programs.
fn thp() -> Thp {
    match system::huge_pages().enabled.as_deref() {
        Some("always") => Thp::Always,
        Some("madvise") => Thp::Madvise,
        Some("never") => Thp::Never,
        _ => Thp::Unknown,
    }
}

fn uptime(process: &Process) -> Option<Duration> {
    let started = process.start_ticks().checked_mul(1_000_000_000)? / system::clock_ticks().max(1);
    Some(Duration::from_nanos(
        system::boottime_ns().saturating_sub(started),
    ))
}
