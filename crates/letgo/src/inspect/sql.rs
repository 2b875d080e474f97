//! [`Tables`]: a reading as tables that can be asked in SQL.
//!
//! Objects and pointers are made row by row, from the graph; what is few is listed at once, when
//! it is first asked for. Dominators, distances and who points to each object are found when a
//! question first wants them.

mod by_value;
mod edges;
mod listed;
mod objects;

use std::cell::OnceCell;
use std::rc::Rc;

use letgo_heap::{Dominators, Graph, GraphOptions, Holder, Limits, ObjectId, Reachable, Referrers};
use letgo_query::Table;
use letgo_target::AddrRange;

use super::owners::Owners;
use super::roots::RootNames;
use super::{Marked, Program, Reading, Subject};
use crate::complaint::Complaint;
use crate::inspect::room;

/// What tables are made of.
pub(super) struct Source {
    subject: Subject,
    reading: Reading,
    marked: Marked,
    limits: Limits,
    held: OnceCell<Result<Vec<Held>, String>>,
    distances: OnceCell<Result<Vec<u32>, String>>,
    referrers: OnceCell<Result<Referrers, String>>,
}

/// What an object retains, and who holds it.
#[derive(Clone, Copy, Default)]
pub(super) struct Held {
    /// The object that dominates it; [`u32::MAX`] where none does.
    above: u32,
    objects: u32,
    bytes: u64,
}

impl Source {
    fn program(&self) -> &Program {
        self.subject.program()
    }

    fn graph(&self) -> &Graph {
        &self.marked.graph
    }

    fn reachable(&self) -> &Reachable {
        &self.marked.reachable
    }

    fn range(&self, object: ObjectId) -> AddrRange {
        self.graph().range_of(object).unwrap_or_default()
    }

    fn type_of(&self, object: ObjectId) -> Option<String> {
        let name = self.marked.type_name(self.program(), object);
        name.map(str::to_owned)
    }

    /// Whether [`Source::referrers`] may be taken.
    fn has_room_for_referrers(&self) -> bool {
        self.graph().referrers_bytes() <= self.limits.path_bytes
    }

    /// Who points to each object.
    fn referrers(&self) -> Result<&Referrers, String> {
        let found = self.referrers.get_or_init(|| {
            let found = self.graph().referrers(&self.options());
            found.map_err(|error| error.to_string())
        });
        found.as_ref().map_err(Clone::clone)
    }

    /// How far a reachable object is from the nearest root.
    fn distance(&self, object: ObjectId) -> Result<Option<u64>, String> {
        let found = self.distances.get_or_init(|| {
            let found = self.graph().distances(self.reachable(), &self.options());
            found.map_err(|error| error.to_string())
        });
        let distances = found.as_ref().map_err(Clone::clone)?;
        let own = distances.get(object.0 as usize).copied();
        Ok(own.filter(|far| *far != u32::MAX).map(u64::from))
    }

    /// What a reachable object retains.
    fn held(&self, object: ObjectId) -> Result<Option<Held>, String> {
        let found = self.held.get_or_init(|| self.dominate());
        let held = found.as_ref().map_err(Clone::clone)?;
        let own = held.get(object.0 as usize).copied();
        Ok(own.filter(|held| held.objects > 0))
    }

    fn options(&self) -> GraphOptions<'static> {
        room::options(self.limits)
    }

    /// What every object retains.
    fn dominate(&self) -> Result<Vec<Held>, String> {
        let graph = self.graph();
        let names = RootNames::new(
            self.program(),
            &self.reading.census,
            self.reading.marked.as_ref(),
        );
        let groups = Owners::of(graph.roots(), &self.reading.census, &names).of_root;
        let weigh = |range: AddrRange| range.len();
        let (reachable, options) = (self.reachable(), self.options());
        let dominators = Dominators::of(graph, reachable, &options, Some(&groups), &weigh)
            .map_err(|error| error.to_string())?;
        let held = (0..graph.slots()).map(|number| {
            let object = ObjectId(number);
            if !reachable.has(object) {
                return Held::default();
            }
            let retained = dominators.retained(Holder::Object(object));
            let retained = retained.unwrap_or_default();
            Held {
                above: match dominators.holder(object) {
                    Some(Holder::Object(above)) => above.0,
                    _ => u32::MAX,
                },
                objects: u32::try_from(retained.objects).unwrap_or(u32::MAX),
                bytes: retained.bytes,
            }
        });
        Ok(held.collect())
    }
}

/// The tables of a reading.
pub struct Tables {
    source: Rc<Source>,
}

impl Tables {
    /// Of a reading with its graph.
    ///
    /// # Errors
    /// A [`Complaint`] where it has none.
    pub fn new(
        subject: Subject,
        mut reading: Reading,
        limits: Limits,
    ) -> Result<Tables, Complaint> {
        let Some(marked) = reading.marked.take() else {
            return Err(Complaint::no_report(
                "the object graph was not read",
                "Leave --no-pause out",
            ));
        };
        Ok(Tables {
            source: Rc::new(Source {
                subject,
                reading,
                marked,
                limits,
                held: OnceCell::new(),
                distances: OnceCell::new(),
                referrers: OnceCell::new(),
            }),
        })
    }

    /// All of them.
    pub fn all(&self) -> Vec<Rc<dyn Table>> {
        tables(Some(&self.source))
    }
}

/// All tables, to be told about.
pub fn described() -> Vec<Rc<dyn Table>> {
    tables(None)
}

fn tables(source: Option<&Rc<Source>>) -> Vec<Rc<dyn Table>> {
    let mut tables: Vec<Rc<dyn Table>> = vec![
        Rc::new(objects::Objects(source.cloned())),
        Rc::new(edges::Edges(source.cloned())),
    ];
    tables.extend(listed::all(source));
    tables
}
