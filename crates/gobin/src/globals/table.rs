//! The table of rules: which functions of the runtime use a variable, and how.
//!
//! Rows of one variable are independent where its uses allow: they name different functions, or
//! look at different instructions of one. A row fails alone when a release changes a function or
//! a profile makes the compiler inline it.
//!
//! Source: src/runtime and src/sync/pool.go, go1.19 to go1.27.

use super::rules::Pattern::{self, Apart, Argument, Arm, Before, But, Initial, Nth, Only, Run};
use super::rules::Use::{Address, Any, Clear, Compare, Load, Store};
use super::rules::{Pick, Row};

const fn row(name: &'static str, minus: u64, pattern: Pattern) -> Row {
    during(name, (0, u32::MAX), minus, pattern)
}

const fn during(name: &'static str, minors: (u32, u32), minus: u64, pattern: Pattern) -> Row {
    Row {
        name,
        minors,
        minus,
        pattern,
    }
}

/// `forcegcperiod`'s initial value: two minutes in nanoseconds.
const TWO_MINUTES: u64 = 120_000_000_000;

const SWEEP: &str = "runtime.(*sweepLocked).sweep";
const STACKFREE: &str = "runtime.stackfree";
const ALLGADD: &str = "runtime.allgadd";
const FOR_EACH_G_RACE: &str = "runtime.forEachGRace";
const QUEUEFINALIZER: &str = "runtime.queuefinalizer";
/// `runfinq` from 1.25 on.
const RUN_FINALIZERS: &str = "runtime.runFinalizers";
const RUNFINQ: &str = "runtime.runfinq";
const STKBUCKET: &str = "runtime.stkbucket";
const WAKE_NET_POLLER: &str = "runtime.wakeNetPoller";
const NEXT_EPOCH: &str = "runtime.nextMarkBitArenaEpoch";
const STACKALLOC: &str = "runtime.stackalloc";

/// All rows.
pub(super) static TABLE: &[Row] = &[
    row(
        "runtime.mheap_",
        0,
        Argument("runtime.mallocinit", "runtime.(*mheap).init"),
    ),
    row(
        "runtime.mheap_",
        0,
        Only(&[Pick("runtime.gcResetMarkState", Address)]),
    ),
    row(
        "runtime.mheap_",
        0,
        Argument(STACKALLOC, "runtime.(*mheap).allocManual"),
    ),
    row(
        "runtime.mheap_",
        0,
        Argument("runtime.freeStackSpans", "runtime.(*mheap).freeManual"),
    ),
    row(
        "runtime.mheap_",
        0,
        Only(&[Pick("runtime.getempty.func1", Address)]),
    ),
    row(
        "runtime.gcController",
        0,
        Only(&[Pick("runtime.gcControllerCommit", Address)]),
    ),
    row(
        "runtime.gcController",
        0,
        Only(&[Pick("runtime.gcTrigger.test", Address)]),
    ),
    row(
        "runtime.gcController",
        0,
        Only(&[
            Pick("runtime.gcMark", Address),
            Pick("runtime.checkIdleGCNoP", Address),
        ]),
    ),
    // heapStats is memstats' first field.
    row(
        "runtime.memstats",
        0,
        Only(&[
            Pick("runtime.(*mheap).freeSpanLocked", Address),
            Pick("runtime.(*mheap).grow", Address),
        ]),
    ),
    row(
        "runtime.memstats",
        0,
        Argument(
            "runtime.(*mheap).allocSpan",
            "runtime.(*consistentHeapStats).acquire",
        ),
    ),
    row(
        "runtime.memstats",
        0,
        Only(&[
            Pick("runtime.(*mcache).allocLarge", Address),
            Pick("runtime.(*mheap).freeSpanLocked", Address),
        ]),
    ),
    // full is work's first field.
    row("runtime.work", 0, Only(&[Pick("runtime.putfull", Address)])),
    row(
        "runtime.work",
        0,
        Only(&[Pick("runtime.trygetfull", Address)]),
    ),
    row(
        "runtime.work",
        0,
        Only(&[Pick("runtime.prepareFreeWorkbufs", Compare)]),
    ),
    row("runtime.allgs", 0, Run(3, &[Pick(ALLGADD, Any)], &[])),
    row(
        "runtime.allgs",
        0,
        Run(
            2,
            &[Pick(ALLGADD, Any), Pick("runtime.forEachG", Load)],
            &[],
        ),
    ),
    row(
        "runtime.allgptr",
        0,
        Only(&[Pick(ALLGADD, Compare), Pick(FOR_EACH_G_RACE, Any)]),
    ),
    row("runtime.allgptr", 0, Nth(Pick(FOR_EACH_G_RACE, Load), 1)),
    row("runtime.allglen", 0, Nth(Pick(FOR_EACH_G_RACE, Load), 0)),
    row(
        "runtime.allglen",
        0,
        But(
            &[Pick(ALLGADD, Address), Pick(FOR_EACH_G_RACE, Load)],
            &[Pick(ALLGADD, Compare)],
        ),
    ),
    // Where the compiler was told not to inline.
    row(
        "runtime.allglen",
        0,
        Nth(Pick("runtime.atomicAllG", Load), 0),
    ),
    row(
        "runtime.allgptr",
        0,
        Nth(Pick("runtime.atomicAllG", Load), 1),
    ),
    row(
        "runtime.allp",
        0,
        Only(&[
            Pick("runtime.preemptall", Any),
            Pick("runtime.retake", Load),
        ]),
    ),
    row(
        "runtime.allp",
        0,
        Only(&[
            Pick("runtime.gcMarkTinyAllocs", Load),
            Pick("runtime.retake", Load),
        ]),
    ),
    row(
        "runtime.allp",
        0,
        Only(&[
            Pick("runtime.gcComputeStartingStackSize", Load),
            Pick("runtime.retake", Load),
        ]),
    ),
    // allp's length, its second word.
    row(
        "runtime.allp",
        8,
        Only(&[
            Pick("runtime.timeSleepUntil", Load),
            Pick("runtime.retake", Compare),
        ]),
    ),
    row(
        "runtime.allm",
        0,
        Only(&[
            Pick("runtime.mcommoninit", Load),
            Pick("runtime.mexit", Address),
        ]),
    ),
    row(
        "runtime.allm",
        0,
        Only(&[
            Pick("runtime.mcommoninit", Any),
            Pick("runtime.schedtrace", Load),
        ]),
    ),
    row(
        "runtime.mbuckets",
        0,
        Only(&[Pick("runtime.mProf_FlushLocked", Any)]),
    ),
    row(
        "runtime.mbuckets",
        0,
        Only(&[
            Pick("runtime.mProf_FlushLocked", Address),
            Pick(STKBUCKET, Address),
        ]),
    ),
    // switch typ: memProfile, mutexProfile, blockProfile, in the order that the compiler lays out.
    row("runtime.mbuckets", 0, Arm(STKBUCKET, 3, 0)),
    row("runtime.xbuckets", 0, Arm(STKBUCKET, 3, 1)),
    row("runtime.bbuckets", 0, Arm(STKBUCKET, 3, 2)),
    // Linked only into programs that can ask for these profiles.
    during(
        "runtime.xbuckets",
        (18, 22),
        0,
        Only(&[Pick("runtime.MutexProfile", Load), Pick(STKBUCKET, Address)]),
    ),
    during(
        "runtime.bbuckets",
        (18, 22),
        0,
        Only(&[Pick("runtime.BlockProfile", Load), Pick(STKBUCKET, Address)]),
    ),
    row(
        "runtime.xbuckets",
        0,
        Only(&[
            Pick("runtime.mutexProfileInternal", Load),
            Pick(STKBUCKET, Address),
        ]),
    ),
    row(
        "runtime.bbuckets",
        0,
        Only(&[
            Pick("runtime.blockProfileInternal", Load),
            Pick(STKBUCKET, Address),
        ]),
    ),
    row("runtime.buckhash", 0, Only(&[Pick(STKBUCKET, Load)])),
    row("runtime.buckhash", 0, Nth(Pick(STKBUCKET, Any), 0)),
    row(
        "runtime.persistentChunks",
        0,
        Only(&[Pick("runtime.persistentalloc1", Load)]),
    ),
    row(
        "runtime.persistentChunks",
        0,
        Only(&[
            Pick("runtime.persistentalloc1", Load),
            Pick("runtime.persistentalloc1", Address),
        ]),
    ),
    // lastpoll, sched's second word, and pollUntil, its third.
    row(
        "runtime.sched",
        8,
        Run(2, &[Pick(WAKE_NET_POLLER, Load)], &[]),
    ),
    row(
        "runtime.sched",
        8,
        Only(&[Pick("runtime.pollWork", Any), Pick(WAKE_NET_POLLER, Any)]),
    ),
    row(
        "runtime.sched",
        8,
        Only(&[Pick("runtime.sysmon", Address), Pick(WAKE_NET_POLLER, Any)]),
    ),
    // goidgen, its first, next to lastpoll.
    row(
        "runtime.sched",
        0,
        Apart(
            Pick("runtime.newproc1", Address),
            Pick(WAKE_NET_POLLER, Load),
            8,
        ),
    ),
    // Its lock is its first field, its next its third word.
    row(
        "runtime.gcBitsArenas",
        0,
        Only(&[
            Pick("runtime.newArenaMayUnlock", Address),
            Pick(NEXT_EPOCH, Address),
        ]),
    ),
    row(
        "runtime.gcBitsArenas",
        16,
        Only(&[Pick("runtime.newMarkBits", Load), Pick(NEXT_EPOCH, Address)]),
    ),
    row(
        "runtime.finq",
        0,
        Only(&[Pick(QUEUEFINALIZER, Load), Pick(RUNFINQ, Clear)]),
    ),
    row(
        "runtime.finq",
        0,
        Only(&[Pick(QUEUEFINALIZER, Load), Pick(RUN_FINALIZERS, Clear)]),
    ),
    row(
        "runtime.gcCleanups",
        0,
        Argument("runtime.freeSpecial", "runtime.(*cleanupQueue).enqueue"),
    ),
    row(
        "runtime.gcCleanups",
        0,
        Argument(
            "runtime.(*activeSweep).end",
            "runtime.(*cleanupQueue).flush",
        ),
    ),
    row(
        "runtime.gcCleanups",
        0,
        Argument("runtime.findRunnable", "runtime.(*cleanupQueue).wake"),
    ),
    row("runtime.finq", 0, Nth(Pick(QUEUEFINALIZER, Load), 0)),
    row(
        "runtime.allfin",
        0,
        Only(&[Pick("runtime.markroot", Load), Pick(QUEUEFINALIZER, Any)]),
    ),
    row(
        "runtime.allfin",
        0,
        But(
            &[Pick(QUEUEFINALIZER, Load), Pick(QUEUEFINALIZER, Store)],
            &[Pick(RUNFINQ, Any)],
        ),
    ),
    row(
        "runtime.allfin",
        0,
        But(
            &[Pick(QUEUEFINALIZER, Load), Pick(QUEUEFINALIZER, Store)],
            &[Pick(RUN_FINALIZERS, Any)],
        ),
    ),
    row(
        "runtime.spanSetBlockPool",
        0,
        Only(&[Pick("runtime.(*spanSet).pop", Address)]),
    ),
    row(
        "runtime.spanSetBlockPool",
        0,
        Only(&[Pick("runtime.(*spanSet).reset", Address)]),
    ),
    row(
        "runtime.stackpool",
        0,
        Only(&[Pick("runtime.stackcacherelease", Address)]),
    ),
    row(
        "runtime.stackpool",
        0,
        Only(&[Pick("runtime.stackcache_clear", Address)]),
    ),
    row(
        "runtime.stackLarge",
        0,
        Argument(STACKALLOC, "runtime.lock2"),
    ),
    row(
        "runtime.stackLarge",
        0,
        Argument(STACKFREE, "runtime.lock2"),
    ),
    row(
        "runtime.stackLarge",
        0,
        Run(
            2,
            &[
                Pick(STACKALLOC, Address),
                Pick("runtime.freeStackSpans", Address),
            ],
            &[Pick("runtime.stackcacherelease", Address)],
        ),
    ),
    // clobberfree, debug's second field in every release, is tested before efence. The fields are
    // in alphabetical order, and patch releases add some (disablethp in 1.21), so this row comes
    // before those with fixed places.
    row(
        "runtime.debug",
        4,
        Before(
            Pick(SWEEP, Compare),
            &[Pick(STACKFREE, Compare), Pick(STACKALLOC, Compare)],
            24,
        ),
    ),
    // efence, then dontfreezetheworld.
    during(
        "runtime.debug",
        (18, 20),
        8,
        Only(&[Pick(STACKFREE, Compare), Pick(STACKALLOC, Compare)]),
    ),
    during(
        "runtime.debug",
        (22, 24),
        12,
        Only(&[Pick("runtime.freezetheworld", Compare)]),
    ),
    during(
        "runtime.debug",
        (25, 27),
        20,
        Only(&[Pick("runtime.freezetheworld", Compare)]),
    ),
    row(
        "runtime.scavenge",
        0,
        Only(&[
            Pick("runtime.(*mheap).allocSpan", Load),
            Pick("runtime.gcPaceScavenger", Address),
        ]),
    ),
    row(
        "runtime.scavenge",
        0,
        Run(2, &[Pick("runtime.gcPaceScavenger", Address)], &[]),
    ),
    row(
        "runtime.scavenger",
        0,
        Only(&[
            Pick("runtime.bgscavenge", Address),
            Pick("runtime.finishsweep_m", Address),
        ]),
    ),
    row(
        "runtime.scavenger",
        0,
        Argument("runtime.bgscavenge", "runtime.(*scavengerState).run"),
    ),
    row(
        "runtime.forcegcperiod",
        0,
        Only(&[
            Pick("runtime.gcTrigger.test", Compare),
            Pick("runtime.sysmon", Load),
        ]),
    ),
    row(
        "runtime.forcegcperiod",
        0,
        Initial(Pick("runtime.sysmon", Load), TWO_MINUTES),
    ),
    // Its lock is its first field.
    row(
        "runtime.sweep",
        0,
        Argument("runtime.bgsweep", "runtime.lock2"),
    ),
    row(
        "runtime.sweep",
        0,
        Argument("runtime.bgsweep", "runtime.unlock2"),
    ),
    row(
        "runtime.sweep",
        0,
        Only(&[
            Pick("runtime.bgsweep", Address),
            Pick("runtime.gcSweep", Address),
        ]),
    ),
    row("runtime.physPageSize", 0, Only(&[Pick(STACKALLOC, Load)])),
    row(
        "runtime.physPageSize",
        0,
        Only(&[Pick("runtime.(*linearAlloc).alloc", Load)]),
    ),
    row(
        "runtime.physPageSize",
        0,
        Only(&[Pick("runtime.gcPaceScavenger", Compare)]),
    ),
    row(
        "runtime.modulesSlice",
        0,
        Only(&[Pick("runtime.itabsinit", Load)]),
    ),
    row(
        "runtime.modulesSlice",
        0,
        Only(&[
            Pick("runtime.bulkBarrierPreWrite", Load),
            Pick("runtime.modulesinit", Address),
        ]),
    ),
    row(
        "runtime.modulesSlice",
        0,
        Only(&[Pick("runtime.activeModules", Load)]),
    ),
    row(
        "runtime.emptymspan",
        0,
        Only(&[Pick("runtime.allocmcache", Address)]),
    ),
    row(
        "runtime.emptymspan",
        0,
        Nth(Pick("runtime.(*mcache).releaseAll", Address), 0),
    ),
    row(
        "runtime.emptymspan",
        0,
        Nth(Pick("runtime.(*mcache).refill", Address), 0),
    ),
    row(
        "runtime.itabTable",
        0,
        Only(&[Pick("runtime.itabAdd", Load)]),
    ),
    row(
        "runtime.itabTable",
        0,
        Only(&[Pick("runtime.getitab", Load)]),
    ),
    row(
        "runtime.gcphase",
        0,
        Only(&[Pick("runtime.stackpoolfree", Compare)]),
    ),
    row(
        "runtime.gcphase",
        0,
        Only(&[Pick("runtime.(*gcWork).balance", Compare)]),
    ),
    row(
        "runtime.gcphase",
        0,
        Only(&[Pick("runtime.gcMarkTermination.func2", Address)]),
    ),
    row(
        "runtime.writeBarrier",
        0,
        Only(&[Pick("runtime.(*fixalloc).init", Any)]),
    ),
    row(
        "runtime.writeBarrier",
        0,
        Only(&[Pick("runtime.(*addrRanges).init", Any)]),
    ),
    row(
        "runtime.writeBarrier",
        0,
        Only(&[Pick("sync.(*poolDequeue).popTail", Any)]),
    ),
    row(
        "sync.allPools",
        0,
        Run(3, &[Pick("sync.(*Pool).pinSlow", Any)], &[]),
    ),
    row(
        "sync.allPools",
        0,
        Run(
            3,
            &[
                Pick("sync.poolCleanup", Load),
                Pick("sync.(*Pool).pinSlow", Load),
            ],
            &[],
        ),
    ),
];
