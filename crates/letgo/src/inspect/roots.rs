//! [`RootNames`]: what leads into the heap, in words: the variable, the goroutine, the place.
//!
//! Without symbols a variable is its place, as `data+0x1e40`.

use std::cell::OnceCell;

use letgo_gobin::Variables;
use letgo_goruntime::{Census, Goroutine};
use letgo_heap::{Root, RootKind};
use letgo_report::{HolderKind, HolderRoot};
use letgo_target::Addr;

use super::Program;
use super::stored::{Stored, stored_by};

/// Names roots of one program.
pub(super) struct RootNames<'a> {
    program: &'a Program,
    variables: Variables,
    /// By the start of their stacks.
    goroutines: Vec<&'a Goroutine>,
    /// What types of variables are said with, once that is asked for.
    stored: OnceCell<Option<Stored>>,
}

impl<'a> RootNames<'a> {
    pub(super) fn new(program: &'a Program, census: &'a Census) -> RootNames<'a> {
        let mut goroutines: Vec<&Goroutine> = census.goroutines.iter().collect();
        goroutines.sort_by_key(|one| one.stack.start());
        RootNames {
            program,
            // A table that cannot be read names nothing.
            variables: program.binary.variables().unwrap_or_default(),
            goroutines,
            stored: OnceCell::new(),
        }
    }

    fn stored(&self) -> Option<&Stored> {
        let stored = self.stored.get_or_init(|| Stored::of(&self.program.binary));
        stored.as_ref()
    }

    /// The goroutine on whose stack an address lies, as a number below that of all goroutines.
    pub(super) fn goroutine_at(&self, at: Addr) -> Option<usize> {
        let next = self
            .goroutines
            .partition_point(|one| one.stack.start() <= at);
        let own = next.checked_sub(1)?;
        let holds = self.goroutines.get(own)?.stack.contains(at);
        holds.then_some(own)
    }

    /// A root in words.
    pub(super) fn name(&self, root: &Root) -> HolderRoot {
        let linked = Addr(root.at.0.wrapping_sub(self.program.bias));
        let module = &self.program.binary.module;
        let parts = [
            ("data", module.data),
            ("bss", module.bss),
            ("noptrdata", module.noptrdata),
            ("noptrbss", module.noptrbss),
        ];
        let part = parts.iter().find(|(_, range)| range.contains(linked));
        let variable = part.and_then(|_| self.variables.at(linked));
        let goroutine = self
            .goroutine_at(root.at)
            .and_then(|own| self.goroutines.get(own));
        let stored = part.and_then(|_| self.stored());
        let binary = &self.program.binary;
        HolderRoot {
            elements: None,
            type_name: stored.and_then(|stored| stored.type_at(binary, linked)),
            stored_by: stored.map_or_else(Vec::new, |_| stored_by(binary, linked)),
            kind: kind(root.kind),
            name: variable.map(|(name, within)| match within {
                0 => name.to_owned(),
                within => format!("{name}+{within:#x}"),
            }),
            place: Some(match part {
                Some((name, range)) => format!("{name}+{:#x}", linked.since(range.start())),
                None => root.at.to_string(),
            }),
            goroutine: goroutine.map(|one| one.goid),
            function: goroutine.and_then(|one| self.function(one.start_pc)),
        }
    }

    /// The function at an address of its code.
    pub(super) fn function(&self, pc: Addr) -> Option<String> {
        Some(self.program.function_at(pc)?.name)
    }
}

fn kind(kind: RootKind) -> HolderKind {
    match kind {
        RootKind::Data => HolderKind::Data,
        RootKind::Bss => HolderKind::Bss,
        RootKind::Stack => HolderKind::Stack,
        RootKind::Finalizer => HolderKind::Finalizer,
        RootKind::FinalizerQueue => HolderKind::FinalizerQueue,
        RootKind::Cleanup => HolderKind::Cleanup,
        RootKind::CleanupQueue => HolderKind::CleanupQueue,
        RootKind::WeakHandle => HolderKind::WeakHandle,
        RootKind::StackWord => HolderKind::StackWord,
        RootKind::Register => HolderKind::Register,
    }
}
