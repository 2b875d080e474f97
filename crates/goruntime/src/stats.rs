//! [`RuntimeStats`]: the runtime's own counters, as `runtime.ReadMemStats` would compute them,
//! read without stopping anything.

/// The runtime's own figures. Bytes unless said otherwise.
///
/// Source: src/runtime/mstats.go, `readmemstats_m`, go1.19 to go1.27.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RuntimeStats {
    /// `HeapAlloc`: allocated objects, reachable or not yet swept.
    pub heap_alloc: u64,
    /// `gcController.heapLive`: allocated since, or marked by, the last GC; drives the pacer.
    pub heap_live: u64,
    /// `gcController.heapMarked`: marked by the last GC.
    pub heap_marked: u64,
    /// `HeapInuse`: heap spans in use.
    pub heap_inuse: u64,
    /// `HeapIdle`: free spans, returned or not.
    pub heap_idle: u64,
    /// `HeapReleased`: free spans that were returned to the OS.
    pub heap_released: u64,
    /// `HeapSys` = `HeapInuse` + `HeapIdle`.
    pub heap_sys: u64,
    /// `HeapObjects`: count.
    pub heap_objects: u64,
    /// `TotalAlloc`: cumulative.
    pub total_alloc: u64,
    /// `Mallocs`: cumulative count.
    pub mallocs: u64,
    /// `Frees`: cumulative count.
    pub frees: u64,
    /// `StackInuse`
    pub stack_inuse: u64,
    /// `StackSys`
    pub stack_sys: u64,
    /// `MSpanInuse`
    pub mspan_inuse: u64,
    /// `MSpanSys`
    pub mspan_sys: u64,
    /// `MCacheInuse`
    pub mcache_inuse: u64,
    /// `MCacheSys`
    pub mcache_sys: u64,
    /// `BuckHashSys`
    pub buck_hash_sys: u64,
    /// `GCSys`: `gcMiscSys` and the work buffers and pointer masks among the spans.
    pub gc_sys: u64,
    /// `OtherSys`
    pub other_sys: u64,
    /// `NextGC`: heap goal of the running cycle.
    pub next_gc: u64,
    /// `LastGC` by the monotonic clock (`memstats.last_gc_nanotime`), ns; 0 before the first.
    pub last_gc_nanotime: u64,
    /// `LastGC` by the wall clock (`memstats.last_gc_unix`), ns since 1970; 0 before the first.
    pub last_gc_unix_ns: u64,
    /// `NumGC`: completed cycles.
    pub num_gc: u32,
    /// `NumForcedGC`
    pub num_forced_gc: u32,
    /// `PauseTotalNs`
    pub pause_total_ns: u64,
    /// `gcController.gcPercent`; negative is off.
    pub gc_percent: i32,
    /// `gcController.memoryLimit`; `i64::MAX` is none.
    pub memory_limit: i64,
    /// `gcController.mappedReady`: mapped and not returned.
    pub mapped_ready: u64,
    /// Goroutines as `runtime.NumGoroutine` counts them.
    pub goroutines: u64,
    /// CPU-nanoseconds spent in GC since the start (`work.cpuStats` where the release has it,
    /// assist, dedicated, idle, pause); `None` where it cannot be read.
    pub gc_cpu_ns: Option<u64>,
    /// Of `gc_cpu_ns`, what idle processors did that nothing else wanted; `None` before 1.20, whose
    /// `gc_cpu_ns` has no such part.
    pub gc_idle_cpu_ns: Option<u64>,
    /// CPU-nanoseconds available since the start, up to the end of the last cycle; `None` likewise.
    pub total_cpu_ns: Option<u64>,
    /// A cycle is marking now (`gcphase`).
    pub gc_running: bool,
    /// GOMAXPROCS.
    pub gomaxprocs: u32,
    /// Threads of the scheduler (`sched.mnext - sched.nmfreed`), 0 where it was not found.
    pub threads: u32,
    /// Of these, idle ones (`sched.nmidle`).
    pub idle_threads: u32,
    /// Idle processors (`sched.npidle`).
    pub idle_processors: u32,
    /// Goroutines of the runtime itself (`sched.ngsys`), not counted in `goroutines`.
    pub system_goroutines: u64,
}
