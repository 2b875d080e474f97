//! [`Start`]: where the frames of a goroutine begin, by what its g says and by registers.
//!
//! Source: src/runtime/traceback.go, `initAt`; go1.19 to go1.27.

use letgo_goruntime::Status;
use letgo_target::{Addr, AddrRange};

use super::Source;

/// `_Gscan` and what is above the statuses. Source: src/runtime/runtime2.go.
const STATUS_MASK: u32 = 0xfff;
/// Largest stack that is believed. Source: src/runtime/proc.go, `maxstacksize`, rounded up.
const MOST_STACK: u64 = 1 << 31;

/// Where a goroutine's stack begins to be of use, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// All of the stack.
    pub(super) stack: AddrRange,
    /// Where it goes on; null where no frame is known.
    pub(super) pc: Addr,
    /// First byte in use.
    pub(super) sp: Addr,
    /// Its innermost frame was left at any instruction.
    pub(super) anywhere: bool,
}

impl Start {
    /// The part in use.
    pub(super) fn used(&self) -> AddrRange {
        AddrRange::new(self.sp, self.stack.end())
    }
}

pub(super) fn status(source: &Source<'_>, g: &[u8]) -> Status {
    let number = source.program.layout().g.atomicstatus.u32(g);
    Status::from_number(number & STATUS_MASK)
}

/// The bounds of a goroutine's stack, where they make sense and there is one.
pub(super) fn stack_of(source: &Source<'_>, g: &[u8]) -> Option<AddrRange> {
    let fields = &source.program.layout().g;
    let (low, high) = (fields.stack_lo.addr(g), fields.stack_hi.addr(g));
    let stack = AddrRange::new(low, high);
    (!stack.is_empty() && stack.len() <= MOST_STACK).then_some(stack)
}

/// Beginning with the lowest byte of a stack, without any frame known.
pub(super) fn whole(stack: AddrRange) -> Start {
    Start {
        stack,
        pc: Addr::NULL,
        sp: stack.start(),
        anywhere: false,
    }
}

/// Where to begin with a goroutine; nothing where it has no stack in use.
pub(super) fn start(source: &Source<'_>, g: &[u8]) -> Option<Start> {
    let fields = &source.program.layout().g;
    let stack = stack_of(source, g)?;
    let status = status(source, g);
    if status.is_dead() {
        return None;
    }
    let saved = |sp: Addr, pc: Addr| Start {
        pc,
        sp,
        ..whole(stack)
    };
    let in_call = fields.syscallsp.addr(g);
    let on_stack = source.registers.iter().find(|regs| stack.contains(regs.sp));
    let start = if status == Status::CopyStack {
        whole(stack)
    } else if status != Status::Running && !in_call.is_null() {
        saved(in_call, fields.syscallpc.addr(g))
    } else if status != Status::Running {
        saved(fields.sched_sp.addr(g), fields.sched_pc.addr(g))
    } else if let Some(registers) = on_stack {
        Start {
            pc: registers.pc,
            sp: registers.sp,
            anywhere: true,
            stack,
        }
    } else if on_scheduler(source, g) {
        saved(fields.sched_sp.addr(g), fields.sched_pc.addr(g))
    } else {
        // Its registers are not known, or they are in a signal's frame.
        whole(stack)
    };
    Some(match stack.contains(start.sp) {
        true => start,
        false => whole(stack),
    })
}

/// Whether a running goroutine's thread is on its scheduler's stack, and was so when it stopped.
fn on_scheduler(source: &Source<'_>, g: &[u8]) -> bool {
    let layout = source.program.layout();
    let field = |base: Addr, member| source.program.field(base, member).map_or(Addr::NULL, Addr);
    let m = layout.g.m.addr(g);
    if m.is_null() || source.registers.is_empty() {
        return false;
    }
    let g0 = field(m, layout.m.g0);
    if g0.is_null() {
        return false;
    }
    let bounds = AddrRange::new(field(g0, layout.g.stack_lo), field(g0, layout.g.stack_hi));
    source.registers.iter().any(|regs| bounds.contains(regs.sp))
}
