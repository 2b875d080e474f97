//! [`Marked`]: the object graph of a reading, and what was found out from it.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use letgo_heap::{Graph, GraphOptions, Reachable};
use letgo_target::Coverage;

use super::Program;
use super::c_stacks::CStacks;
use super::in_c::InC;
use super::statics::Statics;
use super::types::Types;

/// The object graph, and what is reachable in it.
#[derive(Debug)]
pub struct Marked {
    /// Objects, pointers, roots.
    pub graph: Graph,
    /// What is reachable.
    pub reachable: Reachable,
    /// How long reading took.
    pub read: Duration,
    /// How long marking took.
    pub marking: Duration,
    /// How long dominators took, where they were asked for and found.
    pub dominators: Option<Duration>,
    /// Types of the objects, once they were asked for.
    pub(super) types: OnceLock<Types>,
    /// What variables point to beside the heap, once that was asked for.
    statics: OnceLock<Statics>,
    /// Goroutines that were in C code.
    pub(super) in_c: Vec<InC>,
    /// The functions of C that these were in, once they were followed.
    pub(super) c_stacks: CStacks,
}

impl Marked {
    /// A graph that took so long to read, and goroutines that were in C; nothing is marked yet.
    pub(super) fn new(graph: Graph, read: Duration, in_c: Vec<InC>) -> Marked {
        Marked {
            graph,
            reachable: Reachable::default(),
            read,
            marking: Duration::ZERO,
            dominators: None,
            types: OnceLock::new(),
            statics: OnceLock::new(),
            in_c,
            c_stacks: CStacks::default(),
        }
    }

    /// What variables point to beside the heap.
    pub(super) fn statics(&self, program: &Program) -> &Statics {
        self.statics
            .get_or_init(|| Statics::of(program, self.graph.between()))
    }

    /// Finds out what is reachable.
    pub(super) fn mark(&mut self, coverage: &mut Coverage) {
        let started = Instant::now();
        self.reachable = self.graph.mark(&GraphOptions::default());
        self.marking = started.elapsed();
        coverage.merge(self.reachable.coverage.clone());
    }
}
