//! [`Root`]: where the runtime starts to look for what is reachable.
//!
//! Everything that `markroot` marks: variables of every module, finalizers (pending, and of objects
//! that live), cleanups, weak handles, stacks. What the program itself keeps (handles of cgo,
//! pinned objects, timers, pools) hangs on its variables.
//!
//! A root that leads to no object is not kept.
//!
//! Source: src/runtime/mgcmark.go, `markroot`, `markrootSpans`; go1.19 to go1.27.

mod frames;
mod in_hand;
mod queues;
mod specials;
mod stack_maps;
mod stacks;
mod start;
mod variables;
mod walks;

use std::time::Instant;

use letgo_goruntime::Census;
use letgo_target::{Addr, Coverage};

use crate::objects::{ObjectId, Objects};
use crate::program::Program;
use crate::typing::Seeds;
use crate::{Error, Limits};
pub(crate) use in_hand::InHand;
pub(crate) use walks::BlockedIn;
pub use walks::Walk;
use walks::Walks;

/// What a root is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RootKind {
    /// An initialised variable.
    Data,
    /// A variable that starts as zero.
    Bss,
    /// A word of a stack that a stack map names, or a deferred call.
    Stack,
    /// The closure of a finalizer whose object lives, or what its object holds.
    Finalizer,
    /// A finalizer that waits to be run, and its object.
    FinalizerQueue,
    /// A cleanup whose object lives.
    Cleanup,
    /// A cleanup that waits to be run.
    CleanupQueue,
    /// What weak pointers to an object go through.
    WeakHandle,
    /// A word of a frame that has no stack map where it is; taken for a pointer as the runtime
    /// does.
    StackWord,
    /// What a thread has in its hands.
    Register,
}

impl RootKind {
    /// Whether the word may be no pointer at all.
    pub fn is_guess(self) -> bool {
        matches!(self, RootKind::StackWord | RootKind::Register)
    }
}

/// A word that holds the address of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Root {
    /// What it is.
    pub kind: RootKind,
    /// Where the word lies: in a variable, on a stack, in a structure of the runtime; for a
    /// register the stack pointer of its thread.
    pub at: Addr,
    /// What it holds: an address in an object.
    pub value: Addr,
    owner: u32,
}

/// No goroutine.
const NOBODY: u32 = u32::MAX;

impl Root {
    /// Whose stack it is of: which of the census's goroutines.
    pub fn goroutine(&self) -> Option<u32> {
        Some(self.owner).filter(|owner| *owner != NOBODY)
    }
}

/// What a stopped thread has in its hands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Registers {
    /// Next instruction.
    pub pc: Addr,
    /// Stack pointer.
    pub sp: Addr,
    /// All others.
    pub general: Vec<u64>,
}

impl Registers {
    /// Of a thread of which only these two are known, as `/proc/PID/syscall` tells them.
    pub fn only(pc: Addr, sp: Addr) -> Registers {
        Registers {
            pc,
            sp,
            general: Vec::new(),
        }
    }
}

/// All roots.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    pub(crate) roots: Vec<Root>,
    /// Objects that have a finalizer: what they hold is kept, not they themselves.
    pub(crate) finalized: Vec<ObjectId>,
    /// Words of variables that lead to variables, and where to.
    pub(crate) between: Vec<(Addr, Addr)>,
    /// Objects that weak pointers lead to.
    pub(crate) weak: Vec<ObjectId>,
    pub(crate) walks: Walks,
    pub(crate) in_hand: InHand,
}

/// What all kinds of roots are read with.
pub(crate) struct Source<'a> {
    pub(crate) program: &'a Program<'a>,
    pub(crate) census: &'a Census,
    pub(crate) objects: &'a Objects,
    pub(crate) seeds: &'a Seeds,
    pub(crate) limits: &'a Limits,
    pub(crate) registers: &'a [Registers],
    pub(crate) until: Instant,
}

impl Roots {
    /// The roots on the stack of one of the census's goroutines.
    pub(crate) fn of(&self, goroutine: u32) -> &[Root] {
        let range = self.walks.of(goroutine).map(|walk| walk.roots.clone());
        let range = range.unwrap_or_default();
        let range = range.start as usize..range.end as usize;
        self.roots.get(range).unwrap_or_default()
    }
}

/// Roots on their way into [`Roots`].
#[derive(Debug)]
pub(crate) struct Collected {
    roots: Roots,
    /// Whose stack is being read.
    owner: u32,
    /// Beyond the limit.
    left_out: u64,
    pub(crate) coverage: Coverage,
}

impl Default for Collected {
    fn default() -> Collected {
        Collected {
            roots: Roots::default(),
            owner: NOBODY,
            left_out: 0,
            coverage: Coverage::default(),
        }
    }
}

impl Collected {
    /// Keeps a word where it leads to an object.
    fn add(&mut self, source: &Source<'_>, kind: RootKind, at: Addr, value: u64) {
        if value == 0 || source.objects.object_at(Addr(value)).is_none() {
            return;
        }
        if self.roots.roots.len() >= source.limits.roots {
            self.left_out += 1;
            return;
        }
        self.roots.roots.push(Root {
            kind,
            at,
            value: Addr(value),
            owner: self.owner,
        });
    }

    fn merge(&mut self, other: Collected) {
        let roots = &mut self.roots;
        roots.walks.merge(other.roots.walks, roots.roots.len());
        roots.roots.extend(other.roots.roots);
        roots.finalized.extend(other.roots.finalized);
        roots.weak.extend(other.roots.weak);
        roots.between.extend(other.roots.between);
        roots.in_hand.merge(other.roots.in_hand);
        self.left_out += other.left_out;
        self.coverage.merge(other.coverage);
    }
}

/// Reads all roots.
///
/// # Errors
/// Only what makes the whole target unreadable.
///
/// # Consistency
/// Of a running target, a stack moves on while it is read; what makes no sense is skipped and
/// counted.
pub(crate) fn read(
    source: &Source<'_>,
    threads: usize,
    coverage: &mut Coverage,
) -> Result<Roots, Error> {
    let mut collected = Collected::default();
    variables::read(source, &mut collected)?;
    specials::read(source, &mut collected)?;
    queues::read(source, &mut collected)?;
    stacks::read(source, threads, &mut collected)?;
    collected.roots.walks.sort();
    in_hand::read(source, &mut collected)?;
    for registers in source.registers {
        for value in &registers.general {
            collected.add(source, RootKind::Register, registers.sp, *value);
        }
    }
    if collected.left_out > 0 {
        let why = format!("{} of them are beyond the limit", collected.left_out);
        collected.coverage.skip("root", why);
    }
    coverage.merge(collected.coverage);
    Ok(collected.roots)
}
