//! [`plane`]: the arenas' pointer bitmaps as one bit a word of the spans that are read.
//!
//! Up to 1.21, and in 1.22 without allocation headers, pointer bitmaps lie in arenas. Each span's
//! part of the plane starts at the word that its [`Shape::Plane`] names.
//!
//! Does not know the encodings (see `arena_bits`).

use letgo_goruntime::Span;
use letgo_target::{Addr, AddrRange, Coverage, gather};

use crate::Error;
use crate::arena_bits::{self, WORD_BYTES};
use crate::bits::{index, word};
use crate::objects::{Objects, Shape};
use crate::program::Program;

/// Bytes of an arena, and the address of the first. Source: src/runtime/malloc.go, amd64.
const ARENA: u64 = 64 << 20;
const ARENA_BASE: u64 = 0xffff_8000_0000_0000;
/// Bytes of arenas' bitmaps that are held at once.
const BITMAP_BATCH: u64 = 8 << 20;

/// Whether pointer bitmaps lie in arenas.
pub(crate) fn has_arena_bitmaps(program: &Program<'_>) -> bool {
    program.layout().heap_arena.bitmap.is_some()
}

/// The bytes of our span, where it has a part of the plane; and the first word of that.
fn planed(objects: &Objects, spans: &[Span], own: usize) -> Option<(AddrRange, u32)> {
    let Shape::Plane(first) = objects.spans.get(own)?.shape else {
        return None;
    };
    let span = spans.get(*objects.census.get(own)? as usize)?;
    Some((span.range(), first))
}

/// Makes the plane, of `bytes` bytes of spans.
///
/// # Errors
/// Only what makes the whole target unreadable.
pub(crate) fn plane(
    program: &Program<'_>,
    spans: &[Span],
    objects: &Objects,
    bytes: u64,
    coverage: &mut Coverage,
) -> Result<Vec<u64>, Error> {
    let mut plane = vec![0; index(bytes / WORD_BYTES)];
    let arenas = Arenas::of(program)?;
    let mut own = 0;
    while own < objects.spans.len() {
        let first = own;
        let mut bytes = 0;
        while own < objects.spans.len() && (bytes == 0 || bytes < BITMAP_BATCH) {
            bytes += planed(objects, spans, own).map_or(0, |(range, _)| range.len() / 32);
            own += 1;
        }
        batch(&arenas, spans, objects, first..own, &mut plane, coverage)?;
    }
    Ok(plane)
}

/// Fills in the parts of some spans.
fn batch(
    arenas: &Arenas<'_>,
    spans: &[Span],
    objects: &Objects,
    batch: std::ops::Range<usize>,
    plane: &mut [u64],
    coverage: &mut Coverage,
) -> Result<(), Error> {
    let wanted: Vec<(Addr, u64)> = batch
        .clone()
        .filter_map(|own| planed(objects, spans, own))
        .flat_map(|(range, _)| arenas.parts(range))
        .flat_map(|part| [part.bits, part.no_more])
        .collect();
    let gathered = gather(arenas.program.memory, wanted.into_iter())?;
    for own in batch {
        let (Some((range, first)), Some(span)) =
            (planed(objects, spans, own), objects.spans.get(own))
        else {
            continue;
        };
        let (mut bits, mut no_more) = (Vec::new(), Vec::new());
        for part in arenas.parts(range) {
            let get = |(addr, len)| gathered.get(addr, index(len)).unwrap_or_default();
            bits.extend_from_slice(get(part.bits));
            no_more.extend_from_slice(get(part.no_more));
        }
        let start = first as usize;
        let end = start + index(range.len() / WORD_BYTES);
        let Some(plane) = plane.get_mut(start..end) else {
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
