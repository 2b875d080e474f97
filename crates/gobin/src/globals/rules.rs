//! The rules that find the runtime's variables in a stripped program.
//!
//! A row names a variable, the releases that it holds for, and a pattern: which functions of the
//! runtime use the variable, and how. Patterns are sets of uses rather than sequences of
//! instructions, because sets survive inlining, register allocation and reordering. A pattern
//! that fits no address, or several, or whose functions are missing (inlined away, or not linked),
//! says nothing. [`super::Votes`] weighs what the rest says.
//!
//! Source: src/runtime (the functions that the rows name) and src/sync/pool.go, go1.19 to go1.27.
//! Every row was checked against the symbol tables of programs built by each of these releases.

use std::collections::BTreeSet;
use std::fmt;

use letgo_target::{Addr, ReadMemory, read_u64};
use rustc_hash::{FxHashMap, FxHashSet};

use super::code::{Access, Code};
use super::table::TABLE;
use super::{Rule, Votes};
use crate::functions::FunctionTable;
use crate::moduledata::Moduledata;
use crate::{Error, GoVersion, Image};

/// Most bytes of a function that are decoded; the largest that the rows name has 10 KB.
const MOST_CODE_BYTES: u64 = 1 << 20;
const WORD: u64 = 8;

/// The uses of one kind in one function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pick(pub(super) &'static str, pub(super) Use);

/// A kind of use.
#[derive(Clone, Copy, Debug)]
pub(super) enum Use {
    Any,
    Load,
    Store,
    Clear,
    Compare,
    Address,
}

impl Use {
    fn fits(self, access: Access) -> bool {
        match self {
            Use::Any => true,
            Use::Load => access == Access::Load,
            Use::Store => matches!(access, Access::Store | Access::Clear),
            Use::Clear => access == Access::Clear,
            Use::Compare => access == Access::Compare,
            Use::Address => access == Access::Address,
        }
    }
}

/// What to look for. Each gives one address or none.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pattern {
    /// The only address that is in all picks.
    Only(&'static [Pick]),
    /// The only address that is in all of the first picks and in none of the second.
    But(&'static [Pick], &'static [Pick]),
    /// The start of the only run of that many consecutive words in all of the first picks and in
    /// none of the second; longer and shorter runs do not count.
    Run(u64, &'static [Pick], &'static [Pick]),
    /// What is used so in a function, counted from 0 in code order, repetitions included.
    Nth(Pick, usize),
    /// The first argument of the calls from one function to another, if it is always the same.
    Argument(&'static str, &'static str),
    /// The address taken in an arm (from 0) of the only switch with that many arms.
    Arm(&'static str, usize, usize),
    /// The only address of the first pick that has one of the second that far behind it.
    Apart(Pick, Pick, u64),
    /// The only address of the first pick that lies at most that far before one in all of the
    /// second, without being one itself.
    Before(Pick, &'static [Pick], u64),
    /// The only address in the pick whose initial value is this.
    Initial(Pick, u64),
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// The variable.
    pub(super) name: &'static str,
    /// The first and last release (minor) that it holds for.
    pub(super) minors: (u32, u32),
    /// How far into the variable the address that is found lies.
    pub(super) minus: u64,
    pub(super) pattern: Pattern,
}

/// Applies all rows for the release.
pub(super) fn locate(
    image: &Image,
    module: &Moduledata,
    functions: &FunctionTable,
    version: &GoVersion,
    votes: &mut Votes,
) -> Result<(), Error> {
    let fits = |row: &&Row| row.minors.0 <= version.minor && version.minor <= row.minors.1;
    let rows: Vec<&Row> = TABLE.iter().filter(fits).collect();
    let program = Program::read(image, module, functions, &rows)?;
    for row in rows {
        let found = program.find(row.pattern);
        let addr = found.and_then(|addr| addr.0.checked_sub(row.minus));
        if let Some(addr) = addr.map(Addr)
            && is_variable(module, addr)
        {
            let label = row.pattern.to_string();
            votes.add(row.name, addr, Rule::Disassembly(label.into()));
        }
    }
    Ok(())
}

fn is_variable(module: &Moduledata, addr: Addr) -> bool {
    module.holds_variable(addr) || addr == module.addr
}

/// The code of all functions that rows name.
struct Program<'a> {
    image: &'a Image,
    code: FxHashMap<&'static str, Code>,
    entries: FxHashMap<Addr, &'static str>,
}

impl<'a> Program<'a> {
    fn read(
        image: &'a Image,
        module: &Moduledata,
        functions: &FunctionTable,
        rows: &[&Row],
    ) -> Result<Program<'a>, Error> {
        let wanted: FxHashSet<&'static str> =
            rows.iter().flat_map(|row| row.pattern.names()).collect();
        let likes = |name: &[u8]| {
            (name.starts_with(b"runtime.") || name.starts_with(b"sync."))
                && std::str::from_utf8(name).is_ok_and(|name| wanted.contains(name))
        };
        let mut program = Program {
            image,
            code: FxHashMap::default(),
            entries: FxHashMap::default(),
        };
        for function in functions.by_names(&likes)? {
            let Some(name) = wanted.get(function.name.as_str()).copied() else {
                continue;
            };
            program.entries.insert(function.entry, name);
            let len = function.end.since(function.entry).min(MOST_CODE_BYTES);
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
            if image.read(function.entry, &mut bytes).is_ok() {
                let code = program.code.entry(name).or_default();
                code.add(function.entry, &bytes, &|addr| is_variable(module, addr));
            }
        }
        Ok(program)
    }

    fn find(&self, pattern: Pattern) -> Option<Addr> {
        match pattern {
            Pattern::Only(picks) => only(self.all(picks, &[])?),
            Pattern::But(picks, not) => only(self.all(picks, not)?),
            Pattern::Run(words, picks, not) => run(&self.all(picks, not)?, words),
            Pattern::Nth(Pick(function, used), index) => {
                let references = self.code.get(function)?.references.iter();
                let mut fitting = references.filter(|reference| used.fits(reference.access));
                fitting.nth(index).map(|reference| reference.addr)
            }
            Pattern::Argument(function, callee) => {
                let calls = self.code.get(function)?.calls.iter();
                let to = calls.filter(|call| self.entries.get(&call.0) == Some(&callee));
                only(to.map(|call| call.1).collect())
            }
            Pattern::Arm(function, count, index) => {
                self.code.get(function)?.arms(count)?.get(index).copied()
            }
            Pattern::Apart(first, second, distance) => {
                let behind = self.uses(second)?;
                let near = self.uses(first)?.into_iter();
                only(
                    near.filter(|addr| behind.contains(&addr.add(distance)))
                        .collect(),
                )
            }
            Pattern::Before(first, second, distance) => {
                let marks = self.all(second, &[])?;
                let near = |addr: &Addr| {
                    let reach = addr.add(1)..=addr.add(distance);
                    !marks.contains(addr) && marks.range(reach).next().is_some()
                };
                only(self.uses(first)?.into_iter().filter(near).collect())
            }
            Pattern::Initial(pick, value) => {
                let holds = |addr: &Addr| read_u64(self.image, *addr).ok() == Some(value);
                only(self.uses(pick)?.into_iter().filter(holds).collect())
            }
        }
    }

    /// Absent where the function is.
    fn uses(&self, Pick(function, used): Pick) -> Option<BTreeSet<Addr>> {
        let references = self.code.get(function)?.references.iter();
        let fitting = references.filter(|reference| used.fits(reference.access));
        Some(fitting.map(|reference| reference.addr).collect())
    }

    fn all(&self, picks: &[Pick], not: &[Pick]) -> Option<BTreeSet<Addr>> {
        let mut sets = picks.iter().map(|pick| self.uses(*pick));
        let mut common = sets.next()??;
        for set in sets {
            let set = set?;
            common.retain(|addr| set.contains(addr));
        }
        for pick in not {
            let set = self.uses(*pick)?;
            common.retain(|addr| !set.contains(addr));
        }
        Some(common)
    }
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = match self.1 {
            Use::Any => "uses",
            Use::Load => "loads",
            Use::Store => "stores",
            Use::Clear => "clears",
            Use::Compare => "compares",
            Use::Address => "takes the address of",
        };
        write!(f, "{} {used}", self.0)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = |picks: &[Pick]| {
            let each: Vec<String> = picks.iter().map(ToString::to_string).collect();
            each.join(" and ")
        };
        match self {
            Pattern::Only(picks) => write!(f, "all that {}", all(picks)),
            Pattern::But(picks, not) => write!(f, "all that {}, not {}", all(picks), all(not)),
            Pattern::Run(words, picks, _) => write!(f, "{words} words that {}", all(picks)),
            Pattern::Nth(pick, index) => write!(f, "number {index} that {pick}"),
            Pattern::Argument(function, callee) => {
                write!(f, "what {function} gives to {callee}")
            }
            Pattern::Arm(function, count, index) => {
                write!(f, "arm {index} of {count} in {function}")
            }
            Pattern::Apart(first, second, distance) => {
                write!(f, "what {first}, {distance} bytes before what {second}")
            }
            Pattern::Before(first, second, _) => {
                write!(f, "what {first}, before what {}", all(second))
            }
            Pattern::Initial(pick, value) => write!(f, "what {pick}, initially {value}"),
        }
    }
}

impl Pattern {
    /// The functions that it needs.
    fn names(self) -> Vec<&'static str> {
        let all = |picks: &[Pick]| picks.iter().map(|pick| pick.0).collect::<Vec<_>>();
        match self {
            Pattern::Only(picks) => all(picks),
            Pattern::But(picks, not) | Pattern::Run(_, picks, not) => {
                [all(picks), all(not)].concat()
            }
            Pattern::Before(first, second, _) => [vec![first.0], all(second)].concat(),
            Pattern::Nth(pick, _) | Pattern::Initial(pick, _) => vec![pick.0],
            Pattern::Argument(function, callee) => vec![function, callee],
            Pattern::Arm(function, ..) => vec![function],
            Pattern::Apart(first, second, _) => vec![first.0, second.0],
        }
    }
}

fn only(set: BTreeSet<Addr>) -> Option<Addr> {
    let mut each = set.into_iter();
    each.next().filter(|_| each.next().is_none())
}

fn run(set: &BTreeSet<Addr>, words: u64) -> Option<Addr> {
    let ends = |addr: Addr| !set.contains(&addr);
    let starts = set.iter().copied().filter(|start| {
        (0..words).all(|word| set.contains(&start.add(word * WORD)))
            && ends(start.add(words * WORD))
            && start
                .0
                .checked_sub(WORD)
                .is_none_or(|before| ends(Addr(before)))
    });
    only(starts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(addrs: &[u64]) -> BTreeSet<Addr> {
        addrs.iter().copied().map(Addr).collect()
    }

    #[test]
    fn a_run_has_exactly_its_length() {
        assert_eq!(run(&set(&[8, 16, 24, 48]), 3), Some(Addr(8)));
        assert_eq!(run(&set(&[8, 16, 24, 32]), 3), None);
        assert_eq!(run(&set(&[8, 16, 48, 56]), 2), None);
        assert_eq!(run(&set(&[0, 8, 48]), 2), Some(Addr(0)));
        assert_eq!(run(&set(&[u64::MAX, u64::MAX - 8]), 3), None);
    }

    #[test]
    fn several_candidates_are_none() {
        assert_eq!(only(set(&[8])), Some(Addr(8)));
        assert_eq!(only(set(&[8, 16])), None);
        assert_eq!(only(set(&[])), None);
    }

    #[test]
    fn every_wanted_variable_has_rules_and_every_rule_is_wanted() {
        for name in super::super::WANTED {
            let known = TABLE.iter().any(|row| row.name == *name);
            assert!(known || *name == "runtime.firstmoduledata", "{name}");
        }
        for row in TABLE {
            assert!(super::super::WANTED.contains(&row.name), "{}", row.name);
            assert!(row.minors.0 <= row.minors.1, "{row:?}");
        }
    }
}
