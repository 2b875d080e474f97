//! [`Leaks`]: which goroutines can never run again, proven, and what each group of them holds.
//!
//! A goroutine that waits for a channel, a lock, a wait group or a condition runs again only if
//! something that may still run reaches what it waits for. So marking starts without the stacks of
//! those that wait; one of them *joins*, with all that it holds, when what it waits for is reached;
//! and so on until none joins any more. Who never joined can never run again.
//!
//! Three kinds of links would make everything reachable and are cut: from `allgs` through each g,
//! from a sudog to its channel or semaphore (`sudog.c`, `sudog.elem`), and with them the table of
//! semaphores. Weak pointers count as links, since they can be made strong again.
//!
//! Where there is any [`Doubt`], nothing is said to be proven: a stop of ours may fall where a
//! waker already has the goroutine in hand.
//!
//! Invariants: a goroutine in doubt joins at once; `Proven` is said of none if anything was left
//! out of the graph.
//!
//! Source: src/runtime/mgc.go, `findGoroutineLeaks`, and `maybeTraceablePtr` of runtime2.go,
//! go1.26 to go1.27, for the idea; the structures in go1.19 to go1.27.

mod alone;
mod candidates;
mod joining;
mod waits;

use letgo_goruntime::{Census, Runtime, Status};
use letgo_target::{ReadMemory, gather};

use crate::{Error, Graph, GraphOptions};
pub use alone::Alone;
pub(crate) use alone::Cut;
use candidates::{Candidate, Candidates};
use waits::Rest;
pub(crate) use waits::Waits;

/// What is known of a goroutine's future.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Standing {
    /// It runs, or waits for what always may come: time, the network, another thread.
    Runs,
    /// What it waits for can still be reached.
    Reached,
    /// It waits for a channel, a lock, a wait group or a condition, and may be proven or not but
    /// for this.
    Unproven(Doubt),
    /// It can never run again.
    Proven,
    /// It is the main goroutine, and can never run again. The program would end with it.
    Main,
}

/// Why a goroutine that waits is taken as one that may run again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Doubt {
    /// Something was left out of the reading, so that what reaches it may not be known.
    Incomplete,
    /// Not all frames of its stack were found, with their pointers.
    Stack,
    /// What it waits for was not found.
    Unknown,
    /// What it waits for is not on the heap: a variable.
    Variable,
    /// It is no longer in the queue that it waits in: a waker has it.
    Waking,
    /// A thread has it in hand.
    InHand,
    /// C code called it and is locked to it.
    CalledByC,
    /// It is in a bubble of `testing/synctest`.
    Bubble,
    /// It went on since.
    Moved,
}

/// Which goroutines can never run again.
#[derive(Clone, Debug, Default)]
pub struct Leaks {
    /// Of each goroutine of the census.
    pub standings: Vec<Standing>,
    /// What each waits with, to tell later whether it still does: its g's words.
    rests: Vec<(u32, Rest)>,
}

impl Graph {
    /// Finds the goroutines that can never run again. `whole` says that the census and whatever
    /// else was read beside the graph left nothing out, at one moment.
    pub fn leaks(&self, census: &Census, whole: bool, options: &GraphOptions<'_>) -> Leaks {
        let candidates = Candidates::of(self, census);
        let seen = self.roots.in_hand.is_whole;
        let whole = whole && seen && self.coverage.is_complete() && self.coverage.torn == 0;
        let mut leaks = Leaks {
            standings: vec![Standing::Runs; census.goroutines.len()],
            rests: candidates.rests(self),
        };
        let (joined, late) = joining::joined(self, &candidates, options);
        for (candidate, joined) in candidates.list.iter().zip(joined) {
            let Some(standing) = leaks.standings.get_mut(candidate.goroutine as usize) else {
                continue;
            };
            *standing = match candidate.doubt {
                _ if !whole || late => Standing::Unproven(Doubt::Incomplete),
                Some(doubt) => Standing::Unproven(doubt),
                None if joined => Standing::Reached,
                None if candidate.is_main => Standing::Main,
                None => Standing::Proven,
            };
        }
        leaks
    }
}

impl Leaks {
    /// Looks at the proven ones once more in a target that has gone on: one that does not rest as
    /// it did is not proven any more. A g that cannot be read is of a target that is gone.
    ///
    /// # Errors
    /// Only what makes the whole target unreadable.
    pub fn look_again(
        &mut self,
        runtime: &Runtime,
        memory: &dyn ReadMemory,
        census: &Census,
    ) -> Result<(), Error> {
        let size = runtime.layout().g.size;
        let of = |number: u32| census.goroutines.get(number as usize);
        let gs = self.rests.iter().filter_map(|rest| of(rest.0));
        let gathered = gather(memory, gs.map(|one| (one.g, u64::from(size))))?;
        for (number, before) in &self.rests {
            let now = of(*number).and_then(|one| gathered.get(one.g, size as usize));
            let rests = now.is_some_and(|g| Rest::of(runtime.layout(), g) == *before);
            if let Some(standing) = self.standings.get_mut(*number as usize)
                && *standing == Standing::Proven
                && !rests
            {
                *standing = Standing::Unproven(Doubt::Moved);
            }
        }
        Ok(())
    }
}

/// Whether a goroutine waits for one of what this is about, by its wait reason; of some reasons
/// only its frames tell.
pub(crate) fn may_leak(status: Status, reason: &str) -> bool {
    matches!(status, Status::Waiting | Status::Leaked)
        && (is_for_ever(reason) || is_channel(reason) || is_lock(reason) || reason == "semacquire")
}

/// Nothing can wake it.
fn is_for_ever(reason: &str) -> bool {
    matches!(
        reason,
        "chan receive (nil chan)" | "chan send (nil chan)" | "select (no cases)"
    )
}

fn is_channel(reason: &str) -> bool {
    matches!(reason, "chan receive" | "chan send" | "select")
}

fn is_lock(reason: &str) -> bool {
    matches!(
        reason,
        "sync.Mutex.Lock"
            | "sync.RWMutex.RLock"
            | "sync.RWMutex.Lock"
            | "sync.WaitGroup.Wait"
            | "sync.Cond.Wait"
    )
}
