//! [`Light`]: the counters alone, cheap enough to read ten times a second.

use letgo_target::ReadMemory;

use crate::counters::Counters;
use crate::processors::Unflushed;
use crate::{Error, Runtime, RuntimeStats};

/// The runtime's counters at one moment.
///
/// What the Ps hold in their mcaches is not counted yet: `heap_alloc`, `total_alloc`, `mallocs`,
/// `heap_objects` are behind by at most one span a size class and P. A census adds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Light {
    /// The counters.
    pub stats: RuntimeStats,
    /// `mheap_.sweepgen`: 2 more each cycle that began to sweep.
    pub sweepgen: u32,
}

/// What happened between two light readings.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct LightDelta {
    /// Time between them, ns.
    pub window_ns: u64,
    /// Bytes allocated.
    pub alloc_bytes: u64,
    /// Objects allocated.
    pub mallocs: u64,
    /// Objects freed.
    pub frees: u64,
    /// GC cycles that ended.
    pub gc_cycles: u32,
    /// Of these, those that the program or the runtime's timer asked for.
    pub forced_gc_cycles: u32,
    /// Time that the world was stopped for GC, ns.
    pub pause_ns: u64,
    /// CPU-ns of GC, without what idle processors did; `None` where the release does not tell.
    pub gc_cpu_ns: Option<u64>,
    /// Part of the CPU that the processors offered (`gomaxprocs` times the window) that GC took,
    /// 0 to 1. The runtime counts a cycle's pauses when it ends, so that a window much shorter
    /// than a cycle is rough; `None` where the release does not tell.
    pub gc_cpu_fraction: Option<f64>,
}

impl LightDelta {
    /// Bytes allocated a second.
    pub fn alloc_bytes_per_s(&self) -> f64 {
        rate(self.alloc_bytes, self.window_ns)
    }

    /// GC cycles a second.
    pub fn gc_cycles_per_s(&self) -> f64 {
        rate(u64::from(self.gc_cycles), self.window_ns)
    }
}

impl Light {
    /// What happened since `earlier`, `window_ns` before.
    pub fn since(&self, earlier: &Light, window_ns: u64) -> LightDelta {
        let (now, then) = (&self.stats, &earlier.stats);
        let gc_cpu_ns = match (worked(now), worked(then)) {
            (Some(now), Some(then)) => Some(now.saturating_sub(then)),
            _ => None,
        };
        let offered = window_ns.saturating_mul(u64::from(now.gomaxprocs));
        LightDelta {
            window_ns,
            alloc_bytes: now.total_alloc.saturating_sub(then.total_alloc),
            mallocs: now.mallocs.saturating_sub(then.mallocs),
            frees: now.frees.saturating_sub(then.frees),
            gc_cycles: now.num_gc.saturating_sub(then.num_gc),
            forced_gc_cycles: now.num_forced_gc.saturating_sub(then.num_forced_gc),
            pause_ns: now.pause_total_ns.saturating_sub(then.pause_total_ns),
            gc_cpu_ns,
            gc_cpu_fraction: gc_cpu_ns
                .filter(|_| offered > 0)
                .map(|cpu| (cpu as f64 / offered as f64).min(1.0)),
        }
    }
}

/// CPU of GC without idle workers.
fn worked(stats: &RuntimeStats) -> Option<u64> {
    let idle = stats.gc_idle_cpu_ns.unwrap_or(0);
    stats.gc_cpu_ns.map(|cpu| cpu.saturating_sub(idle))
}

fn rate(amount: u64, window_ns: u64) -> f64 {
    if window_ns == 0 {
        return 0.0;
    }
    amount as f64 * 1e9 / window_ns as f64
}

impl Runtime {
    /// Reads the counters: one scattered read, nothing allocated by us.
    ///
    /// # Errors
    /// Where one of the variables cannot be read.
    ///
    /// # Consistency
    /// The pieces are read one after the other within microseconds; each word is whole.
    pub fn light(&self, memory: &dyn ReadMemory) -> Result<Light, Error> {
        let counters = Counters::read(self, &self.plan, memory)?;
        Ok(Light {
            stats: counters.stats(Unflushed::default()),
            sweepgen: counters.sweepgen(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn light(total_alloc: u64, cpu: u64, idle: u64) -> Light {
        Light {
            stats: RuntimeStats {
                total_alloc,
                gc_cpu_ns: Some(cpu),
                gc_idle_cpu_ns: Some(idle),
                gomaxprocs: 2,
                ..RuntimeStats::default()
            },
            sweepgen: 0,
        }
    }

    #[test]
    fn idle_workers_are_no_load_and_rates_are_a_second() {
        let delta = light(3000, 900, 300).since(&light(1000, 500, 100), 500);
        assert_eq!(delta.gc_cpu_ns, Some(200));
        assert_eq!(delta.gc_cpu_fraction, Some(0.2));
        assert_eq!(delta.alloc_bytes_per_s(), 4e9);
    }

    #[test]
    fn a_window_of_nothing_has_no_rate() {
        let delta = light(3000, 900, 300).since(&light(1000, 500, 100), 0);
        assert_eq!(delta.alloc_bytes_per_s(), 0.0);
        assert_eq!(delta.gc_cpu_fraction, None);
    }
}
