//! Marking: following pointers from roots to all that they lead to, on several threads.
//!
//! One set holds what is in use and not reached yet; who takes an object out of it follows it.
//! Each thread has a stack of its own and gives half of it away when another has nothing to do.
//! Large objects are followed in parts, so that a slice of millions keeps no thread alone.
//! Waiting for memory is nearly all of the time, so what is followed next is asked for a few
//! objects ahead.
//!
//! Invariants: each object is followed at most once; what a thread holds is at most one entry an
//! object; marking ends when no thread has anything, or when the time is over.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::bits::SharedSet;
use crate::edges::Edges;
use crate::objects::Objects;
use crate::ring::Ring;

/// Pointers of a large object that are followed at once. Source: src/runtime/mgcmark.go,
/// `maxObletBytes`.
const PART: usize = (128 << 10) / 8;
/// Objects that are asked for ahead: first where their pointers are, then these.
const AHEAD: usize = 8;
/// Pointers ahead of which it is asked whether their objects were reached.
const TARGETS_AHEAD: usize = 8;
/// Entries that a thread keeps for itself.
const KEEP: usize = 32;
/// Objects between two looks at the clock and at who has nothing to do.
const LOOK: u32 = 1024;

/// What is to be followed: a node, and which part of its pointers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    node: u32,
    part: u32,
}

/// What threads share.
pub(crate) struct Marking<'a> {
    objects: &'a Objects,
    edges: &'a Edges,
    /// In use and not reached.
    pub(crate) left: SharedSet,
    queue: Mutex<Queue>,
    wake: Condvar,
    /// Threads that wait.
    hungry: AtomicUsize,
    late: AtomicBool,
    until: Instant,
    threads: usize,
    pointers: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    shares: Vec<Vec<Item>>,
    waiting: usize,
    done: bool,
}

impl<'a> Marking<'a> {
    pub(crate) fn new(
        objects: &'a Objects,
        edges: &'a Edges,
        threads: usize,
        until: Instant,
    ) -> Marking<'a> {
        Marking {
            objects,
            edges,
            left: SharedSet::of(&objects.in_use),
            queue: Mutex::new(Queue::default()),
            wake: Condvar::new(),
            hungry: AtomicUsize::new(0),
            late: AtomicBool::new(false),
            until,
            threads: threads.max(1),
            pointers: AtomicU64::new(0),
        }
    }

    /// Whether the time was over before all was followed.
    pub(crate) fn is_late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }

    /// Pointers to objects that were followed.
    pub(crate) fn pointers(&self) -> u64 {
        self.pointers.load(Ordering::Relaxed)
    }

    /// Reaches the object that an address leads to; what it holds is to be followed.
    pub(crate) fn reach(&self, addr: u64, items: &mut Vec<Item>) {
        if let Some(found) = self.objects.slot_at(addr) {
            self.reach_slot(found.number, items);
        }
    }

    /// The same of the object in a slot.
    #[inline]
    pub(crate) fn reach_slot(&self, number: u32, items: &mut Vec<Item>) {
        if self.left.take(number)
            && let Some(node) = self.edges.node(number)
        {
            items.push(Item { node, part: 0 });
        }
    }

    /// Follows `items` and all that they lead to.
    pub(crate) fn follow(&self, items: Vec<Item>) {
        let share = items.len().div_ceil(self.threads * 4).max(1);
        *self.lock() = Queue {
            shares: items.chunks(share).map(<[Item]>::to_vec).collect(),
            ..Queue::default()
        };
        self.hungry.store(0, Ordering::Relaxed);
        std::thread::scope(|scope| {
            for _ in 1..self.threads {
                scope.spawn(|| self.work());
            }
            self.work();
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next share; nothing where no thread has any left.
    fn next(&self) -> Option<Vec<Item>> {
        let mut queue = self.lock();
        queue.waiting += 1;
        self.hungry.fetch_add(1, Ordering::Relaxed);
        loop {
            if let Some(share) = queue.shares.pop() {
                queue.waiting -= 1;
                self.hungry.fetch_sub(1, Ordering::Relaxed);
                return Some(share);
            }
            if queue.waiting == self.threads || queue.done {
                queue.done = true;
                self.wake.notify_all();
                return None;
            }
            queue = self
                .wake
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give(&self, share: Vec<Item>) {
        self.lock().shares.push(share);
        self.wake.notify_one();
    }

    /// One thread.
    fn work(&self) {
        let mut pointers = 0;
        while let Some(mut items) = self.next() {
            self.drain(&mut items, &mut pointers);
        }
        self.pointers.fetch_add(pointers, Ordering::Relaxed);
    }

    fn drain(&self, items: &mut Vec<Item>, pointers: &mut u64) {
        let (mut nodes, mut ahead) = (Ahead::<Item>::default(), Ahead::<Item>::default());
        let mut targets = Ring::<Option<u32>, TARGETS_AHEAD>::default();
        let mut until_look = LOOK;
        loop {
            let next = items.pop();
            if let Some(item) = next {
                self.edges.ask_range(item.node);
            }
            let next = nodes.exchange(next);
            if let Some(item) = next {
                self.edges.ask_targets(self.part(item).start);
            }
            match ahead.exchange(next) {
                Some(item) => self.one(item, items, &mut targets, pointers),
                None if next.is_none() && nodes.is_empty() => {
                    for _ in 0..TARGETS_AHEAD {
                        self.look_up(None, &mut targets, items);
                    }
                    if items.is_empty() {
                        return;
                    }
                }
                None => {}
            }
            until_look -= 1;
            if until_look == 0 {
                until_look = LOOK;
                if self.is_late() || Instant::now() > self.until {
                    self.late.store(true, Ordering::Relaxed);
                    return;
                }
            }
            if items.len() > KEEP && self.hungry.load(Ordering::Relaxed) > 0 {
                let rest = items.split_off(items.len() / 2);
                self.give(std::mem::replace(items, rest));
            }
        }
    }

    /// Where the pointers of an item are, and those of further parts.
    #[inline]
    fn part(&self, item: Item) -> Range<usize> {
        let Range { start, end } = self.edges.range(item.node);
        let start = start.saturating_add(item.part as usize * PART);
        start..end
    }

    #[inline]
    fn one(
        &self,
        item: Item,
        items: &mut Vec<Item>,
        targets: &mut Ring<Option<u32>, TARGETS_AHEAD>,
        pointers: &mut u64,
    ) {
        let mut range = self.part(item);
        if range.len() > PART {
            if item.part == 0 {
                let parts = range.len().div_ceil(PART);
                let parts = 1..u32::try_from(parts).unwrap_or(u32::MAX);
                items.extend(parts.map(|part| Item { part, ..item }));
            }
            range.end = range.start + PART;
        }
        let own = self.edges.targets(range);
        *pointers += own.len() as u64;
        for target in own {
            self.look_up(Some(*target), targets, items);
        }
    }

    /// Takes the number of a slot, and reaches the object of one that came before.
    #[inline]
    fn look_up(
        &self,
        target: Option<u32>,
        targets: &mut Ring<Option<u32>, TARGETS_AHEAD>,
        items: &mut Vec<Item>,
    ) {
        if let Some(number) = target {
            self.left.ask(number);
            self.edges.ask(number);
        }
        if let Some(number) = targets.put(target) {
            self.reach_slot(number, items);
        }
    }
}

/// The next few items, in the order that they came.
struct Ahead<T> {
    ring: Ring<Option<T>, AHEAD>,
    len: usize,
}

impl<T: Copy> Default for Ahead<T> {
    fn default() -> Ahead<T> {
        Ahead {
            ring: Ring::default(),
            len: 0,
        }
    }
}

impl<T: Copy> Ahead<T> {
    fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts an item in and takes the oldest out; where none is put in, the oldest that there is.
    #[inline]
    fn exchange(&mut self, item: Option<T>) -> Option<T> {
        if item.is_none() && self.len == 0 {
            return None;
        }
        self.len += usize::from(item.is_some());
        for _ in 0..AHEAD {
            let oldest = self.ring.put(item);
            if oldest.is_some() || item.is_some() {
                self.len -= usize::from(oldest.is_some());
                return oldest;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ahead_comes_out_in_order_and_whole() {
        let mut ahead = Ahead::<Item>::default();
        let item = |part| Some(Item { node: 0, part });
        let mut out = Vec::new();
        for part in 0..20 {
            out.extend(ahead.exchange(item(part)));
        }
        while let Some(item) = ahead.exchange(None) {
            out.push(item);
        }
        let parts: Vec<u32> = out.iter().map(|item| item.part).collect();
        assert_eq!(parts, (0..20).collect::<Vec<_>>());
    }
}
