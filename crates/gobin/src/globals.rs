//! [`Globals`]: where the runtime keeps its variables.
//!
//! Three sources, from the best to the worst: the symbol table, DWARF, and the instructions of
//! runtime functions that are known to use a variable ([`rules`]). All that are there are asked,
//! and their answers are compared: where rules disagree the address with the most votes wins (of
//! equals, the better source's), and the disagreement is kept.
//!
//! What the variables hold is not read here (see `goruntime`).

mod code;
mod rules;
mod table;

use std::borrow::Cow;
use std::collections::BTreeMap;

use letgo_target::Addr;
use serde::{Deserialize, Serialize};

use crate::dwarf::Sections;
use crate::functions::FunctionTable;
use crate::moduledata::Moduledata;
use crate::{Error, GoVersion, Image, symbols};

/// The variables that are looked for, by full name. Not every release has each of them.
pub const WANTED: &[&str] = &[
    "runtime.mheap_",
    "runtime.gcController",
    "runtime.memstats",
    "runtime.work",
    "runtime.allgs",
    "runtime.allglen",
    "runtime.allgptr",
    "runtime.allp",
    "runtime.allm",
    "runtime.mbuckets",
    "runtime.bbuckets",
    "runtime.xbuckets",
    "runtime.buckhash",
    "runtime.persistentChunks",
    "runtime.sched",
    "runtime.gcBitsArenas",
    "runtime.finq",
    "runtime.allfin",
    "runtime.gcCleanups",
    "runtime.spanSetBlockPool",
    "runtime.stackpool",
    "runtime.stackLarge",
    "runtime.debug",
    "runtime.scavenge",
    "runtime.scavenger",
    "runtime.forcegcperiod",
    "runtime.sweep",
    "runtime.physPageSize",
    "runtime.firstmoduledata",
    "runtime.modulesSlice",
    "runtime.emptymspan",
    "runtime.itabTable",
    "runtime.gcphase",
    "runtime.writeBarrier",
    "sync.allPools",
];

/// Some of them that were in the runtime before and after every change of its memory management.
const IN_EVERY_RELEASE: &[&str] = &["runtime.mheap_", "runtime.allgs", "runtime.gcController"];

/// How an address was found.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Rule {
    /// The symbol table.
    Symbol,
    /// A DWARF variable.
    Dwarf,
    /// It is the moduledata itself.
    Moduledata,
    /// An instruction pattern: the function and what was looked for in it.
    Disassembly(Cow<'static, str>),
}

/// An address and all that agree on it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Found {
    /// The link-time address.
    pub addr: Addr,
    /// How it was found, the best source first.
    pub by: Vec<Rule>,
}

/// Rules that gave different addresses for one variable.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Disagreement {
    /// The variable.
    pub name: String,
    /// All answers, the one that was taken first.
    pub candidates: Vec<Found>,
}

/// Where the runtime keeps its variables.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Globals {
    found: BTreeMap<String, Found>,
    disagreements: Vec<Disagreement>,
}

impl Globals {
    /// The link-time address of a variable such as `runtime.mheap_`.
    pub fn get(&self, name: &str) -> Option<Addr> {
        self.found.get(name).map(|found| found.addr)
    }

    /// Where a variable lies, and how that was found.
    pub fn found(&self, name: &str) -> Option<&Found> {
        self.found.get(name)
    }

    /// All variables that were found, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Found)> {
        let each = self.found.iter();
        each.map(|(name, found)| (name.as_str(), found))
    }

    /// Where rules contradicted each other. The caller should say so, and check what it reads.
    pub fn disagreements(&self) -> &[Disagreement] {
        &self.disagreements
    }

    /// Asks every source.
    ///
    /// # Errors
    /// Where the function table cannot be read. Damaged symbols or DWARF are only not used.
    pub(crate) fn locate(
        image: &Image,
        module: &Moduledata,
        functions: &FunctionTable,
        version: &GoVersion,
    ) -> Result<Globals, Error> {
        let mut votes = Votes::default();
        votes.add("runtime.firstmoduledata", module.addr, Rule::Moduledata);
        let wanted = |name: &[u8]| WANTED.iter().any(|known| known.as_bytes() == name);
        if image.has_symtab() {
            let _ = symbols::each(image, &wanted, &mut |name, addr, _| {
                votes.add(&String::from_utf8_lossy(name), addr, Rule::Symbol);
            });
        }
        if !votes.is_complete() && image.has_dwarf() {
            votes.add_dwarf(image, &wanted);
        }
        if !votes.is_complete() {
            rules::locate(image, module, functions, version, &mut votes)?;
        }
        Ok(votes.count())
    }
}

/// Decodes the code of a function, for fuzzing.
pub(crate) fn decode_code(entry: Addr, bytes: &[u8]) {
    code::Code::default().add(entry, bytes, &|_| true);
}

/// Answers of all sources.
#[derive(Debug, Default)]
pub(crate) struct Votes {
    by_name: BTreeMap<String, Vec<Found>>,
}

impl Votes {
    pub(crate) fn add(&mut self, name: &str, addr: Addr, rule: Rule) {
        let answers = self.by_name.entry(name.to_string()).or_default();
        match answers.iter_mut().find(|found| found.addr == addr) {
            Some(found) if found.by.contains(&rule) => {}
            Some(found) => found.by.push(rule),
            None => answers.push(Found {
                addr,
                by: vec![rule],
            }),
        }
    }

    fn add_dwarf(&mut self, image: &Image, wanted: &dyn Fn(&[u8]) -> bool) {
        let Ok(Some(sections)) = Sections::read(image) else {
            return;
        };
        let Ok(units) = sections.units() else { return };
        let _ = units.variables(&["runtime", "sync"], wanted, &mut |name, addr| {
            self.add(&String::from_utf8_lossy(name), addr, Rule::Dwarf);
        });
    }

    /// Whether the linker named the variables that every release has: then a name that is absent is
    /// one that the release has not, and nothing is left to guess.
    fn is_complete(&self) -> bool {
        let named = |found: &Found| found.by.iter().any(|rule| rule.is_linkers());
        IN_EVERY_RELEASE.iter().all(|name| {
            let answers = self.by_name.get(*name);
            answers.is_some_and(|answers| answers.iter().any(named))
        })
    }

    fn count(self) -> Globals {
        let mut globals = Globals::default();
        for (name, mut answers) in self.by_name {
            for found in &mut answers {
                found.by.sort();
            }
            answers.sort_by(|a, b| {
                let source = |found: &Found| found.by.first().map(Rule::rank);
                let votes = |found: &Found| found.by.len();
                source(a).cmp(&source(b)).then(votes(b).cmp(&votes(a)))
            });
            if let Some(best) = answers.first() {
                globals.found.insert(name.clone(), best.clone());
            }
            if answers.len() > 1 {
                globals.disagreements.push(Disagreement {
                    name,
                    candidates: answers,
                });
            }
        }
        globals
    }
}

impl Rule {
    /// Whether it is a name that the linker wrote.
    fn is_linkers(&self) -> bool {
        matches!(self, Rule::Symbol | Rule::Dwarf)
    }

    /// The linker's word comes before any guess.
    fn rank(&self) -> u8 {
        match self {
            Rule::Symbol => 0,
            Rule::Dwarf | Rule::Moduledata => 1,
            Rule::Disassembly(_) => 2,
        }
    }
}
