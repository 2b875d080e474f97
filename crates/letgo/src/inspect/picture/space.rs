//! [`space`]: the address space in cells, by leaf of the account.
//!
//! Cells are as small as their bound allows. The arenas of the Go heap are one region, everything
//! else another.

use letgo_account::{Leaf, Sketch};
use letgo_report as out;
use letgo_target::Addr;

use super::super::{Program, Reading};

/// Cells that are aimed at, and the most that there are.
const CELLS: u64 = 12_000;
const MOST_CELLS: usize = 24_000;
/// Cells that are not resident between two that are, for which they are still drawn as one
/// stretch.
const MOST_HOLLOW: u64 = 64;

/// The picture; nothing where there is no graph.
pub(super) fn space(program: &Program, reading: &Reading) -> Option<out::Space> {
    let resident = reading.residency.resident().0;
    let mut sketch = reading.sketch(program, resident / CELLS)?;
    while sketch.len() > MOST_CELLS {
        sketch = sketch.coarser();
    }
    let arenas = &reading.census.arenas;
    let is_heap = |at: Addr| arenas.iter().any(|arena| arena.contains(at));
    let cell_bytes = sketch.cell_bytes();
    let region = |label: &str, heap: bool| out::Region {
        label: label.into(),
        segments: segments(&sketch, &|at| is_heap(at) == heap),
    };
    Some(out::Space {
        cell_bytes,
        leaves: Leaf::ALL.map(|leaf| leaf.id().to_owned()).into(),
        regions: vec![
            region("Go heap and stacks", true),
            region("everything else", false),
        ],
    })
}

/// The cells of a region; neighbours are one segment, and equal ones one run.
fn segments(sketch: &Sketch, wanted: &dyn Fn(Addr) -> bool) -> Vec<out::Segment> {
    let mut segments: Vec<out::Segment> = Vec::new();
    let mut end = None;
    for (at, parts) in sketch.cells().filter(|(at, _)| wanted(*at)) {
        let gap = end.map(|end: Addr| at.since(end) / sketch.cell_bytes());
        match (segments.last_mut(), gap) {
            (Some(segment), Some(gap)) if gap <= MOST_HOLLOW => {
                if gap > 0 {
                    segment.cells.push(vec![gap]);
                }
                add(segment, cell(parts));
            }
            _ => segments.push(out::Segment {
                at: at.to_string(),
                cells: vec![cell(parts)],
            }),
        }
        end = Some(at.add(sketch.cell_bytes()));
    }
    segments
}

/// One cell, its leaves in the order of the account.
fn cell(parts: &[(Leaf, u64)]) -> Vec<u64> {
    let mut parts = parts.to_vec();
    parts.sort_unstable();
    let number = |leaf: Leaf| Leaf::ALL.iter().position(|own| *own == leaf);
    let of = |(leaf, bytes)| [number(leaf).unwrap_or_default() as u64, bytes];
    let numbers = parts.into_iter().flat_map(of);
    std::iter::once(1).chain(numbers).collect()
}

fn add(segment: &mut out::Segment, cell: Vec<u64>) {
    match segment.cells.last_mut() {
        Some(last) if last.get(1..) == cell.get(1..) => {
            if let Some(times) = last.first_mut() {
                *times += 1;
            }
        }
        _ => segment.cells.push(cell),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_neighbours_are_one_run() {
        let mut segment = out::Segment::default();
        for parts in [[(Leaf::HeapIdle, 8192)]; 3] {
            add(&mut segment, cell(&parts));
        }
        add(
            &mut segment,
            cell(&[(Leaf::HeapIdle, 1), (Leaf::HeapReachable, 2)]),
        );
        assert_eq!(segment.cells, [vec![3, 6, 8192], vec![1, 0, 2, 6, 1]]);
    }
}
