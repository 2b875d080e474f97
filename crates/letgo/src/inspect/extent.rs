//! [`extent`]: what the Go runtime had, where nobody knows what of it was resident.
//!
//! A core has no page table. Leaves that the runtime's own structures account for have their
//! virtual bytes all the same, equal to its counters; those that were given back are no memory.
//! All others are left out: how much of a mapping was ever touched, its size does not say.

use letgo_account::{Account, Group, Leaf, Node, Tally};
use letgo_report as out;

use super::Reading;
use super::report::{hint, source};

/// Leaves of the runtime's groups that are no memory, or that it does not count.
const BESIDE: [Leaf; 3] = [
    Leaf::HeapReturnedResident,
    Leaf::StacksOsThread,
    Leaf::RuntimeUncounted,
];

/// Bytes that a leaf had of the kernel, as far as the runtime says so.
pub(super) fn of(leaf: Leaf, tally: Tally) -> u64 {
    match leaf {
        _ if BESIDE.contains(&leaf) => 0,
        _ if matches!(leaf.group(), Group::Heap | Group::Stacks | Group::Runtime) => tally.virt.0,
        _ => 0,
    }
}

/// All of it: `Sys` less `HeapReleased` of `runtime.MemStats`.
pub(super) fn bytes(account: &Account) -> u64 {
    let leaves = Leaf::ALL.into_iter();
    leaves.map(|leaf| of(leaf, account.leaf(leaf))).sum()
}

/// The same as a tree.
pub(super) fn extent(reading: &Reading) -> out::Virtual {
    let tree: Vec<out::VirtualNode> = reading
        .account
        .tree
        .children
        .iter()
        .filter_map(|group| branch(group, reading))
        .collect();
    let returned = reading.account.leaf(Leaf::HeapReturnedResident);
    out::Virtual {
        bytes: tree.iter().map(|node| node.virtual_bytes).sum(),
        returned_bytes: returned.virt.0,
        tree,
    }
}

/// A group of leaves that count; nothing where none does.
fn branch(group: &Node, reading: &Reading) -> Option<out::VirtualNode> {
    let children: Vec<out::VirtualNode> = group
        .children
        .iter()
        .filter_map(|leaf| end(leaf, reading))
        .collect();
    let counted = matches!(group.id, "heap" | "stacks" | "runtime");
    (counted && !children.is_empty()).then(|| out::VirtualNode {
        virtual_bytes: children.iter().map(|leaf| leaf.virtual_bytes).sum(),
        ..node(group, reading, children)
    })
}

fn end(leaf: &Node, reading: &Reading) -> Option<out::VirtualNode> {
    let is_beside = BESIDE.iter().any(|other| other.id() == leaf.id);
    (!is_beside).then(|| node(leaf, reading, Vec::new()))
}

fn node(node: &Node, reading: &Reading, children: Vec<out::VirtualNode>) -> out::VirtualNode {
    out::VirtualNode {
        id: node.id.into(),
        label: node.label.into(),
        virtual_bytes: node.tally.virt.0,
        source: source(node.source),
        hint: hint(node.id, reading),
        children,
    }
}
