//! [`Walk`]: one depth-first walk over all that is reachable, and what dominators need of it.
//!
//! *Inner* objects lead to another one that may hold pointers; they are numbered in the order in
//! which they are visited, the top (which leads to all groups of roots) being 0. All others are
//! *settled*: nothing is reached through them but leaves, so they are no nodes of the search for
//! dominators, and only who leads to them is kept.
//!
//! Of an edge to a number that is higher, only the lowest source matters (see `tree`): that is the
//! first one, and no list is needed. Edges to lower numbers, and second ones to settled objects,
//! are kept.
//!
//! Invariants: the walk is depth first (who leads to an object last, before it is visited, is its
//! parent); an object is visited once; a parent's number is below its child's.
//!
//! Does not know heaps (see `heap`).
#![allow(
    clippy::indexing_slicing,
    reason = "ids and numbers are our own, below the lengths of the arrays they index"
)]

use std::time::Instant;

use super::Error;
use super::state::{Known, MOST, State, States};

/// Entries of the stack that are asked for ahead: what they lead to and what is known of them.
const AHEAD: usize = 8;
/// Entries ahead of which it is asked where what they lead to lies.
const FAR_AHEAD: usize = 2 * AHEAD;
/// Leaves whose states are asked for ahead.
const LEAVES_AHEAD: usize = 16;
/// Visits between two looks at the clock and at the memory.
const LOOK: u32 = 4096;
/// No edge; a part of an object that goes on.
const NONE: u32 = u32::MAX;

/// An object that another leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Child<P> {
    pub(crate) place: P,
    pub(crate) id: u32,
    /// Whether it may lead to others.
    pub(crate) leads: bool,
}

/// What is walked over. Ids of objects are below [`Source::ids`]; those of groups of roots come
/// then.
pub(crate) trait Source {
    /// Where an object, or a part of a large one, is.
    type Place: Copy;

    /// Ids of objects are below.
    fn ids(&self) -> u32;

    /// Groups of roots.
    fn groups(&self) -> u32;

    /// Hands the id of each reachable object to `take`, in order; and whether it may lead to
    /// others.
    fn each_object(&self, take: &mut impl FnMut(u32, bool));

    /// The same of those that may lead to others.
    fn each_leading(&self, take: &mut impl FnMut(u32)) {
        self.each_object(&mut |id, leads| {
            if leads {
                take(id);
            }
        });
    }

    /// Hands what an object (the part of it that lies at `place`) leads to to `take`.
    fn each(&self, place: Self::Place, take: &mut impl FnMut(Child<Self::Place>));

    /// Hands what a group of roots leads to to `take`.
    fn each_of_group(&self, group: u32, take: &mut impl FnMut(Child<Self::Place>));

    /// Hands what is kept by finalizers of objects to `take`; called last, with a test for what
    /// was reached otherwise.
    fn each_finalized(
        &self,
        is_reached: &impl Fn(u32) -> bool,
        take: &mut impl FnMut(Child<Self::Place>),
    );

    /// The next part of a large object.
    fn rest(&self, place: Self::Place) -> Option<Self::Place>;

    /// Asks for the memory that `ask` will read.
    fn ask_place(&self, place: Self::Place);

    /// Asks for the memory that `each` will read.
    fn ask(&self, place: Self::Place);
}

/// Edges, by the number that they lead to.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    /// The last edge to each number, plus 1.
    heads: Vec<u32>,
    /// Source, and the edge before to the same number.
    edges: Vec<(u32, u32)>,
}

impl Edges {
    fn add(&mut self, to: u32, from: u32) {
        let head = self.heads[to as usize];
        // The same pointer again and again, as in a slice of equal ones.
        if head != 0 && self.edges[head as usize - 1].0 == from {
            return;
        }
        self.edges.push((from, head));
        self.heads[to as usize] = u32::try_from(self.edges.len()).unwrap_or(0);
    }

    /// Where edges to a number come from.
    #[inline]
    pub(crate) fn sources(&self, to: u32) -> impl Iterator<Item = u32> + '_ {
        let mut next = self.heads[to as usize];
        std::iter::from_fn(move || {
            let (from, before) = *self.edges.get(next.checked_sub(1)? as usize)?;
            next = before;
            Some(from)
        })
    }
}

/// What a walk may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) bytes: u64,
    pub(crate) until: Instant,
}

impl Bounds {
    pub(crate) fn check(&self, bytes: u64) -> Result<(), Error> {
        if bytes > self.bytes {
            return Err(Error::DominatorBytes { limit: self.bytes });
        }
        if Instant::now() > self.until {
            return Err(Error::DominatorTime);
        }
        Ok(())
    }
}

/// To be visited.
#[derive(Clone, Copy, Debug)]
struct Entry<P> {
    place: P,
    id: u32,
    /// Number of who led here; [`NONE`] for a further part.
    parent: u32,
}

/// The walk and what came of it.
#[derive(Debug)]
pub(crate) struct Walk {
    /// Of each id.
    pub(crate) states: States,
    /// Ids by number.
    pub(crate) ids: Vec<u32>,
    /// Who led to it last, by number.
    pub(crate) parents: Vec<u32>,
    /// The lowest number that leads to it, by number.
    pub(crate) lowest: Vec<u32>,
    /// Edges from higher numbers.
    pub(crate) late: Edges,
    /// Further edges to settled objects that may lead to others: their id, and the source's.
    pub(crate) shared: Vec<(u32, u32)>,
    /// The same of those that may not.
    pub(crate) shared_leaves: Vec<(u32, u32)>,
}

impl Walk {
    /// Walks over all.
    ///
    /// # Errors
    /// [`Error::DominatorBytes`], [`Error::DominatorTime`], [`Error::TooLarge`].
    pub(crate) fn over<S: Source>(source: &S, bounds: Bounds) -> Result<Walk, Error> {
        let ids = u64::from(source.ids()) + u64::from(source.groups()) + 2;
        if ids >= u64::from(MOST) {
            return Err(Error::TooLarge {
                slots: ids,
                limit: MOST.into(),
            });
        }
        bounds.check(ids * 4)?;
        let mut states = States::new(usize::try_from(ids).unwrap_or(0));
        let mut leading = 0;
        source.each_object(&mut |id, leads| {
            states.set(id, State::UNSEEN);
            leading += usize::from(leads);
        });
        // As long as they can become: memory is taken when it is written to.
        let most = leading + source.groups() as usize + 2;
        let walk = Walk {
            states,
            ids: Vec::with_capacity(most),
            parents: Vec::with_capacity(most),
            lowest: Vec::with_capacity(most),
            late: Edges {
                heads: vec![0; most],
                edges: Vec::new(),
            },
            shared: Vec::new(),
            shared_leaves: Vec::new(),
        };
        let mut walker = Walker {
            source,
            walk,
            stack: Vec::new(),
            children: Vec::new(),
            leaves: [(NONE, NONE); LEAVES_AHEAD],
            next_leaf: 0,
            bounds,
            until_look: LOOK,
        };
        walker.all()?;
        Ok(walker.walk)
    }

    /// Gives an id the next number.
    fn number(&mut self, id: u32, parent: u32, lowest: u32) -> u32 {
        let number = u32::try_from(self.ids.len()).unwrap_or(NONE);
        self.ids.push(id);
        self.parents.push(parent);
        self.lowest.push(lowest);
        self.states.set(id, State::inner(number));
        number
    }
}

struct Walker<'a, S: Source> {
    source: &'a S,
    walk: Walk,
    stack: Vec<Entry<S::Place>>,
    /// What the object that is visited leads to.
    children: Vec<Child<S::Place>>,
    /// Edges to leaves that are entered later, when their states have come: target and source.
    leaves: [(u32, u32); LEAVES_AHEAD],
    next_leaf: usize,
    bounds: Bounds,
    until_look: u32,
}

impl<S: Source> Walker<'_, S> {
    /// Visits the top, each group in turn, and what only finalizers keep.
    fn all(&mut self) -> Result<(), Error> {
        let first = self.source.ids();
        let finalizers = first + self.source.groups();
        let top = self.walk.number(finalizers + 1, 0, 0);
        for group in 0..self.source.groups() {
            let number = self.walk.number(first + group, top, top);
            let children = &mut self.children;
            children.clear();
            self.source
                .each_of_group(group, &mut |child| children.push(child));
            self.enter(number, first + group);
            self.drain()?;
        }
        let number = self.walk.number(finalizers, top, top);
        let (states, children) = (&self.walk.states, &mut self.children);
        children.clear();
        let is_reached = |id: u32| !matches!(states.get(id), Known::None | Known::Unseen);
        self.source
            .each_finalized(&is_reached, &mut |child| children.push(child));
        self.enter(number, finalizers);
        self.drain()?;
        for _ in 0..LEAVES_AHEAD {
            self.leaf(NONE, NONE);
        }
        Ok(())
    }

    /// Visits all that is on the stack.
    fn drain(&mut self) -> Result<(), Error> {
        while let Some(entry) = self.stack.pop() {
            if let Some(entry) = self.ahead(FAR_AHEAD) {
                self.source.ask_place(entry.place);
            }
            if let Some(entry) = self.ahead(AHEAD) {
                self.ask(entry);
            }
            self.visit(entry);
            self.until_look -= 1;
            if self.until_look == 0 {
                self.until_look = LOOK;
                self.bounds.check(self.bytes())?;
            }
        }
        Ok(())
    }

    /// The entry that is visited after so many others.
    #[inline]
    fn ahead(&self, entries: usize) -> Option<&Entry<S::Place>> {
        self.stack.get(self.stack.len().wrapping_sub(entries))
    }

    /// Asks for the memory that a visit will read.
    #[inline]
    fn ask(&self, entry: &Entry<S::Place>) {
        self.source.ask(entry.place);
        self.walk.states.ask(entry.id);
    }

    /// Bytes that are held, with those that `tree` will need.
    fn bytes(&self) -> u64 {
        let walk = &self.walk;
        let edges = walk.late.edges.len() + walk.shared.len() + walk.shared_leaves.len();
        let stack = self.stack.len() * size_of::<Entry<S::Place>>();
        (walk.states.len() as usize * 4 + walk.ids.len() * 24 + edges * 8 + stack) as u64
    }

    fn visit(&mut self, entry: Entry<S::Place>) {
        let own = entry.id;
        let number = match self.walk.states.get(own) {
            Known::Pending(first) => Err(first),
            Known::Inner(number) if entry.parent == NONE => Ok(number),
            _ => return,
        };
        let (states, children) = (&self.walk.states, &mut self.children);
        children.clear();
        self.source.each(entry.place, &mut |child| {
            if child.id != own {
                states.ask(child.id);
                children.push(child);
            }
        });
        let rest = self.source.rest(entry.place);
        let number = match number {
            Ok(number) => number,
            Err(first) if rest.is_none() && !self.children.iter().any(|child| child.leads) => {
                return self.settle(own, first, entry.parent);
            }
            Err(first) => self.walk.number(own, entry.parent, first),
        };
        if let Some(place) = rest {
            self.stack.push(Entry {
                place,
                id: own,
                parent: NONE,
            });
        }
        self.enter(number, own);
    }

    /// An object that leads to leaves only. All who led to it up to now lie on one path of the
    /// walk, so that the first and the last of them tell which object dominates it.
    fn settle(&mut self, own: u32, first: u32, last: u32) {
        let first_id = self.walk.ids[first as usize];
        self.walk.states.set(own, State::settled(first_id));
        if first != last {
            self.walk.shared.push((own, self.walk.ids[last as usize]));
        }
        for at in 0..self.children.len() {
            self.leaf(self.children[at].id, own);
        }
    }

    /// An edge from `own` to what leads nowhere: puts it off, and enters the one that was put off
    /// longest.
    #[inline]
    fn leaf(&mut self, id: u32, own: u32) {
        let put_off = &mut self.leaves[self.next_leaf];
        self.next_leaf = (self.next_leaf + 1) % LEAVES_AHEAD;
        let (id, own) = std::mem::replace(put_off, (id, own));
        match self.walk.states.get(id) {
            Known::Settled(first) if first == own => {}
            Known::Settled(_) => self.walk.shared_leaves.push((id, own)),
            Known::Unseen => self.walk.states.set(id, State::settled(own)),
            _ => {}
        }
    }

    /// The edges from the object with this number and id to its children.
    fn enter(&mut self, number: u32, own: u32) {
        for at in 0..self.children.len() {
            let child = self.children[at];
            if !child.leads {
                self.leaf(child.id, own);
                continue;
            }
            match self.walk.states.get(child.id) {
                Known::None => {}
                Known::Unseen => {
                    self.walk.states.set(child.id, State::pending(number));
                    self.push(child, number);
                }
                Known::Pending(_) => self.push(child, number),
                Known::Inner(known) if known < number => self.walk.late.add(known, number),
                Known::Inner(known) => {
                    let lowest = &mut self.walk.lowest[known as usize];
                    *lowest = number.min(*lowest);
                }
                Known::Settled(first) if first == own => {}
                Known::Settled(_) => self.walk.shared.push((child.id, own)),
            }
        }
        let new = self.stack.iter().rev().take(self.children.len());
        for entry in new.clone().take(FAR_AHEAD) {
            self.source.ask_place(entry.place);
        }
        for entry in new.take(AHEAD) {
            self.ask(entry);
        }
    }

    fn push(&mut self, child: Child<S::Place>, parent: u32) {
        self.stack.push(Entry {
            place: child.place,
            id: child.id,
            parent,
        });
    }
}
