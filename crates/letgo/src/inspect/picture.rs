//! [`html_report`]: a reading as the page of `-o html`.
//!
//! Joins the reports of `why` and `heap` with two pictures: who holds the heap (`tiles`), and where
//! in the address space it is (`space`). Both have a bounded number of parts, and what is beside
//! them is summed.

mod groups;
mod space;
mod tiles;

use letgo_heap::Limits;
use letgo_report as out;

use super::kinds::Kinds;
use super::owners::Owners;
use super::roots::RootNames;
use super::{Program, Reading};

/// The page of a reading whose other reports are these. Where dominators cannot be had within
/// `limits`, it has no tree, and its coverage says why.
pub fn html_report(
    program: &Program,
    reading: &Reading,
    why: out::WhyReport,
    heap: out::HeapReport,
    limits: Limits,
) -> out::HtmlReport {
    let mut why = why;
    let tree = match tree(program, reading, limits) {
        Ok(tree) => tree,
        Err(error) => {
            let coverage = &mut why.taken.coverage;
            coverage.complete = false;
            coverage.skipped.push(out::SkipReport {
                what: "who holds what".into(),
                why: error.to_string(),
                count: 1,
            });
            None
        }
    };
    out::HtmlReport {
        space: space::space(program, reading),
        why,
        heap,
        tree,
    }
}

fn tree(
    program: &Program,
    reading: &Reading,
    limits: Limits,
) -> Result<Option<out::Tile>, letgo_heap::Error> {
    let Some(marked) = &reading.marked else {
        return Ok(None);
    };
    let names = RootNames::new(program, &reading.census);
    let owners = Owners::of(marked.graph.roots(), &reading.census, &names);
    let kinds = Kinds::new(program, marked);
    tiles::tree(&marked.graph, &marked.reachable, &owners, &kinds, limits).map(Some)
}
