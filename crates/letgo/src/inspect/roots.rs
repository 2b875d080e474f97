//! [`RootNames`]: what leads into the heap, in words: the variable, the goroutine, the place.
//!
//! Without symbols a variable is its place, as `data+0x1e40`.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use letgo_gobin::Variables;
use letgo_goruntime::{Census, Goroutine};
use letgo_heap::{Root, RootKind};
use letgo_report::{HolderKind, HolderRoot, Location};
use letgo_target::Addr;

use super::goroutines::Places;
use super::owners::whole;
use super::statics::Statics;
use super::stored::{Stored, stored_by};
use super::{Marked, Program};

/// Names roots of one program.
pub(super) struct RootNames<'a> {
    program: &'a Program,
    variables: Variables,
    /// By the start of their stacks.
    goroutines: Vec<&'a Goroutine>,
    /// What types of variables are said with, once that is asked for.
    stored: OnceCell<Option<Stored>>,
    /// What knows which variables lead to values beside the heap.
    marked: Option<&'a Marked>,
    /// How goroutines were started, once that is asked for.
    begun: OnceCell<Begun>,
}

/// How goroutines were started.
#[derive(Default)]
struct Begun {
    /// The function, by where they began.
    started: HashMap<Addr, String>,
    /// The `go` statement, by where it returns to.
    created: HashMap<Addr, Location>,
}

impl<'a> RootNames<'a> {
    pub(super) fn new(
        program: &'a Program,
        census: &'a Census,
        marked: Option<&'a Marked>,
    ) -> RootNames<'a> {
        let mut goroutines: Vec<&Goroutine> = census.goroutines.iter().collect();
        goroutines.sort_by_key(|one| one.stack.start());
        RootNames {
            program,
            // A table that cannot be read names nothing.
            variables: program.binary.variables().unwrap_or_default(),
            goroutines,
            stored: OnceCell::new(),
            marked,
            begun: OnceCell::new(),
        }
    }

    fn stored(&self) -> Option<&Stored> {
        let stored = self.stored.get_or_init(|| Stored::of(&self.program.binary));
        stored.as_ref()
    }

    fn statics(&self) -> Option<&Statics> {
        self.marked.map(|marked| marked.statics(self.program))
    }

    /// The variable that leads to a value without a name, and how far an address lies in that.
    fn leads_to(&self, linked: Addr) -> Option<(Addr, u64)> {
        match self.variables.at(linked) {
            Some(_) => None,
            None => self.statics()?.owner(linked),
        }
    }

    /// Where the variable lies whose word a root is, or a word of what only it leads to.
    pub(super) fn variable_of(&self, root: &Root) -> Option<String> {
        let linked = self.linked(root.at);
        let place = self.place(linked)?;
        Some(match self.leads_to(linked) {
            Some((variable, _)) => format!("*{}", self.place(variable)?),
            None => match self.variables.at(linked) {
                Some((_, within)) => self.place(Addr(linked.0 - within))?,
                None => place,
            },
        })
    }

    fn linked(&self, at: Addr) -> Addr {
        Addr(at.0.wrapping_sub(self.program.bias))
    }

    /// An address in a section of variables: `bss+0x18`.
    fn place(&self, linked: Addr) -> Option<String> {
        let module = &self.program.binary.module;
        let parts = [
            ("data", module.data),
            ("bss", module.bss),
            ("noptrdata", module.noptrdata),
            ("noptrbss", module.noptrbss),
        ];
        let (name, range) = parts
            .into_iter()
            .find(|(_, range)| range.contains(linked))?;
        Some(format!("{name}+{:#x}", linked.since(range.start())))
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
        let linked = self.linked(root.at);
        let place = self.place(linked);
        let (name, type_name) = match place {
            Some(_) => self.name_and_type(linked),
            None => (None, None),
        };
        let goroutine = self
            .goroutine_at(root.at)
            .and_then(|own| self.goroutines.get(own));
        HolderRoot {
            elements: None,
            type_name,
            stored_by: match (&place, self.stored()) {
                (Some(_), Some(_)) => stored_by(&self.program.binary, linked),
                _ => Vec::new(),
            },
            kind: kind(root.kind),
            name,
            place: Some(place.unwrap_or_else(|| root.at.to_string())),
            goroutine: goroutine.map(|one| one.goid),
            function: goroutine.and_then(|one| self.started_with(one.start_pc)),
            created_by: goroutine.and_then(|one| self.created_by(one)),
        }
    }

    /// The whole variable that a root is a word of, in words.
    pub(super) fn whole(&self, root: &Root) -> HolderRoot {
        let mut named = self.name(root);
        let linked = self.linked(root.at);
        let Some(name) = named.name.take() else {
            return named;
        };
        named.name = Some(whole(&name).to_owned());
        if let Some((_, within)) = self.leads_to(linked) {
            let first = Addr(linked.0 - within);
            named.place = self.place(first);
            let statics = self.statics();
            let own = statics.and_then(|statics| statics.type_at(first));
            named.type_name = own.map(str::to_owned);
        } else if let Some((_, within)) = self.variables.at(linked) {
            let first = Addr(linked.0 - within);
            named.place = self.place(first);
            (_, named.type_name) = self.name_and_type(first);
        }
        named
    }

    /// The name of the variable that a word is of, and the type of what is there.
    fn name_and_type(&self, linked: Addr) -> (Option<String>, Option<String>) {
        let told = |name: &str, within: u64| match within {
            0 => name.to_owned(),
            within => format!("{name}+{within:#x}"),
        };
        let stored = self.stored();
        if let Some((variable, within)) = self.leads_to(linked) {
            let variable = self.variables.at(variable);
            let name = variable.map(|(name, _)| told(&format!("*{name}"), within));
            let pointee = self.statics().and_then(|statics| statics.pointee(linked));
            let own = stored.and_then(|stored| stored.types.name_of_pointee(pointee?));
            return (name, own);
        }
        let variable = self.variables.at(linked);
        let own = stored.and_then(|stored| stored.type_at(&self.program.binary, linked));
        (variable.map(|(name, within)| told(name, within)), own)
    }

    /// The function that goroutines which began at `start` were started with, named as `letgo
    /// goroutines` names it.
    pub(super) fn started_with(&self, start: Addr) -> Option<String> {
        let told = self.begun().started.get(&start).cloned();
        told.or_else(|| self.function(start))
    }

    fn begun(&self) -> &Begun {
        self.begun.get_or_init(|| {
            let gofunc = self.program.binary.gofunc_offset();
            let places = Places::new(self.program, gofunc).ok();
            places
                .map(|places| Begun::of(&self.goroutines, places))
                .unwrap_or_default()
        })
    }

    /// The `go` statement that started it; the first goroutine has none.
    pub(super) fn created_by(&self, one: &Goroutine) -> Option<Location> {
        if one.goid == 1 {
            return None;
        }
        self.begun().created.get(&one.go_pc).cloned()
    }

    /// The function at an address of its code.
    pub(super) fn function(&self, pc: Addr) -> Option<String> {
        Some(self.program.function_at(pc)?.name)
    }
}

impl Begun {
    fn of(goroutines: &[&Goroutine], mut places: Places<'_>) -> Begun {
        let starts: HashSet<Addr> = goroutines.iter().map(|one| one.start_pc).collect();
        let created: HashSet<Addr> = goroutines.iter().map(|one| one.go_pc).collect();
        let started = starts.into_iter();
        let started = started.filter_map(|pc| Some((pc, places.started_with(pc)?)));
        Begun {
            started: started.collect(),
            created: created
                .into_iter()
                .filter_map(|pc| Some((pc, places.created_by(pc)?)))
                .collect(),
        }
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
