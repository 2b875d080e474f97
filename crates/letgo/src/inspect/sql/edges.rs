//! [`Edges`]: the table `edges`: pointers from objects to objects.

use std::rc::Rc;

use letgo_heap::{ObjectId, Pointer, Pointing};
use letgo_query::{Ask, Column, Kind, Rows, Table, Value};
use letgo_target::Addr;

use super::Source;
use super::objects::{ObjectRows, column};

/// Pointers of an object, or to one, about.
const OF_OBJECT: u64 = 10;

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
        "where in the source the pointer lies, in bytes from its address",
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

    fn finds(&self, column: usize) -> Option<u64> {
        let turns = || {
            let source = self.0.as_ref();
            source.is_none_or(|source| source.has_room_for_referrers())
        };
        let found = column == SOURCE || column == TARGET && turns();
        found.then_some(OF_OBJECT)
    }

    fn sorts(&self, column: usize) -> bool {
        column == SOURCE
    }

    fn open(self: Rc<Self>, ask: Ask) -> Result<Box<dyn Rows>, String> {
        let Some(source) = &self.0 else {
            return Err("there is no target".into());
        };
        let from = match ask {
            Ask::Equal(TARGET, value) => {
                let target = source.graph().object_at(Addr(value.cast_unsigned()));
                source.referrers()?;
                let source = Rc::clone(source);
                return Ok(Box::new(ReferrerRows {
                    source,
                    target,
                    next: 0,
                    row: None,
                }));
            }
            Ask::Equal(SOURCE, value) => Ask::Equal(0, value),
            _ => Ask::All,
        };
        Ok(Box::new(EdgeRows {
            objects: ObjectRows::new(Rc::clone(source), from),
            pointing: Pointing::default(),
            row: None,
        }))
    }
}

/// Goes over the pointers of objects.
struct EdgeRows {
    objects: ObjectRows,
    /// Those of the object of the row.
    pointing: Pointing,
    row: Option<Pointer>,
}

impl Rows for EdgeRows {
    fn next(&mut self) -> Result<bool, String> {
        loop {
            self.row = self.pointing.next(self.objects.source.graph());
            if self.row.is_some() {
                return Ok(true);
            }
            if !self.objects.advance() {
                return Ok(false);
            }
            self.pointing = Pointing::new(self.objects.source.graph(), self.objects.object());
        }
    }

    fn value(&self, column: usize) -> Result<Value, String> {
        let start = |object| self.objects.source.range(object).start().0;
        Ok(match column {
            SOURCE => self.objects.address().into(),
            TARGET => self.row.map(|row| start(row.target)).into(),
            _ => self.row.map(|row| row.offset).into(),
        })
    }
}

/// Goes over the pointers to one object.
struct ReferrerRows {
    source: Rc<Source>,
    target: Option<ObjectId>,
    /// Which of them comes next.
    next: usize,
    /// The object that points, and where.
    row: Option<(ObjectId, u64)>,
}

impl Rows for ReferrerRows {
    fn next(&mut self) -> Result<bool, String> {
        let referrers = self.source.referrers()?;
        let target = self.target;
        self.row = target.and_then(|target| referrers.of(target, self.next));
        self.next += 1;
        Ok(self.row.is_some())
    }

    fn value(&self, column: usize) -> Result<Value, String> {
        let start = |object| self.source.range(object).start().0;
        Ok(match column {
            SOURCE => self.row.map(|(from, _)| start(from)).into(),
            TARGET => self.target.map(start).into(),
            _ => self.row.map(|(_, offset)| offset).into(),
        })
    }
}
