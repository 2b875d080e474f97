//! Copying the spans that hold pointers, in large pieces, on all cores.
//!
//! Spans with pointers are a small part of a heap; spans without are never read. Each thread
//! copies a stretch of spans at a time, and looks right away which types the objects in it name.
//! What cannot be read is zeros and counted. After this the target is not needed for objects.
//!
//! Invariants: bytes copied stay within [`Limits::copied_bytes`](crate::Limits); a span that was
//! left out is [`Shape::Opaque`].

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use letgo_goruntime::{RUNTIME_PAGE, Span};
use letgo_target::{Addr, AddrRange, Coverage, Fault, OS_PAGE, Piece, ReadMemory, gather};
use rustc_hash::FxHashSet;

use crate::arena_bits::{self, WORD_BYTES};
use crate::bits::{index, word};
use crate::objects::{HeapSpan, Objects, Shape};
use crate::pointers::{Contents, PLANE_WORDS};
use crate::program::Program;
use crate::{Error, GraphOptions, Limits};

/// Bytes that a thread copies at a time.
const STRETCH: u64 = 4 << 20;
/// Bytes of one piece of a read.
const PIECE: u64 = 1 << 20;
/// Largest object whose pointer bitmap lies in its span. Source: `MinSizeForMallocHeader`.
const MOST_BITMAP_OBJECT: u64 = 512;
/// Bytes of an arena, and the address of the first. Source: src/runtime/malloc.go, amd64.
const ARENA: u64 = 64 << 20;
const ARENA_BASE: u64 = 0xffff_8000_0000_0000;
/// Bytes of arenas' bitmaps that are held at once.
const BITMAP_BATCH: u64 = 8 << 20;

/// A stretch of spans: the first and the one behind the last of our spans, and where they go.
struct Stretch<'a> {
    spans: (usize, usize),
    into: &'a mut [u8],
}

/// What the threads found.
#[derive(Default)]
struct Found {
    /// Addresses of types that objects name.
    types: FxHashSet<u64>,
    /// Spans that were left out for lack of time.
    late: Vec<usize>,
    coverage: Coverage,
    fault: Option<Fault>,
}

/// Copies the spans with pointers of `objects` and reads what their pointers are found with.
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
    options: &GraphOptions<'_>,
    until: Instant,
    coverage: &mut Coverage,
) -> Result<Contents, Error> {
    let (limits, threads) = (&options.limits, options.threads());
    let bytes = place(program, spans, objects, limits, coverage);
    let mut contents = Contents {
        data: vec![0; index(bytes)],
        ..Contents::default()
    };
    if let Some(untouched) = options.untouched {
        untouched(&mut contents.data);
    }
    let stretches = stretches(objects, spans, &mut contents.data);
    let queue = Mutex::new(stretches.into_iter());
    let found = Mutex::new(Found::default());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| work(program.memory, objects, spans, until, &queue, &found));
        }
    });
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(fault) = found.fault {
        return Err(fault.into());
    }
    coverage.merge(found.coverage);
    if !found.late.is_empty() {
        let why = format!("there was no time to copy {} of them", found.late.len());
        coverage.skip("span", why);
    }
    for own in found.late {
        if let Some(span) = objects.spans.get_mut(own) {
            span.shape = Shape::Opaque;
        }
    }
    let mut room = limits.mask_bytes;
    types(
        program,
        spans,
        objects,
        &mut contents,
        found.types,
        &mut room,
        coverage,
    );
    if has_arena_bitmaps(program) {
        plane(program, spans, objects, &mut contents, coverage)?;
    }
    Ok(contents)
}

/// Whether pointer bitmaps lie in arenas.
fn has_arena_bitmaps(program: &Program<'_>) -> bool {
    program.layout().heap_arena.bitmap.is_some()
}

/// Gives each span with pointers its place in the copy and the way its pointers are found; answers
/// how many bytes the copy has.
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
        own.page = u32::try_from(page).unwrap_or(u32::MAX);
        own.shape = shape(span, own, arenas);
        page += pages;
    }
    if left_out > 0 {
        let why = format!("{left_out} of them are beyond the limit of bytes that are copied");
        coverage.skip("span", why);
    }
    page * RUNTIME_PAGE
}

fn shape(span: &Span, own: &HeapSpan, arenas: bool) -> Shape {
    let len = span.range().len();
    if arenas {
        Shape::Plane(own.page.saturating_mul(16))
    } else if span.user_arena || span.size_class() == 0 {
        // Until its type is known, or it turns out to have none.
        Shape::Typed(u32::MAX)
    } else if span.elem_size <= MOST_BITMAP_OBJECT {
        let offset = len.saturating_sub(u64::from(span.bitmap_bytes));
        Shape::Bits(u32::try_from(offset).unwrap_or(u32::MAX))
    } else {
        Shape::Header
    }
}

/// Cuts the copy into stretches, in order.
fn stretches<'a>(objects: &Objects, spans: &[Span], data: &'a mut [u8]) -> Vec<Stretch<'a>> {
    let mut stretches = Vec::new();
    let mut rest = data;
    let (mut first, mut bytes) = (0, 0u64);
    for own in 0..=objects.spans.len() {
        let len = copied_len(objects, spans, own);
        if own == objects.spans.len() || (bytes > 0 && bytes + len > STRETCH) {
            let (into, behind) = std::mem::take(&mut rest)
                .split_at_mut_checked(index(bytes))
                .unwrap_or_default();
            rest = behind;
            stretches.push(Stretch {
                spans: (first, own),
                into,
            });
            (first, bytes) = (own, 0);
        }
        bytes += len;
    }
    stretches
}

/// How many bytes of our span are copied.
fn copied_len(objects: &Objects, spans: &[Span], own: usize) -> u64 {
    let followed = objects.spans.get(own).is_some_and(|span| !span.is_opaque());
    if followed {
        range(objects, spans, own).len()
    } else {
        0
    }
}

/// The bytes of our span.
fn range(objects: &Objects, spans: &[Span], own: usize) -> AddrRange {
    let at = objects.census.get(own);
    let span = at.and_then(|at| spans.get(*at as usize));
    span.map_or_else(AddrRange::default, Span::range)
}

/// One thread: copies stretches until there are none.
fn work(
    memory: &dyn ReadMemory,
    objects: &Objects,
    spans: &[Span],
    until: Instant,
    queue: &Mutex<std::vec::IntoIter<Stretch<'_>>>,
    found: &Mutex<Found>,
) {
    let mut own = Found::default();
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some(stretch) = next else { break };
        let (first, end) = stretch.spans;
        if Instant::now() > until {
            let late = (first..end).filter(|at| copied_len(objects, spans, *at) > 0);
            own.late.extend(late);
            continue;
        }
        let ranges = ranges(objects, spans, first, end);
        if let Err(fault) = read(memory, &ranges, stretch.into, &mut own.coverage) {
            own.fault = Some(fault);
            break;
        }
        named_types(objects, spans, (first, end), stretch.into, &mut own.types);
    }
    let mut all = found.lock().unwrap_or_else(PoisonError::into_inner);
    all.types.extend(own.types);
    all.late.extend(own.late);
    all.coverage.merge(own.coverage);
    all.fault = all.fault.take().or(own.fault);
}

/// What is to be copied of these spans; neighbours are joined.
fn ranges(objects: &Objects, spans: &[Span], first: usize, end: usize) -> Vec<AddrRange> {
    let mut ranges: Vec<AddrRange> = Vec::new();
    for own in first..end {
        if copied_len(objects, spans, own) == 0 {
            continue;
        }
        let next = range(objects, spans, own);
        match ranges.last_mut() {
            Some(last) if last.end() == next.start() => {
                *last = AddrRange::new(last.start(), next.end());
            }
            _ => ranges.push(next),
        }
    }
    ranges
}

/// Reads `ranges` one behind the other into `into`.
fn read(
    memory: &dyn ReadMemory,
    ranges: &[AddrRange],
    into: &mut [u8],
    coverage: &mut Coverage,
) -> Result<(), Fault> {
    let mut pieces = cut(ranges, into, PIECE);
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

/// Cuts ranges and the buffer that they go to into pieces.
fn cut<'a>(ranges: &[AddrRange], into: &'a mut [u8], most: u64) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    let mut rest = into;
    for range in ranges {
        let mut done = 0;
        while done < range.len() {
            let len = most.min(range.len() - done);
            let (head, behind) = std::mem::take(&mut rest)
                .split_at_mut_checked(index(len))
                .unwrap_or_default();
            rest = behind;
            pieces.push(Piece::new(range.start().add(done), head));
            done += len;
        }
    }
    pieces
}

/// Adds the types that objects of these spans name.
fn named_types(
    objects: &Objects,
    spans: &[Span],
    (first, end): (usize, usize),
    data: &[u8],
    types: &mut FxHashSet<u64>,
) {
    let mut at = 0u64;
    let mut last = 0;
    for own in first..end {
        let len = copied_len(objects, spans, own);
        let Some(span) = objects.spans.get(own) else {
            continue;
        };
        if len > 0 && span.shape == Shape::Header {
            for slot in 0..span.nelems {
                if !objects.in_use.has(span.first + slot) {
                    continue;
                }
                let start = at + u64::from(slot) * span.elem_size;
                let named = word(data, index(start));
                if named != last && named != 0 {
                    types.insert(named);
                    last = named;
                }
            }
        }
        at += len;
    }
}

/// Resolves the types of objects, those that they name and those of large ones.
fn types(
    program: &Program<'_>,
    spans: &[Span],
    objects: &mut Objects,
    contents: &mut Contents,
    named: FxHashSet<u64>,
    room: &mut u64,
    coverage: &mut Coverage,
) {
    for addr in named {
        contents.types.resolve(program, addr, room, coverage);
    }
    for (own, at) in objects.spans.iter_mut().zip(&objects.census) {
        if own.shape != Shape::Typed(u32::MAX) {
            continue;
        }
        // The runtime follows nothing in a large object whose type it has not set yet.
        let large = spans
            .get(*at as usize)
            .map_or(Addr::NULL, |span| span.large_type);
        let number = match large.is_null() {
            true => None,
            false => contents.types.resolve(program, large.0, room, coverage),
        };
        own.shape = number.map_or(Shape::Opaque, Shape::Typed);
    }
}

/// Makes the plane out of the arenas' bitmaps.
fn plane(
    program: &Program<'_>,
    spans: &[Span],
    objects: &Objects,
    contents: &mut Contents,
    coverage: &mut Coverage,
) -> Result<(), Error> {
    contents.plane = vec![0; contents.data.len() / index(WORD_BYTES)];
    let arenas = Arenas::of(program)?;
    let mut own = 0;
    while own < objects.spans.len() {
        let (first, mut bytes) = (own, 0);
        while own < objects.spans.len() && (bytes == 0 || bytes < BITMAP_BATCH) {
            bytes += copied_len(objects, spans, own) / 32;
            own += 1;
        }
        let batch = (first..own).filter(|own| copied_len(objects, spans, *own) > 0);
        let wanted: Vec<(Addr, u64)> = batch
            .clone()
            .flat_map(|own| arenas.parts(range(objects, spans, own)))
            .flat_map(|part| [part.bits, part.no_more])
            .collect();
        let gathered = gather(program.memory, wanted.into_iter())?;
        for own in batch {
            let range = range(objects, spans, own);
            let Some(span) = objects.spans.get(own) else {
                continue;
            };
            let (mut bits, mut no_more) = (Vec::new(), Vec::new());
            for part in arenas.parts(range) {
                let get = |(addr, len)| gathered.get(addr, index(len)).unwrap_or_default();
                bits.extend_from_slice(get(part.bits));
                no_more.extend_from_slice(get(part.no_more));
            }
            let start = index(u64::from(span.page) * PLANE_WORDS);
            let end = start + index(range.len() / WORD_BYTES);
            let Some(plane) = contents.plane.get_mut(start..end) else {
                continue;
            };
            if bits.is_empty() {
                coverage.skip("heapArena", "its bitmap cannot be read");
                continue;
            }
            let words = span.elem_size / 8;
            if arenas.no_more.is_some() {
                for (to, from) in plane.iter_mut().zip(bits.chunks(8)) {
                    *to = word(from, 0);
                }
                arena_bits::cut(plane, &no_more, words, span.nelems);
            } else {
                arena_bits::flatten(&bits, plane, words, span.nelems);
            }
        }
    }
    Ok(())
}

/// Where the arenas keep their bitmaps.
struct Arenas<'a> {
    program: &'a Program<'a>,
    /// The index of arenas.
    index: Addr,
    bitmap: u64,
    no_more: Option<u64>,
}

/// Where the bits of a range within one arena lie: address and length.
struct Part {
    bits: (Addr, u64),
    no_more: (Addr, u64),
}

impl<'a> Arenas<'a> {
    fn of(program: &'a Program<'a>) -> Result<Arenas<'a>, Error> {
        let fields = &program.layout().heap_arena;
        let mheap = program.runtime.global("runtime.mheap_").unwrap_or_default();
        let index = program.field(mheap, program.layout().mheap.arenas)?;
        let offset = |member: Option<letgo_goruntime::layout::Member>| {
            member.map(|member| u64::from(member.offset))
        };
        Ok(Arenas {
            program,
            index: Addr(index),
            bitmap: offset(fields.bitmap).unwrap_or(0),
            no_more: offset(fields.no_more_ptrs),
        })
    }

    fn parts(&self, range: AddrRange) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut at = range.start().0;
        while at < range.end().0 {
            let number = at.wrapping_sub(ARENA_BASE) / ARENA;
            let inside = at % ARENA;
            let len = (ARENA - inside).min(range.end().0 - at);
            let entry = self.index.add(number.saturating_mul(8));
            let arena = letgo_target::read_u64(self.program.memory, entry).map_or(Addr::NULL, Addr);
            let piece = |offset: u64, bytes_a_byte: u64| {
                let addr = arena.add(offset).add(inside / bytes_a_byte);
                let len = if arena.is_null() {
                    0
                } else {
                    len / bytes_a_byte
                };
                (addr, len)
            };
            parts.push(match self.no_more {
                Some(no_more) => Part {
                    bits: piece(self.bitmap, 64),
                    no_more: piece(no_more, WORD_BYTES * 8),
                },
                None => Part {
                    bits: piece(self.bitmap, 32),
                    no_more: (Addr::NULL, 0),
                },
            });
            at += len;
        }
        parts
    }
}
