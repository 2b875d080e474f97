//! [`limits`]: how much memory a graph may take of what is left.
//!
//! letgo runs beside what it looks at, often within the same limit. Pointers and dominators get
//! half of what the machine and our own cgroup have left: what is beyond that is left out and said,
//! before the kernel ends us or the target.
//!
//! Not all is left to half: what pages of the target are copied for a frozen copy comes on top.

use letgo_heap::Limits;
use letgo_linux::{Process, system};

/// The usual limits, and of memory no more than half of what is left now.
pub(crate) fn limits() -> Limits {
    within(left())
}

/// Bytes that the machine and our cgroup have left; nothing where neither can be known.
fn left() -> Option<u64> {
    let machine = Some(system::meminfo().available).filter(|bytes| *bytes > 0);
    let memory = Process::open_self().and_then(|own| own.memory_cgroup());
    let cgroup = memory.ok().flatten().and_then(|memory| {
        let bounds = [memory.limit.as_ref(), memory.high.as_ref()];
        let least = bounds.into_iter().flatten().map(|bound| bound.bytes).min();
        Some(least?.saturating_sub(memory.working_set))
    });
    machine.into_iter().chain(cgroup).min()
}

fn within(left: Option<u64>) -> Limits {
    let usual = Limits::default();
    let most = left.unwrap_or(u64::MAX) / 2;
    Limits {
        edge_bytes: usual.edge_bytes.min(most),
        dominator_bytes: usual.dominator_bytes.min(most),
        path_bytes: usual.path_bytes.min(most),
        ..usual
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_what_is_left_is_the_most() {
        let little = within(Some(1000));
        assert_eq!((little.edge_bytes, little.dominator_bytes), (500, 500));
        assert_eq!(within(Some(1 << 50)), Limits::default());
        assert_eq!(within(None), Limits::default());
        assert!(left().is_some_and(|bytes| bytes > 1 << 20));
    }
}
