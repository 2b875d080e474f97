//! [`Edges`]: the table `edges`: pointers from objects to objects.

use std::rc::Rc;

use letgo_heap::ObjectId;
use letgo_query::{Ask, Column, Kind, Rows, Table, Value};
use letgo_target::{Addr, read_bytes};

use super::Source;
use super::objects::{ObjectRows, column};

/// Bytes of an object that are looked through.
const MOST_LOOK: u64 = 1 << 20;

/// The table.
pub(super) struct Edges(pub(super) Option<Rc<Source>>);

const SOURCE: usize = 0;
const TARGET: usize = 1;

const COLUMNS: [Column; 3] = [
    column("source", Kind::Integer, "address of the object that points"),
    column(
        "target",
        Kind::Integer,
        "address of the object that it points to, or into",
    ),
    column(
        "offset",
        Kind::Integer,
        "where in the source the pointer lies; null where memory does not show it any more",
    ),
];

impl Table for Edges {
    fn name(&self) -> &'static str {
        "edges"
    }

    fn about(&self) -> &'static str {
        "pointers between objects, one row each; of garbage as well"
    }

    fn columns(&self) -> &[Column] {
        &COLUMNS
    }

    fn len(&self) -> u64 {
        let source = self.0.as_ref();
        source.map_or(0, |source| source.reachable().pointers)
    }

    fn finds(&self, column: usize) -> bool {
        matches!(column, SOURCE | TARGET)
    }

    fn sorts(&self, column: usize) -> bool {
        column == SOURCE
    }

    fn open(self: Rc<Self>, ask: Ask) -> Result<Box<dyn Rows>, String> {
        let Some(source) = &self.0 else {
            return Err("there is no target".into());
        };
        let from = match ask {
            Ask::Equal(SOURCE, value) => Ask::Equal(0, value),
            _ => Ask::All,
        };
        let to = match ask {
            Ask::Equal(TARGET, value) => {
                let object = source.graph().object_at(Addr(value.cast_unsigned()));
                Some(object.unwrap_or(ObjectId(u32::MAX)))
            }
            _ => None,
        };
        Ok(Box::new(EdgeRows {
            objects: ObjectRows::new(Rc::clone(source), from),
            to,
            targets: Vec::new(),
            at: 0,
        }))
    }
}

/// Goes over the pointers of objects.
struct EdgeRows {
    objects: ObjectRows,
    /// The only target that is asked for.
    to: Option<ObjectId>,
    /// Of the object of the row.
    targets: Vec<ObjectId>,
    /// One more than which of them.
    at: usize,
}

impl Rows for EdgeRows {
    fn next(&mut self) -> Result<bool, String> {
        self.at += 1;
        while self.at > self.targets.len() {
            if !self.objects.advance() {
                return Ok(false);
            }
            self.at = 1;
            self.targets.clear();
            let (targets, only) = (&mut self.targets, self.to);
            let graph = &self.objects.source.marked.graph;
            graph.pointers(self.objects.object(), &mut |to| {
                if only.is_none_or(|only| only == to) {
                    targets.push(to);
                }
            });
        }
        Ok(true)
    }

    fn value(&self, column: usize) -> Result<Value, String> {
        let target = self.targets.get(self.at - 1).copied();
        let target = target.unwrap_or(ObjectId(u32::MAX));
        Ok(match column {
            SOURCE => self.objects.address().into(),
            TARGET => self.objects.source.range(target).start().0.into(),
            _ => self.offset(target).into(),
        })
    }
}

impl EdgeRows {
    /// Where the pointer of the row lies: of several to one object, in their order.
    fn offset(&self, target: ObjectId) -> Option<u64> {
        let source = &self.objects.source;
        let own = source.range(self.objects.object());
        let to = source.range(target);
        let len = own.len().min(MOST_LOOK);
        let bytes = read_bytes(source.contents()?, own.start(), len, MOST_LOOK).ok()?;
        let before = self.targets.iter().take(self.at - 1);
        let nth = before.filter(|other| **other == target).count();
        let (words, _) = bytes.as_chunks::<8>();
        let leads = |word: &[u8; 8]| to.contains(Addr(u64::from_le_bytes(*word)));
        let mut found = (0u64..).zip(words).filter(|(_, word)| leads(word));
        found.nth(nth).map(|(at, _)| at * 8)
    }
}
