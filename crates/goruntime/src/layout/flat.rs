//! Fields by path, and layouts cut down to what is declared.
//!
//! A path such as `scav.index.chunks` goes through structures that lie in each other by value.
//! A flattened layout holds such a path as one field, so that tables need neither the structures
//! between nor the anonymous ones, whose names are long and change with the release.

use letgo_gobin::{Field, Layouts, StructLayout};

use super::dependencies;

/// Longest path that is followed.
const MOST_STEPS: usize = 6;

/// Variables whose type has no name, and two fields each that tell the type apart.
///
/// Source: src/runtime/runtime1.go, `var debug`; src/runtime/mgcscavenge.go, `var scavenge`.
const NAMELESS: [(&str, [&str; 2]); 3] = [
    ("runtime.gcBitsArenas", ["current", "previous"]),
    ("runtime.debug", ["madvdontneed", "gctrace"]),
    ("runtime.scavenge", ["gcPercentGoal", "memoryLimitGoal"]),
];

/// Whether a structure of this name is worth decoding: it is declared, or may lie in one that is.
pub fn is_wanted(name: &str) -> bool {
    name.starts_with("struct { runtime.")
        || INNER.contains(&name)
        || dependencies().iter().any(|dep| dep.structure == name)
}

/// Structures that declared paths lead through.
const INNER: [&str; 20] = [
    "runtime.bitvector",
    "runtime.cleanupBlockHeader",
    "runtime.gcWork",
    "runtime.listHeadManual",
    "runtime.addrRanges",
    "runtime.cpuStats",
    "runtime.gList",
    "runtime.gQueue",
    "runtime.scavengeIndex",
    "runtime.stack",
    "runtime.gobuf",
    "runtime.heapArenaPtrScalar",
    // Those of what `controls` reads.
    "runtime.activeSweep",
    "runtime.mutex",
    "runtime.note",
    "runtime.piController",
    // That of what the object graph needs.
    "runtime.xRegPerG",
    // Those of what blocked goroutines need.
    "runtime.maybeTraceableChan",
    "runtime.maybeTraceablePtr",
    "runtime.waitq",
];

/// The field that `path` leads to in `structure`.
pub(super) fn field(layouts: &Layouts, structure: &str, path: &str) -> Option<Field> {
    let layout = named(layouts, structure)?;
    if let Some(field) = layout.field(path) {
        return Some(field.clone());
    }
    let mut layout = layout;
    let mut offset = 0u64;
    let mut steps = path.splitn(MOST_STEPS, '.').peekable();
    while let Some(step) = steps.next() {
        let field = layout.field(step)?;
        offset = offset.checked_add(field.offset)?;
        if steps.peek().is_none() {
            return Some(Field {
                offset,
                ..field.clone()
            });
        }
        layout = layouts.get(&field.type_name)?;
    }
    None
}

/// The structure of this name, or the nameless one that goes by it.
pub(super) fn named<'a>(layouts: &'a Layouts, name: &str) -> Option<&'a StructLayout> {
    layouts.get(name).or_else(|| {
        let (_, signs) = NAMELESS.iter().find(|known| known.0 == name)?;
        layouts
            .iter()
            .filter(|(name, _)| name.starts_with("struct {"))
            .find(|(_, layout)| signs.iter().all(|sign| layout.field(sign).is_some()))
            .map(|(_, layout)| layout)
    })
}

/// Keeps what is declared and present, each path as one field.
pub fn flatten(layouts: &Layouts) -> Layouts {
    let mut flat = Layouts::default();
    let mut current: Option<(&str, StructLayout)> = None;
    for dep in dependencies() {
        if dep.fields.is_empty() {
            if let Some((name, layout)) = current.take() {
                flat.insert(name.to_owned(), layout);
            }
            current = named(layouts, dep.structure).map(|layout| {
                let layout = StructLayout {
                    size: layout.size,
                    ..StructLayout::default()
                };
                (dep.structure, layout)
            });
        } else if let Some((name, layout)) = &mut current {
            for path in dep.fields {
                if let Some(field) = field(layouts, name, path) {
                    layout.fields.insert((*path).to_owned(), field);
                    break;
                }
            }
        }
    }
    if let Some((name, layout)) = current {
        flat.insert(name.to_owned(), layout);
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layouts() -> Layouts {
        let mut layouts = Layouts::default();
        let mut add = |name: &str, size, fields: &[(&str, u64, u64, &str)]| {
            let mut layout = StructLayout {
                size,
                ..StructLayout::default()
            };
            for (name, offset, size, type_name) in fields {
                let field = Field {
                    offset: *offset,
                    size: *size,
                    type_name: (*type_name).to_owned(),
                };
                layout.fields.insert((*name).to_owned(), field);
            }
            layouts.insert(name.to_owned(), layout);
        };
        add(
            "runtime.mheap",
            100,
            &[("pages", 8, 80, "runtime.pageAlloc")],
        );
        add(
            "runtime.pageAlloc",
            80,
            &[("inUse", 16, 40, "runtime.addrRanges")],
        );
        add(
            "runtime.addrRanges",
            40,
            &[("ranges", 0, 24, "[]runtime.addrRange")],
        );
        let debug = [("gctrace", 4, 4, "int32"), ("madvdontneed", 8, 4, "int32")];
        add(
            "struct { runtime.gctrace int32; runtime.madvdontneed int32 }",
            16,
            &debug,
        );
        layouts
    }

    #[test]
    fn a_path_adds_its_offsets() {
        let field = field(&layouts(), "runtime.pageAlloc", "inUse.ranges").unwrap();
        assert_eq!((field.offset, field.size), (16, 24));
    }

    #[test]
    fn a_nameless_type_is_known_by_its_fields() {
        let field = field(&layouts(), "runtime.debug", "madvdontneed").unwrap();
        assert_eq!(field.offset, 8);
    }

    #[test]
    fn flattened_layouts_answer_alike_and_hold_only_what_is_declared() {
        let flat = flatten(&layouts());
        let path = field(&flat, "runtime.pageAlloc", "inUse.ranges").unwrap();
        assert_eq!((path.offset, path.size), (16, 24));
        assert!(flat.get("runtime.addrRanges").is_none());
        assert!(field(&flat, "runtime.debug", "gctrace").is_some());
    }
}
