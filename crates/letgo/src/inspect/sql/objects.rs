//! [`Objects`]: the table `objects`: all slots in use, by address.

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

    fn finds(&self, column: usize) -> bool {
        matches!(column, ADDRESS | CLASS | SPAN)
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
    /// Which of the census's, and what is next of them.
    spans: Vec<u32>,
    next: usize,
    span: Span,
    first: u32,
    words: Vec<SlotWord>,
    /// The slot of the row, or before the first one.
    slot: Option<u32>,
    /// The only one that is asked for.
    only: Option<ObjectId>,
}

impl ObjectRows {
    pub(super) fn new(source: Rc<Source>, ask: Ask) -> ObjectRows {
        let spans = &source.reading.census.spans;
        let (graph, mut only) = (source.graph(), None);
        let is_heap = |(_, span): &(u32, &Span)| span.used_for == SpanUse::Heap;
        let heap = (0u32..).zip(spans).filter(is_heap);
        let mut chosen: Vec<(u32, &Span)> = match ask {
            Ask::Equal(ADDRESS | SPAN, value) => {
                let addr = Addr(value.cast_unsigned());
                if matches!(ask, Ask::Equal(ADDRESS, _)) {
                    only = graph.object_at(addr).or(Some(ObjectId(u32::MAX)));
                }
                let of = |(_, span): &(u32, &Span)| span.range().contains(addr);
                heap.filter(of).collect()
            }
            Ask::Equal(_, class) => {
                let of = |(_, span): &(u32, &Span)| i64::from(span.size_class()) == class;
                heap.filter(of).collect()
            }
            Ask::All | Ask::Sorted(_) => heap.collect(),
        };
        match ask {
            Ask::Sorted(SLOT_BYTES) => chosen.sort_by_key(|(_, span)| span.elem_size),
            Ask::Sorted(CLASS) => chosen.sort_by_key(|(_, span)| span.size_class()),
            _ => {}
        }
        let spans = chosen.into_iter().map(|(number, _)| number).collect();
        ObjectRows {
            source,
            spans,
            next: 0,
            span: Span::default(),
            first: 0,
            words: Vec::new(),
            slot: None,
            only,
        }
    }

    /// The object of the row.
    pub(super) fn object(&self) -> ObjectId {
        ObjectId(self.first.saturating_add(self.slot.unwrap_or(0)))
    }

    /// Where it starts.
    pub(super) fn address(&self) -> u64 {
        let slot = u64::from(self.slot.unwrap_or(0));
        self.span.base.0 + slot * self.span.elem_size
    }

    fn word(&self) -> (SlotWord, u32) {
        let slot = self.slot.unwrap_or(0);
        let word = self.words.get((slot / 64) as usize).copied();
        (word.unwrap_or_default(), slot % 64)
    }

    /// Goes on to the next span; says whether there is one.
    fn enter(&mut self) -> bool {
        loop {
            let Some(census) = self.spans.get(self.next).copied() else {
                return false;
            };
            self.next += 1;
            let marked = &self.source.marked;
            let numbers = marked.graph.numbers(census);
            let words = marked.reachable.words(census);
            let span = self.source.reading.census.spans.get(census as usize);
            if let (Some(numbers), Some(words), Some(span)) = (numbers, words, span) {
                self.words.clear();
                self.words.extend(words);
                (self.span, self.first, self.slot) = (*span, numbers.start, None);
                return true;
            }
        }
    }

    /// The next slot in use of this span.
    fn step(&mut self) -> bool {
        let mut slot = self.slot.map_or(0, |slot| slot + 1);
        while let Some(word) = self.words.get((slot / 64) as usize) {
            let rest = word.in_use >> (slot % 64);
            if rest != 0 {
                self.slot = Some(slot + rest.trailing_zeros());
                return true;
            }
            slot = (slot / 64 + 1) * 64;
        }
        false
    }

    /// Goes on to the next object; says whether there is one.
    pub(super) fn advance(&mut self) -> bool {
        loop {
            while !self.step() {
                if !self.enter() {
                    return false;
                }
            }
            if self.only.is_none_or(|only| only == self.object()) {
                return true;
            }
        }
    }

    /// Whether the object of the row is reachable.
    pub(super) fn is_reachable(&self) -> bool {
        let (word, bit) = self.word();
        word.reachable >> bit & 1 == 1
    }
}

impl Rows for ObjectRows {
    fn next(&mut self) -> Result<bool, String> {
        Ok(self.advance())
    }

    fn value(&self, column: usize) -> Result<Value, String> {
        let (word, bit) = self.word();
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
