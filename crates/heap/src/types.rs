//! [`Types`]: which words of a type hold pointers.
//!
//! From 1.22 on an object of more than 512 bytes names its type, and the type's mask tells its
//! pointers. The mask is in the program's file; up to 1.23 a GC program was unrolled by the
//! runtime for the objects that need one, and the type that they name has the result. From 1.24 on
//! the runtime makes the masks of large types when it first needs them; we make them ourselves,
//! from the types of the elements and fields.
//!
//! Does not know which object is of which type (see `pointers`).
//!
//! Invariants: a mask has no bit at or behind `size`; all masks together stay within a limit.
//!
//! Source: src/internal/abi/type.go; src/runtime/type.go, `getGCMask`, `buildGCMask`; go1.22 to
//! go1.27.

use std::sync::Arc;

use letgo_target::{Addr, Coverage};
use rustc_hash::FxHashMap;

use crate::bits::{index, low, word};
use crate::program::Program;

/// `abi.TFlagGCMaskOnDemand`, from 1.24; before, the same bit meant that a mask was unrolled.
const MASK_ON_DEMAND: u8 = 1 << 4;
/// `abi.KindGCProg`, up to 1.23.
const GC_PROGRAM: u8 = 1 << 6;
/// The kind without its flags.
const KIND: u8 = 0x1f;
const ARRAY: u8 = 17;
const STRUCT: u8 = 25;
/// Words that masks of small types are made for: 8 words of bits.
const ROW_WORDS: u64 = 512;
/// Most fields of a structure.
const MOST_FIELDS: u64 = 1 << 16;
/// Deepest nesting of types that is followed: each level is at most half of the one above, or the
/// only part of it.
const MOST_DEPTH: u32 = 128;
/// Most types that are visited to make one mask.
const MOST_STEPS: u32 = 1 << 22;

/// What a type says of the words of its values; of a small type, of several values in a row.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct TypeMask {
    /// Bytes of the values.
    pub(crate) size: u64,
    /// A bit a word; words behind are no pointers.
    pub(crate) mask: Vec<u64>,
}

impl TypeMask {
    /// The mask of as many values in a row as make following them cheap: a slice of pointers is
    /// then looked at by the hundred.
    fn in_a_row(self) -> TypeMask {
        let words = self.size / 8;
        if words == 0 || words >= ROW_WORDS || !self.size.is_multiple_of(8) {
            return self;
        }
        let values = ROW_WORDS / words;
        let mut mask = vec![0; index((values * words).div_ceil(64))];
        for value in 0..values {
            for (part, bits) in (0u64..).zip(&self.mask) {
                or_bits(&mut mask, value * words + part * 64, *bits);
            }
        }
        TypeMask {
            size: values * self.size,
            mask,
        }
    }
}

/// Types by address, with their masks; nothing for what is none.
pub(crate) type Masks = FxHashMap<u64, Option<Arc<TypeMask>>>;

/// The types that objects of a heap name, as far as they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Types {
    known: Masks,
}

/// The fields of a type that matter here.
#[derive(Clone, Copy, Debug, Default)]
struct Type {
    addr: Addr,
    size: u64,
    ptr_bytes: u64,
    tflag: u8,
    kind: u8,
    gc_data: Addr,
}

impl Types {
    /// The mask of the type at `addr`, which is read unless that was done before. `room` is how
    /// many bytes of masks there may still be.
    pub(crate) fn resolve(
        &mut self,
        program: &Program<'_>,
        addr: u64,
        room: &mut u64,
        coverage: &mut Coverage,
    ) -> Option<Arc<TypeMask>> {
        let known = self.known.entry(addr);
        let read = || match read_mask(program, Addr(addr), room) {
            Ok(mask) => Some(Arc::new(mask.in_a_row())),
            Err(why) => {
                coverage.skip("type", why);
                None
            }
        };
        known.or_insert_with(read).clone()
    }
}

fn read_mask(program: &Program<'_>, addr: Addr, room: &mut u64) -> Result<TypeMask, &'static str> {
    let found = read_type(program, addr).filter(|found| found.size > 0);
    let found = found.ok_or("it cannot be read or makes no sense")?;
    let words = found.ptr_bytes / 8;
    let bytes = words.div_ceil(64) * 8;
    *room = room
        .checked_sub(bytes)
        .ok_or("its mask is beyond the limit")?;
    let mut mask = vec![0; index(words.div_ceil(64))];
    if words > 0 {
        let mut steps = MOST_STEPS;
        let made = write(program, &found, &mut mask, 0, MOST_DEPTH, &mut steps);
        made.ok_or("its mask cannot be read or makes no sense")?;
    }
    if let Some(last) = mask.last_mut()
        && words % 64 != 0
    {
        *last &= low(words % 64);
    }
    Ok(TypeMask {
        size: found.size,
        mask,
    })
}

fn read_type(program: &Program<'_>, addr: Addr) -> Option<Type> {
    let fields = program.layout().abi_type.as_ref()?;
    let len = u64::from(fields.size);
    let bytes = program.constant(addr, len, 4096).ok()?;
    let found = Type {
        addr,
        size: fields.object_size?.get(&bytes),
        ptr_bytes: fields.ptr_bytes?.get(&bytes),
        tflag: fields.tflag?.u8(&bytes),
        kind: fields.kind?.u8(&bytes),
        gc_data: fields.gc_data?.addr(&bytes),
    };
    let sane = found.ptr_bytes <= found.size && found.ptr_bytes.is_multiple_of(8);
    sane.then_some(found)
}

/// Writes the mask of `of` into `mask`, from the bit `at` on.
fn write(
    program: &Program<'_>,
    of: &Type,
    mask: &mut [u64],
    at: u64,
    depth: u32,
    steps: &mut u32,
) -> Option<()> {
    *steps = steps.checked_sub(1)?;
    let depth = depth.checked_sub(1)?;
    // Where masks are made on demand there are no GC programs.
    let on_demand = program.layout().stack_object_record.ptr_bytes.is_some();
    if !on_demand && of.kind & GC_PROGRAM != 0 {
        return None;
    }
    if !on_demand || of.tflag & MASK_ON_DEMAND == 0 {
        return copy(program, of, mask, at);
    }
    match of.kind & KIND {
        ARRAY => {
            let fields = program.layout().abi_array_type.as_ref()?;
            let bytes = program
                .constant(of.addr, u64::from(fields.size), 4096)
                .ok()?;
            let elem = read_type(program, fields.elem?.addr(&bytes))?;
            let len = fields.len?.get(&bytes);
            if elem.size.checked_mul(len)? > of.size {
                return None;
            }
            for number in 0..len {
                if elem.ptr_bytes > 0 {
                    let at = at.checked_add(number * (elem.size / 8))?;
                    write(program, &elem, mask, at, depth, steps)?;
                }
            }
        }
        STRUCT => {
            for (field, offset) in fields_of(program, of)? {
                let field = read_type(program, field)?;
                if field.ptr_bytes > 0 {
                    let at = at.checked_add(offset / 8)?;
                    write(program, &field, mask, at, depth, steps)?;
                }
            }
        }
        _ => return None,
    }
    Some(())
}

/// Types and offsets of the fields of a structure.
fn fields_of(program: &Program<'_>, of: &Type) -> Option<Vec<(Addr, u64)>> {
    let layout = program.layout();
    let (structure, field) = (
        layout.abi_struct_type.as_ref()?,
        layout.abi_struct_field.as_ref()?,
    );
    let bytes = program
        .constant(of.addr, u64::from(structure.size), 4096)
        .ok()?;
    let slice = bytes.get(structure.fields?.offset as usize..)?;
    let (ptr, len) = (Addr(word(slice, 0)), word(slice, 8));
    let size = u64::from(field.size).max(1);
    let most = MOST_FIELDS * size;
    let fields = program.constant(ptr, len.checked_mul(size)?, most).ok()?;
    let (typ, offset) = (field.typ?, field.offset?);
    let each = fields.chunks_exact(index(size));
    Some(
        each.map(|bytes| (typ.addr(bytes), offset.get(bytes)))
            .collect(),
    )
}

/// Copies the mask that a type has ready.
fn copy(program: &Program<'_>, of: &Type, mask: &mut [u64], at: u64) -> Option<()> {
    let words = of.ptr_bytes / 8;
    let room = (mask.len() as u64).checked_mul(64)?.checked_sub(at)?;
    if words > room {
        return None;
    }
    let len = words.div_ceil(8);
    let bytes = program.constant(of.gc_data, len, room).ok()?;
    let mut done = 0;
    while done < words {
        let mut part = [0; 8];
        let from = bytes.get(index(done / 8)..).unwrap_or_default();
        for (to, from) in part.iter_mut().zip(from) {
            *to = *from;
        }
        let bits = u64::from_le_bytes(part) & low(words - done);
        or_bits(mask, at + done, bits);
        done += 64;
    }
    Some(())
}

/// Sets bits from the bit `at` on.
fn or_bits(mask: &mut [u64], at: u64, bits: u64) {
    let (first, shift) = (index(at / 64), at % 64);
    if let Some(word) = mask.get_mut(first) {
        *word |= bits << shift;
    }
    if shift != 0
        && let Some(word) = mask.get_mut(first + 1)
    {
        *word |= bits >> (64 - shift);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_a_row_have_the_bits_of_each() {
        let one = TypeMask {
            size: 24,
            mask: vec![0b101],
        };
        let row = one.in_a_row();
        assert_eq!(row.size, 170 * 24);
        let bit = |word: u64| row.mask[index(word / 64)] >> (word % 64) & 1;
        for word in 0..510 {
            assert_eq!(bit(word), u64::from(word % 3 != 1), "{word}");
        }
        assert_eq!(bit(511), 0);
        let pointer = TypeMask {
            size: 8,
            mask: vec![1],
        };
        assert_eq!(pointer.in_a_row().mask, [u64::MAX; 8]);
        let wide = TypeMask {
            size: 1 << 20,
            mask: vec![1],
        };
        assert_eq!(wide.clone().in_a_row(), wide);
    }
}
