//! [`outliving()`]: goroutines that hold contexts of requests that have ended, in groups.
//!
//! Which they are is found out by `letgo_heap`; here is told which goroutines are a server's own.

use std::cell::RefCell;
use std::collections::HashMap;

use letgo_goruntime::{Census, Goroutine};
use letgo_heap::{Alone, Graph, GraphOptions, Reachable};
use letgo_target::Addr;

use super::groups::Group;
use crate::inspect::Program;

/// Functions that goroutines begin with which serve connections or requests: the `go` statements
/// of `net/http` and of gRPC, whose closures have no names of their own in every release.
const SERVES: [&str; 9] = [
    "net/http.(*conn).serve",
    "net/http.(*Server).Serve.",
    "http2serverConn).",
    "http2.(*serverConn).",
    "grpc.(*Server).handleRawConn",
    "grpc.(*Server).serveStreams",
    "grpc.(*Server).serverWorker",
    "grpc/internal/transport.NewServerTransport",
    "grpc/internal/transport.newHTTP2Server",
];

/// Goroutines that hold contexts of requests that have ended.
pub(super) struct Outlivers<'a> {
    pub(super) groups: Vec<Group<'a>>,
    /// Of each goroutine of the census, its group; none of `groups` for most.
    pub(super) of: Vec<u32>,
    /// The requests of each group.
    pub(super) requests: Vec<u64>,
    /// What each group holds alone.
    pub(super) alone: Option<Alone>,
}

/// Finds them among groups of goroutines; nothing where there are none.
pub(super) fn outliving<'a>(
    program: &Program,
    census: &'a Census,
    (graph, reachable): (&Graph, &Reachable),
    (of, groups): (&[u32], &[Group<'a>]),
) -> Option<Outlivers<'a>> {
    let names = RefCell::new(HashMap::new());
    let serves = |one: &Goroutine| {
        let mut names = names.borrow_mut();
        *names
            .entry(one.start_pc)
            .or_insert_with(|| serves(program, one.start_pc))
    };
    let outliving = graph.outliving(census, reachable, &serves);
    if outliving.is_empty() {
        return None;
    }
    let mut own: Vec<Group<'a>> = Vec::new();
    let mut numbers = HashMap::new();
    let mut of_own = vec![u32::MAX; census.goroutines.len()];
    let mut members: Vec<Vec<u32>> = Vec::new();
    let all = (0u32..).zip(&census.goroutines).zip(of).zip(&mut of_own);
    for (((number, one), group), own_number) in all {
        let Some(group) = groups
            .get(*group as usize)
            .filter(|_| outliving.has(number))
        else {
            continue;
        };
        let at = *numbers.entry(std::ptr::from_ref(group)).or_insert_with(|| {
            own.push(Group::new(one, group.pcs, group.standing));
            members.push(Vec::new());
            own.len() - 1
        });
        if let (Some(own), Some(members)) = (own.get_mut(at), members.get_mut(at)) {
            own.add(one, None);
            members.push(number);
            *own_number = u32::try_from(at).unwrap_or(u32::MAX);
        }
    }
    let requests = members.into_iter();
    let requests = requests.map(|members| outliving.requests(members.into_iter()));
    let options = GraphOptions::default();
    Some(Outlivers {
        requests: requests.collect(),
        alone: graph.held_past_requests(census, &outliving, &of_own, &options),
        groups: own,
        of: of_own,
    })
}

fn serves(program: &Program, pc: Addr) -> bool {
    let function = program.function_at(pc);
    function.is_some_and(|function| SERVES.iter().any(|own| function.name.contains(own)))
}
