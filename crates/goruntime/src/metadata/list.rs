//! Lists of the runtime, followed with a bound and with an eye for cycles.

use letgo_target::{Addr, read_u64};
use rustc_hash::FxHashSet;

use super::Walk;
use crate::Error;

/// Most nodes of one list that are followed: 64 times what a heap of a terabyte has.
const MOST_NODES: usize = 1 << 20;

impl Walk<'_> {
    /// The pointer at `addr`.
    pub(super) fn pointer(&self, addr: Addr) -> Result<Addr, Error> {
        Ok(Addr(read_u64(self.view.memory, addr)?))
    }

    /// The nodes of a list from `head`, each of which holds the next one's address at `offset`.
    ///
    /// A list that runs in a circle, is too long or leads astray is cut there and reported.
    pub(super) fn list(&mut self, what: &str, head: Addr, offset: u64) -> Result<Vec<Addr>, Error> {
        self.list_by(what, head, |walk, node| walk.pointer(node.add(offset)))
    }

    /// The nodes of a list from `head`, with a function to the next one.
    pub(super) fn list_by(
        &mut self,
        what: &str,
        head: Addr,
        next: impl Fn(&Self, Addr) -> Result<Addr, Error>,
    ) -> Result<Vec<Addr>, Error> {
        let mut seen = FxHashSet::default();
        let mut nodes = Vec::new();
        let mut node = head;
        while !node.is_null() {
            if !seen.insert(node) {
                self.coverage.skip(what, "the list runs in a circle");
                break;
            }
            if nodes.len() >= MOST_NODES {
                self.coverage.skip(what, "the list is too long");
                break;
            }
            let after = match next(self, node) {
                Ok(after) => after,
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => {
                    self.coverage.skip(what, error.to_string());
                    break;
                }
            };
            nodes.push(node);
            node = after;
        }
        Ok(nodes)
    }
}
