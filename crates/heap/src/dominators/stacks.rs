//! [`Stack`]: the tree of dominators by kinds: what holds what, as a profile has who calls whom.
//!
//! Each object counts for the sequence of those that dominate it, from the group of roots down to
//! itself. So what a sequence and all longer ones count for together is what its objects retain.
//! Small sequences are summed up in a rest of what they hang on: no byte is lost by it.

use super::{Dominators, Holder};
use crate::paths::Step;
use crate::paths::sequences::{Sequence, Sequences, UNKNOWN};
use crate::{Count, ObjectId};

/// Objects below one sequence of holders.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stack {
    /// The group of the roots.
    pub group: u32,
    /// Kinds of the holders from the root on, last the objects' own; nothing is a rest that is not
    /// told apart.
    pub kinds: Vec<Option<u32>>,
    /// The objects themselves, without what they hold.
    pub own: Count,
}

impl Dominators<'_> {
    /// All reachable objects by who dominates them. `group` numbers what is at the top: a group of
    /// roots, finalizers, or nothing alone; `kind` numbers objects. About so many sequences are
    /// told apart, those that retain most.
    pub fn stacks(
        &self,
        group: &dyn Fn(Holder) -> u32,
        kind: &dyn Fn(ObjectId) -> u32,
        most: usize,
    ) -> Vec<Stack> {
        let objects = self.holders.objects();
        let mut sequences = Sequences::default();
        let mut of: Vec<Sequence> = vec![UNKNOWN; objects as usize];
        let mut own: Vec<Count> = Vec::new();
        let mut steps = Vec::new();
        for id in 0..objects {
            let mut at = id;
            let mut known = loop {
                let Some(above) = self.holders.above(at) else {
                    break UNKNOWN;
                };
                match of.get(at as usize) {
                    Some(&UNKNOWN) => steps.push(at),
                    Some(known) => break *known,
                    None => break UNKNOWN,
                }
                if above >= objects {
                    break sequences.first(group(self.holder_of(above)));
                }
                at = above;
            };
            if known == UNKNOWN {
                steps.clear();
                continue;
            }
            for step in steps.drain(..).rev() {
                known = sequences.with(known, kind(ObjectId(step)));
                if let Some(of) = of.get_mut(step as usize) {
                    *of = known;
                }
            }
            let len = own.len().max(sequences.len());
            own.resize(len, Count::default());
            let range = self.graph.range_of(ObjectId(id));
            if let (Some(count), Some(range)) = (own.get_mut(known as usize), range) {
                count.objects += 1;
                count.bytes = count.bytes.saturating_add((self.weigh)(range));
            }
        }
        pruned(&sequences, own, most)
    }
}

/// The sequences that retain most, with rests.
fn pruned(sequences: &Sequences, mut own: Vec<Count>, most: usize) -> Vec<Stack> {
    own.resize(sequences.len(), Count::default());
    let mut all: Vec<u64> = own.iter().map(|count| count.bytes).collect();
    // Who is before has the lower number.
    for at in (0..all.len()).rev() {
        let bytes = all.get(at).copied().unwrap_or(0);
        if let Some(before) = sequences.before(at)
            && let Some(sum) = all.get_mut(before as usize)
        {
            *sum = sum.saturating_add(bytes);
        }
    }
    let mut sizes = all.clone();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    let least = sizes.get(most).copied().unwrap_or(0);
    let is_kept = |at: u32| {
        all.get(at as usize)
            .is_some_and(|bytes| *bytes > least || least == 0)
    };
    let mut rests: Vec<Count> = vec![Count::default(); own.len()];
    let mut stacks = Vec::new();
    for (at, count) in (0u32..).zip(&own) {
        if count.objects == 0 {
            continue;
        }
        if is_kept(at) {
            stacks.push(stack(sequences, at, *count, false));
            continue;
        }
        let mut up = at;
        while let Some(before) = sequences.before(up as usize) {
            up = before;
            if is_kept(up) {
                break;
            }
        }
        if let Some(rest) = rests.get_mut(up as usize) {
            rest.objects += count.objects;
            rest.bytes = rest.bytes.saturating_add(count.bytes);
        }
    }
    let rests = (0u32..).zip(&rests).filter(|(_, rest)| rest.objects > 0);
    stacks.extend(rests.map(|(at, rest)| stack(sequences, at, *rest, true)));
    stacks
}

fn stack(sequences: &Sequences, at: Sequence, own: Count, rest: bool) -> Stack {
    let steps: Vec<Step> = sequences.backwards(at);
    let mut kinds: Vec<Option<u32>> = steps.iter().rev().map(|step| step.kind).collect();
    if rest && kinds.last() != Some(&None) {
        kinds.push(None);
    }
    Stack {
        group: sequences.group(at),
        kinds,
        own,
    }
}
