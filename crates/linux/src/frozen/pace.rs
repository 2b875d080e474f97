//! [`Pace`]: how fast the kernel walks a process's page table here and now, and how long a thread
//! waits for a processor.
//!
//! `smaps` walks the same page table as a fork does, entry by entry, and looks at the record of
//! each page as a fork does, on the same machine a moment before. So its processor time is a
//! measure of the fork's, and the time that its reader waited for a processor, at the same weight
//! as the thread that will fork, is a measure of how much longer than that the fork will take.
//!
//! Threads of the target stand still during the pause: what is waited for them is left out. Where
//! the forking thread is lent a priority (see [`crate::sys::loan`]), it does not wait at all.
//!
//! Does not read `smaps` itself, and changes nothing.
//!
//! Source: Documentation/scheduler/sched-stats.rst (`/proc/PID/schedstat`), fs/proc/loadavg.c,
//! fs/proc/task_mmu.c `smaps_pte_range`.

use std::fs;
use std::thread::available_parallelism;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::Process;
use crate::sys::loan::Lender;

/// Threads of the target whose state is looked at.
const ASKED: usize = 64;

/// What a reading of `smaps` took, and what else the machine had to do.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Pace {
    /// Processor time of the reading.
    pub(super) walk: Duration,
    /// Time of waiting for a processor meanwhile.
    pub(super) waited: Duration,
    /// Threads that ran or waited for a processor, on each processor; ours and the target's left
    /// out.
    pub(super) crowd: f64,
    /// Of all threads that did, ours left out, the part that was not the target's.
    pub(super) others: f64,
    /// A priority can be lent to the thread that will fork: it waits for nobody.
    pub(super) lent: bool,
}

impl Pace {
    /// Runs `walk`, which is to read `smaps` of `process`, and answers how it went.
    pub(super) fn of<T>(process: &Process, walk: impl FnOnce() -> T) -> (T, Pace) {
        let processors = available_parallelism().map_or(1.0, |count| count.get() as f64);
        let before = runnable();
        let (cpu, waited) = (own_cpu(), own_wait());
        let answer = walk();
        let (cpu, waited) = (
            own_cpu().saturating_sub(cpu),
            own_wait().saturating_sub(waited),
        );
        let all = (before + runnable()) / 2.0;
        let others = (all - running(process)).max(0.0);
        let pace = Pace {
            walk: cpu,
            waited,
            crowd: others / processors,
            others: if all > 0.0 { others / all } else { 0.0 },
            lent: Lender::to(process).is_some(),
        };
        (answer, pace)
    }

    /// How many times of its processor time something takes that goes on for long.
    pub(super) fn stretch(&self) -> f64 {
        let walk = self.walk.as_secs_f64();
        if self.lent || walk <= 0.0 {
            return 1.0;
        }
        // A processor is shared with the threads that are on it at most.
        1.0 + (self.waited.as_secs_f64() / walk * self.others).min(self.crowd)
    }
}

fn own_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// How long the calling thread has waited for a processor since its start.
fn own_wait() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    parse_schedstat(&text).map_or(Duration::ZERO, |(_, waited)| waited)
}

/// Time on a processor and of waiting for one.
pub(super) fn parse_schedstat(text: &str) -> Option<(Duration, Duration)> {
    let mut words = text.split_whitespace().map(str::parse);
    let mut next = || words.next()?.ok().map(Duration::from_nanos);
    Some((next()?, next()?))
}

/// Threads that run or wait for a processor, all of the machine's, the calling one left out.
fn runnable() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    parse_runnable(&text).unwrap_or(1).saturating_sub(1).into()
}

/// The fourth word of `/proc/loadavg`: `running/all`.
fn parse_runnable(text: &str) -> Option<u32> {
    let (running, _) = text.split_whitespace().nth(3)?.split_once('/')?;
    running.parse().ok()
}

/// Threads of a process that run or wait for a processor. Where it has many, some are asked.
fn running(process: &Process) -> f64 {
    let threads = process.threads().unwrap_or_default();
    let asked = threads.len().min(ASKED);
    let running = threads.iter().take(asked);
    let running = running.filter(|tid| process.thread_state(**tid) == Some('R'));
    running.count() as f64 * threads.len() as f64 / asked.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn the_kernels_lines_are_read() {
        let (ran, waited) = parse_schedstat("123 456 7\n").unwrap();
        assert_eq!((ran.as_nanos(), waited.as_nanos()), (123, 456));
        assert_eq!(parse_schedstat("0"), None);
        assert_eq!(parse_schedstat(""), None);
        assert_eq!(parse_runnable("3.39 2.32 1.13 5/140 1755\n"), Some(5));
        assert_eq!(parse_runnable("3.39 2.32"), None);
    }

    #[test]
    fn waiting_for_the_target_itself_does_not_count() {
        let pace = Pace {
            walk: MS(10),
            waited: MS(10),
            crowd: 4.0,
            others: 1.0,
            lent: false,
        };
        assert!((pace.stretch() - 2.0).abs() < 1e-9);
        let alone = Pace {
            others: 0.0,
            ..pace
        };
        assert!((alone.stretch() - 1.0).abs() < 1e-9);
        let once = Pace { crowd: 0.5, ..pace };
        assert!((once.stretch() - 1.5).abs() < 1e-9);
        assert!((Pace::default().stretch() - 1.0).abs() < 1e-9);
        let first = Pace { lent: true, ..pace };
        assert!((first.stretch() - 1.0).abs() < 1e-9);
    }
}
