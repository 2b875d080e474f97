//! [`Owners`]: whom objects belong to, in words that are the same in another reading of the same
//! program: a variable, all goroutines that began with the same function, finalizers.
//!
//! Each is a group of roots for `letgo_heap::Dominators`: an object that only one of them leads to
//! is held by it.

use std::collections::{BTreeMap, HashMap};

use letgo_goruntime::{Census, Goroutine};
use letgo_heap::Root;
use letgo_report::HolderKind;
use letgo_report::units::counted;
use letgo_target::Addr;

use super::roots::RootNames;

/// Who leads to objects.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Owner {
    /// What it is.
    pub(super) kind: OwnerKind,
    /// Its name, or its place where it has none.
    pub(super) name: String,
    /// Where a variable lies.
    pub(super) place: Option<String>,
}

/// What somebody is that leads to objects.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum OwnerKind {
    /// A package-level variable.
    Variable,
    /// All goroutines that began with the same function.
    Goroutines,
    /// Finalizers, cleanups, weak pointers: what the runtime keeps for them.
    Special,
    /// Words of threads that may be no pointers.
    Guess,
    /// More than one of the others.
    Several,
}

impl OwnerKind {
    /// The word in JSON.
    pub(super) fn word(self) -> &'static str {
        match self {
            OwnerKind::Variable => "variable",
            OwnerKind::Goroutines => "goroutines",
            OwnerKind::Special => "special",
            OwnerKind::Guess => "guess",
            OwnerKind::Several => "several",
        }
    }
}

/// All owners of one reading.
pub(super) struct Owners {
    /// Each, by its number.
    pub(super) all: Vec<Owner>,
    /// By number: goroutines of it, where it is those.
    pub(super) goroutines: Vec<u64>,
    /// By number: where goroutines of it were started, in words.
    pub(super) started: Vec<Option<String>>,
    /// The owner of each root of the graph.
    pub(super) of_root: Vec<u32>,
}

impl Owners {
    /// Of these roots.
    pub(super) fn of(roots: &[Root], census: &Census, names: &RootNames<'_>) -> Owners {
        let mut finding = Finding {
            names,
            census,
            numbers: HashMap::new(),
            by_start: HashMap::new(),
            all: Vec::new(),
        };
        let of_root = roots.iter().map(|root| finding.number(root)).collect();
        let mut goroutines = vec![0; finding.all.len()];
        let mut places = vec![BTreeMap::new(); finding.all.len()];
        for one in &census.goroutines {
            let own = finding.by_start.get(&one.start_pc).map(|own| *own as usize);
            if let Some(count) = own.and_then(|own| goroutines.get_mut(own)) {
                *count += 1;
            }
            if let Some(places) = own.and_then(|own| places.get_mut(own)) {
                places.entry(one.go_pc).or_insert(one);
            }
        }
        let places = places.iter().map(BTreeMap::values);
        Owners {
            started: places.map(|each| started(names, each.copied())).collect(),
            all: finding.all,
            goroutines,
            of_root,
        }
    }
}

impl Owners {
    /// The first root of each owner, by number, and how many it has.
    pub(super) fn firsts<'a>(&self, roots: &'a [Root]) -> HashMap<u32, (&'a Root, u64)> {
        let mut firsts = HashMap::new();
        for (root, owner) in roots.iter().zip(&self.of_root) {
            firsts.entry(*owner).or_insert((root, 0)).1 += 1;
        }
        firsts
    }
}

/// Where goroutines were started, one of each statement.
fn started<'a>(names: &RootNames<'_>, each: impl Iterator<Item = &'a Goroutine>) -> Option<String> {
    let mut places = each.filter_map(|one| names.created_by(one));
    let first = places.next()?;
    let file = first.file.rsplit('/').next().unwrap_or_default();
    let place = format!("{} ({file}:{})", first.function, first.line);
    Some(match places.count() {
        0 => place,
        more => format!("{place} and {}", counted(more as u64, "more place")),
    })
}

struct Finding<'a> {
    names: &'a RootNames<'a>,
    census: &'a Census,
    numbers: HashMap<Owner, u32>,
    /// Owners that are goroutines, by where these began.
    by_start: HashMap<Addr, u32>,
    all: Vec<Owner>,
}

impl Finding<'_> {
    fn number(&mut self, root: &Root) -> u32 {
        let goroutine = root
            .goroutine()
            .and_then(|own| self.census.goroutines.get(own as usize));
        let Some(goroutine) = goroutine else {
            let owner = owner(root, self.names);
            return self.enter(owner);
        };
        if let Some(known) = self.by_start.get(&goroutine.start_pc) {
            return *known;
        }
        let function = self.names.started_with(goroutine.start_pc);
        let number = self.enter(Owner {
            kind: OwnerKind::Goroutines,
            name: function.unwrap_or_else(|| goroutine.start_pc.to_string()),
            place: None,
        });
        self.by_start.insert(goroutine.start_pc, number);
        number
    }

    fn enter(&mut self, owner: Owner) -> u32 {
        let next = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let all = &mut self.all;
        *self.numbers.entry(owner.clone()).or_insert_with(|| {
            all.push(owner);
            next
        })
    }
}

/// Who leads to objects by a root that is no goroutine's.
fn owner(word: &Root, names: &RootNames<'_>) -> Owner {
    let root = names.name(word);
    let named = |kind, name: String| Owner {
        kind,
        name,
        place: None,
    };
    match root.kind {
        HolderKind::Data | HolderKind::Bss => {
            // A variable of several words is one.
            let name = root.name.as_deref().map(|name| whole(name).to_owned());
            let place = names.variable_of(word).or(root.place).unwrap_or_default();
            Owner {
                kind: OwnerKind::Variable,
                place: name.is_none().then(|| place.clone()),
                name: name.unwrap_or(place),
            }
        }
        _ if word.kind.is_guess() => named(OwnerKind::Guess, "registers of threads".into()),
        other => {
            let what = other.as_str().replace('-', " ");
            match root.function {
                Some(function) => named(OwnerKind::Special, format!("{what} {function}")),
                None => named(OwnerKind::Special, what),
            }
        }
    }
}

/// The variable of `main.cache+0x8`.
pub(super) fn whole(name: &str) -> &str {
    name.rsplit_once("+0x")
        .map_or(name, |(variable, _)| variable)
}
