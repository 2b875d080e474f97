//! [`Calls`]: the calls that the code at an address stands for, inlined ones among them.
//!
//! One stack frame can stand for several calls: the compiler copies the code of small functions
//! into their callers. For each function it keeps a tree of what it copied: an entry names the
//! copied function and an instruction of the place that it was called from.
//! [`Calls::of_stack`] makes the addresses of a stack into the calls that a Go traceback shows:
//! wrappers that the compiler made are left out, unless they panic.
//!
//! Does not walk stacks: the addresses come from the caller, link-time ones of the executable. Code
//! of plugins is as far from there as the loader has put it.
//!
//! Invariants: each address is looked up once; a tree that runs in a circle ends at a bound.
//!
//! Source: src/runtime/symtab.go, symtabinl.go (inlinedCall, inlineUnwinder), traceback.go
//! (symPC, showfuncinfo, elideWrapperCalling), src/internal/abi/symtab.go, go1.19 to go1.27.

use std::collections::HashMap;
use std::rc::Rc;

use letgo_target::{Addr, ReadMemory, read_u64};
use rustc_hash::FxBuildHasher;

use super::frames::FUNC_NPCDATA;
use super::pcvalue::value_at;
use super::{FUNC_START_LINE, FunctionTable, broken};
use crate::bytes::u32_at;
use crate::{Error, GoBinary, Plugin};

/// `abi.PCDATA_InlTreeIndex`
const INLINE_INDEX: u32 = 2;
/// `abi.FUNCDATA_InlTree`
const INLINE_TREE: u8 = 3;
/// Bytes of an `inlinedCall` from 1.20 on, and before.
const ENTRY_BYTES: u64 = 16;
const OLD_ENTRY_BYTES: u64 = 20;
/// Most calls that one frame is believed to stand for.
const MOST_INLINED: usize = 1000;
/// The function whose number is the one before that of wrappers in every release.
const BEFORE_WRAPPERS: &str = "runtime.systemstack_switch";
/// Functions that were not called where they are, but put upon what ran there.
const INJECTED: [&str; 2] = ["runtime.asyncPreempt", "runtime.sigpanic"];
/// Functions whose wrappers are shown. Source: `elideWrapperCalling`.
const PANICS: [&str; 3] = ["runtime.gopanic", "runtime.sigpanic", "runtime.panicwrap"];

/// One call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// The function, by its full name.
    pub function: String,
    /// The file; empty where the compiler recorded none.
    pub file: String,
    /// The line, from 1; 0 where the compiler recorded none.
    pub line: u32,
    /// Its code is part of its caller's.
    pub inlined: bool,
    /// The compiler made it: a method of an embedded type, an argument of `go` or `defer`.
    pub wrapper: bool,
}

/// What an address stands for, looked up once.
#[derive(Debug)]
pub struct Calls<'a> {
    own: Tables<'a>,
    /// Those of plugins: how far each is from where it was linked.
    plugins: Vec<(u64, Tables<'a>)>,
    /// The `funcID` of wrappers, the same in all modules of a program; absent where it was not
    /// found.
    pub(super) wrapper: Option<u8>,
    known: HashMap<Addr, Rc<[Call]>, FxBuildHasher>,
}

/// The tables of one module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tables<'a> {
    pub(super) functions: &'a FunctionTable,
    /// `moduledata.gofunc`, which funcdata counts from.
    gofunc: Addr,
}

/// An entry of a tree of inlined calls.
struct Inlined {
    id: u8,
    name: u32,
    /// An instruction of the place that it was called from, from the function's entry.
    parent: u32,
}

impl GoBinary {
    /// The innermost call that the instruction at `pc` belongs to, by where the release keeps
    /// `gofunc`; nothing is kept for the next one. Wrappers are not told.
    ///
    /// # Errors
    /// Where a table cannot be read or an offset leaves it.
    pub fn innermost_call(&self, pc: Addr) -> Result<Option<Call>, Error> {
        let gofunc = self.moduledata.add(u64::from(self.gofunc_offset()));
        let gofunc = read_u64(&self.image, gofunc)?;
        let calls = Calls {
            own: Tables {
                functions: &self.functions,
                gofunc: self.image.link_addr(gofunc),
            },
            plugins: Vec::new(),
            wrapper: None,
            known: HashMap::default(),
        };
        Ok(calls.look_up(pc)?.into_iter().next())
    }
}

impl GoBinary {
    /// Where the release keeps `gofunc` in its moduledata.
    pub fn gofunc_offset(&self) -> u32 {
        match self.build.version.minor {
            ..20 => 304,
            20..27 => 320,
            27.. => 344,
        }
    }
}

impl<'a> Calls<'a> {
    /// The calls of a program. `gofunc` is where its moduledata keeps `gofunc`: the offset of that
    /// field.
    ///
    /// # Errors
    /// Where the moduledata or the function table cannot be read.
    pub fn new(binary: &'a GoBinary, gofunc: u32) -> Result<Calls<'a>, Error> {
        let field = binary.moduledata.add(u64::from(gofunc));
        let functions = &binary.functions;
        let before = functions.by_name(BEFORE_WRAPPERS)?;
        let before = match before {
            Some(function) => functions.id_of(function.entry)?,
            None => None,
        };
        Ok(Calls {
            own: Tables {
                functions,
                gofunc: binary.image.link_addr(read_u64(&binary.image, field)?),
            },
            plugins: Vec::new(),
            wrapper: before.and_then(|id| id.checked_add(1)),
            known: HashMap::default(),
        })
    }

    /// Tells calls of a plugin's functions too. `distance` is how much farther the loader moved it
    /// than the executable, `gofunc` what its moduledata has of that name, as a link-time address.
    pub fn add(&mut self, plugin: &'a Plugin, distance: u64, gofunc: Addr) {
        let functions = &plugin.functions;
        self.plugins.push((distance, Tables { functions, gofunc }));
    }

    /// The tables of the module whose code holds `pc`, and where `pc` was linked to be.
    pub(super) fn module(&self, pc: Addr) -> (Tables<'a>, Addr) {
        let linked = |distance: u64| pc.biased(distance.wrapping_neg());
        let mut plugins = self.plugins.iter();
        let holds = |tables: &Tables<'_>, pc| tables.functions.holds(pc);
        let found = plugins.find(|(distance, tables)| holds(tables, linked(*distance)));
        match found {
            Some((distance, tables)) => (*tables, linked(*distance)),
            None => (self.own, pc),
        }
    }

    /// The calls that the instruction at `pc` stands for, innermost first; none outside of Go
    /// code. For the place that a return address returns to, ask for the byte before it.
    ///
    /// # Errors
    /// Where a table cannot be read or an offset leaves it.
    pub fn at(&mut self, pc: Addr) -> Result<Rc<[Call]>, Error> {
        if let Some(known) = self.known.get(&pc) {
            return Ok(known.clone());
        }
        let calls: Rc<[Call]> = self.look_up(pc)?.into();
        self.known.insert(pc, calls.clone());
        Ok(calls)
    }

    /// The calls of a stack as Go shows them, innermost first: `pcs` is where the innermost frame
    /// goes on, then the return addresses. What is not Go code, or cannot be read, is one call
    /// without a name.
    pub fn of_stack(&mut self, pcs: &[Addr]) -> Vec<Call> {
        let mut stack = Vec::new();
        let (mut exact, mut callee) = (false, String::new());
        for pc in pcs {
            let (tables, linked) = self.module(*pc);
            let at = match exact || tables.functions.starts_at(linked) {
                true => *pc,
                false => Addr(pc.0.wrapping_sub(1)),
            };
            let calls = self.at(at).unwrap_or_default();
            if calls.is_empty() {
                stack.push(Call::unknown());
            }
            for call in calls.iter() {
                if !call.wrapper || PANICS.contains(&callee.as_str()) {
                    stack.push(call.clone());
                }
                callee.clone_from(&call.function);
            }
            exact = INJECTED.contains(&callee.as_str()) || callee.starts_with("runtime.debugCallV");
        }
        stack
    }

    fn look_up(&self, pc: Addr) -> Result<Vec<Call>, Error> {
        let (tables, pc) = self.module(pc);
        let Some(function) = tables.functions.function_at(pc)? else {
            return Ok(Vec::new());
        };
        let call = |name, at, inlined, id: Option<u8>| {
            let wrapper = id.is_some() && id == self.wrapper;
            tables.call(name, at, inlined, wrapper)
        };
        let tree = tables.functions.inline_tree(pc)?;
        let mut calls = Vec::new();
        let mut at = pc;
        while let Some((start, table)) = tree {
            let Some(index) = tables.functions.pc_value(table, function.entry, at)? else {
                break;
            };
            let Ok(index) = u64::try_from(index) else {
                break;
            };
            if calls.len() >= MOST_INLINED {
                return Err(broken(start, "a tree of inlined calls has no end"));
            }
            let entry = tables.entry(tables.gofunc.add(start.0), index)?;
            let name = tables.functions.name_of(entry.name)?;
            calls.push(call(name, at, true, Some(entry.id))?);
            at = function.entry.add(u64::from(entry.parent));
        }
        let id = tables.functions.id_of(pc)?;
        calls.push(call(function.name, at, false, id)?);
        Ok(calls)
    }
}

impl Tables<'_> {
    fn call(
        &self,
        function: String,
        at: Addr,
        inlined: bool,
        wrapper: bool,
    ) -> Result<Call, Error> {
        let line = self.functions.line_at(at)?;
        let (file, line) = line.map_or_else(Default::default, |line| (line.file, line.line));
        Ok(Call {
            function,
            file,
            line,
            inlined,
            wrapper,
        })
    }

    fn entry(&self, tree: Addr, index: u64) -> Result<Inlined, Error> {
        let newer = self.functions.has_start_line;
        // Before 1.20: parent, funcID, file, line, func, parentPc.
        let (size, id, name, parent) = match newer {
            true => (ENTRY_BYTES, 0, 4, 8),
            false => (OLD_ENTRY_BYTES, 2, 12, 16),
        };
        let at = tree.add(index.saturating_mul(size));
        let mut bytes = [0; 20];
        let len = usize::try_from(size).unwrap_or(bytes.len());
        let part = bytes.get_mut(..len).unwrap_or_default();
        self.functions.image.read(at, part)?;
        let field = |offset| u32_at(&bytes, offset).unwrap_or_default();
        Ok(Inlined {
            id: bytes.get(id).copied().unwrap_or_default(),
            name: field(name),
            parent: field(parent),
        })
    }
}

impl Call {
    fn unknown() -> Call {
        Call {
            function: String::new(),
            file: String::new(),
            line: 0,
            inlined: false,
            wrapper: false,
        }
    }
}

impl FunctionTable {
    /// `_func.funcID` of the function whose code holds `pc`.
    pub(super) fn id_of(&self, pc: Addr) -> Result<Option<u8>, Error> {
        let Some(index) = self.index_of(pc) else {
            return Ok(None);
        };
        let (_, offset) = self.entry(index)?;
        let bytes = self.func(offset)?;
        let at = match self.has_start_line {
            true => FUNC_START_LINE + 4,
            false => FUNC_START_LINE,
        };
        Ok(bytes.get(at).copied())
    }

    /// Whether a function's code starts at `pc`.
    fn starts_at(&self, pc: Addr) -> bool {
        let index = self.index_of(pc);
        let entry = index.and_then(|index| self.entry(index).ok());
        entry.is_some_and(|(entry, _)| entry == pc)
    }

    /// The tree of inlined calls of the function whose code holds `pc`, as bytes from `gofunc`,
    /// and the table that tells its entry for each instruction.
    fn inline_tree(&self, pc: Addr) -> Result<Option<(Addr, u32)>, Error> {
        let Some(index) = self.index_of(pc) else {
            return Ok(None);
        };
        let (_, offset) = self.entry(index)?;
        let bytes = self.func(offset)?;
        let tables = u32_at(&bytes, FUNC_NPCDATA).unwrap_or_default();
        let [_, data] = self.flag_and_data(&bytes);
        if tables <= INLINE_INDEX || data <= INLINE_TREE {
            return Ok(None);
        }
        let tree = self.word(offset, tables.saturating_add(u32::from(INLINE_TREE)))?;
        let table = self.word(offset, INLINE_INDEX)?;
        Ok((tree != u32::MAX).then(|| (Addr(u64::from(tree)), table)))
    }

    /// The value of a pc-value table of the function at `entry`.
    fn pc_value(&self, table: u32, entry: Addr, pc: Addr) -> Result<Option<i32>, Error> {
        value_at(&self.image, self.module.pctab, table, pc.since(entry))
    }

    fn name_of(&self, offset: u32) -> Result<String, Error> {
        self.c_string(self.module.funcnametab, offset)
    }
}
