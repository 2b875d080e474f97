//! What letgo itself costs: its version, CPU time and memory, for the reports.

use std::fs;

use letgo_report::Own;

/// letgo's own cost until now; a figure that this kernel does not give is absent.
pub fn cost() -> Own {
    Own {
        version: env!("CARGO_PKG_VERSION").into(),
        cpu_ns: cpu_ns(),
        rss_bytes_max: rss_bytes_max(),
    }
}

/// CPU time of all threads that live. Source: Documentation/scheduler/sched-stats.rst.
fn cpu_ns() -> Option<u64> {
    let tasks = fs::read_dir("/proc/self/task").ok()?;
    let times = tasks.filter_map(|task| {
        let stat = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<u64>().ok()
    });
    Some(times.sum()).filter(|ns| *ns > 0)
}

/// `VmHWM`, the most that was ever resident.
fn rss_bytes_max() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_process_has_used_memory() {
        assert!(cost().rss_bytes_max.is_some_and(|bytes| bytes > 1 << 20));
    }
}
