//! [`Limits`]: how much a graph may take.

use std::time::Duration;

/// Bounds of a graph, so that a large or hostile target costs bounded memory and time. A limit
/// that was hit is in the coverage, and the answer is partial.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of spans with pointers that are copied. What is beyond is not followed: objects there
    /// are found, what only they hold is not.
    pub copied_bytes: u64,
    /// Bytes that the pointers of all objects may take, at most 16 GiB: 4 for each. What is beyond
    /// is not followed.
    pub edge_bytes: u64,
    /// Bytes of unrolled pointer masks of types.
    pub mask_bytes: u64,
    /// Bytes of stacks that are held at once.
    pub stack_batch_bytes: u64,
    /// Roots that are kept; a program with 100,000 goroutines has about a million.
    pub roots: usize,
    /// Frames of one stack: the runtime's own limit of 1 GB of stack is 10 M of the smallest.
    pub frames: u32,
    /// Blocks of a list of the runtime (finalizers, cleanups) and specials of a span.
    pub list: u32,
    /// Time for copying: the target may be held meanwhile.
    pub copy_time: Duration,
    /// Time for marking.
    pub mark_time: Duration,
    /// Bytes that dominators may take beside the graph, at most 16 GiB: about 30 for an object
    /// that may hold pointers, 4 for any other.
    pub dominator_bytes: u64,
    /// Time for dominators.
    pub dominator_time: Duration,
    /// Bytes that ways from roots to objects may take beside the graph: 12 a slot, or for one
    /// object 16 a slot and 4 a pointer; who points to each object, 4 a slot and 8 a pointer.
    pub path_bytes: u64,
    /// Time for ways.
    pub path_time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            copied_bytes: 64 << 30,
            edge_bytes: 16 << 30,
            mask_bytes: 256 << 20,
            stack_batch_bytes: 32 << 20,
            roots: 64 << 20,
            frames: 16 << 20,
            list: 16 << 20,
            copy_time: Duration::from_secs(60),
            mark_time: Duration::from_secs(120),
            dominator_bytes: 16 << 30,
            dominator_time: Duration::from_secs(300),
            path_bytes: 16 << 30,
            path_time: Duration::from_secs(300),
        }
    }
}
