//! The bytes that a [`TypeTable`] holds.

use std::collections::BTreeMap;

use letgo_gobin::Image;
use letgo_target::{Addr, AddrRange, Coverage, Fault, OS_PAGE, Piece, ReadMemory, read_bytes};

use super::MOST_FIELDS;
use super::decode::decode_head;
use super::descriptor::{FIELD, HEAD, LONGEST};
use crate::Runtime;
use crate::modules;

/// Bytes of all sections together; Kubernetes has some 40 MiB of read-only data.
const MOST_BYTES: u64 = 256 << 20;
/// Most types that are learnt one by one.
const MOST_MADE: usize = 1 << 16;
/// Bytes of a name that are held.
const NAME_BYTES: usize = 256;

/// The descriptors of a program's types.
#[derive(Clone, Debug, Default)]
pub struct TypeTable {
    /// By address: where each starts in the target.
    sections: Vec<(Addr, Vec<u8>)>,
    /// What was learnt one by one: descriptors, tables of fields, names.
    made: BTreeMap<u64, Vec<u8>>,
}

impl TypeTable {
    /// Reads the types of every module: from the file what that has and a program cannot change,
    /// else from the target; where the target has not got it in memory, from the file again.
    ///
    /// # Errors
    /// Only what makes the whole target unreadable.
    pub fn read(
        runtime: &Runtime,
        image: &Image,
        memory: &dyn ReadMemory,
        coverage: &mut Coverage,
    ) -> Result<TypeTable, crate::Error> {
        let mut table = TypeTable::default();
        let mut room = MOST_BYTES;
        for range in modules::types(runtime, memory, coverage)? {
            let Some(left) = room.checked_sub(range.len()) else {
                coverage.skip(
                    "types",
                    "there are more than the limit: their objects have none",
                );
                continue;
            };
            room = left;
            let (image, bias) = match runtime.plugins().holding(range) {
                Some(one) => (&one.plugin.image, one.bias),
                None => (image, runtime.bias()),
            };
            let link_time = range.start().biased(bias.wrapping_neg());
            let constant = is_constant(image, AddrRange::sized(link_time, range.len()));
            let bytes = match constant {
                true => read_bytes(image, link_time, range.len(), MOST_BYTES).ok(),
                false => None,
            };
            let bytes = match bytes {
                Some(bytes) => bytes,
                None => changed(range, link_time, image, memory)?,
            };
            table.sections.push((range.start(), bytes));
        }
        Ok(TypeTable::of_sections(table.sections))
    }

    /// A table of these sections: where each starts, and its bytes.
    pub fn of_sections(mut sections: Vec<(Addr, Vec<u8>)>) -> TypeTable {
        sections.sort_by_key(|section| section.0);
        TypeTable {
            sections,
            made: BTreeMap::new(),
        }
    }

    /// Whether an address lies where a module keeps its types.
    pub fn covers(&self, addr: Addr) -> bool {
        self.section(addr).is_some()
    }

    /// Whether any types are held.
    pub fn is_empty(&self) -> bool {
        self.sections.is_empty()
    }

    /// Learns a type that no module has, with all that it is made of. Says whether it is one.
    pub fn learn(&mut self, memory: &dyn ReadMemory, addr: Addr) -> bool {
        let mut next = vec![addr];
        while let Some(at) = next.pop() {
            if self.covers(at) || self.is_made(at) || self.made.len() >= MOST_MADE {
                continue;
            }
            let Some(bytes) = descriptor(memory, at) else {
                continue;
            };
            let (types, fields) = TypeTable::leads_to(&bytes);
            next.extend(types);
            self.made.insert(at.0, bytes);
            if let Some((at, len)) = fields {
                self.learn_fields(memory, at, len, &mut next);
            }
        }
        self.head(addr).is_some()
    }

    fn learn_fields(&mut self, memory: &dyn ReadMemory, at: Addr, len: u64, next: &mut Vec<Addr>) {
        if self.bytes(at, 1).is_some() || len > MOST_FIELDS {
            return;
        }
        let bytes = len * FIELD as u64;
        let Ok(table) = read_bytes(memory, at, bytes, MOST_FIELDS * FIELD as u64) else {
            return;
        };
        for (name, typ) in TypeTable::table_leads_to(&table) {
            next.push(typ);
            if self.bytes(name, 1).is_none() && self.made.len() < MOST_MADE {
                self.made.insert(name.0, name_bytes(memory, name));
            }
        }
        self.made.insert(at.0, table);
    }

    /// Whether what lies at an address was learnt, and is of no module.
    pub(super) fn is_made(&self, addr: Addr) -> bool {
        self.made.contains_key(&addr.0)
    }

    /// What offsets of names count from, for the type at `addr`.
    pub(super) fn names_of(&self, addr: Addr) -> Option<Addr> {
        self.section(addr).map(|section| section.0)
    }

    /// The sections of all modules: where each starts, and its bytes.
    pub(super) fn sections(&self) -> impl Iterator<Item = (Addr, &[u8])> {
        self.sections
            .iter()
            .map(|(start, bytes)| (*start, &**bytes))
    }

    fn section(&self, addr: Addr) -> Option<&(Addr, Vec<u8>)> {
        let behind = self.sections.partition_point(|section| section.0 <= addr);
        let section = self.sections.get(behind.checked_sub(1)?)?;
        (addr.since(section.0) < section.1.len() as u64).then_some(section)
    }

    /// So many bytes, where they are held.
    pub(super) fn bytes(&self, addr: Addr, len: usize) -> Option<&[u8]> {
        let (start, bytes) = match self.section(addr) {
            Some((start, bytes)) => (start.0, bytes),
            None => {
                let (start, bytes) = self.made.range(..=addr.0).next_back()?;
                (*start, bytes)
            }
        };
        let at = usize::try_from(addr.0.checked_sub(start)?).ok()?;
        bytes.get(at..at.checked_add(len)?)
    }
}

/// Whether a range lies in the file, and where the program cannot write.
fn is_constant(image: &Image, range: AddrRange) -> bool {
    let segments = image.segments().iter();
    segments
        .filter(|segment| !segment.write)
        .any(|segment| AddrRange::sized(segment.range.start(), segment.file_len).covers(range))
}

/// A section that the loader relocated, an os page at a time. Pages that are not in memory hold
/// nothing that was relocated, so that the file has the same.
fn changed(
    range: AddrRange,
    link_time: Addr,
    image: &Image,
    memory: &dyn ReadMemory,
) -> Result<Vec<u8>, Fault> {
    let mut bytes = vec![0; usize::try_from(range.len()).unwrap_or(0)];
    let mut pieces = Vec::new();
    let mut at = range.start();
    let head = at.align_up(OS_PAGE).since(at).min(range.len());
    let (first, rest) = bytes.split_at_mut(usize::try_from(head).unwrap_or(0));
    let page = usize::try_from(OS_PAGE).unwrap_or(usize::MAX);
    for part in std::iter::once(first).chain(rest.chunks_mut(page)) {
        let len = part.len() as u64;
        if len > 0 {
            pieces.push(Piece::new(at, part));
        }
        at = at.add(len);
    }
    memory.read_scattered(&mut pieces)?;
    for piece in pieces.iter_mut().filter(|piece| !piece.filled) {
        let own = link_time.add(piece.addr.since(range.start()));
        if image.read(own, piece.buf).is_err() {
            piece.buf.fill(0);
        }
    }
    drop(pieces);
    Ok(bytes)
}

/// The bytes of a descriptor; its longest form where that can be read.
fn descriptor(memory: &dyn ReadMemory, at: Addr) -> Option<Vec<u8>> {
    if !at.0.is_multiple_of(8) {
        return None;
    }
    let read = |len: usize| read_bytes(memory, at, len as u64, LONGEST as u64).ok();
    let bytes = read(LONGEST).or_else(|| read(HEAD))?;
    decode_head(at, &bytes)?;
    Some(bytes)
}

/// The bytes of a name, as far as they can be read.
fn name_bytes(memory: &dyn ReadMemory, at: Addr) -> Vec<u8> {
    let page_end = at.add(1).align_up(OS_PAGE).since(at);
    let lens = [NAME_BYTES as u64, page_end.min(NAME_BYTES as u64), 2];
    let mut read = lens
        .into_iter()
        .filter_map(|len| read_bytes(memory, at, len, len).ok());
    read.next().unwrap_or_default()
}
