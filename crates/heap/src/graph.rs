//! [`Graph`]: the objects of a heap, their pointers and the roots, copied out of a target.
//!
//! Reading needs the target, marking does not: a target that was stopped for reading can go on
//! as soon as [`Graph::read`] returns.

use std::panic::resume_unwind;
use std::time::Instant;

use letgo_gobin::GoBinary;
use letgo_goruntime::{Census, Runtime};
use letgo_target::{Addr, AddrRange, Coverage, ReadMemory};

use crate::channels::{self, Channel};
use crate::contexts::Contexts;
use crate::copy::Copied;
use crate::leaks::Waits;
use crate::mark::Marking;
use crate::objects::{ObjectId, Objects};
use crate::program::Program;
use crate::roots::{self, Registers, Root, Roots, Walk};
use crate::typing::{Claims, Seeds};
use crate::{Error, Limits, Reachable, census_use, copy};

/// How a graph is read.
#[derive(Clone, Debug, Default)]
pub struct GraphOptions<'a> {
    /// How much it may take.
    pub limits: Limits,
    /// Threads of ours; 0 for as many as there are cores.
    pub threads: usize,
    /// What the target's threads have in their hands, where they are stopped. Without, the stacks
    /// of goroutines that run are guessed at.
    pub registers: &'a [Registers],
    /// Whether contexts of package `context` are looked for: [`Graph::outliving`] finds none
    /// without.
    pub contexts: bool,
}

impl GraphOptions<'_> {
    pub(crate) fn threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}

/// The object graph of a heap.
#[derive(Debug)]
pub struct Graph {
    pub(crate) objects: Objects,
    pub(crate) copied: Copied,
    pub(crate) roots: Roots,
    pub(crate) waits: Waits,
    pub(crate) contexts: Contexts,
    pub(crate) channels: Vec<Channel>,
    pub(crate) coverage: Coverage,
}

/// Enters which slots are in use, and lays out what will be known of all: both take new memory, and
/// little else.
fn in_use(
    program: &Program<'_>,
    census: &Census,
    objects: &mut Objects,
) -> Result<(Claims, Coverage), Error> {
    let (slots, spans) = (objects.slots(), &census.spans);
    let (own, in_use, dead) = (&objects.spans, &mut objects.in_use, &mut objects.dead);
    std::thread::scope(|scope| {
        let claims = scope.spawn(|| Claims::new(own, slots));
        let entered = census_use::enter(program.runtime, program.memory, spans, own, in_use, dead);
        let claims = claims.join().unwrap_or_else(|panic| resume_unwind(panic));
        Ok((claims, entered?))
    })
}

impl Graph {
    /// Reads the graph of a target, of which a census was taken just before.
    ///
    /// `memory` decides what is read: pages that it refuses (since they are not resident) are
    /// skipped and counted.
    ///
    /// # Errors
    /// Where the target cannot be read any more, or has more slots than we can number.
    ///
    /// # Consistency
    /// At one moment if the target stands still, the census included. Of a running target the
    /// answer is near: objects made since the census are not known, and a pointer that moved from
    /// an object that was not copied yet to one that was is missed.
    pub fn read(
        runtime: &Runtime,
        binary: &GoBinary,
        memory: &dyn ReadMemory,
        census: &Census,
        options: &GraphOptions<'_>,
    ) -> Result<Graph, Error> {
        let limits = &options.limits;
        let now = Instant::now();
        let until = now.checked_add(limits.copy_time).unwrap_or(now);
        let program = Program {
            runtime,
            binary,
            memory,
        };
        let mut objects = Objects::new(&census.spans)?;
        let (claims, mut coverage) = in_use(&program, census, &mut objects)?;
        let threads = options.threads();
        let read = |objects: &Objects, seeds: &Seeds, coverage: &mut Coverage| {
            let source = roots::Source {
                program: &program,
                census,
                objects,
                seeds,
                limits,
                registers: options.registers,
                until,
            };
            roots::read(&source, threads, coverage)
        };
        let mut copied = copy::copy(
            &program,
            &census.spans,
            &mut objects,
            claims,
            options,
            until,
            &mut coverage,
        )?;
        let goroutines = census.goroutines.iter();
        let goroutines = goroutines.filter_map(|one| objects.object_at(one.g));
        copied.seeds.goroutines = goroutines.map(|object| object.0).collect();
        let roots = read(&objects, &copied.seeds, &mut coverage)?;
        let waits = Waits::read(&program, census, &objects, &roots)?;
        let channels = channels::sure(std::mem::take(&mut copied.channels), &copied.seeds);
        let contexts = match options.contexts {
            true => Contexts::read(&program, &objects, &copied.seeds, &roots)?,
            false => Contexts::default(),
        };
        Ok(Graph {
            objects,
            copied,
            roots,
            waits,
            contexts,
            channels,
            coverage,
        })
    }

    /// Finds what is reachable, on so many threads (0 for as many as there are cores).
    ///
    /// First from the roots that are pointers for sure, then from those that are guessed.
    pub fn mark(&self, options: &GraphOptions<'_>) -> Reachable {
        let now = Instant::now();
        let until = now.checked_add(options.limits.mark_time).unwrap_or(now);
        let marking = Marking::new(&self.objects, &self.copied.edges, options.threads(), until);
        let mut items = Vec::new();
        for root in self.roots.roots.iter().filter(|root| !root.kind.is_guess()) {
            marking.reach(root.value.0, &mut items);
        }
        for object in &self.roots.finalized {
            for target in self.copied.edges.of(object.0) {
                marking.reach_slot(*target, &mut items);
            }
        }
        marking.follow(items);
        let reached = || self.objects.in_use.without(&marking.left.rest());
        let for_sure = reached();
        let mut items = Vec::new();
        for root in self.roots.roots.iter().filter(|root| root.kind.is_guess()) {
            marking.reach(root.value.0, &mut items);
        }
        if !items.is_empty() {
            marking.follow(items);
        }
        let guess = reached();
        let finalized = &self.roots.finalized;
        let mut reachable = Reachable::of(&self.objects, finalized, &for_sure, guess);
        reachable.pointers = marking.pointers();
        reachable.coverage = self.coverage.clone();
        if marking.is_late() {
            let why = "there was no time to follow all pointers: less is reachable than said";
            reachable.coverage.skip("graph", why);
        }
        reachable
    }

    /// Slots in use.
    pub fn objects(&self) -> u64 {
        self.objects.in_use.len()
    }

    /// Slots, in use or not: every [`ObjectId`] is below.
    pub fn slots(&self) -> u32 {
        self.objects.slots()
    }

    /// Bytes that were copied of spans.
    pub fn copied_bytes(&self) -> u64 {
        self.copied.bytes
    }

    /// Pointers between objects that are kept: 4 bytes each.
    pub fn edges(&self) -> u64 {
        self.copied.edges.len()
    }

    /// Words of variables that lead to variables, and where to.
    pub fn between(&self) -> &[(Addr, Addr)] {
        &self.roots.between
    }

    /// The roots that lead to objects.
    pub fn roots(&self) -> &[Root] {
        &self.roots.roots
    }

    /// The frames of each goroutine whose stack was read, in the census's order.
    pub fn walks(&self) -> &[Walk] {
        &self.roots.walks.walks
    }

    /// Where a goroutine is: next instruction of the innermost frame, then return addresses.
    pub fn pcs(&self, walk: &Walk) -> &[Addr] {
        let range = walk.pcs.start as usize..walk.pcs.end as usize;
        self.roots.walks.pcs.get(range).unwrap_or_default()
    }

    /// The roots on the stack of one of the census's goroutines.
    pub fn roots_of(&self, goroutine: u32) -> &[Root] {
        self.roots.of(goroutine)
    }

    /// Objects that have a finalizer.
    pub fn finalized(&self) -> &[ObjectId] {
        &self.roots.finalized
    }

    /// Whether an object may hold pointers, and was copied.
    pub fn is_followed(&self, object: ObjectId) -> bool {
        let place = self.objects.place(object);
        place.is_some_and(|(_, span)| !span.is_opaque())
    }

    /// What was left out so far.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// The object that an address points to or into.
    pub fn object_at(&self, addr: Addr) -> Option<ObjectId> {
        self.objects.object_at(addr)
    }

    /// The bytes of an object's slot.
    pub fn range_of(&self, object: ObjectId) -> Option<AddrRange> {
        let span = self.objects.span_of_slot(object.0)?;
        let slot = object.0.checked_sub(span.first)?;
        let offset = u64::from(slot).checked_mul(span.elem_size)?;
        Some(AddrRange::sized(
            Addr(span.base).add(offset),
            span.elem_size,
        ))
    }

    /// Which of the census's spans an object lies in.
    pub fn span_of(&self, object: ObjectId) -> Option<u32> {
        let (slot, _) = self.objects.place(object)?;
        self.objects.census.get(slot.span as usize).copied()
    }

    /// The numbers of the slots of one of the census's spans.
    pub fn numbers(&self, census: u32) -> Option<std::ops::Range<u32>> {
        let own = self.objects.census.binary_search(&census).ok()?;
        let span = self.objects.spans.get(own)?;
        Some(span.first..span.first.saturating_add(span.nelems))
    }

    /// Hands the objects that an object points to to `take`, one for each pointer.
    pub fn pointers(&self, object: ObjectId, take: &mut dyn FnMut(ObjectId)) {
        for target in self.copied.edges.of(object.0) {
            if self.objects.in_use.has(*target) {
                take(ObjectId(*target));
            }
        }
    }
}
