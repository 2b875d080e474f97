//! [`html_report`]: a reading as the page of `-o html`.
//!
//! Joins the reports of `why` and `heap` with two pictures: who holds the heap (`tiles`), and where
//! in the address space it is (`space`). Both have a bounded number of parts, and what is beside
//! them is summed.

mod groups;
mod space;
mod tiles;

use std::time::{Duration, Instant};

use letgo_diagnose as rules;
use letgo_heap::{Dominators, Limits};
use letgo_report as out;
use letgo_target::AddrRange;

use super::kinds::Kinds;
use super::owners::Owners;
use super::roots::RootNames;
use super::variables::{largest, weigh};
use super::{Marked, Program, Reading, beside, room};

/// What the page draws of who holds what, and what `why` says of it.
#[derive(Debug)]
pub struct Drawn {
    tree: Result<Option<out::Tile>, letgo_heap::Error>,
    /// As of [`variables`](super::variables()).
    pub variables: Option<(Vec<rules::Holder>, Duration)>,
}

/// Slot bytes.
fn slot(range: AddrRange) -> u64 {
    range.len()
}

/// Finds, within `limits`, who holds what, once for all that the page says of it; and types, on a
/// thread of their own.
pub fn draw(program: &Program, reading: &Reading, limits: Limits) -> Drawn {
    let Some(marked) = &reading.marked else {
        return Drawn {
            tree: Ok(None),
            variables: None,
        };
    };
    let ((), drawn) = beside(
        || drop(marked.typed(program)),
        || draw_marked(program, reading, marked, limits),
    );
    drawn.unwrap_or_else(|error| Drawn {
        tree: Err(error),
        variables: None,
    })
}

fn draw_marked(
    program: &Program,
    reading: &Reading,
    marked: &Marked,
    limits: Limits,
) -> Result<Drawn, letgo_heap::Error> {
    let started = Instant::now();
    let (graph, reachable) = (&marked.graph, &marked.reachable);
    let names = RootNames::new(program, &reading.census);
    let owners = Owners::of(graph.roots(), &reading.census, &names);
    let (options, groups) = (room::options(limits), Some(owners.of_root.as_slice()));
    let dominators = Dominators::of(graph, reachable, &options, groups, &slot)?;
    let weighed = dominators.groups_weighed(reachable, &weigh(reading));
    let retained = |number: u32| weighed.get(number as usize).copied();
    let variables = largest(graph, &owners, &names, &retained);
    let took = started.elapsed();
    // Waits for the types.
    let kinds = Kinds::new(program, marked);
    let tree = tiles::tree(graph, reachable, &dominators, &owners, &kinds);
    Ok(Drawn {
        tree: Ok(Some(tree)),
        variables: Some((variables, took)),
    })
}

/// The page of a reading whose other reports are these. Where who holds what could not be had, it
/// has no tree, and its coverage says why.
pub fn html_report(
    program: &Program,
    reading: &Reading,
    why: out::WhyReport,
    heap: out::HeapReport,
    drawn: Drawn,
) -> out::HtmlReport {
    let mut why = why;
    let tree = drawn.tree.unwrap_or_else(|error| {
        let coverage = &mut why.taken.coverage;
        coverage.complete = false;
        coverage.skipped.push(out::SkipReport {
            what: "who holds what".into(),
            why: error.to_string(),
            count: 1,
        });
        None
    });
    out::HtmlReport {
        space: space::space(program, reading),
        why,
        heap,
        tree,
    }
}
