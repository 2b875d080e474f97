//! [`path_report`]: why an object is alive, as `letgo.path/1`.
//!
//! The ways are found by `letgo_heap` on the graph alone; this names them. Where in an object the
//! pointer to the next one lies is looked up in the program's memory as it is now, and left out
//! where that does not show it any more; which field that is (see `fields`) is known where the type
//! of the object is.

use std::cell::RefCell;
use std::collections::HashMap;

use letgo_heap::{GraphOptions, Limits, Naming, ObjectId, Path, Paths, Start};
use letgo_report as out;
use letgo_target::{Addr, AddrRange, read_bytes};

use super::fields::Fields;
use super::kinds::{Called, Kinds};
use super::nearest::{advice, nearest};
use super::report::taken;
use super::roots::RootNames;
use super::sharing::Sharing;
use super::whereabouts::whereabouts;
use super::{Contents, Marked, Program, Reading, Surroundings, target};
use crate::complaint::Complaint;
use crate::own;

/// Objects of a way that are listed, half of them from its start.
const MOST_HOPS: usize = 64;
/// Kinds of ways that are listed.
const MOST_KINDS: usize = 100;
/// Bytes of an object that are looked through for a pointer.
const MOST_LOOK: u64 = 1 << 20;

/// What is to be found out why it is alive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// What lies at an address.
    Address(Addr),
    /// The same, of digits that may be meant as either.
    Digits {
        /// What they are in decimal.
        decimal: Addr,
        /// What they are in hex, where that is an address.
        hex: Option<Addr>,
    },
    /// All objects of a type.
    Type(String),
}

/// Why what is wanted is alive. `contents` are those of the program as it is now.
///
/// # Errors
/// A [`Complaint`] where there is no graph, the limits were hit, or no object has the type.
pub fn path_report(
    program: &Program,
    reading: &Reading,
    around: &Surroundings,
    wanted: &Wanted,
    contents: Option<Contents<'_>>,
    limits: Limits,
) -> Result<out::PathReport, Complaint> {
    let Some(marked) = &reading.marked else {
        let wrong = "the object graph was not read";
        return Err(Complaint::no_report(wrong, "Leave --no-pause out"));
    };
    let typed = marked.typed(program);
    let shown = contents.and_then(Contents::shown);
    let telling = Telling {
        names: RootNames::new(program, &reading.census, Some(marked)),
        kinds: Kinds::new(program, marked),
        marked,
        contents,
        fields: Fields::new(&typed, shown),
        groups: RefCell::default(),
        numbers: RefCell::default(),
    };
    let mut report = nothing_yet(program, reading, around);
    let options = GraphOptions {
        limits,
        ..GraphOptions::default()
    };
    let at = |addr| whereabouts(program, reading, &marked.graph, addr);
    let wanted = &match wanted {
        Wanted::Digits { decimal, hex } => {
            let (addr, note) = meant(*decimal, *hex, &at);
            report.asked.note = Some(note);
            Wanted::Address(addr)
        }
        other => other.clone(),
    };
    let paths = match wanted {
        Wanted::Address(addr) | Wanted::Digits { decimal: addr, .. } => {
            report.asked.address = Some(addr.to_string());
            report.place = Some(at(*addr));
            telling.to_address(*addr, &options, &mut report)
        }
        Wanted::Type(name) => {
            report.asked.type_name = Some(name.clone());
            telling.to_type(name, reading, &options, &mut report)
        }
    };
    let paths = paths.map_err(|error| {
        Complaint::no_report(
            error.to_string(),
            "Give letgo more memory, or ask a snapshot",
        )
    })?;
    if let Wanted::Type(name) = wanted
        && paths.found.objects == 0
    {
        let near = advice(&nearest(program, marked, name));
        let next = near.unwrap_or_else(|| {
            "`letgo heap TARGET` lists what there is; an address works for any object".into()
        });
        let wrong = format!("no reachable object is known to be of the type {name}");
        return Err(Complaint::no_report(wrong, next));
    }
    telling.fill(&paths, &mut report);
    Ok(report)
}

/// The report before anything is found out.
fn nothing_yet(program: &Program, reading: &Reading, around: &Surroundings) -> out::PathReport {
    out::PathReport {
        schema: out::PathReport::SCHEMA.into(),
        letgo: own::cost(),
        target: target(program, around),
        taken: taken(reading),
        asked: out::PathAsked::default(),
        place: None,
        object: None,
        reachable: None,
        instances: None,
        shared: None,
        path: None,
        kinds: Vec::new(),
        kinds_rest: None,
    }
}

/// Which address digits mean, and what they were taken as: decimal, as `--sql` writes addresses as
/// CSV and JSON, where the program has memory there; else hex.
fn meant(decimal: Addr, hex: Option<Addr>, at: &dyn Fn(Addr) -> out::Place) -> (Addr, String) {
    let has = |addr| at(addr).kind != out::PlaceKind::Unmapped;
    match (has(decimal), hex) {
        (true, Some(hex)) if has(hex) => {
            let note = format!(
                "The digits were taken as decimal; the program has memory at {hex} too: say 0x to \
                 mean that."
            );
            (decimal, note)
        }
        (true, _) | (false, None) => (decimal, "The digits were taken as decimal.".into()),
        (false, Some(hex)) => {
            let note = format!(
                "The digits were taken as hex: as decimal they are {decimal}, where the program \
                 has no memory."
            );
            (hex, note)
        }
    }
}

/// What ways are told with.
struct Telling<'a> {
    marked: &'a Marked,
    names: RootNames<'a>,
    kinds: Kinds<'a>,
    contents: Option<Contents<'a>>,
    fields: Fields<'a>,
    /// Names of roots, and their numbers.
    groups: RefCell<Vec<out::PathRoot>>,
    numbers: RefCell<HashMap<out::PathRoot, u32>>,
}

impl Telling<'_> {
    fn to_address(
        &self,
        addr: Addr,
        options: &GraphOptions<'_>,
        report: &mut out::PathReport,
    ) -> Result<Paths, letgo_heap::Error> {
        let Some(object) = self.marked.graph.object_at(addr) else {
            return Ok(Paths::default());
        };
        report.object = Some(self.held(object));
        report.reachable = Some(self.marked.reachable.has(object));
        let (graph, reachable) = (&self.marked.graph, &self.marked.reachable);
        self.named(|naming| graph.paths_to(object, reachable, naming, options))
    }

    fn to_type(
        &self,
        name: &str,
        reading: &Reading,
        options: &GraphOptions<'_>,
        report: &mut out::PathReport,
    ) -> Result<Paths, letgo_heap::Error> {
        let called = Called::new(name);
        let wanted = |object| self.kinds.is(object, &called);
        let (graph, reachable) = (&self.marked.graph, &self.marked.reachable);
        let sharing = Sharing::of(reading, self.marked, &self.names, &wanted, options.limits);
        let shared = |object| sharing.as_ref().is_some_and(|own| own.has(object));
        let find = |naming: &Naming<'_>| {
            let shared = &shared;
            let naming = Naming { shared, ..*naming };
            graph.paths_to_all(&wanted, reachable, &naming, options)
        };
        let paths = self.named(find)?;
        report.shared = sharing.map(|_| paths.kinds.iter().map(|kind| kind.shared).sum());
        report.instances = Some(out::Amount {
            count: paths.found.objects,
            slot_bytes: paths.found.bytes,
            resident_bytes: None,
        });
        Ok(paths)
    }

    /// Calls `find` with the numbers of roots and objects.
    fn named<T>(&self, find: impl FnOnce(&Naming<'_>) -> T) -> T {
        find(&Naming {
            group: &|start| self.group(start),
            kind: &|object| self.kinds.number(object),
            shared: &|_| false,
        })
    }

    /// The number of a start's name.
    fn group(&self, start: Start) -> u32 {
        let root = self.root(start);
        // A place within a variable is not told apart, nor one goroutine from another.
        let name = match (root.goroutine, root.name, root.place) {
            (Some(_), ..) => root.function,
            (None, Some(name), _) => name.split('+').next().map(str::to_owned),
            (None, None, place) => place,
        };
        let root = out::PathRoot {
            kind: root.kind,
            name,
        };
        let (mut numbers, mut groups) = (self.numbers.borrow_mut(), self.groups.borrow_mut());
        *numbers.entry(root).or_insert_with_key(|root| {
            groups.push(root.clone());
            u32::try_from(groups.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// A start in words.
    fn root(&self, start: Start) -> out::HolderRoot {
        let graph = &self.marked.graph;
        let root = match start {
            Start::Root(number) => graph.roots().get(number as usize),
            Start::Finalizer(_) => None,
        };
        let place = match start {
            Start::Finalizer(object) => graph.range_of(object),
            Start::Root(_) => None,
        };
        match root {
            Some(root) => self.names.name(root),
            None => out::HolderRoot {
                kind: out::HolderKind::Finalizer,
                name: None,
                place: place.map(|range| range.start().to_string()),
                goroutine: None,
                function: None,
                created_by: None,
                type_name: None,
                elements: None,
                stored_by: Vec::new(),
            },
        }
    }

    fn range(&self, object: ObjectId) -> AddrRange {
        self.marked.graph.range_of(object).unwrap_or_default()
    }

    fn held(&self, object: ObjectId) -> out::HeldObject {
        let range = self.range(object);
        out::HeldObject {
            address: range.start().to_string(),
            slot_bytes: range.len(),
            type_name: self.kinds.type_of(object).map(str::to_owned),
            elements: None,
        }
    }

    fn fill(&self, paths: &Paths, report: &mut out::PathReport) {
        report.path = paths.shortest.as_ref().map(|path| self.way(path));
        let (listed, rest) = paths.kinds.split_at(paths.kinds.len().min(MOST_KINDS));
        let knows = report.shared.is_some();
        report.kinds = listed.iter().map(|kind| self.kind(kind, knows)).collect();
        report.kinds_rest = (!rest.is_empty()).then(|| out::PathRest {
            kinds: rest.len() as u64,
            ways: rest.iter().map(|kind| kind.ways).sum(),
            slot_bytes: match report.object {
                Some(_) => 0,
                None => rest.iter().map(|kind| kind.bytes).sum(),
            },
        });
    }

    fn way(&self, path: &Path) -> out::PathWay {
        let count = path.objects.len();
        let more = count.saturating_sub(MOST_HOPS);
        let half = MOST_HOPS / 2;
        let mut hops = Vec::new();
        for (at, object) in path.objects.iter().enumerate() {
            if more > 0 && at >= half && at < half + more {
                continue;
            }
            let next = path.objects.get(at + 1);
            let offset = next.and_then(|next| self.offset(*object, *next));
            let start = self.range(*object).start();
            hops.push(out::Hop {
                object: self.held(*object),
                offset,
                field: offset.and_then(|offset| self.fields.at(*object, start, offset)),
            });
        }
        out::PathWay {
            root: self.root(path.start),
            guess: self.marked.graph.is_guess(path.start),
            hops,
            hops_more: more as u64,
        }
    }

    /// Where in an object a pointer to another one lies now.
    fn offset(&self, from: ObjectId, to: ObjectId) -> Option<u64> {
        let (from, to) = (self.range(from), self.range(to));
        let len = from.len().min(MOST_LOOK);
        let bytes = read_bytes(self.contents?.memory, from.start(), len, MOST_LOOK).ok()?;
        let (words, _) = bytes.as_chunks::<8>();
        let leads = |word: &[u8; 8]| to.contains(Addr(u64::from_le_bytes(*word)));
        words.iter().position(leads).map(|at| at as u64 * 8)
    }

    /// The field that each step goes on through, on the shortest of these ways.
    fn fields_of(&self, kind: &letgo_heap::PathKind) -> Vec<Option<String>> {
        let mut fields = Vec::new();
        let mut last = None;
        for (at, object) in kind.shortest.objects.iter().enumerate() {
            let next = kind.shortest.objects.get(at + 1);
            let offset = next.and_then(|next| self.offset(*object, *next));
            let field = offset.and_then(|offset| self.fields.alike(*object, offset));
            // Objects of one kind behind each other are one step, which the last of them leaves.
            let own = self.kinds.number(*object);
            if last == Some(own) {
                fields.pop();
            }
            fields.push(field);
            last = Some(own);
        }
        // Of a way so long that not all of its steps are told apart, none is matched.
        match fields.len() == kind.steps.len() {
            true => fields,
            false => Vec::new(),
        }
    }

    /// A kind of ways; whether others lead to what it leads to as well is known or not.
    fn kind(&self, kind: &letgo_heap::PathKind, knows: bool) -> out::PathKind {
        let fields = self.fields_of(kind);
        let step = |(at, step): (usize, &letgo_heap::Step)| {
            let kind = step.kind.and_then(|number| self.kinds.kind(number));
            out::PathStep {
                type_name: kind.as_ref().and_then(|kind| kind.type_name.clone()),
                slot_bytes: kind.map(|kind| kind.slot_bytes),
                repeated: step.repeated,
                field: fields.get(at).cloned().flatten(),
            }
        };
        let objects = &kind.shortest.objects;
        let last = objects.last().map(|object| self.range(*object).start());
        out::PathKind {
            root: self
                .groups
                .borrow()
                .get(kind.group as usize)
                .cloned()
                .unwrap_or(out::PathRoot {
                    kind: out::HolderKind::Several,
                    name: None,
                }),
            steps: kind.steps.iter().enumerate().map(step).collect(),
            ways: kind.ways,
            slot_bytes: kind.bytes,
            shared: knows.then_some(kind.shared),
            hops: objects.len() as u64,
            example: last.unwrap_or_default().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_decimal_where_the_program_has_memory_there_and_else_hex() {
        let (low, high) = (Addr(1000), Addr(0x1000));
        let place = |kind| out::Place {
            kind,
            what: String::new(),
            start: None,
            bytes: None,
            offset: None,
        };
        let told = |mapped: &[Addr], hex| {
            let at = |addr| {
                place(match mapped.contains(&addr) {
                    true => out::PlaceKind::Object,
                    false => out::PlaceKind::Unmapped,
                })
            };
            let (addr, note) = meant(low, hex, &at);
            (addr, note.contains("taken as decimal"), note.contains("0x"))
        };
        assert_eq!(told(&[low], Some(high)), (low, true, false));
        assert_eq!(told(&[low, high], Some(high)), (low, true, true));
        assert_eq!(told(&[high], Some(high)), (high, false, true));
        assert_eq!(told(&[], Some(high)), (high, false, true));
        assert_eq!(told(&[], None), (low, true, false));
    }
}
