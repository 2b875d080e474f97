//! [`Callee`]: the functions of the runtime that the compiler calls with a type in hand.
//!
//! Arguments and results are in registers, in the order of [`ARGUMENTS`].
//!
//! Source: src/cmd/compile/internal/typecheck/_builtin/runtime.go, src/runtime/{malloc,slice,map,
//! map_swiss,chan,iface,mbarrier,unsafe}.go, src/cmd/compile/abi-internal.md, go1.19 to go1.27.

use std::collections::hash_map::Entry;

use letgo_target::Addr;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::functions::FunctionTable;
use crate::{Error, GoVersion};

/// Registers of arguments and of results, by the number of their encoding: AX, BX, CX, DI, SI, R8.
pub(crate) const ARGUMENTS: [usize; 6] = [0, 3, 1, 7, 6, 8];

/// What a call means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Callee {
    /// `gcWriteBarrier`: all registers are kept but R11, which it returns in.
    Barrier,
    /// Does not come back.
    Panics,
    /// A new object of the type that is the argument.
    NewObject,
    /// The same, with its size before the type.
    Malloc,
    /// A new array of elements of the type that is the first argument.
    MakeSlice,
    /// A slice grows: the argument that is the type of its elements, and that which points to them.
    GrowSlice { elem: usize, old: usize },
    /// A new map of the type that is the first argument.
    MakeMap,
    /// A new map of a type that only what is done with it says.
    MakeSmallMap,
    /// A new channel of the type that is the first argument.
    MakeChan,
    /// Reads a map (second argument) of that type (first argument).
    ReadMap,
    /// Writes to one.
    WriteMap,
    /// A value of the type that is the first argument lies where the so many next ones point to.
    Value { pointers: usize },
    /// Copies between arrays of elements of that type: the second and the fourth argument.
    CopySlice,
    /// Makes a slice of a pointer: the elements' type, the pointer.
    UnsafeSlice,
    /// A new string, or its bytes.
    Text,
    /// Stores a pointer: where, and the argument that it is.
    StorePointer { value: usize },
}

/// Which functions mean something, by entry, and which are the runtime's own.
#[derive(Debug, Default)]
pub(crate) struct Callees {
    known: FxHashMap<u64, Callee>,
    /// Entries of the runtime's functions, whose code is passed over.
    own: FxHashSet<u64>,
}

impl Callees {
    pub(crate) fn find(functions: &FunctionTable, version: &GoVersion) -> Result<Callees, Error> {
        let mut callees = Callees::default();
        let wanted = |name: &[u8]| is_own(name) || name.starts_with(b"sync/atomic.");
        for function in functions.by_names(&wanted)? {
            let entry = function.entry.0;
            if is_own(function.name.as_bytes()) {
                callees.own.insert(entry);
            }
            let Some(callee) = meaning(&function.name, version.minor) else {
                continue;
            };
            match callees.known.entry(entry) {
                Entry::Vacant(place) => drop(place.insert(callee)),
                Entry::Occupied(_) => {}
            }
        }
        Ok(callees)
    }

    pub(crate) fn at(&self, entry: u64) -> Option<Callee> {
        self.known.get(&entry).copied()
    }

    pub(crate) fn is_runtimes(&self, entry: Addr) -> bool {
        self.own.contains(&entry.0)
    }

    #[cfg(test)]
    pub(crate) fn of(known: &[(u64, Callee)]) -> Callees {
        Callees {
            known: known.iter().copied().collect(),
            own: FxHashSet::default(),
        }
    }
}

fn is_own(name: &[u8]) -> bool {
    let parts: [&[u8]; 3] = [b"runtime.", b"internal/runtime/", b"runtime/internal/"];
    parts.iter().any(|part| name.starts_with(part))
}

fn meaning(name: &str, minor: u32) -> Option<Callee> {
    if let Some(name) = name.strip_prefix("sync/atomic.") {
        return match name {
            "StorePointer" | "SwapPointer" => Some(Callee::StorePointer { value: 1 }),
            "CompareAndSwapPointer" => Some(Callee::StorePointer { value: 2 }),
            _ => None,
        };
    }
    let name = name.strip_prefix("runtime.")?;
    Some(match name {
        "newobject" => Callee::NewObject,
        "makeslice" | "makeslice64" | "makeslicecopy" => Callee::MakeSlice,
        // The type came last with 1.20.
        "growslice" if minor < 20 => Callee::GrowSlice { elem: 0, old: 1 },
        "growslice" | "growsliceBuf" | "growsliceBufNoAlias" | "growsliceNoAlias" => {
            Callee::GrowSlice { elem: 4, old: 0 }
        }
        "makemap" | "makemap64" => Callee::MakeMap,
        "makemap_small" => Callee::MakeSmallMap,
        "makechan" | "makechan64" => Callee::MakeChan,
        "mapiterinit" | "mapIterStart" => Callee::ReadMap,
        "mapclear" => Callee::WriteMap,
        "typedmemmove" | "wbMove" => Callee::Value { pointers: 2 },
        "typedmemclr" | "wbZero" | "convT" | "convTnoptr" => Callee::Value { pointers: 1 },
        "typedslicecopy" => Callee::CopySlice,
        "unsafeslice" | "unsafeslice64" | "unsafeslicecheckptr" => Callee::UnsafeSlice,
        "slicebytetostring" | "intstring" | "slicerunetostring" | "concatstrings" => Callee::Text,
        "gopanic" | "throw" | "fatal" | "panicwrap" => Callee::Panics,
        _ if name.starts_with("gcWriteBarrier") => Callee::Barrier,
        _ if name.starts_with("concatstring") => Callee::Text,
        _ if name.starts_with("mapaccess") => Callee::ReadMap,
        _ if name.starts_with("mapassign") || name.starts_with("mapdelete") => Callee::WriteMap,
        _ if name.starts_with("mallocgc") => Callee::Malloc,
        _ if name.starts_with("panic") || name.starts_with("goPanic") => Callee::Panics,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_that_a_slice_grows_by_moved_with_1_20() {
        let elem = |minor| meaning("runtime.growslice", minor);
        assert_eq!(elem(19), Some(Callee::GrowSlice { elem: 0, old: 1 }));
        assert_eq!(elem(20), Some(Callee::GrowSlice { elem: 4, old: 0 }));
    }

    #[test]
    fn only_the_runtimes_own_functions_mean_something() {
        assert_eq!(meaning("main.newobject", 27), None);
        assert_eq!(meaning("runtime.newproc", 27), None);
        assert_eq!(
            meaning("runtime.mapassign_faststr", 19),
            Some(Callee::WriteMap)
        );
        assert_eq!(
            meaning("runtime.gcWriteBarrierDX", 19),
            Some(Callee::Barrier)
        );
    }
}
