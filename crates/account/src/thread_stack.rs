//! [`ThreadStack`]: stacks of OS threads that lie outside of the Go heap.
//!
//! A pure Go program has one, `[stack]` of the main thread; its other threads run on stacks from
//! stack spans. Threads of a program with cgo have stacks that pthread mapped: an anonymous
//! mapping, with a guard in front of it that may not be touched. It is proven to be a stack by
//! `m.g0.stack`, or by a thread's stack pointer that the kernel reports.
//!
//! Does not look for stacks of threads that neither Go nor the caller knows: those are
//! `maps.anon`.

use letgo_goruntime::Thread;
use letgo_target::{Addr, AddrRange, Mapping, OS_PAGE, ResidentBytes};

use crate::Leaf;
use crate::claims::{Claim, Claims};
use crate::maps::{is_accessible, is_anonymous};

/// Why a mapping is held to be a thread's stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proof {
    /// The kernel calls it `[stack]`.
    Kernel,
    /// An `m.g0.stack` ends in it.
    G0,
    /// A thread's stack pointer points into it.
    StackPointer,
}

/// The stack of an OS thread, outside of the Go heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ThreadStack {
    /// Where it lies.
    pub range: AddrRange,
    /// Its resident bytes.
    pub resident: ResidentBytes,
    /// Why it is held to be one.
    pub proof: Proof,
}

/// Largest mapping that is held to be one stack: `ulimit -s` is rarely more.
const LARGEST: u64 = 64 << 20;

/// Stacks that are proven, by address.
pub(crate) fn find(
    threads: &[Thread],
    stack_pointers: &[Addr],
    mappings: &[Mapping],
    claims: &Claims,
) -> Vec<(AddrRange, Proof, usize)> {
    let g0 = threads.iter().filter(|thread| !thread.g0_stack.is_empty());
    let g0 = g0.map(|thread| (thread.g0_stack, Proof::G0));
    let kernel = stack_pointers
        .iter()
        .map(|sp| (AddrRange::sized(*sp, 8), Proof::StackPointer));
    let mut stacks = Vec::new();
    for (hint, proof) in g0.chain(kernel) {
        if let Some((range, index)) = stack_around(hint, mappings, claims) {
            stacks.push((range, proof, index));
        }
    }
    for (index, mapping) in mappings.iter().enumerate() {
        if mapping.name == "[stack]" {
            stacks.push((mapping.range, Proof::Kernel, index));
        }
    }
    stacks.sort_by_key(|(range, proof, _)| (*range, *proof != Proof::Kernel));
    stacks.dedup_by_key(|(range, _, _)| range.start());
    stacks
}

/// The pthread stack that holds the end of `hint`.
fn stack_around(
    hint: AddrRange,
    mappings: &[Mapping],
    claims: &Claims,
) -> Option<(AddrRange, usize)> {
    let top = Addr(hint.end().0.saturating_sub(8));
    if claims.touches(AddrRange::sized(top, 8)) {
        return None;
    }
    let index = mappings.partition_point(|mapping| mapping.range.end() <= top);
    let mapping = mappings.get(index)?;
    let holds = mapping.range.contains(top) && mapping.permissions.write;
    if !holds || !is_anonymous(mapping) {
        return None;
    }
    let before = index.checked_sub(1).and_then(|index| mappings.get(index));
    let guarded = before
        .is_some_and(|guard| guard.range.end() == mapping.range.start() && !is_accessible(guard));
    if guarded && mapping.range.len() <= LARGEST {
        return Some((mapping.range, index));
    }
    // Without a guard of its own the mapping may hold other things too.
    let part = hint.widen(OS_PAGE).intersect(mapping.range);
    (part.len() <= LARGEST).then_some((part, index))
}

/// The stacks as claims.
pub(crate) fn claims(stacks: &[(AddrRange, Proof, usize)]) -> Vec<Claim> {
    let claim = |(range, _, index): &(AddrRange, Proof, usize)| {
        Claim::new(*range, Leaf::StacksOsThread).of_mapping(*index)
    };
    stacks.iter().map(claim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use letgo_target::Permissions;

    fn mapping(start: u64, len: u64, write: bool) -> Mapping {
        Mapping {
            range: AddrRange::sized(Addr(start), len),
            permissions: Permissions {
                read: write,
                write,
                ..Permissions::default()
            },
            ..Mapping::default()
        }
    }

    fn thread(g0: AddrRange) -> Thread {
        Thread {
            m: Addr(1),
            id: 1,
            procid: 1,
            g0_stack: g0,
            gsignal_stack: AddrRange::default(),
        }
    }

    #[test]
    fn a_stack_behind_a_guard_is_the_whole_mapping() {
        let mappings = [
            mapping(0x10000, 0x1000, false),
            mapping(0x11000, 0x8000, true),
        ];
        let g0 = AddrRange::new(Addr(0x12000), Addr(0x18f00));
        let found = find(&[thread(g0)], &[], &mappings, &Claims::default());
        assert_eq!(found, [(mappings[1].range, Proof::G0, 1)]);
    }

    #[test]
    fn without_a_guard_only_what_is_known_to_be_stack_counts() {
        let mappings = [mapping(0x11000, 0x80000, true)];
        let g0 = AddrRange::new(Addr(0x12080), Addr(0x18f00));
        let found = find(&[thread(g0)], &[], &mappings, &Claims::default());
        let known = AddrRange::new(Addr(0x12000), Addr(0x19000));
        assert_eq!(found, [(known, Proof::G0, 0)]);
    }

    #[test]
    fn a_stack_that_two_prove_is_listed_once_and_a_stack_span_not_at_all() {
        let mappings = [
            mapping(0x10000, 0x1000, false),
            mapping(0x11000, 0x8000, true),
        ];
        let g0 = AddrRange::new(Addr(0x12000), Addr(0x18f00));
        let sp = Addr(0x15000);
        let found = find(&[thread(g0)], &[sp], &mappings, &Claims::default());
        assert_eq!(found.len(), 1);
        let mut heap = Claims::default();
        heap.add_layer(vec![Claim::new(mappings[1].range, Leaf::StacksFree)]);
        assert_eq!(find(&[thread(g0)], &[sp], &mappings, &heap), []);
    }
}
