//! [`Rss`]: the account of resident bytes as a tree, its size classes and its equalities.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Source;

/// Where the resident bytes belong.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Rss {
    /// The kernel's `Rss`, the sum over `smaps`.
    pub bytes: u64,
    /// Swapped out: beside the resident bytes, not among them.
    pub swap_bytes: u64,
    /// Resident os pages of 4 KiB.
    pub os_pages: u64,
    /// What the tree explains.
    pub attributed_bytes: u64,
    /// What it does not explain.
    pub unattributed_bytes: u64,
    /// The tree. A parent equals the sum of its children.
    pub tree: Vec<Node>,
}

impl Rss {
    /// The ends of the tree, in its order.
    pub fn leaves(&self) -> Vec<&Node> {
        let mut leaves = Vec::new();
        let mut rest: Vec<&Node> = self.tree.iter().rev().collect();
        while let Some(node) = rest.pop() {
            if node.children.is_empty() {
                leaves.push(node);
            }
            rest.extend(node.children.iter().rev());
        }
        leaves
    }

    /// The node with this id.
    pub fn node(&self, id: &str) -> Option<&Node> {
        let mut rest: Vec<&Node> = self.tree.iter().collect();
        while let Some(node) = rest.pop() {
            if node.id == id {
                return Some(node);
            }
            rest.extend(&node.children);
        }
        None
    }

    /// Resident bytes of the node with this id, 0 where the tree has none.
    pub fn resident(&self, id: &str) -> u64 {
        self.node(id).map_or(0, |node| node.resident_bytes)
    }
}

/// An owner of memory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Node {
    /// Stable id: `heap.idle`.
    pub id: String,
    /// The words that a person reads.
    pub label: String,
    /// Bytes in RAM. A page that two owners share is split at the byte.
    pub resident_bytes: u64,
    /// Bytes of address space, in RAM or not.
    pub virtual_bytes: u64,
    /// Bytes swapped out.
    pub swap_bytes: u64,
    /// Where the number comes from.
    pub source: Source,
    /// A few words on what is special here: the worst size class, a count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The largest pieces, most resident first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub largest: Vec<Piece>,
    /// What it is made of; empty at a leaf.
    pub children: Vec<Node>,
}

/// One piece of a leaf: a mapping, or a part of one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Piece {
    /// Where it starts, as a hex string.
    pub address: String,
    /// Its name: a file, `[heap]`, or what the runtime calls it.
    pub what: String,
    /// Bytes in RAM.
    pub resident_bytes: u64,
    /// Bytes of address space.
    pub virtual_bytes: u64,
}

/// Slots of one size, over all heap spans in use.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct SizeClass {
    /// Number of the class; 0 is one object a span, of any size.
    pub class: u32,
    /// Bytes of a slot; 0 for class 0.
    pub slot_bytes: u64,
    /// Spans in use.
    pub spans: u64,
    /// Slots in them.
    pub slots: u64,
    /// Slots that hold an object.
    pub used_slots: u64,
    /// Resident bytes of these spans; absent of a core file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident_bytes: Option<u64>,
    /// Resident bytes of free slots and span tails: kept, and used by nobody. Absent of a core
    /// file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_resident_bytes: Option<u64>,
}

/// One of our sums beside a counter that the runtime keeps itself.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Equality {
    /// The counter, by its name in `runtime.MemStats`: `HeapInuse`.
    pub name: String,
    /// Ours, in bytes.
    pub ours: u64,
    /// The runtime's, in bytes.
    pub runtime: u64,
}
