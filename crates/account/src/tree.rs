//! [`Node`]: the account as a tree in which a parent equals the sum of its children, exactly.

use crate::tally::{Tallies, Tally};
use crate::{Group, Leaf};

/// Where a figure comes from, the most trustworthy first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Source {
    /// The kernel: mappings and page table.
    Kernel,
    /// A counter of the runtime.
    RuntimeCounter,
    /// A walk over structures of a target that did not run meanwhile.
    WalkFrozen,
    /// A walk over structures of a target that ran meanwhile.
    WalkRunning,
    /// Computed from others.
    Derived,
}

/// One node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// The id in JSON, stable: `heap`, `heap.idle`.
    pub id: &'static str,
    /// The words that a person reads.
    pub label: &'static str,
    /// Bytes, children included.
    pub tally: Tally,
    /// Where the figures come from.
    pub source: Source,
    /// Its parts, empty for a leaf.
    pub children: Vec<Node>,
}

/// Builds the whole tree; `walk` is the source of what was walked.
pub(crate) fn build(tallies: &Tallies, walk: Source) -> Node {
    let children = Group::ALL.map(|group| build_group(group, tallies, walk));
    parent("rss", "resident", children.into())
}

fn build_group(group: Group, tallies: &Tallies, walk: Source) -> Node {
    let leaves = Leaf::ALL.into_iter().filter(|leaf| leaf.group() == group);
    let mut nodes: Vec<Node> = leaves
        .map(|leaf| Node {
            id: leaf.id(),
            label: leaf.label(),
            tally: tallies.of(leaf),
            source: source(leaf, walk),
            children: Vec::new(),
        })
        .collect();
    match nodes.pop() {
        Some(only) if nodes.is_empty() && only.id == group.id() => only,
        last => {
            nodes.extend(last);
            parent(group.id(), group.label(), nodes)
        }
    }
}

fn parent(id: &'static str, label: &'static str, children: Vec<Node>) -> Node {
    let mut tally = Tally::default();
    for child in &children {
        tally += child.tally;
    }
    Node {
        id,
        label,
        tally,
        source: Source::Derived,
        children,
    }
}

fn source(leaf: Leaf, walk: Source) -> Source {
    match leaf.group() {
        Group::Heap | Group::Runtime | Group::Cgo => walk,
        Group::Stacks if leaf != Leaf::StacksOsThread => walk,
        Group::Unattributed => Source::Derived,
        _ => Source::Kernel,
    }
}
