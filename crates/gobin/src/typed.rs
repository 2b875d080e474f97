//! [`GlobalTypes`]: what the package-level variables of a program point to, by their words.
//!
//! With DWARF the types of variables are known ([`dwarf`]). Without, the program's own code says
//! some of it: the compiler passes types to the runtime where it makes objects, slices, maps and
//! channels, and what is made is stored into variables, or what variables hold is passed along
//! with a type ([`scan`], [`flow`]). Only what is said without contradiction is told.
//!
//! Does not read a process: what a variable holds now may be nil, or an object of a later time.
//!
//! Invariants: every type is one of the program's own descriptors; every word lies in a variable
//! with pointers; lists are in order of address.
//!
//! Source: see [`flow`] and [`callees`].

mod callees;
mod dwarf;
mod evidence;
mod flow;
mod scan;
mod value;

use std::collections::BTreeSet;

use letgo_target::{Addr, AddrRange, SliceMemory, read_bytes};

use crate::types::Types;
use crate::{Error, GoBinary};
use callees::Callees;
use evidence::Evidence;
use flow::Program;
use scan::Text;

/// Most bytes of text that are looked at, and most of initial data.
const MOST_TEXT_BYTES: u64 = 1 << 30;
const MOST_DATA_BYTES: u64 = 256 << 20;

/// What a word points to. Types are link-time addresses of their descriptors.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Pointee {
    /// One value of that type.
    Ptr(Addr),
    /// An array of elements of that type; the word is the first of a slice.
    Slice(Addr),
    /// A map of that map type.
    Map(Addr),
    /// A channel of that channel type.
    Chan(Addr),
    /// A function value.
    Func,
    /// The bytes of a string; the word is the first of it.
    Str,
    /// Nothing on the heap: the type, or the itab, of an interface. The next word points to its
    /// value.
    Iface,
}

impl Pointee {
    /// The same with the type's address in a process that is loaded so far from where the file
    /// says.
    #[must_use]
    pub fn biased(self, bias: u64) -> Pointee {
        match self {
            Pointee::Ptr(of) => Pointee::Ptr(of.biased(bias)),
            Pointee::Slice(of) => Pointee::Slice(of.biased(bias)),
            Pointee::Map(of) => Pointee::Map(of.biased(bias)),
            Pointee::Chan(of) => Pointee::Chan(of.biased(bias)),
            Pointee::Func | Pointee::Str | Pointee::Iface => self,
        }
    }
}

/// A variable whose type DWARF tells.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TypedVariable {
    /// Where it lies; empty where DWARF does not tell its size.
    pub range: AddrRange,
    /// Its full name: `main.keep`.
    pub name: String,
    /// The name of its type: `[]*main.Node`.
    pub type_name: String,
    /// The descriptor of its type, where the program has one.
    pub descriptor: Option<Addr>,
}

/// A type that the program has no descriptor of, as DWARF lays it out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shape {
    /// Its name: `main.Cache`.
    pub name: String,
    /// Bytes of a value.
    pub bytes: u64,
    /// What words of a value point to, by offset.
    pub words: Vec<(u64, Pointee)>,
    /// Words that point to a value of another such type, by offset: which of all shapes.
    pub leads: Vec<(u64, usize)>,
}

/// What is known of variables. Link-time addresses.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GlobalTypes {
    /// What words of variables point to.
    pub pointees: Vec<(Addr, Pointee)>,
    /// Variables whose types DWARF tells.
    pub variables: Vec<TypedVariable>,
    /// Types without a descriptor that variables point to.
    pub shapes: Vec<Shape>,
    /// Words of variables that point to one of these, in order.
    pub leads: Vec<(Addr, usize)>,
    /// Where the code stores into a word, or into what it points to: one instruction a function.
    pub stores: Vec<(Addr, Addr)>,
    /// Types of closures, by the entry of their function.
    pub closures: Vec<(Addr, Addr)>,
    /// Words that were left out because there are contradictions about them.
    pub conflicts: usize,
}

impl GlobalTypes {
    /// What the word of a variable points to.
    pub fn pointee(&self, word: Addr) -> Option<Pointee> {
        let found = self.pointees.binary_search_by_key(&word, |known| known.0);
        let known = found.ok().and_then(|index| self.pointees.get(index))?;
        Some(known.1)
    }

    /// The shape of what the word of a variable points to.
    pub fn shape(&self, word: Addr) -> Option<usize> {
        let found = self.leads.binary_search_by_key(&word, |known| known.0);
        found.ok().and_then(|index| Some(self.leads.get(index)?.1))
    }

    /// Instructions that store into a word of a variable, or into what it points to.
    pub fn stores_into(&self, word: Addr) -> impl Iterator<Item = Addr> + '_ {
        let first = self.stores.partition_point(|store| store.0 < word);
        let rest = self.stores.get(first..).unwrap_or_default();
        let own = rest.iter().take_while(move |store| store.0 == word);
        own.map(|store| store.1)
    }

    /// The variable that an address lies in.
    pub fn variable(&self, addr: Addr) -> Option<&TypedVariable> {
        let next = self
            .variables
            .partition_point(|one| one.range.start() <= addr);
        let own = self.variables.get(next.checked_sub(1)?)?;
        own.range.contains(addr).then_some(own)
    }

    /// Takes what another source says, which knows better.
    fn prefer(&mut self, better: GlobalTypes) {
        // A variable whose type is known is known in all its words. Programs of up to Go 1.21 that
        // C's linker made have no addresses of types in their DWARF: only words are known then.
        let described = better.variables.iter();
        let described = described.filter(|one| one.descriptor.is_some());
        let known: Vec<AddrRange> = described.map(|one| one.range).collect();
        let said: BTreeSet<Addr> = better.pointees.iter().map(|own| own.0).collect();
        let covered = |word: Addr| {
            let next = known.partition_point(|range| range.start() <= word);
            let own = next.checked_sub(1).and_then(|index| known.get(index));
            own.is_some_and(|range| range.contains(word))
        };
        self.pointees
            .retain(|own| !covered(own.0) && !said.contains(&own.0));
        self.pointees.extend(better.pointees);
        self.pointees.sort();
        self.variables = better.variables;
        self.shapes = better.shapes;
        self.leads = better.leads;
    }
}

impl GoBinary {
    /// What variables point to, by DWARF where there is some, and by the program's code; found out
    /// when it is first asked for.
    ///
    /// Decodes the whole text once, on all cores.
    ///
    /// # Errors
    /// Where text, types or the function table cannot be read. Damaged DWARF is only not used.
    pub fn globals_typed(&self) -> Result<&GlobalTypes, Error> {
        let found = self.typed.get_or_init(|| {
            let mut found = self.globals_by_code()?;
            if let Ok(Some(better)) = self.globals_by_dwarf() {
                found.prefer(better);
            }
            Ok(found)
        });
        found.as_ref().map_err(Error::clone)
    }

    /// The same by the program's code alone, as of a stripped program.
    ///
    /// # Errors
    /// As [`GoBinary::globals_typed`].
    pub fn globals_by_code(&self) -> Result<GlobalTypes, Error> {
        let module = &self.module;
        let program = Program {
            callees: Callees::find(&self.functions, &self.build.version)?,
            variables: [module.data, module.bss],
            types: self.types()?,
            text: module.text,
            constants: self.constants(),
        };
        let entries = self.functions.entries();
        let (start, len) = (module.text.start(), module.text.len());
        let bytes = read_bytes(&self.image, start, len, MOST_TEXT_BYTES)?;
        let text = Text {
            start,
            bytes: &bytes,
            entries: &entries,
        };
        let said = scan::scan(&program, &text);
        let mut evidence = Evidence::new(&program, &self.image, &entries);
        evidence.add(&said);
        let data = module.data;
        let initial = read_bytes(&self.image, data.start(), data.len(), MOST_DATA_BYTES)?;
        evidence.add_initial(data.start(), &initial);
        Ok(evidence.weigh())
    }

    /// Where constants that variables can point to may lie: whatever is not a variable.
    fn constants(&self) -> Vec<AddrRange> {
        let segments = self.image.segments().iter();
        let held = segments.filter(|segment| !segment.execute);
        held.map(|segment| AddrRange::sized(segment.range.start(), segment.file_len))
            .collect()
    }

    /// What DWARF says, if there is any: of variables and their words.
    ///
    /// # Errors
    /// Where DWARF or the types cannot be read.
    pub fn globals_by_dwarf(&self) -> Result<Option<GlobalTypes>, Error> {
        dwarf::read(self, &self.types()?)
    }
}

/// Follows the code of one function, for fuzzing.
pub(crate) fn follow_code(entry: Addr, bytes: &[u8]) {
    let whole = AddrRange::new(Addr(0), Addr(u64::MAX));
    let program = Program {
        callees: Callees::default(),
        variables: [whole, whole],
        types: Types::none(),
        text: whole,
        constants: Vec::new(),
    };
    let said = scan::scan_one(&program, entry, bytes);
    let entries = [entry];
    let nothing = SliceMemory::default();
    let mut evidence = Evidence::new(&program, &nothing, &entries);
    evidence.add(&said);
    evidence.weigh();
}
