//! [`html_report`]: a reading as the page of `-o html`.
//!
//! Joins the reports of `why` and `heap` with two pictures: who holds the heap (`tiles`), and where
//! in the address space it is (`space`). Both have a bounded number of parts, and what is beside
//! them is summed.

mod groups;
mod space;
mod tiles;

use letgo_heap::{Dominators, Limits};
use letgo_report as out;
use letgo_target::{AddrRange, ReadMemory};

use super::contents::Inside;
use super::kinds::Kinds;
use super::owners::Owners;
use super::roots::RootNames;
use super::{Marked, Program, Reading, beside, room};

/// Who holds what, as the page draws it; nothing where there is no graph.
pub type Drawn = Result<Option<out::Tile>, letgo_heap::Error>;

/// Slot bytes.
fn slot(range: AddrRange) -> u64 {
    range.len()
}

/// Finds, within `limits`, who holds what, and types on a thread of their own. `memory` is that of
/// the program as it is now: how much is in containers.
pub fn draw(
    program: &Program,
    reading: &Reading,
    memory: Option<&dyn ReadMemory>,
    limits: Limits,
) -> Drawn {
    let Some(marked) = &reading.marked else {
        return Ok(None);
    };
    let inside = memory.map(|memory| Inside {
        program,
        marked,
        memory,
    });
    let (_, drawn) = beside(
        || marked.typed(program),
        || draw_marked(program, reading, (marked, inside), limits),
    );
    drawn.map(Some)
}

fn draw_marked(
    program: &Program,
    reading: &Reading,
    (marked, inside): (&Marked, Option<Inside<'_>>),
    limits: Limits,
) -> Result<out::Tile, letgo_heap::Error> {
    let (graph, reachable) = (&marked.graph, &marked.reachable);
    let names = RootNames::new(program, &reading.census, Some(marked));
    let owners = Owners::of(graph.roots(), &reading.census, &names);
    let (options, groups) = (room::options(limits), Some(owners.of_root.as_slice()));
    let dominators = Dominators::of(graph, reachable, &options, groups, &slot)?;
    // Waits for the types.
    let kinds = Kinds::new(program, marked);
    let told = tiles::Told {
        graph,
        dominators: &dominators,
        kinds: &kinds,
        names: &names,
        firsts: &owners.firsts(graph.roots()),
        inside,
    };
    Ok(tiles::tree(told, reachable, &owners))
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
    let tree = drawn.unwrap_or_else(|error| {
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
