//! [`Limits`]: how much a reading may take.

use std::time::Duration;

/// Bounds of a reading, so that a corrupt or hostile target costs bounded time and memory. A limit
/// that was hit is reported in the reading's coverage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Spans: 64 Mi of them would be a heap of at least 512 GiB in spans of one runtime page, and
    /// their pointers alone are half a GiB.
    pub spans: u64,
    /// Goroutines that are decoded, the first in `allgs`: 4 Mi take about half a GiB of ours.
    pub goroutines: u64,
    /// Threads: the runtime itself stops at 10,000 unless told otherwise.
    pub threads: u64,
    /// Buckets of each profile; the runtime never frees them, and real programs have thousands.
    pub buckets: u64,
    /// Address ranges of the page allocator: the heap grows in few large pieces.
    pub ranges: u64,
    /// Chunks of 4 MiB: 1 Mi are 4 TiB of heap.
    pub chunks: u64,
    /// Arenas of 64 MiB: 64 Ki are 4 TiB of heap.
    pub arenas: u64,
    /// Processors of the scheduler: far beyond any machine's.
    pub processors: u64,
    /// Bytes that one batch of a large walk may hold: keeps our own memory small, and is long
    /// enough for the pieces to be long.
    pub batch_bytes: u64,
    /// Time that a census may take: a heap of 4 GiB takes a third of a second, and what is read
    /// over much longer describes no moment. Looked at between batches.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            spans: 64 << 20,
            goroutines: 4 << 20,
            threads: 100_000,
            buckets: 4 << 20,
            ranges: 1 << 16,
            chunks: 1 << 20,
            arenas: 1 << 16,
            processors: 1 << 16,
            batch_bytes: 8 << 20,
            time: Duration::from_secs(30),
        }
    }
}
