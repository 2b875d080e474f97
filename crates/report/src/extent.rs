//! [`Virtual`]: the account of a target of which nobody knows what was resident.
//!
//! A core file has no page table. What the Go runtime had taken from the kernel is known all the
//! same, to the byte, from its own structures: that is here, in bytes of address space. None of it
//! is a share of RSS, and mappings that are not the runtime's are left out, since their size says
//! nothing of what they cost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Source;

/// What the Go runtime had from the kernel, in RAM or not.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Virtual {
    /// Bytes of address space that it had taken and not given back: what the tree sums to, and
    /// `Sys` less `HeapReleased` of `runtime.MemStats`.
    pub bytes: u64,
    /// Bytes of heap that it had given back: address space without memory behind it.
    pub returned_bytes: u64,
    /// The tree. A parent equals the sum of its children.
    pub tree: Vec<VirtualNode>,
}

/// An owner of address space.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct VirtualNode {
    /// Stable id, that of the node in `rss.tree` of a running process: `heap.idle`.
    pub id: String,
    /// The words that a person reads.
    pub label: String,
    /// Bytes of address space, in RAM or not.
    pub virtual_bytes: u64,
    /// Where the number comes from.
    pub source: Source,
    /// A few words on what is special here: the worst size class, a count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What it is made of; empty at a leaf.
    pub children: Vec<VirtualNode>,
}

impl Virtual {
    /// The ends of the tree, in its order.
    pub fn leaves(&self) -> Vec<&VirtualNode> {
        let mut leaves = Vec::new();
        let mut rest: Vec<&VirtualNode> = self.tree.iter().rev().collect();
        while let Some(node) = rest.pop() {
            if node.children.is_empty() {
                leaves.push(node);
            }
            rest.extend(node.children.iter().rev());
        }
        leaves
    }
}
