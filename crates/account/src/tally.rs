//! [`Tally`]: how much of something there is, in the four ways that an account counts.

use std::ops::AddAssign;

use letgo_target::{PageKind, PageRun, ResidentBytes, VirtBytes};

use crate::{Leaf, Sketch};

/// Bytes of one owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// In present os pages: these sum to `Rss`.
    pub resident: ResidentBytes,
    /// In the address space, touched or not. Address space that is merely reserved (no access
    /// allowed) is not counted.
    pub virt: VirtBytes,
    /// Swapped out: beside, not inside, `resident`.
    pub swapped: u64,
    /// Part of `resident` that huge pages (2 MiB) hold.
    pub huge: ResidentBytes,
}

impl Tally {
    /// Counts the pages of one run.
    pub(crate) fn add_run(&mut self, run: PageRun) {
        let len = run.range.len();
        if run.kind == PageKind::Swapped {
            self.swapped += len;
            return;
        }
        self.resident += ResidentBytes(len);
        if run.kind == PageKind::AnonHuge {
            self.huge += ResidentBytes(len);
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.resident += other.resident;
        self.virt += other.virt;
        self.swapped += other.swapped;
        self.huge += other.huge;
    }
}

/// One tally a leaf, and where they lie, where that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Tallies {
    each: [Tally; Leaf::ALL.len()],
    pub(crate) sketch: Option<Box<Sketch>>,
}

impl Default for Tallies {
    fn default() -> Tallies {
        Tallies {
            each: [Tally::default(); Leaf::ALL.len()],
            sketch: None,
        }
    }
}

impl Tallies {
    pub(crate) fn of(&self, leaf: Leaf) -> Tally {
        self.each.get(leaf.index()).copied().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, leaf: Leaf, tally: Tally) {
        if let Some(sum) = self.each.get_mut(leaf.index()) {
            *sum += tally;
        }
    }

    pub(crate) fn add_virt(&mut self, leaf: Leaf, bytes: u64) {
        if let Some(sum) = self.each.get_mut(leaf.index()) {
            sum.virt += VirtBytes(bytes);
        }
    }

    pub(crate) fn add_run(&mut self, leaf: Leaf, run: PageRun) {
        if let Some(sum) = self.each.get_mut(leaf.index()) {
            sum.add_run(run);
        }
        self.draw(leaf, run);
    }

    /// Notes where a run lies that is counted otherwise.
    pub(crate) fn draw(&mut self, leaf: Leaf, run: PageRun) {
        if let Some(sketch) = self.sketch.as_mut().filter(|_| run.kind.is_resident()) {
            sketch.add(leaf, run.range);
        }
    }
}
