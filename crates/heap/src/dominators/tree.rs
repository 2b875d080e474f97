//! [`Tree`]: who dominates whom, among numbered objects.
//!
//! Semi-NCA: the *semidominator* of each number (the lowest one from which a path leads to it over
//! higher numbers only), then the dominator as the nearest ancestor that is not above it. Edges
//! from lower numbers come in as their minimum; only the others are looked at one by one.
//!
//! A number's ancestors are searched over jump pointers (Myers, "An applicative random-access
//! stack", 1983), so that a list of a million entries whose every entry holds something that
//! another holds as well does not take a million steps for each.
//!
//! Invariant: a number's dominator is lower.
//!
//! Source: Georgiadis, "Linear-Time Algorithms for Dominators and Related Problems", 2005.
#![allow(
    clippy::indexing_slicing,
    reason = "numbers are our own, below the lengths of the arrays they index"
)]

use super::Error;
use super::walk::{Bounds, Edges};

/// Numbers between two looks at the clock.
const LOOK: u32 = 1 << 16;

/// The dominators of all numbers, and how to find what two have in common.
#[derive(Debug)]
pub(crate) struct Tree {
    /// Who dominates a number; 0 itself.
    above: Vec<u32>,
    /// One further above.
    jump: Vec<u32>,
    depth: Vec<u32>,
}

impl Tree {
    /// Of numbers whose parents, lowest sources and late edges are these.
    ///
    /// # Errors
    /// [`Error::DominatorTime`].
    pub(crate) fn of(
        parents: Vec<u32>,
        mut lowest: Vec<u32>,
        late: Edges,
        bounds: Bounds,
    ) -> Result<Tree, Error> {
        let mut forest = Forest {
            above: parents.clone(),
            label: vec![0; parents.len()],
            path: Vec::new(),
        };
        for number in (1..len(&parents)).rev() {
            let own = &mut lowest[number as usize];
            for source in late.sources(number) {
                *own = forest.least(source, number).min(*own);
            }
            forest.label[number as usize] = *own;
            if number.is_multiple_of(LOOK) {
                bounds.check(0)?;
            }
        }
        drop(late);
        Ok(Tree::below(parents, &lowest, forest))
    }

    /// Turns parents into dominators, in the arrays that the forest does not need any more.
    fn below(parents: Vec<u32>, semi: &[u32], forest: Forest) -> Tree {
        let mut tree = Tree {
            above: parents,
            jump: forest.above,
            depth: forest.label,
        };
        if let (Some(jump), Some(depth)) = (tree.jump.first_mut(), tree.depth.first_mut()) {
            (*jump, *depth) = (0, 0);
        }
        for (number, semi) in semi.iter().enumerate().skip(1) {
            let above = tree.at_most(tree.above[number], *semi);
            tree.above[number] = above;
            let next = tree.jump[above as usize];
            let depth = |number: u32| tree.depth[number as usize];
            let is_even =
                depth(above) - depth(next) == depth(next) - depth(tree.jump[next as usize]);
            tree.depth[number] = depth(above) + 1;
            tree.jump[number] = if is_even {
                tree.jump[next as usize]
            } else {
                above
            };
        }
        tree
    }

    /// The dominators alone.
    pub(crate) fn into_above(self) -> Vec<u32> {
        self.above
    }

    /// The nearest of a number and its dominators that is not above `bound`.
    #[inline]
    fn at_most(&self, mut number: u32, bound: u32) -> u32 {
        while number > bound {
            let far = self.jump[number as usize];
            number = if far > bound {
                far
            } else {
                self.above[number as usize]
            };
        }
        number
    }

    /// The nearest number that dominates both, or is one of them.
    pub(crate) fn common(&self, a: u32, b: u32) -> u32 {
        let depth = |number: u32| self.depth[number as usize];
        let (mut a, mut b) = if depth(a) > depth(b) { (a, b) } else { (b, a) };
        while depth(a) > depth(b) {
            let far = self.jump[a as usize];
            a = if depth(far) >= depth(b) {
                far
            } else {
                self.above[a as usize]
            };
        }
        // Of one depth, jumps are of one length.
        while a != b {
            let far = (self.jump[a as usize], self.jump[b as usize]);
            (a, b) = if far.0 == far.1 {
                (self.above[a as usize], self.above[b as usize])
            } else {
                far
            };
        }
        a
    }
}

/// The part of the walk's tree that was looked at, with shortened paths.
struct Forest {
    above: Vec<u32>,
    /// The least semidominator from here to `above`, that one left out.
    label: Vec<u32>,
    path: Vec<u32>,
}

impl Forest {
    /// The least semidominator on the path from a number up to `end`, that one left out.
    fn least(&mut self, number: u32, end: u32) -> u32 {
        let mut at = number;
        while self.above[at as usize] > end {
            self.path.push(at);
            at = self.above[at as usize];
        }
        let (mut least, above) = (self.label[at as usize], self.above[at as usize]);
        while let Some(at) = self.path.pop() {
            let own = &mut self.label[at as usize];
            least = least.min(*own);
            (*own, self.above[at as usize]) = (least, above);
        }
        least
    }
}

fn len(numbers: &[u32]) -> u32 {
    u32::try_from(numbers.len()).unwrap_or(u32::MAX)
}
