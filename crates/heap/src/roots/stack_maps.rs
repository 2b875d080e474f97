//! Stack maps: which words of a frame hold pointers, and the records of stack objects.
//!
//! A function has a table of maps for its arguments and one for its locals: a count, the bits of a
//! map, then the maps. Objects on the stack whose address is taken are in no map: each has a
//! record, and is looked at when a pointer to it is found.
//!
//! Source: src/runtime/symtab.go, type stackmap; stack.go, type stackObjectRecord; stkframe.go,
//! `getStackMap`; go1.19 to go1.27. See docs/formats/stack-maps.md.

use letgo_target::Addr;

use crate::bits::index;
use crate::gc_program;
use crate::program::Program;

/// Most bits of a map: the largest frame is 1 GB, and real ones have some KiB.
const MOST_BITS: u32 = 1 << 24;
/// Most stack objects of a function.
const MOST_OBJECTS: u64 = 1 << 16;
/// Most bytes of a GC program.
const MOST_PROGRAM: u64 = 1 << 16;

/// A bit a word.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct PointerMap {
    /// Words that it tells of.
    pub(super) words: u32,
    bytes: Vec<u8>,
}

impl PointerMap {
    /// The words that hold pointers.
    pub(super) fn pointers(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.words).filter(|word| {
            let byte = self.bytes.get((word / 8) as usize).copied().unwrap_or(0);
            byte >> (word % 8) & 1 == 1
        })
    }
}

/// An object on the stack whose address is taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct StackObject {
    /// From the arguments, or if negative from the end of the locals.
    pub(super) offset: i32,
    /// Bytes.
    pub(super) size: u32,
    pub(super) map: PointerMap,
}

/// The map of number `number` of the table at `offset` of `gofunc`; nothing where it cannot be read
/// or makes no sense.
pub(super) fn map(
    program: &Program<'_>,
    gofunc: Addr,
    offset: u32,
    number: u32,
) -> Option<PointerMap> {
    let table = gofunc.add(u64::from(offset));
    let head = program.constant(table, 8, 8).ok()?;
    let part = |at: usize| {
        head.get(at..)?
            .first_chunk()
            .map(|b| u32::from_le_bytes(*b))
    };
    let (count, bits) = (part(0)?, part(4)?);
    if bits == 0 {
        return Some(PointerMap::default());
    }
    if number >= count || bits > MOST_BITS {
        return None;
    }
    let len = u64::from(bits.div_ceil(8));
    let at = table.add(8).add(u64::from(number) * len);
    Some(PointerMap {
        words: bits,
        bytes: program.constant(at, len, len).ok()?,
    })
}

/// The stack objects whose records lie at `offset` of `gofunc`.
pub(super) fn objects(
    program: &Program<'_>,
    gofunc: Addr,
    rodata: Addr,
    offset: u32,
) -> Option<Vec<StackObject>> {
    let fields = &program.layout().stack_object_record;
    let table = gofunc.add(u64::from(offset));
    let head = program.constant(table, 8, 8).ok()?;
    let count = u64::from_le_bytes(*head.first_chunk()?);
    let size = u64::from(fields.size).max(1);
    if count > MOST_OBJECTS {
        return None;
    }
    let records = program
        .constant(table.add(8), count * size, MOST_OBJECTS * size)
        .ok()?;
    let mut objects = Vec::new();
    for record in records.chunks_exact(index(size)) {
        let pointers = fields.ptr_bytes.or(fields.ptrdata)?.i32(record);
        let mask = rodata.add(u64::from(fields.gcdataoff.u32(record)));
        objects.push(StackObject {
            offset: fields.off.i32(record),
            size: fields.object_size.u32(record),
            map: object_map(program, mask, pointers)?,
        });
    }
    Some(objects)
}

/// The mask of a stack object; `pointers` is negative where it is a GC program.
fn object_map(program: &Program<'_>, mask: Addr, pointers: i32) -> Option<PointerMap> {
    let words = pointers.unsigned_abs() / 8;
    if words > MOST_BITS {
        return None;
    }
    if pointers >= 0 {
        let len = u64::from(words.div_ceil(8));
        return Some(PointerMap {
            words,
            bytes: program.constant(mask, len, len).ok()?,
        });
    }
    // Four bytes with the program's length come first.
    let head = program.constant(mask, 4, 4).ok()?;
    let len = u64::from(u32::from_le_bytes(*head.first_chunk()?));
    let text = program.constant(mask.add(4), len, MOST_PROGRAM).ok()?;
    let words_of_bits = gc_program::run(&text, u64::from(words))?;
    Some(PointerMap {
        words,
        bytes: words_of_bits
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect(),
    })
}
