//! [`group`]: goroutines that are alike.
//!
//! Alike are those that stand at the same addresses for the same reason, were started by the same
//! statement, and of which the same is known. No address is looked up for it. Those that are in C
//! are in the same functions of C, at any place in them.

use std::collections::HashMap;

use letgo_goruntime::{Census, Goroutine, Status};
use letgo_heap::{Count, Graph, Leaks, Standing, Walk};
use letgo_target::Addr;

use crate::inspect::c_stacks::{CStack, CStacks};

/// Goroutines that are alike.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// The first of them in the census: what all have alike is its.
    pub(super) first: &'a Goroutine,
    /// Where they stand: the innermost frame's next instruction, then return addresses; empty
    /// where their stacks were not read.
    pub(super) pcs: &'a [Addr],
    /// The functions of C that they are in, called by the innermost of these frames.
    pub(super) c_stack: Option<&'a CStack>,
    /// What is known of their future, where it was looked for.
    pub(super) standing: Option<Standing>,
    pub(super) count: u64,
    pub(super) stack_bytes: u64,
    /// Bytes in use, where the stacks were read.
    pub(super) used_bytes: Option<u64>,
    /// What they hold alone, where that was computed.
    pub(super) retained: Option<Count>,
    /// Since when the first and the last of them wait, of those that a GC saw.
    pub(super) since: Option<(u64, u64)>,
    pub(super) goids: Vec<u64>,
}

/// What those of a group have alike.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    standing: Option<Standing>,
    status: Status,
    wait_reason: &'static str,
    system: bool,
    start_pc: Addr,
    go_pc: Addr,
    pcs: &'a [Addr],
    c_stack: Option<usize>,
}

/// The group of each goroutine of the census, and the groups.
pub(super) fn group<'a>(
    census: &'a Census,
    graph: Option<&'a Graph>,
    leaks: Option<&Leaks>,
    c_stacks: Option<&'a CStacks>,
) -> (Vec<u32>, Vec<Group<'a>>) {
    let mut walks: Vec<Option<&Walk>> = vec![None; census.goroutines.len()];
    for walk in graph.map(Graph::walks).unwrap_or_default() {
        if let Some(own) = walks.get_mut(walk.goroutine as usize) {
            *own = Some(walk);
        }
    }
    let mut known: HashMap<Key<'a>, u32> = HashMap::new();
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut of = Vec::with_capacity(walks.len());
    for (number, (one, walk)) in census.goroutines.iter().zip(walks).enumerate() {
        let pcs = match (graph, walk) {
            (Some(graph), Some(walk)) => graph.pcs(walk),
            _ => &[],
        };
        let key = Key {
            standing: leaks.and_then(|leaks| leaks.standings.get(number).copied()),
            status: one.status,
            wait_reason: one.wait_reason,
            system: one.system,
            start_pc: one.start_pc,
            go_pc: one.go_pc,
            pcs,
            c_stack: c_stacks.and_then(|all| all.number(number)),
        };
        let standing = key.standing;
        let c_stack = key.c_stack.zip(c_stacks);
        let own = *known.entry(key).or_insert_with(|| {
            groups.push(Group {
                c_stack: c_stack.and_then(|(number, all)| all.stack(number)),
                ..Group::new(one, pcs, standing)
            });
            u32::try_from(groups.len() - 1).unwrap_or(u32::MAX)
        });
        of.push(own);
        if let Some(group) = groups.get_mut(own as usize) {
            group.add(one, walk);
        }
    }
    (of, groups)
}

impl<'a> Group<'a> {
    pub(super) fn new(
        first: &'a Goroutine,
        pcs: &'a [Addr],
        standing: Option<Standing>,
    ) -> Group<'a> {
        Group {
            first,
            pcs,
            c_stack: None,
            standing,
            count: 0,
            stack_bytes: 0,
            used_bytes: None,
            retained: None,
            since: None,
            goids: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, one: &Goroutine, walk: Option<&Walk>) {
        self.count += 1;
        self.stack_bytes = self.stack_bytes.saturating_add(one.stack.len());
        if let Some(walk) = walk {
            *self.used_bytes.get_or_insert(0) += walk.used;
        }
        let since = one.wait_since_ns;
        if since > 0 && matches!(one.status, Status::Waiting | Status::Leaked) {
            let (first, last) = self.since.get_or_insert((since, since));
            (*first, *last) = (since.min(*first), since.max(*last));
        }
        self.goids.push(one.goid);
    }
}
