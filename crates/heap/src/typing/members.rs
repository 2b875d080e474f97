//! [`Member`]: the values that an object of a known type is made of.
//!
//! Structures within structures are taken apart; arrays are not. Does not read contents.
//!
//! Invariant: at most so many as are asked for; those beyond are counted, to a limit.

use letgo_goruntime::types::{GoShape, TypeTable};
use letgo_target::Addr;

use super::Typed;
use super::kinds::{Kinds, What};
use super::places::{Part, Place, captured};
use crate::ObjectId;

/// Deepest nesting of structures that are taken apart.
const MOST_NESTED: u32 = 4;
/// Members that are looked at, of one object.
const MOST_STEPS: u64 = 1 << 12;
/// A structure that is one value to whoever reads it.
const TIME: &str = "time.Time";

/// A value within an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// What it is.
    pub place: Place,
    /// Bytes from the start of the object's slot.
    pub offset: u64,
    /// The address of its type.
    pub typ: Addr,
}

/// The first members of an object.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Members {
    /// In the order of the type.
    pub listed: Vec<Member>,
    /// How many more there are.
    pub more: u64,
}

impl Typed<'_> {
    /// The first values that an object of a known type is made of; nothing for what is no value, no
    /// row of values and no closure.
    pub fn members(&self, object: ObjectId, most: usize) -> Option<Members> {
        let span = self.graph.objects.span_of_slot(object.0)?;
        let header = span.elem_size - span.usable();
        let what = self.what(self.of(object)?)?;
        let kinds = self.graph.copied.seeds.lock();
        if kinds.is_map_part(what) {
            return None;
        }
        let mut list = List {
            kinds: &kinds,
            most,
            steps: MOST_STEPS,
            all: 0,
            members: Members::default(),
        };
        match what {
            What::Value(of) => list.value(&Vec::new(), of, header, MOST_NESTED),
            What::Row(of) => list.row(of, header, span.usable()),
            What::Closure(entry) => list.closure(*kinds.closures.get(&entry)?, header),
            _ => return None,
        }
        Some(list.members)
    }

    /// Asks what the program says of its types.
    pub fn ask<T>(&self, question: impl FnOnce(&TypeTable) -> T) -> T {
        question(&self.graph.copied.seeds.lock().table)
    }
}

struct List<'a> {
    kinds: &'a Kinds,
    most: usize,
    steps: u64,
    /// Members of all elements of a row.
    all: u64,
    members: Members,
}

impl List<'_> {
    fn add(&mut self, place: Place, typ: Addr, offset: u64) {
        if self.members.listed.len() >= self.most {
            self.members.more += 1;
            return;
        }
        self.members.listed.push(Member { place, offset, typ });
    }

    fn value(&mut self, place: &Place, of: Addr, offset: u64, depth: u32) {
        let Some(left) = self.steps.checked_sub(1) else {
            return;
        };
        self.steps = left;
        let shape = self.kinds.table.get(of).map(|found| found.shape);
        if self.kinds.table.name(of) == TIME {
            return self.add(place.clone(), of, offset);
        }
        let (Some(GoShape::Struct { fields }), Some(depth)) = (shape, depth.checked_sub(1)) else {
            return self.add(place.clone(), of, offset);
        };
        for field in fields.iter().filter(|field| field.name != "_") {
            let mut place = place.clone();
            place.push(Part::Field(field.name.clone()));
            self.value(&place, field.typ, offset + field.offset, depth);
        }
    }

    fn row(&mut self, of: Addr, header: u64, bytes: u64) {
        let size = self.kinds.table.head(of).map_or(0, |head| head.size);
        let count = bytes.checked_div(size).unwrap_or(0);
        for number in 0..count {
            if self.steps == 0 || self.members.listed.len() >= self.most {
                break;
            }
            let place = vec![Part::Index(number)];
            self.value(&place, of, header + number * size, MOST_NESTED);
            if number == 0 {
                // Each has as many as the first.
                let each = self.members.listed.len() as u64 + self.members.more;
                self.all = count.saturating_mul(each);
            }
        }
        self.members.more = self.all.saturating_sub(self.members.listed.len() as u64);
    }

    fn closure(&mut self, of: Addr, header: u64) {
        let Some(GoShape::Struct { fields }) = self.kinds.table.get(of).map(|found| found.shape)
        else {
            return;
        };
        for (number, field) in fields.iter().enumerate().skip(1) {
            let place = vec![captured(&field.name, number)];
            self.value(&place, field.typ, header + field.offset, MOST_NESTED);
        }
    }
}
