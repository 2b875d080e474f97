//! Reading the spans that hold pointers, on all cores, and what their objects point to.
//!
//! Spans with pointers are a small part of a heap; spans without are never read. Each thread
//! reads a stretch of spans at a time, looks up at once which objects the pointers in it lead to,
//! and keeps only that: the bytes are read into the same memory again. What cannot be read is zeros
//! and counted. After this the target is not needed for objects.
//!
//! Does not know where pointers lie (see `pointers`).
//!
//! Invariants: bytes read stay within [`Limits::copied_bytes`](crate::Limits); edges are added in
//! the order of stretches, whichever thread is first; a span that was left out is
//! [`Shape::Opaque`].

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use letgo_goruntime::{RUNTIME_PAGE, Span};
use letgo_target::{AddrRange, Coverage, Fault, OS_PAGE, Piece as Read, ReadMemory};

use crate::bits::{index, word};
use crate::channels::{Channel, Form};
use crate::edges::{Edges, Found};
use crate::objects::{Objects, Shape};
use crate::plane::{has_arena_bitmaps, plane};
use crate::pointers::{Piece, Pointers};
use crate::program::Program;
use crate::ring::Ring;
use crate::stretches::{Part, Stretches};
use crate::types::{Masks, Types};
use crate::typing::{Claims, SeedHands, Seeds};
use crate::{Error, GraphOptions, Limits};

/// Bytes of one piece of a read.
const PIECE: u64 = 1 << 20;
/// Largest object whose pointer bitmap lies in its span. Source: `MinSizeForMallocHeader`.
const MOST_BITMAP_OBJECT: u64 = 512;

/// Pointers ahead of which it is asked for what says where they lead.
const AHEAD: usize = 16;

/// A pointer that was met.
#[derive(Clone, Copy)]
struct Met {
    /// The slot that it lies in.
    number: u32,
    /// The number of its word in what was read.
    at: u64,
    value: u64,
    /// The word before is the object's and no pointer.
    beside: bool,
}

/// What was read of a target's objects.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    pub(crate) edges: Edges,
    /// What may be channels that hold something.
    pub(crate) channels: Vec<Channel>,
    /// What is known of types by then.
    pub(crate) seeds: Seeds,
    /// Bytes of spans that were read.
    pub(crate) bytes: u64,
}

/// What threads share.
struct Copying<'a> {
    program: &'a Program<'a>,
    spans: &'a [Span],
    objects: &'a Objects,
    until: Instant,
    plane: &'a [u64],
    seeds: &'a Seeds,
    stretches: Mutex<Stretches<'a>>,
    types: Mutex<Resolving>,
    done: Mutex<Done>,
}

/// Types, and what they may take.
struct Resolving {
    types: Types,
    room: u64,
    coverage: Coverage,
}

/// What threads found so far.
#[derive(Default)]
struct Done {
    edges: Edges,
    /// Number of the stretch whose edges are added next, and those that are ready before that.
    next: usize,
    waiting: BTreeMap<usize, Found>,
    /// To be used again.
    spare: Vec<Found>,
    /// Stretches that there was no room for.
    left_out: u64,
    /// Spans that were left out for lack of time.
    late: Vec<usize>,
    channels: Vec<Channel>,
    coverage: Coverage,
    fault: Option<Fault>,
}

/// Reads the spans with pointers of `objects`, and finds what their objects point to.
///
/// # Errors
/// Only what makes the whole target unreadable.
///
/// # Consistency
/// A running target changes meanwhile: objects made since are not known, and a pointer may be that
/// of an earlier moment than the next.
pub(crate) fn copy(
    program: &Program<'_>,
    spans: &[Span],
    objects: &mut Objects,
    claims: Claims,
    options: &GraphOptions<'_>,
    until: Instant,
    coverage: &mut Coverage,
) -> Result<Copied, Error> {
    let limits = &options.limits;
    let bytes = place(program, spans, objects, limits, coverage);
    let mut resolving = Resolving {
        types: Types::default(),
        room: limits.mask_bytes,
        coverage: Coverage::default(),
    };
    large_types(program, spans, objects, &mut resolving);
    let plane = match has_arena_bitmaps(program) {
        true => plane(program, spans, objects, bytes, coverage)?,
        false => Vec::new(),
    };
    let seeds = Seeds::new(program, claims, bytes)?;
    let nodes = followed(objects);
    let edges = Edges::new(
        objects.slots(),
        nodes,
        index(bytes / 8),
        limits.edge_bytes / 4,
    );
    let copying = Copying {
        program,
        spans,
        objects,
        until,
        plane: &plane,
        seeds: &seeds,
        stretches: Mutex::new(Stretches::new(objects, spans)),
        types: Mutex::new(resolving),
        done: Mutex::new(Done {
            edges,
            ..Done::default()
        }),
    };
    std::thread::scope(|scope| {
        for _ in 1..options.threads().max(1) {
            scope.spawn(|| copying.work());
        }
        copying.work();
    });
    let done = copying.done.into_inner();
    let resolving = copying.types.into_inner();
    let mut done = done.unwrap_or_else(PoisonError::into_inner);
    let resolving = resolving.unwrap_or_else(PoisonError::into_inner);
    coverage.merge(resolving.coverage);
    let channels = mem::take(&mut done.channels);
    let edges = done.finish(objects, coverage)?;
    Ok(Copied {
        edges,
        channels,
        seeds,
        bytes,
    })
}

impl Done {
    /// Takes what a stretch has, and adds it when all before it was added.
    fn add(&mut self, number: usize, found: Found) {
        self.waiting.insert(number, found);
        while let Some(mut found) = self.waiting.remove(&self.next) {
            self.next += 1;
            self.left_out += u64::from(!self.edges.add(&found));
            found.clear();
            self.spare.push(found);
        }
    }

    /// Tells what was left out.
    fn finish(mut self, objects: &mut Objects, coverage: &mut Coverage) -> Result<Edges, Error> {
        if let Some(fault) = self.fault {
            return Err(fault.into());
        }
        coverage.merge(self.coverage);
        self.late.sort_unstable();
        self.late.dedup();
        if !self.late.is_empty() {
            let why = format!("there was no time to copy {} of them", self.late.len());
            coverage.skip("span", why);
        }
        if self.left_out > 0 {
            let why = "there are more pointers than the limit: what these lead to is not followed";
            coverage.skip("pointers", why);
        }
        for own in self.late {
            if let Some(span) = objects.spans.get_mut(own) {
                span.shape = Shape::Opaque;
            }
        }
        self.edges.finish();
        Ok(self.edges)
    }
}

/// Most objects that may point to others.
fn followed(objects: &Objects) -> usize {
    let spans = objects.spans.iter().filter(|span| !span.is_opaque());
    let in_use = spans.map(|span| objects.in_use.count(span.first, span.nelems) as usize);
    in_use.sum()
}

/// Decides which spans are read, and how their pointers are found; answers how many bytes that is.
fn place(
    program: &Program<'_>,
    spans: &[Span],
    objects: &mut Objects,
    limits: &Limits,
    coverage: &mut Coverage,
) -> u64 {
    let arenas = has_arena_bitmaps(program);
    let (mut page, mut left_out) = (0u64, 0u64);
    let most = (limits.copied_bytes / RUNTIME_PAGE).min(u64::from(u32::MAX / 16));
    let census = objects.census.iter();
    for (own, at) in objects.spans.iter_mut().zip(census) {
        let Some(span) = spans.get(*at as usize) else {
            continue;
        };
        if span.is_noscan() || objects.in_use.count(own.first, own.nelems) == 0 {
            continue;
        }
        let pages = u64::from(span.npages);
        if page + pages > most {
            left_out += 1;
            continue;
        }
        let words = page * (RUNTIME_PAGE / 512);
        own.shape = match arenas {
            true => Shape::Plane(u32::try_from(words).unwrap_or(u32::MAX)),
            false => shape(span),
        };
        own.words = u32::try_from(page * (RUNTIME_PAGE / 512)).unwrap_or(u32::MAX);
        page += pages;
    }
    if left_out > 0 {
        let why = format!("{left_out} of them are beyond the limit of bytes that are copied");
        coverage.skip("span", why);
    }
    page * RUNTIME_PAGE
}

fn shape(span: &Span) -> Shape {
    let len = span.range().len();
    if span.user_arena || span.size_class() == 0 {
        Shape::Typed
    } else if span.elem_size <= MOST_BITMAP_OBJECT {
        let offset = len.saturating_sub(u64::from(span.bitmap_bytes));
        Shape::Bits(u32::try_from(offset).unwrap_or(u32::MAX))
    } else {
        Shape::Header
    }
}

/// Resolves the types of large objects.
fn large_types(
    program: &Program<'_>,
    spans: &[Span],
    objects: &mut Objects,
    resolving: &mut Resolving,
) {
    for (own, at) in objects.spans.iter_mut().zip(&objects.census) {
        // The runtime follows nothing in a large object whose type it has not set yet.
        if own.shape == Shape::Typed
            && let Some(span) = spans.get(*at as usize)
            && (span.large_type.is_null() || !resolving.has(program, span.large_type.0))
        {
            own.shape = Shape::Opaque;
        }
    }
}

impl Resolving {
    fn has(&mut self, program: &Program<'_>, addr: u64) -> bool {
        let (room, coverage) = (&mut self.room, &mut self.coverage);
        let mask = self.types.resolve(program, addr, room, coverage);
        mask.is_some()
    }
}

/// What a thread has of its own.
#[derive(Default)]
struct Hands {
    bytes: Vec<u8>,
    /// Types that were met.
    types: Masks,
    seeds: SeedHands,
    coverage: Coverage,
    late: Vec<usize>,
    channels: Vec<Channel>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Copying<'_> {
    /// One thread: reads stretches until there are none.
    fn work(&self) {
        let mut hands = Hands::default();
        let fault = self.all(&mut hands).err();
        let mut done = lock(&self.done);
        done.late.append(&mut hands.late);
        done.channels.append(&mut hands.channels);
        done.coverage.merge(hands.coverage);
        done.fault = done.fault.take().or(fault);
    }

    fn all(&self, hands: &mut Hands) -> Result<(), Fault> {
        loop {
            let next = lock(&self.stretches).next();
            let Some((number, parts)) = next else {
                return Ok(());
            };
            let mut found = lock(&self.done).spare.pop().unwrap_or_default();
            if Instant::now() > self.until {
                hands.late.extend(parts.iter().map(|part| part.own));
            } else {
                self.stretch(&parts, hands, &mut found)?;
            }
            lock(&self.done).add(number, found);
        }
    }

    fn stretch(&self, parts: &[Part], hands: &mut Hands, found: &mut Found) -> Result<(), Fault> {
        let bytes: u64 = parts.iter().map(|part| part.range.len()).sum();
        let len = index(bytes).max(hands.bytes.len());
        let mut bytes = mem::take(&mut hands.bytes);
        bytes.resize(len, 0);
        read(self.program.memory, parts, &mut bytes, &mut hands.coverage)?;
        let mut rest = bytes.as_slice();
        for part in parts {
            let (own, behind) = rest
                .split_at_checked(index(part.range.len()))
                .unwrap_or_default();
            rest = behind;
            self.part(part, own, hands, found);
        }
        hands.bytes = bytes;
        Ok(())
    }

    /// Finds what the objects of a part point to.
    fn part(&self, part: &Part, bytes: &[u8], hands: &mut Hands, found: &mut Found) {
        let at = self.objects.census.get(part.own);
        let (Some(span), Some(known)) = (
            self.objects.spans.get(part.own),
            at.and_then(|at| self.spans.get(*at as usize)),
        ) else {
            return;
        };
        let piece = Piece {
            span,
            from: part.from,
            bytes,
            large_type: known.large_type.0,
        };
        match span.shape {
            Shape::Typed => self.learn(piece.large_type, &mut hands.types),
            Shape::Header => self.learn_named(&piece, &mut hands.types),
            _ => {}
        }
        let pointers = Pointers {
            plane: self.plane,
            types: &hands.types,
        };
        let form = Form::of(self.program.layout());
        let fits = form.fits(span) && !span.has_headers();
        let seeds = &mut hands.seeds;
        let mut ring = Ring::<Option<Met>, AHEAD>::default();
        self.objects.in_use.each(span.first, span.nelems, |number| {
            let dead = self.objects.dead.has(number);
            if !dead {
                self.seed(&piece, number, seeds);
            }
            if fits && !dead {
                let (_, object) = piece.object(number - span.first);
                hands
                    .channels
                    .extend(form.look(number, object, self.objects));
            }
            let (start, _) = piece.object(number - span.first);
            // What is in front of an object is no part of it.
            let mut last = match span.has_headers() {
                true => start,
                false => start.wrapping_sub(1),
            };
            pointers.each(&piece, number - span.first, &mut |at, value| {
                let beside = !dead && last != at.wrapping_sub(1);
                last = at;
                self.objects.ask_page(value);
                let met = Met {
                    number,
                    at,
                    value,
                    beside,
                };
                if let Some(met) = ring.put(Some(met)) {
                    self.met(&met, &piece, seeds, found);
                }
            });
        });
        for _ in 0..AHEAD {
            if let Some(met) = ring.put(None) {
                self.met(&met, &piece, seeds, found);
            }
        }
    }

    /// Looks up where a pointer leads.
    #[inline]
    fn met(&self, met: &Met, piece: &Piece<'_>, seeds: &mut SeedHands, found: &mut Found) {
        let Some(slot) = self.objects.slot_at(met.value) else {
            return;
        };
        found.push(met.number, slot.number, slot.offset);
        self.seeds.leads(piece.span, piece.from / 8 + met.at);
        if met.beside {
            let before = met.at.wrapping_sub(1);
            let first = word(piece.bytes, index(before.wrapping_mul(8)));
            let program = self.program;
            self.seeds.pair(program, seeds, first, slot, self.objects);
        }
    }

    /// What an object says of its own type.
    #[inline]
    fn seed(&self, piece: &Piece<'_>, number: u32, hands: &mut SeedHands) {
        let span = piece.span;
        let (_, object) = piece.object(number - span.first);
        let named = match span.shape {
            Shape::Typed => piece.large_type,
            Shape::Header => word(object, 0),
            _ => {
                let first = word(object, 0);
                return self.seeds.first_word(self.program, hands, first, number);
            }
        };
        if named != 0 && piece.from == 0 {
            self.seeds.named(self.program, hands, named, number, span);
        }
    }

    /// Learns the types that objects name.
    fn learn_named(&self, piece: &Piece<'_>, types: &mut Masks) {
        let mut last = 0;
        let span = piece.span;
        self.objects.in_use.each(span.first, span.nelems, |number| {
            let at = u64::from(number - span.first) * span.elem_size;
            let named = word(piece.bytes, index(at));
            if named != last && named != 0 {
                self.learn(named, types);
                last = named;
            }
        });
    }

    fn learn(&self, addr: u64, types: &mut Masks) {
        types.entry(addr).or_insert_with(|| {
            let mut resolving = lock(&self.types);
            let Resolving {
                types,
                room,
                coverage,
            } = &mut *resolving;
            types.resolve(self.program, addr, room, coverage)
        });
    }
}

/// Reads parts one behind the other into `into`.
fn read(
    memory: &dyn ReadMemory,
    parts: &[Part],
    into: &mut [u8],
    coverage: &mut Coverage,
) -> Result<(), Fault> {
    let mut pieces = cut(&joined(parts), into, PIECE);
    memory.read_scattered(&mut pieces)?;
    for piece in pieces.iter_mut().filter(|piece| !piece.filled) {
        let range = AddrRange::sized(piece.addr, piece.buf.len() as u64);
        let mut pages = cut(&[range], piece.buf, OS_PAGE);
        memory.read_scattered(&mut pages)?;
        for page in pages.iter_mut().filter(|page| !page.filled) {
            page.buf.fill(0);
            coverage.skip("heap page", "it cannot be read, or is not resident");
        }
    }
    Ok(())
}

/// Where parts are; neighbours are joined.
fn joined(parts: &[Part]) -> Vec<AddrRange> {
    let mut ranges: Vec<AddrRange> = Vec::new();
    for part in parts {
        match ranges.last_mut() {
            Some(last) if last.end() == part.range.start() => {
                *last = AddrRange::new(last.start(), part.range.end());
            }
            _ => ranges.push(part.range),
        }
    }
    ranges
}

/// Cuts ranges and the buffer that they go to into pieces.
fn cut<'a>(ranges: &[AddrRange], into: &'a mut [u8], most: u64) -> Vec<Read<'a>> {
    let mut pieces = Vec::new();
    let mut rest = into;
    for range in ranges {
        let mut done = 0;
        while done < range.len() {
            let len = most.min(range.len() - done);
            let (head, behind) = mem::take(&mut rest)
                .split_at_mut_checked(index(len))
                .unwrap_or_default();
            rest = behind;
            pieces.push(Read::new(range.start().add(done), head));
            done += len;
        }
    }
    pieces
}
