//! [`Inside`]: how much is in the containers of a reading, in elements.
//!
//! Counts are read when they are asked for, of the program as it is then: what is in a container
//! may have changed since the graph was read, and what no longer agrees is left out.

use letgo_gobin::Pointee;
use letgo_heap::{Content, ObjectId, Root, RootKind, TypeKind};
use letgo_report as out;
use letgo_target::{Addr, AddrRange, ReadMemory};

use super::{Marked, Program};

/// Looks into containers.
#[derive(Clone, Copy)]
pub(super) struct Inside<'a> {
    pub(super) program: &'a Program,
    pub(super) marked: &'a Marked,
    pub(super) memory: &'a dyn ReadMemory,
}

/// Slot bytes.
fn slot(range: AddrRange) -> u64 {
    range.len()
}

impl Inside<'_> {
    /// What is in the variable's word that is a root, where that is a container.
    pub(super) fn of_root(&self, root: &Root) -> Option<out::Elements> {
        let pointee = pointee(self.program, root)?;
        let graph = &self.marked.graph;
        let content = graph.content_of_word(self.memory, &slot, root.at, pointee)?;
        self.agrees(root, &content).then(|| elements(content))
    }

    /// Whether what was read fits the object that the root led to.
    fn agrees(&self, root: &Root, content: &Content) -> bool {
        let range = self.marked.graph.object_at(root.value);
        let range = range.and_then(|object| self.marked.graph.range_of(object));
        match content {
            // Of redacted memory nothing is left but pointers.
            Content::Slice { cap, .. } => *cap > 0 && range.is_some(),
            Content::Text { len } => *len > 0 && range.is_some(),
            Content::Map(_) | Content::Chan { .. } => range.is_some(),
        }
    }

    /// What is in an object that is the header of a map or a channel.
    pub(super) fn of_object(&self, object: ObjectId) -> Option<out::Elements> {
        let typed = self.marked.typed(self.program);
        let id = typed.of(object)?;
        if !matches!(typed.kind(id), TypeKind::Map | TypeKind::Chan) {
            return None;
        }
        let graph = &self.marked.graph;
        let content = graph.content_of(self.memory, &slot, &typed, (object, id))?;
        Some(elements(content))
    }
}

/// What the executable says that a variable's word points to; types as the process has them.
pub(super) fn pointee(program: &Program, root: &Root) -> Option<Pointee> {
    if !matches!(root.kind, RootKind::Data | RootKind::Bss) {
        return None;
    }
    let known = program.binary.globals_typed().ok()?;
    let linked = Addr(root.at.0.wrapping_sub(program.bias));
    let pointee = known.pointee(linked)?;
    Some(pointee.biased(program.bias))
}

/// In the report's words.
pub(super) fn elements(content: Content) -> out::Elements {
    let of = |kind: &str, count, capacity| out::Elements {
        of: kind.into(),
        count,
        capacity,
    };
    match content {
        Content::Map(own) => of("map", own.entries, own.parts.map(|parts| parts.slots)),
        Content::Slice { len, cap } => of("slice", len, Some(cap)),
        Content::Text { len } => of("string", len, None),
        Content::Chan { len, cap } => of("chan", len, Some(cap)),
    }
}
