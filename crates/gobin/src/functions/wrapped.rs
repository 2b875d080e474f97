//! [`Calls::started_with`]: the function that a `go` statement names.
//!
//! Of `go f(x)` the compiler makes a function without arguments, `main.main.gowrap1`, that a
//! goroutine begins with and that does nothing but call `f`; and a method of an embedded type is
//! called by one that it makes, too. Tracebacks leave both out. What such a wrapper calls is in its
//! code: a direct call, or code of `f` itself that was copied into it.
//!
//! What only the closure or the interface says is not told: the wrapper keeps its own name.
//!
//! Source: src/cmd/compile/internal/walk/order.go and ssagen (wrapGoDefer, go1.19 to go1.27),
//! src/runtime/traceback.go (elideWrapperCalling).

use std::collections::BTreeSet;

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction};
use letgo_target::{Addr, AddrRange, ReadMemory};

use super::inlined::Calls;
use crate::Error;

/// Most bytes of a wrapper's code; most have below 100.
const MOST_BYTES: u64 = 4096;
/// Wrappers that call each other at most.
const MOST_WRAPPERS: usize = 4;

/// What an instruction of a wrapper says about what it wraps.
enum Said {
    Nothing,
    /// Code of this function.
    Copied(String),
    /// It calls what is here.
    Calls(Addr),
    /// What it calls is not in the code.
    Unknown,
}

impl Calls<'_> {
    /// The function that a goroutine which began at `entry` was started with, by its full name: of
    /// a wrapper what it wraps, where its code tells; nothing outside of Go code.
    ///
    /// # Errors
    /// Where a table or the code cannot be read.
    pub fn started_with(&mut self, entry: Addr) -> Result<Option<String>, Error> {
        let own = |calls: &Self, at| -> Result<Option<String>, Error> {
            let (tables, linked) = calls.module(at);
            let function = tables.functions.function_at(linked)?;
            Ok(function.map(|function| function.name))
        };
        let mut at = entry;
        for _ in 0..MOST_WRAPPERS {
            if !self.is_wrapper(at)? {
                return own(self, at);
            }
            match self.wrapped(at)? {
                Said::Copied(name) => return Ok(Some(name)),
                Said::Calls(next) => at = next,
                Said::Nothing | Said::Unknown => break,
            }
        }
        own(self, entry)
    }

    fn is_wrapper(&self, at: Addr) -> Result<bool, Error> {
        let (tables, linked) = self.module(at);
        let id = tables.functions.id_of(linked)?;
        Ok(id.is_some() && id == self.wrapper)
    }

    /// What the wrapper that begins at `entry` wraps, if all of its code says the same.
    fn wrapped(&mut self, entry: Addr) -> Result<Said, Error> {
        let (tables, linked) = self.module(entry);
        let Some(function) = tables.functions.function_at(linked)? else {
            return Ok(Said::Unknown);
        };
        let code = AddrRange::new(function.entry, function.end);
        let mut bytes = vec![0; usize::try_from(code.len().min(MOST_BYTES)).unwrap_or_default()];
        tables.functions.image.read(function.entry, &mut bytes)?;
        let distance = entry.0.wrapping_sub(linked.0);
        let (mut copied, mut called) = (BTreeSet::new(), BTreeSet::new());
        for instruction in Decoder::with_ip(64, &bytes, code.start().0, DecoderOptions::NONE) {
            match self.says(&instruction, code, distance)? {
                Said::Nothing => {}
                Said::Copied(name) => drop(copied.insert(name)),
                Said::Calls(at) => drop(called.insert(at)),
                Said::Unknown => return Ok(Said::Unknown),
            }
        }
        let (mut copied, mut called) = (copied.into_iter(), called.into_iter());
        Ok(match (copied.next(), called.next()) {
            (Some(name), None) if copied.next().is_none() => Said::Copied(name),
            (None, Some(at)) if called.next().is_none() => Said::Calls(at),
            _ => Said::Unknown,
        })
    }

    fn says(&mut self, at: &Instruction, code: AddrRange, distance: u64) -> Result<Said, Error> {
        let calls = self.at(Addr(at.ip()).biased(distance))?;
        if let Some(call) = calls.iter().rev().find(|call| !call.wrapper) {
            return Ok(Said::Copied(call.function.clone()));
        }
        let target = Addr(at.near_branch_target());
        match at.flow_control() {
            FlowControl::Call => {}
            FlowControl::UnconditionalBranch if !code.contains(target) => {}
            FlowControl::IndirectCall | FlowControl::IndirectBranch => return Ok(Said::Unknown),
            _ => return Ok(Said::Nothing),
        }
        let target = target.biased(distance);
        let (tables, linked) = self.module(target);
        let function = tables.functions.function_at(linked)?;
        Ok(match function {
            // It grows the stack, and tells the race detector.
            Some(function) if function.name.starts_with("runtime.") => Said::Nothing,
            Some(function) if function.entry == linked => Said::Calls(target),
            _ => Said::Unknown,
        })
    }
}
