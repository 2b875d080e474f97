//! [`Sequences`]: kinds of objects behind each other, each sequence once.
//!
//! A tree: a sequence is the one before and a kind; the first one has a group and no kind. A kind
//! that comes again at once stays the same sequence. Sequences that would become too long, or too
//! many, end in steps that are not told apart.

use rustc_hash::FxHashMap;

use super::{NONE, Step};

/// Steps of a sequence that are told apart.
const MOST_STEPS: u32 = 24;
/// Sequences: 1 M take 40 MB.
const MOST: usize = 1 << 20;

/// The number of a sequence.
pub(crate) type Sequence = u32;

/// No sequence.
pub(crate) const UNKNOWN: Sequence = NONE;

#[derive(Clone, Copy)]
struct Node {
    before: Sequence,
    /// [`NONE`] for what is not told apart.
    kind: u32,
    steps: u32,
    group: u32,
    repeated: bool,
}

/// All sequences so far.
#[derive(Default)]
pub(crate) struct Sequences {
    nodes: Vec<Node>,
    known: FxHashMap<(Sequence, u32), Sequence>,
}

impl Sequences {
    /// The sequence of a group that has no steps yet.
    pub(crate) fn first(&mut self, group: u32) -> Sequence {
        self.enter(
            group,
            Node {
                before: UNKNOWN,
                kind: NONE,
                steps: 0,
                group,
                repeated: false,
            },
        )
    }

    /// A sequence with one more object of a kind.
    pub(crate) fn with(&mut self, before: Sequence, kind: u32) -> Sequence {
        let many = self.nodes.len() >= MOST;
        let Some(node) = self.nodes.get_mut(before as usize) else {
            return before;
        };
        if node.steps > 0 && (node.kind == kind || node.kind == NONE) {
            node.repeated = true;
            return before;
        }
        let next = Node {
            before,
            steps: node.steps + 1,
            kind: match many || node.steps >= MOST_STEPS {
                true => NONE,
                false => kind,
            },
            group: node.group,
            repeated: false,
        };
        self.enter(next.kind, next)
    }

    fn enter(&mut self, key: u32, node: Node) -> Sequence {
        let next = u32::try_from(self.nodes.len()).unwrap_or(UNKNOWN);
        let own = *self.known.entry((node.before, key)).or_insert(next);
        if own == next {
            self.nodes.push(node);
        }
        own
    }

    /// How many there are: their numbers are below.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The sequence without its last step, whose number is lower.
    pub(crate) fn before(&self, number: usize) -> Option<Sequence> {
        let before = self.nodes.get(number)?.before;
        (before != UNKNOWN).then_some(before)
    }

    /// The group that a sequence began with.
    pub(crate) fn group(&self, sequence: Sequence) -> u32 {
        let node = self.nodes.get(sequence as usize);
        node.map_or(NONE, |node| node.group)
    }

    /// The steps of a sequence, last first.
    pub(crate) fn backwards(&self, sequence: Sequence) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut at = sequence;
        while let Some(node) = self.nodes.get(at as usize).filter(|node| node.steps > 0) {
            steps.push(Step {
                kind: (node.kind != NONE).then_some(node.kind),
                repeated: node.repeated,
            });
            at = node.before;
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(kind: u32, repeated: bool) -> Step {
        Step {
            kind: Some(kind),
            repeated,
        }
    }

    #[test]
    fn runs_of_one_kind_are_one_step() {
        let mut all = Sequences::default();
        let first = all.first(1);
        let mut add = |kinds: &[u32]| kinds.iter().fold(first, |own, kind| all.with(own, *kind));
        let short = add(&[1, 2, 3]);
        let long = add(&[1, 2, 2, 2, 3]);
        let other = add(&[1, 2, 3, 2]);
        assert_eq!(short, long);
        assert_ne!(other, short);
        let steps = [step(3, false), step(2, true), step(1, false)];
        assert_eq!(all.backwards(long), steps);
        assert_eq!(all.backwards(first), []);
        let second = all.first(2);
        let elsewhere = all.with(second, 1);
        assert_eq!((all.group(short), all.group(elsewhere)), (1, 2));
        assert_eq!(all.backwards(elsewhere), [step(1, false)]);
    }

    #[test]
    fn what_is_too_long_ends_in_steps_that_are_not_told_apart() {
        let mut all = Sequences::default();
        let mut own = all.first(0);
        for at in 0..1000 {
            own = all.with(own, at % 2);
        }
        let steps = all.backwards(own);
        assert_eq!(steps.len(), MOST_STEPS as usize + 1);
        assert_eq!(steps[0].kind, None);
        assert!(steps[1..].iter().all(|step| step.kind.is_some()));
    }
}
