//! Reading `runtime.allgs` and `runtime.allm`: goroutines and threads.
//!
//! `allgs` only grows; dead g's stay in it and are used again. The list of m's is linked.
//!
//! Source: src/runtime/proc.go, `allgs`, `allm`; runtime2.go; go1.19 to go1.27.

use std::collections::HashMap;

use letgo_gobin::FunctionTable;
use letgo_target::{Addr, AddrRange, Coverage, ReadMemory, gather};
use rustc_hash::{FxBuildHasher, FxHashSet};

use crate::view::View;
use crate::wait_reason::wait_reason;
use crate::{Error, Goroutine, Limits, Runtime, Status, Thread};

/// `_Gscan` and what is above the statuses. Source: src/runtime/runtime2.go.
const STATUS_MASK: u32 = 0xfff;
/// Largest stack of a goroutine that is believed. Source: src/runtime/proc.go, `maxstacksize`
/// (1 GB), rounded up to a power of two.
const MOST_STACK: u64 = 1 << 31;
/// Largest stack of a thread that is believed.
const MOST_THREAD_STACK: u64 = 1 << 40;

/// What a walk over `allgs` found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Goroutines {
    pub(crate) alive: Vec<Goroutine>,
    pub(crate) dead: u64,
    /// Bytes of stacks that dead g's keep.
    pub(crate) dead_stack_bytes: u64,
}

/// Reads all goroutines. `functions` tells those that the runtime started itself.
///
/// # Errors
/// Where `allgs` was not found, cannot be read or makes no sense.
///
/// # Consistency
/// Of a running target the goroutines are of slightly different moments.
pub(crate) fn goroutines(
    view: View<'_>,
    functions: Option<&FunctionTable>,
    limits: &Limits,
    coverage: &mut Coverage,
) -> Result<Goroutines, Error> {
    let allgs = view.runtime.need_global("runtime.allgs")?;
    let slice = view.sane_slice("allgs", allgs, u64::MAX >> 8)?;
    let count = slice.len.min(limits.goroutines);
    if count < slice.len {
        let why = format!("{} of them are beyond the limit", slice.len - count);
        coverage.skip("goroutine", why);
    }
    let size = u64::from(view.layout().g.size).max(1);
    let batch = usize::try_from(limits.batch_bytes / size)
        .unwrap_or(1)
        .max(1);
    let mut found = Goroutines::default();
    let mut names = Names::new(view, functions);
    let pointers = view.words(slice.ptr, count)?;
    for pointers in pointers.chunks(batch) {
        if view.is_late() {
            coverage.skip("goroutine", "there was no time to read the rest");
            break;
        }
        let items = pointers.iter().map(|g| (Addr(*g), size));
        let gathered = gather(view.memory, items)?;
        for g in pointers {
            let Some(bytes) = gathered.get(Addr(*g), usize::try_from(size).unwrap_or(0)) else {
                coverage.skip("goroutine", "its g cannot be read");
                continue;
            };
            match decode(view, Addr(*g), bytes) {
                Ok(goroutine) => found.push(goroutine, &mut names),
                Err(why) => coverage.skip("goroutine", why),
            }
        }
    }
    Ok(found)
}

impl Runtime {
    /// Reads what all goroutines are doing, and nothing of their stacks: a fraction of a
    /// microsecond each. Nothing where some of them cannot be read. Which are the runtime's own is
    /// not told.
    ///
    /// # Errors
    /// Where `allgs` was not found, cannot be read or makes no sense.
    ///
    /// # Consistency
    /// Of a running target the goroutines are of slightly different moments.
    pub fn goroutines(
        &self,
        memory: &dyn ReadMemory,
        limits: &Limits,
    ) -> Result<Option<Vec<Goroutine>>, Error> {
        let view = View::new(self, memory).within(limits.time);
        let mut coverage = Coverage::default();
        let found = goroutines(view, None, limits, &mut coverage)?;
        Ok(coverage.is_complete().then_some(found.alive))
    }
}

impl Goroutines {
    fn push(&mut self, mut goroutine: Goroutine, names: &mut Names<'_>) {
        if goroutine.status.is_dead() {
            self.dead += 1;
            self.dead_stack_bytes += goroutine.stack.len();
        } else {
            goroutine.system = names.is_system(goroutine.start_pc);
            self.alive.push(goroutine);
        }
    }
}

/// Decodes one g.
fn decode(view: View<'_>, g: Addr, bytes: &[u8]) -> Result<Goroutine, &'static str> {
    let fields = &view.layout().g;
    let status = Status::from_number(fields.atomicstatus.u32(bytes) & STATUS_MASK);
    let (low, high) = (fields.stack_lo.addr(bytes), fields.stack_hi.addr(bytes));
    if high < low || high.since(low) > MOST_STACK {
        return Err("its stack's bounds make no sense");
    }
    let stack = AddrRange::new(low, high);
    let sp = match status {
        Status::Running => Addr::NULL,
        Status::Syscall => fields.syscallsp.addr(bytes),
        _ => fields.sched_sp.addr(bytes),
    };
    let reason = match status {
        Status::Waiting | Status::Leaked => {
            wait_reason(view.runtime.version.minor, fields.waitreason.u8(bytes))
        }
        _ => "",
    };
    Ok(Goroutine {
        g,
        goid: fields.goid.get(bytes),
        status,
        wait_reason: reason,
        wait_since_ns: fields.waitsince.get(bytes),
        start_pc: fields.startpc.addr(bytes),
        go_pc: fields.gopc.addr(bytes),
        parent_goid: fields.parent_goid.map_or(0, |field| field.get(bytes)),
        labels: fields.labels.addr(bytes),
        stack,
        sp,
        system: false,
    })
}

/// Which start functions are the runtime's own, each looked up once.
struct Names<'a> {
    view: View<'a>,
    functions: Option<&'a FunctionTable>,
    known: HashMap<Addr, bool, FxBuildHasher>,
}

impl<'a> Names<'a> {
    fn new(view: View<'a>, functions: Option<&'a FunctionTable>) -> Names<'a> {
        Names {
            view,
            functions,
            known: HashMap::default(),
        }
    }

    /// Whether a goroutine that starts at `pc` is the runtime's.
    ///
    /// Source: src/runtime/traceback.go, `isSystemGoroutine`. The goroutines of finalizers and
    /// cleanups are always the runtime's here.
    fn is_system(&mut self, pc: Addr) -> bool {
        let Some(functions) = self.functions else {
            return false;
        };
        if let Some(known) = self.known.get(&pc) {
            return *known;
        }
        let name = self.view.runtime.function_name(functions, pc);
        let system = name.is_some_and(|name| {
            const USERS: [&str; 3] = [
                "runtime.main",
                "runtime.corostart",
                "runtime.handleAsyncEvent",
            ];
            name.starts_with("runtime.") && !USERS.contains(&name.as_str())
        });
        self.known.insert(pc, system);
        system
    }
}

/// Reads all threads.
///
/// # Errors
/// Where `allm` was not found, or something makes the whole target unreadable.
pub(crate) fn threads(
    view: View<'_>,
    limits: &Limits,
    coverage: &mut Coverage,
) -> Result<Vec<Thread>, Error> {
    let allm = view.runtime.need_global("runtime.allm")?;
    let layout = view.layout();
    let mut next = Addr(letgo_target::read_u64(view.memory, allm)?);
    let mut threads = Vec::new();
    let mut seen = FxHashSet::default();
    while !next.is_null() {
        if !seen.insert(next) {
            coverage.skip("thread", "the list of threads runs in a circle");
            break;
        }
        if threads.len() as u64 >= limits.threads {
            coverage.skip("thread", "there are more than the limit");
            break;
        }
        let bytes = match view.structure(next, layout.m.size).map_err(Error::from) {
            Ok(bytes) => bytes,
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => {
                coverage.skip("thread", error.to_string());
                break;
            }
        };
        threads.push(Thread {
            m: next,
            id: layout.m.id.get(&bytes).cast_signed(),
            procid: layout.m.procid.get(&bytes),
            g0_stack: thread_stack(view, layout.m.g0.addr(&bytes)),
            gsignal_stack: thread_stack(view, layout.m.gsignal.addr(&bytes)),
        });
        next = layout.m.alllink.addr(&bytes);
    }
    Ok(threads)
}

/// The stack of a thread's g, empty where it has none or it makes no sense.
fn thread_stack(view: View<'_>, g: Addr) -> AddrRange {
    let fields = &view.layout().g;
    let bound = |member| view.field(g, member).ok().map(Addr);
    match (bound(fields.stack_lo), bound(fields.stack_hi)) {
        (Some(low), Some(high)) if high.since(low) <= MOST_THREAD_STACK && !g.is_null() => {
            AddrRange::new(low, high)
        }
        _ => AddrRange::default(),
    }
}
