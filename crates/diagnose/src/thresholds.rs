//! [`Thresholds`]: from where on something stands out, each with the reason for its default.

/// The figures that the rules go by. Shares are between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Share of RSS from which a finding is high, with `high_bytes`. Part of the contract.
    pub high_share: f64,
    /// See `high_share`.
    pub high_bytes: u64,
    /// Share of RSS from which a finding is medium, with `medium_bytes`. Part of the contract.
    pub medium_share: f64,
    /// See `medium_share`.
    pub medium_bytes: u64,
    /// Share of RSS from which a finding is low. Part of the contract.
    pub low_share: f64,
    /// Fewer bytes never stand out by themselves. Twice the runtime's minimal heap of 4 MiB: the
    /// smallest Go server has idle spans and free slots of that order.
    pub least_bytes: u64,
    /// Eighths of a span's slots: with at most so many reachable, few objects pin it. At one
    /// eighth, seven of eight bytes are kept for nothing, and a program has to have spread its
    /// survivors thinly; right after a GC the spans of an ordinary one are about half used.
    pub pinned_eighths: usize,
    /// Working set over limit from which a container's limit is near. The kubelet evicts and the
    /// kernel reclaims in earnest in the last tenth.
    pub limit_near: f64,
    /// Share of the container's limit that the projected peak must reach before a missing memory
    /// limit is worth a word. Under it a burst of a fifth still fits.
    pub limit_missing: f64,
    /// A memory limit under this share of what the container allows looks forgotten, if GC pays
    /// for it. Automatic limits are 0.7 to 0.95 of the container.
    pub limit_stale: f64,
    /// Effective GOGC, in percent, under which a memory limit is being paid for: less than half
    /// of the headroom that the default gives.
    pub limit_binding_gogc: f64,
    /// GOGC above which its headroom is looked at. The default is 100; up to 150 is drift.
    pub gogc_high: u64,
    /// Age of the last GC from which GC is stalled. The runtime forces one every 2 min, `sysmon`
    /// may sleep through 1 min of it, and the cycle itself takes time.
    pub gc_stalled_ns: u64,
    /// GC's share of the CPU that is churn. Ordinary servers under full load at GOGC=100 are
    /// between 3 and 10 %.
    pub churn_gc_cpu: f64,
    /// Cycles a second that are churn whatever they cost: each has two pauses and wakes every P.
    pub churn_cycles_per_s: f64,
    /// GC's share of the CPU that is a death spiral, next to a memory limit. The runtime itself
    /// aims at 25 % while it marks and cuts GC off at 50 %.
    pub spiral_gc_cpu: f64,
    /// Effective GOGC, in percent, under which a memory limit leaves too little between two
    /// cycles: half of what the default leaves, so twice its cost. The live heap as the last cycle
    /// marked it swings by a tenth, so a sharper bound would come and go.
    pub spiral_gogc: f64,
    /// Cycles a second without which there is no spiral.
    pub spiral_cycles_per_s: f64,
    /// Threads from which their number is worth a word; together with `threads_per_p`. The
    /// runtime crashes at 10,000.
    pub threads_many: u64,
    /// Threads for each P. A server with file and DNS system calls has two to four.
    pub threads_per_p: u64,
    /// Goroutines that can never run again, or likely never do, from which their number is worth
    /// a word whatever they hold. A few that are blocked for good from the start are an idiom
    /// (`select {}`); each is listed by `letgo goroutines`.
    pub leaked_least: u64,
    /// Goroutines of one stack that are many: more than most pools have workers, and few enough
    /// that a leak is seen before it hurts (some MB of stacks).
    pub goroutines_many: u64,
    /// Goroutines of one stack that are extreme: at 2 KiB of stack at least 20 MB, and each is
    /// scanned by every GC.
    pub goroutines_extreme: u64,
    /// How long goroutines have waited that are old. Requests, retries and idle connections end
    /// within minutes.
    pub goroutines_old_ns: u64,
    /// Share of a group that came between two looks from which it grew. As a rule a second lies
    /// between them, in which load by itself moves some.
    pub goroutines_grew: f64,
    /// By how many swings those who came are more than those who went, for it to be growth: by
    /// chance it is so in one of 700 looks.
    pub goroutines_swings: f64,
    /// Share by which what a variable holds must have grown between two looks, beside
    /// `least_bytes`: what is held swings by a few percent while work comes and goes.
    pub holder_grew: f64,
    /// Resident bytes of a stack that is deep. A request handler's has 4 to 16 KiB.
    pub stack_deep: u64,
    /// Dead goroutines from which a graveyard is looked at: 4 to 5 MB of `g`.
    pub dead_least: u64,
    /// Dead goroutines for each that is not dead: a burst ten times what is left.
    pub dead_per_goroutine: u64,
}

const MIB: u64 = 1 << 20;

impl Default for Thresholds {
    fn default() -> Thresholds {
        Thresholds {
            high_share: 0.20,
            high_bytes: 64 * MIB,
            medium_share: 0.05,
            medium_bytes: 16 * MIB,
            low_share: 0.01,
            least_bytes: 8 * MIB,
            pinned_eighths: 1,
            limit_near: 0.90,
            limit_missing: 0.80,
            limit_stale: 0.60,
            limit_binding_gogc: 50.0,
            gogc_high: 150,
            gc_stalled_ns: 240_000_000_000,
            churn_gc_cpu: 0.10,
            churn_cycles_per_s: 10.0,
            spiral_gc_cpu: 0.25,
            spiral_gogc: 50.0,
            spiral_cycles_per_s: 1.0,
            threads_many: 200,
            threads_per_p: 16,
            leaked_least: 10,
            goroutines_many: 1_000,
            goroutines_extreme: 10_000,
            goroutines_old_ns: 600_000_000_000,
            goroutines_grew: 0.01,
            goroutines_swings: 3.0,
            holder_grew: 0.05,
            stack_deep: 64 << 10,
            dead_least: 10_000,
            dead_per_goroutine: 10,
        }
    }
}
