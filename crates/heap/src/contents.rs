//! [`Content`]: how much is in maps, slices, strings and channels, in elements.
//!
//! The graph does not keep what objects hold: it is read when it is asked for, of a target that may
//! have gone on since. What does not agree with itself, or with the slots that the graph has, is
//! not believed.
//!
//! Does not say who holds what (see `dominators`) nor which object is of which type (see `typing`).
//!
//! Invariants: a slice or a string lies in one object; entries of a map are no more than its slots.
//!
//! Source: src/runtime/slice.go, `slice`; string.go, `stringStruct`; chan.go, `hchan`; go1.19 to
//! go1.27. See docs/formats/go-containers.md.

mod fields;
mod maps;
mod pins;
mod survey;

use letgo_gobin::Pointee;
use letgo_goruntime::types::TypeTable;
use letgo_target::{Addr, AddrRange, ReadMemory, read_bytes};

use crate::bits::word;
use crate::typing::What;
use crate::{Graph, ObjectId, TypeId, Typed};
pub use maps::{MapParts, MapUse};
pub use pins::Pins;
pub use survey::{From, Group, Room, Sparse, Survey};

/// Bytes of a slice's header.
const SLICE_BYTES: u64 = 24;
/// `hchan.qcount` and `hchan.dataqsiz`, the first two words.
const CHAN_BYTES: u64 = 16;
/// Slots for each entry from which a map is sparse, and elements that a slice has room for, for
/// each that it has. Right after it grew a map has one entry for 2.5 slots, and a slice is half
/// full.
const SPARSE: u64 = 4;
/// Most elements of anything: more than a machine has bytes.
const MOST: u64 = 1 << 47;

/// How much is in a container.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// A map.
    Map(MapUse),
    /// A slice: elements, and how many its array has from its first on.
    Slice {
        /// `len`
        len: u64,
        /// `cap`
        cap: u64,
    },
    /// A string.
    Text {
        /// Bytes.
        len: u64,
    },
    /// A channel: what was sent and not received yet, and how much it can hold.
    Chan {
        /// `len`
        len: u64,
        /// `cap`
        cap: u64,
    },
}

/// What is needed to look into containers.
#[derive(Clone, Copy)]
pub(crate) struct Looker<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) table: &'a TypeTable,
    pub(crate) memory: &'a dyn ReadMemory,
    pub(crate) weigh: &'a dyn Fn(AddrRange) -> u64,
}

impl<'a> Looker<'a> {
    pub(crate) fn new(
        graph: &'a Graph,
        table: &'a TypeTable,
        memory: &'a dyn ReadMemory,
        weigh: &'a dyn Fn(AddrRange) -> u64,
    ) -> Looker<'a> {
        Looker {
            graph,
            table,
            memory,
            weigh,
        }
    }
}

impl Graph {
    /// How much is in the container whose first word is a variable's at `at`, of which the
    /// executable says what it points to (types by their addresses in the target). `weigh` is as
    /// of [`crate::Dominators::of`].
    ///
    /// # Consistency
    /// As `memory` has it, which may be of later than the graph.
    pub fn content_of_word(
        &self,
        memory: &dyn ReadMemory,
        weigh: &dyn Fn(AddrRange) -> u64,
        at: Addr,
        pointee: Pointee,
    ) -> Option<Content> {
        let kinds = self.copied.seeds.lock();
        let looker = Looker::new(self, &kinds.table, memory, weigh);
        let words = looker.words(at, SLICE_BYTES)?;
        match pointee {
            Pointee::Map(of) => looker.map(Addr(word(&words, 0)), of),
            Pointee::Chan(_) => looker.chan(Addr(word(&words, 0))),
            Pointee::Slice(elem) => {
                let size = kinds.table.head(elem)?.size;
                looker.slice(&words, size).map(|slice| slice.content())
            }
            Pointee::Str => looker.text(&words).map(|slice| slice.content()),
            Pointee::Ptr(_) | Pointee::Func | Pointee::Iface => None,
        }
    }

    /// How much is in an object that is the header of a map or a channel.
    ///
    /// # Consistency
    /// As of [`Graph::content_of_word`].
    pub fn content_of(
        &self,
        memory: &dyn ReadMemory,
        weigh: &dyn Fn(AddrRange) -> u64,
        typed: &Typed<'_>,
        (object, of): (ObjectId, TypeId),
    ) -> Option<Content> {
        let what = typed.what(of)?;
        let at = self.range_of(object)?.start();
        let kinds = self.copied.seeds.lock();
        let looker = Looker::new(self, &kinds.table, memory, weigh);
        match what {
            What::Map(map) => looker.map(at, map),
            What::Chan(_) => looker.chan(at),
            _ => None,
        }
    }
}

/// A slice or a string, and where it lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stretch {
    pub(crate) object: ObjectId,
    /// The object's slot.
    pub(crate) slot: AddrRange,
    /// Where the program's own part of it starts.
    pub(crate) first: Addr,
    /// Where its first element is.
    pub(crate) at: Addr,
    /// Elements, and how many there is room for; of a string bytes, twice the same.
    pub(crate) len: u64,
    pub(crate) cap: u64,
    /// Bytes of an element; 0 for a string.
    pub(crate) size: u64,
}

impl Stretch {
    /// Whether it is a small part that was cut out of something larger. What grew in place starts
    /// at its array's start, and an empty slice is there to be appended to.
    pub(crate) fn is_piece(&self) -> bool {
        let len = self.len.saturating_mul(self.size);
        self.at > self.first && len > 0 && len <= self.slot.len() / SPARSE
    }

    /// What of its object it is there for: of a piece what it shows, else all that it may grow to.
    pub(crate) fn covered(&self) -> AddrRange {
        let elements = match self.is_piece() {
            true => self.len,
            false => self.cap,
        };
        let end = elements.saturating_mul(self.size.max(1));
        AddrRange::new(self.at, Addr(self.at.0.saturating_add(end)))
    }

    /// Whether it has far more room than it uses, where nobody else has a part of its array.
    pub(crate) fn has_room(&self) -> bool {
        self.size > 0 && !self.is_piece() && self.len <= self.cap / SPARSE
    }

    fn content(self) -> Content {
        let (len, cap) = (self.len, self.cap);
        match self.size {
            0 => Content::Text { len },
            _ => Content::Slice { len, cap },
        }
    }
}

impl Looker<'_> {
    pub(crate) fn words(&self, at: Addr, len: u64) -> Option<Vec<u8>> {
        let aligned = at.0.is_multiple_of(8) && !at.is_null();
        aligned.then(|| read_bytes(self.memory, at, len, len).ok())?
    }

    /// The slice with this header, where it lies in one object of the graph.
    pub(crate) fn slice(&self, header: &[u8], size: u64) -> Option<Stretch> {
        let [at, len, cap] = [0, 8, 16].map(|at| word(header, at));
        let bytes = cap.checked_mul(size).filter(|_| size > 0 && len <= cap)?;
        self.stretch(at, bytes).map(|(object, slot)| Stretch {
            object,
            slot,
            first: self.first(object, slot),
            at: Addr(at),
            len,
            cap,
            size,
        })
    }

    /// The string with this header, the same.
    pub(crate) fn text(&self, header: &[u8]) -> Option<Stretch> {
        let [at, len] = [0, 8].map(|at| word(header, at));
        self.stretch(at, len).map(|(object, slot)| Stretch {
            object,
            slot,
            first: self.first(object, slot),
            at: Addr(at),
            len,
            cap: len,
            size: 0,
        })
    }

    /// The object that has so many bytes from an address on, and its slot.
    fn stretch(&self, at: u64, bytes: u64) -> Option<(ObjectId, AddrRange)> {
        let found = self.object(at).filter(|_| bytes > 0)?;
        let end = at.checked_add(bytes)?;
        (end <= found.1.end().0).then_some(found)
    }

    /// The object that an address lies in, and its slot.
    pub(crate) fn object(&self, at: u64) -> Option<(ObjectId, AddrRange)> {
        let objects = &self.graph.objects;
        let found = objects.slot_at(at)?;
        if !objects.in_use.has(found.number) {
            return None;
        }
        let size = objects.spans.get(found.place.span as usize)?.elem_size;
        let start = Addr(at.checked_sub(found.offset)?);
        Some((ObjectId(found.number), AddrRange::sized(start, size)))
    }

    /// Where an object starts: behind the type that it names.
    fn first(&self, object: ObjectId, slot: AddrRange) -> Addr {
        let span = self.graph.objects.span_of_slot(object.0);
        let named = span.map_or(0, |span| span.elem_size - span.usable());
        slot.start().add(named)
    }

    /// What is in the channel at an address.
    pub(crate) fn chan(&self, at: Addr) -> Option<Content> {
        self.graph.object_at(at)?;
        let header = self.words(at, CHAN_BYTES)?;
        let [len, cap] = [0, 8].map(|at| word(&header, at));
        (len <= cap && cap < MOST).then_some(Content::Chan { len, cap })
    }

    /// What is in the map at an address.
    pub(crate) fn map(&self, at: Addr, of: Addr) -> Option<Content> {
        self.graph.object_at(at)?;
        self.map_use(at, of).map(|(own, _)| Content::Map(own))
    }
}
