//! [`Objects`]: the table `objects`: all slots in use, by address.

use std::ops::Range;
use std::rc::Rc;

use letgo_goruntime::{Span, SpanUse};
use letgo_heap::{ObjectId, SlotWord};
use letgo_query::{Ask, Column, Kind, Rows, Table, Value};
use letgo_target::Addr;

use super::Source;

/// The table.
pub(super) struct Objects(pub(super) Option<Rc<Source>>);

const ADDRESS: usize = 0;
const SLOT_BYTES: usize = 1;
const CLASS: usize = 2;
const SPAN: usize = 10;

/// Objects of a span, about.
const IN_SPAN: u64 = 100;
/// Size classes that a program uses, about.
const CLASSES: u64 = 30;

const COLUMNS: [Column; 11] = [
    column("address", Kind::Integer, "where it starts"),
    column("slot_bytes", Kind::Integer, "bytes of its slot"),
    column(
        "class",
        Kind::Integer,
        "its size class; 0 for a span of its own",
    ),
    column("type", Kind::Text, "its type, where it is known"),
    column("reachable", Kind::Integer, "1, or 0 for garbage"),
    column(
        "guessed",
        Kind::Integer,
        "1 where only words lead to it that may be no pointers",
    ),
    column(
        "root_distance",
        Kind::Integer,
        "objects between it and the nearest root",
    ),
    column(
        "dominator",
        Kind::Integer,
        "address of the object that holds it alone; null where only roots do",
    ),
    column(
        "retained_bytes",
        Kind::Integer,
        "what would be garbage without it, itself included",
    ),
    column(
        "retained_objects",
        Kind::Integer,
        "how many objects that is",
    ),
    column("span", Kind::Integer, "base of its span"),
];

/// A column's description.
pub(super) const fn column(name: &'static str, kind: Kind, about: &'static str) -> Column {
    Column { name, kind, about }
}

impl Table for Objects {
    fn name(&self) -> &'static str {
        "objects"
    }

    fn about(&self) -> &'static str {
        "objects of the heap, reachable ones and garbage"
    }

    fn columns(&self) -> &[Column] {
        &COLUMNS
    }

    fn len(&self) -> u64 {
        self.0.as_ref().map_or(0, |source| source.graph().objects())
    }

    fn finds(&self, column: usize) -> Option<u64> {
        match column {
            ADDRESS => Some(1),
            SPAN => Some(IN_SPAN),
            CLASS => Some(self.len() / CLASSES),
            _ => None,
        }
    }

    fn sorts(&self, column: usize) -> bool {
        matches!(column, ADDRESS | SLOT_BYTES | CLASS | SPAN)
    }

    fn open(self: Rc<Self>, ask: Ask) -> Result<Box<dyn Rows>, String> {
        let Some(source) = &self.0 else {
            return Err("there is no target".into());
        };
        Ok(Box::new(ObjectRows::new(Rc::clone(source), ask)))
    }
}

/// Goes over the slots in use of some spans.
pub(super) struct ObjectRows {
    pub(super) source: Rc<Source>,
    /// The only one that is asked for, until it is the row's.
    only: Option<ObjectId>,
    /// Which of the census's, and what is next of them.
    spans: Vec<u32>,
    next: usize,
    span: Span,
    census: u32,
    first: u32,
    /// Slots of it that are gone over.
    slots: Range<u32>,
    /// The slot of the row.
    slot: u32,
    /// Which 64 slots of the span these are.
    lot: Option<u32>,
    word: SlotWord,
}

impl ObjectRows {
    pub(super) fn new(source: Rc<Source>, ask: Ask) -> ObjectRows {
        let addr = |value: i64| Addr(value.cast_unsigned());
        let (spans, only) = match ask {
            Ask::Equal(ADDRESS, value) => (Vec::new(), source.graph().object_at(addr(value))),
            Ask::Equal(SPAN, value) => {
                let own = span_at(&source.reading.census.spans, addr(value));
                (own.into_iter().collect(), None)
            }
            _ => (many(&source.reading.census.spans, ask), None),
        };
        ObjectRows {
            source,
            only,
            spans,
            next: 0,
            span: Span::default(),
            census: 0,
            first: 0,
            slots: 0..0,
            slot: 0,
            lot: None,
            word: SlotWord::default(),
        }
    }

    /// The object of the row.
    pub(super) fn object(&self) -> ObjectId {
        ObjectId(self.first.saturating_add(self.slot))
    }

    /// Where it starts.
    pub(super) fn address(&self) -> u64 {
        self.span.base.0 + u64::from(self.slot) * self.span.elem_size
    }

    /// Goes on to a span; says whether there is one.
    fn enter(&mut self, census: u32) -> bool {
        let numbers = self.source.graph().numbers(census);
        let span = self.source.reading.census.spans.get(census as usize);
        let (Some(numbers), Some(span)) = (numbers, span) else {
            return false;
        };
        (self.span, self.census, self.first) = (*span, census, numbers.start);
        (self.slots, self.lot) = (0..numbers.end - numbers.start, None);
        true
    }

    /// Goes on to the only object.
    fn go_to(&mut self, object: ObjectId) -> bool {
        let census = self.source.graph().span_of(object);
        if !census.is_some_and(|census| self.enter(census)) {
            return false;
        }
        let slot = object.0.saturating_sub(self.first);
        self.slots = slot..slot.saturating_add(1);
        self.step()
    }

    /// The next slot in use of this span.
    fn step(&mut self) -> bool {
        while let Some(slot) = self.slots.clone().next() {
            let lot = slot / 64;
            if self.lot != Some(lot) {
                let word = self.source.reachable().word(self.census, lot);
                (self.lot, self.word) = (Some(lot), word.unwrap_or_default());
            }
            let rest = self.word.in_use >> (slot % 64);
            if rest != 0 {
                self.slot = slot + rest.trailing_zeros();
                self.slots.start = self.slot + 1;
                return self.slot < self.slots.end;
            }
            self.slots.start = (lot + 1) * 64;
        }
        false
    }

    /// Goes on to the next object; says whether there is one.
    pub(super) fn advance(&mut self) -> bool {
        if let Some(object) = self.only.take() {
            return self.go_to(object);
        }
        while !self.step() {
            let Some(census) = self.spans.get(self.next).copied() else {
                return false;
            };
            self.next += 1;
            self.enter(census);
        }
        true
    }

    /// Whether the object of the row is reachable.
    pub(super) fn is_reachable(&self) -> bool {
        let (word, bit) = (self.word, self.slot % 64);
        word.reachable >> bit & 1 == 1
    }
}

/// Which of the census's spans an address lies in, where that is one of the heap.
fn span_at(spans: &[Span], addr: Addr) -> Option<u32> {
    let own = spans
        .partition_point(|span| span.base <= addr)
        .checked_sub(1)?;
    let span = spans.get(own)?;
    let is_own = span.used_for == SpanUse::Heap && span.range().contains(addr);
    u32::try_from(own).ok().filter(|_| is_own)
}

/// Which spans of the heap are asked for, in their order: all, or those of a class.
fn many(spans: &[Span], ask: Ask) -> Vec<u32> {
    let is_asked = |span: &Span| match ask {
        Ask::Equal(CLASS, class) => i64::from(span.size_class()) == class,
        _ => true,
    };
    let own = (0u32..).zip(spans);
    let own = own.filter(|(_, span)| span.used_for == SpanUse::Heap && is_asked(span));
    let mut own: Vec<(u32, &Span)> = own.collect();
    match ask {
        Ask::Sorted(SLOT_BYTES) => own.sort_by_key(|(_, span)| span.elem_size),
        Ask::Sorted(CLASS) => own.sort_by_key(|(_, span)| span.size_class()),
        _ => {}
    }
    own.into_iter().map(|(number, _)| number).collect()
}

impl Rows for ObjectRows {
    fn next(&mut self) -> Result<bool, String> {
        Ok(self.advance())
    }

    fn value(&self, column: usize) -> Result<Value, String> {
        let (word, bit) = (self.word, self.slot % 64);
        let has = |bits: u64| Value::from(bits >> bit & 1 == 1);
        let (source, object) = (&self.source, self.object());
        Ok(match column {
            ADDRESS => self.address().into(),
            SLOT_BYTES => self.span.elem_size.into(),
            CLASS => u64::from(self.span.size_class()).into(),
            3 => source.type_of(object).into(),
            4 => has(word.reachable),
            5 => has(word.guessed),
            6 => source.distance(object)?.into(),
            7 => {
                let above = source.held(object)?.map(|held| held.above);
                let above = above.filter(|above| *above != u32::MAX);
                above
                    .map(|above| source.range(ObjectId(above)).start().0)
                    .into()
            }
            8 => source.held(object)?.map(|held| held.bytes).into(),
            9 => source
                .held(object)?
                .map(|held| u64::from(held.objects))
                .into(),
            _ => self.span.base.0.into(),
        })
    }
}
