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

/// Builds the whole tree; `walk` is the source of what was walked, `reached` says that the graph
/// told objects and garbage apart.
pub(crate) fn build(tallies: &Tallies, walk: Source, reached: bool) -> Node {
    let children = Group::ALL.map(|group| build_group(group, tallies, walk, reached));
    parent("rss", "resident", children.into())
}

/// Whether a leaf is in the tree: of objects and reachable objects there is one, unless the graph
/// did not know all spans.
fn is_shown(leaf: Leaf, tallies: &Tallies, reached: bool) -> bool {
    match leaf {
        Leaf::HeapReachable => reached,
        Leaf::HeapObjects => !reached || tallies.of(leaf) != Tally::default(),
        _ => true,
    }
}

fn label(leaf: Leaf, reached: bool) -> &'static str {
    match leaf {
        Leaf::HeapGarbage if reached => "garbage, next GC takes it",
        Leaf::HeapObjects if reached => "objects the graph does not know",
        _ => leaf.label(),
    }
}

fn build_group(group: Group, tallies: &Tallies, walk: Source, reached: bool) -> Node {
    let leaves = Leaf::ALL.into_iter().filter(|leaf| leaf.group() == group);
    let mut nodes: Vec<Node> = leaves
        .filter(|leaf| is_shown(*leaf, tallies, reached))
        .map(|leaf| Node {
            id: leaf.id(),
            label: label(leaf, reached),
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
