//! [`Error`]: why a graph cannot be had at all. What is only partly there is in the coverage.

use letgo_target::Fault;

/// Why there is no graph.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The target cannot be read any more.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The runtime's structures make no sense.
    #[error(transparent)]
    Runtime(#[from] letgo_goruntime::Error),
    /// A heap beyond what we number.
    #[error("the heap has {slots} slots in spans, more than the {limit} that a graph can hold")]
    TooLarge {
        /// Slots of all spans.
        slots: u64,
        /// The most that there may be.
        limit: u64,
    },
    /// Dominators would take more memory than they may.
    #[error("dominators need more than the {limit} bytes of memory that they may take")]
    DominatorBytes {
        /// The limit.
        limit: u64,
    },
    /// There was no time for dominators.
    #[error("there was no time to find all dominators")]
    DominatorTime,
    /// Ways to objects would take more memory than they may.
    #[error("finding ways needs more than the {limit} bytes of memory that it may take")]
    PathBytes {
        /// The limit.
        limit: u64,
    },
    /// There was no time for ways to objects.
    #[error("there was no time to find all ways")]
    PathTime,
}
