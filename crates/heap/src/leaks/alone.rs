//! What each group of goroutines holds that nothing else does.
//!
//! First everything is marked that is reachable without any goroutine; then what is left takes the
//! number of the group that reaches it, or that of several once a second one does. So an object is
//! followed at most twice.
//!
//! As in the proof, a g and its sudogs hold only for their own goroutine.

use letgo_goruntime::Census;
use rustc_hash::{FxHashMap, FxHashSet};

use super::candidates::Candidates;
use crate::mark::Marking;
use crate::objects::ObjectId;
use crate::{Count, Graph, GraphOptions};

/// Reached by nothing so far.
const NONE: u32 = u32::MAX;
/// Reached by several groups.
const SEVERAL: u32 = u32::MAX - 1;

impl Graph {
    /// What each group of goroutines holds that nothing else does; `groups` has the group of each
    /// goroutine of the census, from 0. Objects that only guessed words lead to count as well.
    ///
    /// Nothing where there was no time to follow all pointers: too much would seem to be held.
    pub fn held_alone(
        &self,
        census: &Census,
        groups: &[u32],
        options: &GraphOptions<'_>,
    ) -> Option<Alone> {
        let len = groups.iter().max().map_or(0, |most| *most as usize + 1);
        let candidates = Candidates::of(self, census);
        let mut colours = Colours::new(self);
        let gs = census.goroutines.iter();
        let gs = gs.filter_map(|one| self.object_at(one.g));
        let sudogs = candidates.list.iter().flat_map(|one| one.cut.clone());
        if !self.without(gs.chain(sudogs), &|_| true, options, &mut colours) {
            return None;
        }
        let mut own: Vec<Vec<ObjectId>> = vec![Vec::new(); groups.len()];
        for (number, one) in census.goroutines.iter().enumerate() {
            if let Some(own) = own.get_mut(number) {
                own.extend(self.object_at(one.g));
            }
        }
        for candidate in &candidates.list {
            if let Some(own) = own.get_mut(candidate.goroutine as usize) {
                own.extend(&candidate.cut);
            }
        }
        for ((number, group), own) in (0u32..).zip(groups).zip(own) {
            for object in own {
                self.pointers(object, &mut |to| colours.follow(to, *group));
            }
            for root in self.roots_of(number) {
                if let Some(object) = self.object_at(root.value) {
                    colours.follow(object, *group);
                }
            }
        }
        Some(colours.sum(len))
    }

    /// What each group of `cuts` holds that nothing else does, as of [`Graph::held_alone`]. All
    /// other goroutines count as others, and so does what one that is not cut whole reaches by
    /// ways around its objects.
    pub(crate) fn held_by(
        &self,
        census: &Census,
        cuts: &[Cut],
        options: &GraphOptions<'_>,
    ) -> Option<Alone> {
        let groups = cuts.iter().map(|cut| cut.group as usize + 1);
        let len = groups.max().unwrap_or(0);
        let mut own: FxHashMap<u32, Vec<ObjectId>> = FxHashMap::default();
        for cut in cuts {
            let g = census.goroutines.get(cut.goroutine as usize);
            let g = g.and_then(|one| self.object_at(one.g));
            own.entry(cut.goroutine).or_default().extend(g);
        }
        for candidate in &Candidates::of(self, census).list {
            if let Some(own) = own.get_mut(&candidate.goroutine) {
                own.extend(&candidate.cut);
            }
        }
        let mut colours = Colours::new(self);
        let is_cut = |goroutine: u32| own.contains_key(&goroutine);
        let left_out = own.values().flatten().copied();
        if !self.without(left_out, &is_cut, options, &mut colours) {
            return None;
        }
        let objects = cuts.iter().flat_map(|cut| &cut.objects);
        let around: FxHashSet<ObjectId> = objects.copied().collect();
        for cut in cuts.iter().filter(|cut| !cut.is_whole) {
            for object in self.of_goroutine(cut.goroutine, &own) {
                colours.follow_around(object, &around);
            }
        }
        for cut in cuts {
            for object in &cut.objects {
                colours.follow(*object, cut.group);
            }
            if cut.is_whole {
                for object in self.of_goroutine(cut.goroutine, &own) {
                    colours.follow(object, cut.group);
                }
            }
        }
        Some(colours.sum(len))
    }

    /// What a goroutine leads to at once: by its stack, and by what of the runtime is its `own`.
    fn of_goroutine(&self, number: u32, own: &FxHashMap<u32, Vec<ObjectId>>) -> Vec<ObjectId> {
        let roots = self.roots_of(number).iter();
        let mut found: Vec<ObjectId> = roots
            .filter_map(|root| self.object_at(root.value))
            .collect();
        for object in own.get(&number).into_iter().flatten() {
            self.pointers(*object, &mut |to| found.push(to));
        }
        found
    }

    /// Marks what is reachable without these objects and goroutines as reached by several; says
    /// whether there was time for all of it.
    fn without(
        &self,
        cut: impl Iterator<Item = ObjectId>,
        is_cut: &dyn Fn(u32) -> bool,
        options: &GraphOptions<'_>,
        colours: &mut Colours<'_>,
    ) -> bool {
        let now = std::time::Instant::now();
        let until = now.checked_add(options.limits.mark_time).unwrap_or(now);
        let marking = Marking::new(&self.objects, &self.copied.edges, options.threads(), until);
        for object in cut {
            marking.left.take(object.0);
        }
        let mut items = Vec::new();
        let roots = self.roots().iter();
        for root in roots.filter(|root| !root.goroutine().is_some_and(is_cut)) {
            marking.reach(root.value.0, &mut items);
        }
        for object in self.finalized() {
            self.pointers(*object, &mut |to| marking.reach_slot(to.0, &mut items));
        }
        marking.follow(items);
        let reached = self.objects.in_use.without(&marking.left.rest());
        for (object, colour) in (0u32..).zip(&mut colours.of) {
            if reached.has(object) {
                *colour = SEVERAL;
            }
        }
        !marking.is_late()
    }
}

/// What of a goroutine counts for a group of its own.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    /// Which of the census's goroutines.
    pub(crate) goroutine: u32,
    pub(crate) group: u32,
    /// All that it holds counts; else only what hangs on these objects.
    pub(crate) is_whole: bool,
    pub(crate) objects: Vec<ObjectId>,
}

/// What each group holds alone.
#[derive(Clone, Debug, Default)]
pub struct Alone {
    /// Of each group.
    pub counts: Vec<Count>,
    of: Vec<u32>,
}

impl Alone {
    /// Hands over each object that only one group holds, by address, with the group.
    pub fn each(&self, take: &mut dyn FnMut(ObjectId, u32)) {
        for (object, group) in (0u32..).zip(&self.of) {
            if *group < SEVERAL {
                take(ObjectId(object), *group);
            }
        }
    }
}

/// Who reaches each slot: a group, several, nobody.
struct Colours<'a> {
    graph: &'a Graph,
    of: Vec<u32>,
}

impl<'a> Colours<'a> {
    fn new(graph: &'a Graph) -> Colours<'a> {
        Colours {
            graph,
            of: vec![NONE; graph.slots() as usize],
        }
    }

    /// What each of so many groups has.
    fn sum(self, groups: usize) -> Alone {
        let mut counts = vec![Count::default(); groups];
        for (object, group) in (0u32..).zip(&self.of) {
            if let Some(count) = counts.get_mut(*group as usize)
                && let Some((_, span)) = self.graph.objects.place(ObjectId(object))
            {
                count.objects += 1;
                count.bytes += span.elem_size;
            }
        }
        Alone {
            counts,
            of: self.of,
        }
    }

    /// Reaches an object and all that it leads to as several do, but not by way of those `around`
    /// which it goes.
    fn follow_around(&mut self, object: ObjectId, around: &FxHashSet<ObjectId>) {
        let mut left = vec![object];
        while let Some(object) = left.pop() {
            let own = self.of.get_mut(object.0 as usize);
            let Some(own) = own.filter(|own| **own == NONE && !around.contains(&object)) else {
                continue;
            };
            *own = SEVERAL;
            self.graph.pointers(object, &mut |to| left.push(to));
        }
    }

    /// Reaches an object, and all that it leads to.
    fn follow(&mut self, object: ObjectId, group: u32) {
        let mut left = Vec::new();
        self.reach(object, group, &mut left);
        while let Some((object, colour)) = left.pop() {
            self.graph
                .pointers(object, &mut |to| self.reach(to, colour, &mut left));
        }
    }

    fn reach(&mut self, object: ObjectId, colour: u32, left: &mut Vec<(ObjectId, u32)>) {
        let Some(own) = self.of.get_mut(object.0 as usize) else {
            return;
        };
        let new = match *own {
            NONE => colour,
            known if known == SEVERAL || known == colour => return,
            _ => SEVERAL,
        };
        *own = new;
        left.push((object, new));
    }
}
