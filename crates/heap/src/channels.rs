//! [`Channel`]: channels with something in their buffers, found while objects are read.
//!
//! A channel is an `hchan`; where its elements hold pointers, its buffer is an object of its own.
//! An object is taken for one by its words, which are in hand only while objects are read: as
//! large as an `hchan`, with a buffer that is an object, no fuller than it has room, of elements of
//! a type that has just their size.
//!
//! Does not find channels of elements without pointers: their buffers hold nothing but themselves.
//!
//! Source: src/runtime/chan.go, `hchan`, `makechan`; go1.19 to go1.27.

use letgo_goruntime::layout::Layout;
use letgo_target::Addr;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::Graph;
use crate::objects::{HeapSpan, ObjectId, Objects};
use crate::typing::Seeds;

/// Most channels that are kept.
const MOST: usize = 1 << 20;

/// A channel that holds something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Channel {
    /// Its `hchan`.
    pub object: ObjectId,
    /// Elements that were sent and not received yet.
    pub queued: u64,
    /// Elements that it has room for.
    pub room: u64,
    /// The type of its elements.
    pub elem: Addr,
    elem_bytes: u64,
}

/// Where the words of an `hchan` lie, if all that is needed is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form<'a> {
    layout: &'a Layout,
    size: u64,
}

impl<'a> Form<'a> {
    pub(crate) fn of(layout: &'a Layout) -> Form<'a> {
        Form {
            layout,
            size: u64::from(layout.hchan.size),
        }
    }

    /// Whether objects of a span are as large as a channel.
    #[inline]
    pub(crate) fn fits(&self, span: &HeapSpan) -> bool {
        self.size <= span.elem_size && span.elem_size < self.size + 16
    }

    /// The channel that an object is by its words, but for its type.
    pub(crate) fn look(&self, object: u32, bytes: &[u8], objects: &Objects) -> Option<Channel> {
        let fields = &self.layout.hchan;
        let size = usize::try_from(self.size).ok()?;
        let bytes = bytes.get(..size)?;
        let (queued, room) = (fields.qcount?.get(bytes), fields.dataqsiz?.get(bytes));
        let elem_bytes = fields.elemsize?.get(bytes);
        let elem = fields.elemtype?.addr(bytes);
        if queued == 0 || queued > room || elem_bytes == 0 || !elem.0.is_multiple_of(8) {
            return None;
        }
        let buffer = objects.slot_at(fields.buf?.get(bytes))?;
        let span = objects.spans.get(buffer.place.span as usize)?;
        let starts = buffer.offset == 0 || span.has_headers() && buffer.offset == 8;
        let holds = room.checked_mul(elem_bytes)? <= span.usable();
        (starts && holds && !span.noscan && !elem.is_null()).then_some(Channel {
            object: ObjectId(object),
            queued,
            room,
            elem,
            elem_bytes,
        })
    }
}

/// Those of which the type is one, of elements of that size.
pub(crate) fn sure(mut found: Vec<Channel>, seeds: &Seeds) -> Vec<Channel> {
    let kinds = seeds.lock();
    found.retain(|channel| {
        let head = kinds.table.head(channel.elem);
        head.is_some_and(|head| head.size == channel.elem_bytes)
    });
    found.sort_by_key(|channel| channel.object);
    found.truncate(MOST);
    found
}

impl Graph {
    /// The channels that hold something, of those whose elements hold pointers.
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// The name of a type: of what a channel transports.
    pub fn type_name(&self, at: Addr) -> String {
        self.copied.seeds.lock().table.name(at)
    }

    /// Goroutines that wait to send to one of these channels, as numbers of the census's.
    pub fn senders(&self, channels: &FxHashSet<ObjectId>) -> FxHashSet<u32> {
        let mut owners: FxHashMap<Addr, u32> = FxHashMap::default();
        for goroutine in self.waits.gs.keys() {
            let sudogs = self.waits.sudogs_of(*goroutine);
            owners.extend(sudogs.iter().map(|at| (*at, *goroutine)));
        }
        let mut senders = FxHashSet::default();
        let mut seen = FxHashSet::default();
        for (channel, [_, sends]) in &self.waits.channels {
            let object = self.object_at(*channel);
            if !object.is_some_and(|own| channels.contains(&own)) {
                continue;
            }
            // A torn queue may lead into itself.
            let mut at = *sends;
            while let Some(sudog) = self.waits.sudogs.get(&at).filter(|_| seen.insert(at)) {
                senders.extend(owners.get(&at));
                at = sudog.next;
            }
        }
        senders
    }
}
