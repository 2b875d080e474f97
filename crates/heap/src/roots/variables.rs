//! Variables: the initialised and the zeroed ones of every module, by the masks that the runtime
//! made at start.
//!
//! Source: src/runtime/mgcmark.go, `markrootBlock`; symtab.go, type moduledata; go1.19 to go1.27.

use letgo_goruntime::layout::Member;
use letgo_target::{Addr, AddrRange, Fault, OS_PAGE, Piece, read_bytes};

use super::{Collected, RootKind, Source};
use crate::Error;
use crate::bits::{index, word};
use crate::typing::SeedHands;

/// Images there may be.
const MOST_MODULES: usize = 1024;
/// Most bytes of one section: the linker's own limit on amd64 is 2 GiB.
const MOST_SECTION: u64 = 4 << 30;
/// Most pointers from variables to variables that are kept.
const MOST_BETWEEN: usize = 1 << 20;
/// Bytes of variables that are held at once.
const BATCH: u64 = 4 << 20;

/// Reads the roots in variables.
///
/// # Errors
/// Only what makes the whole target unreadable.
pub(super) fn read(source: &Source<'_>, into: &mut Collected) -> Result<(), Error> {
    let fields = &source.program.layout().moduledata;
    let mut next = source.program.runtime.moduledata();
    let mut modules = 0;
    let mut sections = Vec::new();
    if next.is_null() {
        into.coverage.skip("moduledata", "it was not found");
    }
    while !next.is_null() {
        modules += 1;
        if modules > MOST_MODULES {
            into.coverage
                .skip("moduledata", "the list of images does not end");
            break;
        }
        let bytes = match source.program.bytes(next, fields.size) {
            Ok(bytes) => bytes,
            Err(fault @ (Fault::Gone | Fault::Denied { .. })) => return Err(fault.into()),
            Err(fault) => {
                into.coverage.skip("moduledata", fault.to_string());
                break;
            }
        };
        let get = |member: Member| member.addr(&bytes);
        let own = [
            (
                RootKind::Data,
                fields.data,
                fields.edata,
                fields.gcdatamask,
                fields.gcdatamask_n,
            ),
            (
                RootKind::Bss,
                fields.bss,
                fields.ebss,
                fields.gcbssmask,
                fields.gcbssmask_n,
            ),
        ];
        for (kind, start, end, mask, bits) in own {
            let range = AddrRange::new(get(start), get(end));
            if range.len() > MOST_SECTION {
                into.coverage
                    .skip("moduledata", "its variables' bounds make no sense");
                continue;
            }
            let words = (range.len() / 8).min(bits.get(&bytes));
            let range = AddrRange::sized(range.start(), words * 8);
            let mask = get(mask);
            sections.push(Section { kind, range, mask });
        }
        next = fields.next.addr(&bytes);
    }
    for section in &sections {
        section_roots(source, section, &sections, into)?;
    }
    Ok(())
}

/// A section of variables.
struct Section {
    kind: RootKind,
    range: AddrRange,
    /// Where its pointer mask lies.
    mask: Addr,
}

/// The roots of one section, a batch at a time.
fn section_roots(
    source: &Source<'_>,
    own: &Section,
    all: &[Section],
    into: &mut Collected,
) -> Result<(), Error> {
    let (kind, section, mask) = (own.kind, own.range, own.mask);
    let is_variable = |at: Addr| all.iter().any(|section| section.range.contains(at));
    let len = (section.len() / 8).div_ceil(8);
    let mask = match read_bytes(source.program.memory, mask, len, MOST_SECTION) {
        Ok(mask) => mask,
        Err(fault @ (Fault::Gone | Fault::Denied { .. })) => return Err(fault.into()),
        Err(fault) => {
            into.coverage
                .skip("pointer mask of variables", fault.to_string());
            return Ok(());
        }
    };
    let mut at = section.start();
    let mut hands = SeedHands::default();
    while at < section.end() {
        let len = BATCH.min(section.end().since(at));
        let mut data = vec![0; index(len)];
        let mut pieces: Vec<Piece<'_>> = Vec::new();
        let mut place = at;
        // On pages, so that one that is not resident spoils no other.
        let head = index(at.align_up(OS_PAGE).since(at).min(len));
        let (first, rest) = data.split_at_mut(head);
        let parts = std::iter::once(first).chain(rest.chunks_mut(index(OS_PAGE)));
        for part in parts.filter(|part| !part.is_empty()) {
            let len = part.len() as u64;
            pieces.push(Piece::new(place, part));
            place = place.add(len);
        }
        source.program.memory.read_scattered(&mut pieces)?;
        for piece in pieces.iter_mut().filter(|piece| !piece.filled) {
            // Never touched: what the file has there are no addresses of the heap.
            piece.buf.fill(0);
        }
        let first = at.since(section.start()) / 8;
        let (mut before, mut follows) = (0, true);
        for (number, value) in (0u64..).zip(data.chunks_exact(8)) {
            let bit = first + number;
            let byte = mask.get(index(bit / 8)).copied().unwrap_or(0);
            let (value, is_pointer) = (word(value, 0), byte >> (bit % 8) & 1 == 1);
            if is_pointer {
                into.add(source, kind, at.add(number * 8), value);
                if is_variable(Addr(value)) && into.roots.between.len() < MOST_BETWEEN {
                    into.roots.between.push((at.add(number * 8), Addr(value)));
                }
            }
            // The first word of an interface is no pointer.
            if is_pointer
                && !follows
                && let Some(found) = source.objects.slot_at(value)
            {
                let (program, objects) = (source.program, source.objects);
                let seeds = source.seeds;
                seeds.pair(program, &mut hands, before, found, objects);
            }
            (before, follows) = (value, is_pointer);
        }
        at = at.add(len);
    }
    Ok(())
}
