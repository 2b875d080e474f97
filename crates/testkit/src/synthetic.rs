//! Runtimes built byte by byte: the memory of a Go 1.24 program, without any Go.
//!
//! [`Synthetic::sane`] is a small heap in which everything is known: what each counter says, which
//! slots are in use and which are garbage, who owns every byte of the runtime's own memory.
//! [`Synthetic::evil`] is the same with one thing wrong, as a corrupt or hostile target would have
//! it.
//!
//! Layouts and figures are written here by hand (see `go1_24`), from the runtime's sources and from
//! gdb's reading of a program's DWARF, and never taken from letgo's decoders or tables: two errors
//! would have to agree to go unseen.
//!
//! Does not hold the contents of objects: no reader of the runtime's own structures needs them.

mod canvas;
mod counters;
mod go1_24;
mod heap;
mod hostile;
mod scheduler;

use std::collections::BTreeMap;

use letgo_target::{Addr, SliceMemory};

use self::canvas::Canvas;
pub use self::hostile::Evil;

/// The release whose runtime this is, as a program's build info writes it.
pub const GO_VERSION: &str = "go1.24.13";

/// What is true of the sane runtime. Bytes unless said otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Expected {
    /// Spans of objects.
    pub heap_inuse: u64,
    /// Free pages, returned or not.
    pub heap_idle: u64,
    /// Free pages that were returned.
    pub heap_released: u64,
    /// Slots in use.
    pub heap_alloc: u64,
    /// Objects, count.
    pub heap_objects: u64,
    /// Of `heap_alloc`, what the last GC found dead and nobody swept.
    pub garbage: u64,
    /// Spans of stacks.
    pub stack_inuse: u64,
    /// `MSpanSys`
    pub mspan_sys: u64,
    /// `MCacheSys`
    pub mcache_sys: u64,
    /// `BuckHashSys`
    pub buck_hash_sys: u64,
    /// `GCSys`, work buffers included.
    pub gc_sys: u64,
    /// Of `gc_sys`, spans of work buffers.
    pub work_bufs: u64,
    /// `OtherSys`
    pub other_sys: u64,
    /// Spans in use or managed by hand, count.
    pub spans: usize,
    /// mspan structures, count.
    pub mspans: u64,
    /// Goroutines that are not dead, count.
    pub goroutines: usize,
    /// Dead g's, count.
    pub dead_goroutines: u64,
    /// Threads, count.
    pub threads: usize,
    /// Buckets of the memory profile, count.
    pub buckets: u64,
    /// Cycles.
    pub num_gc: u32,
    /// GOGC.
    pub gc_percent: i32,
    /// GOMEMLIMIT.
    pub memory_limit: i64,
}

/// A runtime in memory, and where its variables lie.
#[derive(Clone, Debug)]
pub struct Synthetic {
    canvas: Canvas,
    places: Places,
    globals: BTreeMap<&'static str, u64>,
    expected: Expected,
}

/// Where structures were put, for those who spoil them.
#[derive(Clone, Debug, Default)]
struct Places {
    /// mspans in the order of the heap: small, garbage, cached, stack, work buffer, large, dead.
    mspans: Vec<u64>,
    /// Backing array of `allspans`.
    allspans: u64,
    /// Persistent chunks, oldest first.
    chunks: Vec<u64>,
    /// Arena of allocation and mark bits.
    bits: u64,
    /// The array of the heap's arenas.
    arenas: u64,
    /// The array of the page allocator's ranges.
    in_use: u64,
    gs: Vec<u64>,
    ms: Vec<u64>,
    p: u64,
    buckets: Vec<u64>,
    spine: u64,
    specials: Vec<u64>,
}

impl Synthetic {
    /// A runtime in which everything fits together.
    pub fn sane() -> Synthetic {
        let mut it = Synthetic {
            canvas: Canvas::default(),
            places: Places::default(),
            globals: BTreeMap::new(),
            expected: Expected::default(),
        };
        for (name, addr, len) in go1_24::GLOBALS {
            it.canvas.map(*addr, *len);
            it.globals.insert(name, *addr);
        }
        let mut own = heap::OwnMemory::new(&mut it.canvas);
        heap::build(&mut it, &mut own);
        scheduler::build(&mut it, &mut own);
        counters::build(&mut it, &own);
        it
    }

    /// The sane runtime with one thing wrong.
    pub fn evil(evil: Evil) -> Synthetic {
        let mut it = Synthetic::sane();
        hostile::spoil(&mut it, evil);
        it
    }

    /// The sane runtime with `count` words overwritten, which and by what drawn from `seed`.
    pub fn noisy(seed: u64, count: usize) -> Synthetic {
        let mut it = Synthetic::sane();
        hostile::noise(&mut it.canvas, seed, count);
        it
    }

    /// Overwrites one word: of the mapped os pages, counted round, that one, and there that word.
    pub fn overwrite(&mut self, page: usize, word: usize, value: u64) {
        hostile::overwrite(&mut self.canvas, page, word, value);
    }

    /// Its memory.
    pub fn memory(&self) -> SliceMemory {
        self.canvas.memory()
    }

    /// Its variables by name, at their addresses.
    pub fn globals(&self) -> impl Iterator<Item = (&'static str, Addr)> + '_ {
        self.globals.iter().map(|(name, addr)| (*name, Addr(*addr)))
    }

    /// `runtime.firstmoduledata`.
    pub fn moduledata(&self) -> Addr {
        Addr(go1_24::MODULEDATA)
    }

    /// What is true of it; of an evil one, what was true before.
    pub fn expected(&self) -> Expected {
        self.expected
    }
}
