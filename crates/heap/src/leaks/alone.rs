//! What each group of goroutines holds that nothing else does.
//!
//! First everything is marked that is reachable without any goroutine; then what is left takes the
//! number of the group that reaches it, or that of several once a second one does. So an object is
//! followed at most twice.
//!
//! As in the proof, a g and its sudogs hold only for their own goroutine.

use letgo_goruntime::Census;

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
        let mut counts = vec![Count::default(); len];
        let candidates = Candidates::of(self, census);
        let mut colours = Colours {
            graph: self,
            of: vec![NONE; self.slots() as usize],
        };
        if !self.without_goroutines(census, &candidates, options, &mut colours) {
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
        for (object, group) in (0u32..).zip(&colours.of) {
            if let Some(count) = counts.get_mut(*group as usize)
                && let Some((_, span)) = self.objects.place(ObjectId(object))
            {
                count.objects += 1;
                count.bytes += span.elem_size;
            }
        }
        Some(Alone {
            counts,
            of: colours.of,
        })
    }

    /// Marks what is reachable without any goroutine as reached by several; says whether there was
    /// time for all of it.
    fn without_goroutines(
        &self,
        census: &Census,
        candidates: &Candidates,
        options: &GraphOptions<'_>,
        colours: &mut Colours<'_>,
    ) -> bool {
        let now = std::time::Instant::now();
        let until = now.checked_add(options.limits.mark_time).unwrap_or(now);
        let marking = Marking::new(&self.objects, &self.copied.edges, options.threads(), until);
        let gs = census.goroutines.iter();
        let gs = gs.filter_map(|one| self.object_at(one.g));
        let sudogs = candidates.list.iter().flat_map(|one| one.cut.clone());
        for object in gs.chain(sudogs) {
            marking.left.take(object.0);
        }
        let mut items = Vec::new();
        let roots = self.roots().iter();
        for root in roots.filter(|root| root.goroutine().is_none()) {
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

impl Colours<'_> {
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
