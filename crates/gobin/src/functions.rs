//! [`FunctionTable`]: names, extents and lines of a program's functions.
//!
//! The table `ftab` is kept in memory, 8 bytes a function; names and `_func`s are read when asked
//! for. Addresses are link-time ones. A line is that of the innermost inlined code, a function the
//! one that holds it; [`Calls`] tells the inlined ones.
//!
//! Invariants: entries ascend (checked on opening); an offset that leaves its table is
//! [`Error::Inconsistent`].
//!
//! Source: src/runtime/symtab.go (findfunc, funcline1), src/runtime/runtime2.go (type _func),
//! src/cmd/link/internal/ld/pcln.go, go1.18 to go1.27.

mod frames;
mod inlined;
mod names;
mod pcvalue;
mod wrapped;

use letgo_target::{Addr, AddrRange, ReadMemory, read_bytes, read_u32};

use crate::bytes::{c_str, u32_at};
use crate::moduledata::Moduledata;
use crate::pclntab::Header;
use crate::{Error, Image};
pub use frames::Frame;
pub use inlined::{Call, Calls};
pub(crate) use names::find_named;
use pcvalue::value_at;

/// Bytes of `_func` before its pcdata, with `startLine`.
const FUNC_BYTES: usize = 44;
const FUNC_NAME: usize = 4;
const FUNC_PCFILE: usize = 20;
const FUNC_PCLN: usize = 24;
const FUNC_CU: usize = 32;
/// From 1.20; before, `funcID` and its neighbours are here.
const FUNC_START_LINE: usize = 36;
/// Bytes of an entry of `ftab`: offsets of the code from `text` and of the `_func`.
const ENTRY_BYTES: usize = 8;
/// Longest name that is read; names of instantiated generics can take some KiB.
const MOST_NAME_BYTES: u64 = 64 << 10;

/// A function of the program's text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Function {
    /// Its first instruction.
    pub entry: Addr,
    /// The entry of the next function: padding is included.
    pub end: Addr,
    /// Its full name, such as `runtime.(*mheap).alloc`.
    pub name: String,
    /// The line of its `func` keyword; absent before 1.20.
    pub start_line: Option<u32>,
}

/// A place in the source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The file, as the compiler was given it (or cut by `-trimpath`).
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// The functions of one Go program.
#[derive(Debug)]
pub struct FunctionTable {
    image: Image,
    module: Moduledata,
    has_start_line: bool,
    /// `ftab`: entries by address, and the end of the last function.
    entries: Vec<(u32, u32)>,
    end: u32,
}

fn broken(addr: Addr, why: impl Into<String>) -> Error {
    Error::inconsistent("runtime.pclntab", addr, why)
}

impl FunctionTable {
    /// Reads `ftab`.
    pub(crate) fn open(
        image: &Image,
        module: &Moduledata,
        header: &Header,
    ) -> Result<FunctionTable, Error> {
        let at = module.pclntable.start();
        let len = header.functions * ENTRY_BYTES as u64 + 4;
        let bytes = read_bytes(image, at, len, module.pclntable.len())?;
        let entries: Vec<(u32, u32)> = bytes
            .chunks_exact(ENTRY_BYTES)
            .filter_map(|entry| Some((u32_at(entry, 0)?, u32_at(entry, 4)?)))
            .collect();
        let end = u32_at(&bytes, entries.len() * ENTRY_BYTES)
            .ok_or_else(|| broken(at, "the function table has no end"))?;
        let last = entries.last().map_or(0, |entry| entry.0);
        if !entries.is_sorted_by_key(|entry| entry.0) || last > end {
            return Err(broken(at, "the function table is not sorted"));
        }
        Ok(FunctionTable {
            image: image.clone(),
            module: module.clone(),
            has_start_line: header.has_start_line,
            entries,
            end,
        })
    }

    /// How many functions there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The function whose code holds `pc`, absent outside of Go code. C code of a program with cgo
    /// counts to the Go function before it.
    ///
    /// # Errors
    /// Where its entry cannot be read or leaves its table.
    pub fn function_at(&self, pc: Addr) -> Result<Option<Function>, Error> {
        match self.index_of(pc) {
            Some(index) => self.function(index).map(Some),
            None => Ok(None),
        }
    }

    /// The function of that full name. Reads all names: for several, use
    /// [`FunctionTable::by_names`].
    ///
    /// # Errors
    /// Where the tables cannot be read.
    pub fn by_name(&self, name: &str) -> Result<Option<Function>, Error> {
        let found = self.by_names(&|candidate| candidate == name.as_bytes())?;
        Ok(found.into_iter().next())
    }

    /// Whether a function of that full name was linked in. Reads the names only.
    ///
    /// # Errors
    /// Where the names cannot be read.
    pub fn has_name(&self, name: &str) -> Result<bool, Error> {
        let table = self.module.funcnametab;
        let names = read_bytes(&self.image, table.start(), table.len(), table.len())?;
        let needle = [b"\0", name.as_bytes(), b"\0"].concat();
        Ok(memchr::memmem::find(&names, &needle).is_some())
    }

    /// All functions whose name `wanted` likes, by address. Reads all names once (63,000 functions
    /// take about 5 ms).
    ///
    /// # Errors
    /// Where the tables cannot be read.
    pub fn by_names(&self, wanted: &dyn Fn(&[u8]) -> bool) -> Result<Vec<Function>, Error> {
        let found = find_named(self, wanted)?;
        found
            .into_iter()
            .map(|index| self.function(index))
            .collect()
    }

    /// All functions, by address. Reads each name: for listings, not for looking up.
    pub fn iter(&self) -> impl Iterator<Item = Result<Function, Error>> + '_ {
        (0..self.entries.len()).map(|index| self.function(index))
    }

    /// File and line of `pc`, absent outside of Go code and where the compiler recorded none.
    ///
    /// # Errors
    /// Where a table cannot be read or an offset leaves it.
    pub fn line_at(&self, pc: Addr) -> Result<Option<Line>, Error> {
        let Some(index) = self.index_of(pc) else {
            return Ok(None);
        };
        let (entry, func) = self.entry(index)?;
        let bytes = self.func(func)?;
        let field = |offset| u32_at(&bytes, offset).unwrap_or_default();
        let value = |table| value_at(&self.image, self.module.pctab, table, pc.since(entry));
        let (Some(file), Some(line)) = (value(field(FUNC_PCFILE))?, value(field(FUNC_PCLN))?)
        else {
            return Ok(None);
        };
        let (Ok(file), Ok(line)) = (u64::try_from(file), u32::try_from(line)) else {
            return Ok(None);
        };
        let slot = (u64::from(field(FUNC_CU)) + file).saturating_mul(4);
        let slot = inside(self.module.cutab, slot, 4)?;
        let offset = read_u32(&self.image, slot)?;
        if offset == u32::MAX {
            return Ok(None);
        }
        let file = self.c_string(self.module.filetab, offset)?;
        Ok(Some(Line { file, line }))
    }

    /// Where each function starts, in order.
    pub(crate) fn entries(&self) -> Vec<Addr> {
        let text = self.module.text.start();
        let entries = self.entries.iter();
        entries.map(|entry| text.add(u64::from(entry.0))).collect()
    }

    /// Whether `pc` is between the first function and the end of the last one.
    pub fn holds(&self, pc: Addr) -> bool {
        self.index_of(pc).is_some()
    }

    fn index_of(&self, pc: Addr) -> Option<usize> {
        let offset = pc.0.checked_sub(self.module.text.start().0)?;
        let offset = u32::try_from(offset).ok().filter(|at| *at < self.end)?;
        self.entries
            .partition_point(|entry| entry.0 <= offset)
            .checked_sub(1)
    }

    /// Where the code of the function at `index` starts, and its `_func`.
    fn entry(&self, index: usize) -> Result<(Addr, u32), Error> {
        let (code, func) = self
            .entries
            .get(index)
            .ok_or_else(|| broken(self.module.pclntable.start(), "no such function"))?;
        Ok((self.module.text.start().add(u64::from(*code)), *func))
    }

    fn func(&self, offset: u32) -> Result<[u8; FUNC_BYTES], Error> {
        let at = inside(self.module.pclntable, u64::from(offset), FUNC_BYTES as u64)?;
        let mut bytes = [0; FUNC_BYTES];
        self.image.read(at, &mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn function(&self, index: usize) -> Result<Function, Error> {
        let (entry, func) = self.entry(index)?;
        let bytes = self.func(func)?;
        let field = |offset| u32_at(&bytes, offset).unwrap_or_default();
        let next = self.entries.get(index + 1).map_or(self.end, |next| next.0);
        Ok(Function {
            entry,
            end: self.module.text.start().add(u64::from(next)),
            name: self.c_string(self.module.funcnametab, field(FUNC_NAME))?,
            start_line: self.has_start_line.then(|| field(FUNC_START_LINE)),
        })
    }

    /// The string at `offset` of `table`, up to its NUL.
    fn c_string(&self, table: AddrRange, offset: u32) -> Result<String, Error> {
        let at = inside(table, u64::from(offset), 1)?;
        let left = table.end().since(at).min(MOST_NAME_BYTES);
        let mut len = left.min(128);
        loop {
            let bytes = read_bytes(&self.image, at, len, MOST_NAME_BYTES)?;
            if let Some(name) = c_str(&bytes) {
                return Ok(String::from_utf8_lossy(name).into_owned());
            }
            if len == left {
                return Err(broken(at, "a name has no end"));
            }
            len = left.min(len * 8);
        }
    }
}

/// Walks a pc-value table, for fuzzing.
pub(crate) fn decode_pc_values(bytes: &[u8], pc_offset: u64) {
    let _ = pcvalue::decode(bytes, pc_offset);
}

/// The address at `offset` of `table`, if `len` bytes fit there.
fn inside(table: AddrRange, offset: u64, len: u64) -> Result<Addr, Error> {
    let at = table.start().add(offset);
    if !table.covers(AddrRange::sized(at, len)) {
        return Err(broken(
            table.start(),
            format!("offset {offset:#x} leaves it"),
        ));
    }
    Ok(at)
}
