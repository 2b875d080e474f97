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

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::bits::SharedSet;
use crate::objects::{FoundSlot, HeapSpan, Objects, Slot};
use crate::pointers::Contents;
use crate::prefetch::prefetch;

/// Bytes of a large object that are followed at once. Source: src/runtime/mgcmark.go,
/// `maxObletBytes`.
const PART: u64 = 128 << 10;
/// Objects that are asked for ahead: first their spans, then what they hold.
const AHEAD: usize = 8;
/// Addresses that are looked up ahead: first their pages, then whether they were reached.
const ADDRESSES_AHEAD: usize = 8;
/// Entries that a thread keeps for itself.
const KEEP: usize = 32;
/// Objects between two looks at the clock and at who has nothing to do.
const LOOK: u32 = 1024;

/// What is to be followed: a span and the slot of it; of a large object the part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    span: u32,
    part: u32,
}

/// What threads share.
pub(crate) struct Marking<'a> {
    objects: &'a Objects,
    contents: &'a Contents,
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
        contents: &'a Contents,
        threads: usize,
        until: Instant,
    ) -> Marking<'a> {
        Marking {
            objects,
            contents,
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
    #[inline]
    pub(crate) fn reach(&self, addr: u64, items: &mut Vec<Item>) -> bool {
        let found = self.objects.slot_at(addr);
        self.reach_slot(found, items);
        found.is_some()
    }

    #[inline]
    fn reach_slot(&self, found: Option<FoundSlot>, items: &mut Vec<Item>) {
        if let Some(found) = found
            && self.left.take(found.number)
            && found.is_followed
        {
            self.push(found.place, items);
        }
    }

    /// Adds an object to what is to be followed; a large one in parts.
    #[inline]
    pub(crate) fn push(&self, place: Slot, items: &mut Vec<Item>) {
        let item = Item {
            span: place.span,
            part: place.slot,
        };
        if place.slot == 0
            && let Some(span) = self.objects.spans.get(place.span as usize)
            && is_large(span)
        {
            let parts = u32::try_from(span.elem_size.div_ceil(PART)).unwrap_or(u32::MAX);
            items.extend((0..parts).map(|part| Item { part, ..item }));
        } else {
            items.push(item);
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
        let (mut spans, mut ahead) = (Ahead::<Item>::default(), Ahead::<Item>::default());
        let mut lookups = Lookups::default();
        let mut until_look = LOOK;
        loop {
            let next = items.pop();
            if let Some(item) = next {
                prefetch(&self.objects.spans, item.span as usize);
            }
            let next = spans.exchange(next);
            if let Some(item) = next {
                self.ask(item);
            }
            match ahead.exchange(next) {
                Some(item) => self.one(item, items, &mut lookups, pointers),
                None if next.is_none() && spans.is_empty() => {
                    for _ in 0..2 * ADDRESSES_AHEAD {
                        self.look_up(0, &mut lookups, items, pointers);
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

    /// Asks for the memory of what will be followed soon.
    #[inline]
    fn ask(&self, item: Item) {
        if let Some(span) = self.objects.spans.get(item.span as usize)
            && !is_large(span)
        {
            prefetch(&self.contents.data, span.at(item.part));
        }
    }

    #[inline]
    fn one(&self, item: Item, items: &mut Vec<Item>, lookups: &mut Lookups, pointers: &mut u64) {
        let Some(span) = self.objects.spans.get(item.span as usize) else {
            return;
        };
        let mut take = |value: u64| self.look_up(value, lookups, items, pointers);
        if is_large(span) {
            let from = u64::from(item.part) * PART;
            let to = (from + PART).min(span.elem_size);
            self.contents.each_within(span, 0, from, to, &mut take);
        } else {
            self.contents.each(span, item.part, &mut take);
        }
    }

    /// Takes an address, and reaches the object of one that came before.
    #[inline]
    fn look_up(&self, addr: u64, lookups: &mut Lookups, items: &mut Vec<Item>, pointers: &mut u64) {
        self.objects.ask(addr);
        let addr = lookups.addrs.put(addr);
        let found = self.objects.slot_at(addr);
        if let Some(found) = found {
            *pointers += 1;
            self.left.ask(found.number);
        }
        self.reach_slot(lookups.slots.put(found), items);
    }
}

/// Whether a span's object is followed in parts.
#[inline]
fn is_large(span: &HeapSpan) -> bool {
    span.nelems == 1 && span.elem_size > PART
}

/// The next few addresses to be looked up, 0 is none; and the slots of those before.
#[derive(Default)]
struct Lookups {
    addrs: Ring<u64, ADDRESSES_AHEAD>,
    slots: Ring<Option<FoundSlot>, ADDRESSES_AHEAD>,
}

/// The last few things that were put in.
struct Ring<T, const LEN: usize> {
    places: [T; LEN],
    at: usize,
}

impl<T: Copy + Default, const LEN: usize> Default for Ring<T, LEN> {
    fn default() -> Ring<T, LEN> {
        Ring {
            places: [T::default(); LEN],
            at: 0,
        }
    }
}

impl<T: Copy + Default, const LEN: usize> Ring<T, LEN> {
    /// Puts a thing in and takes the oldest out.
    #[inline]
    fn put(&mut self, thing: T) -> T {
        self.at = (self.at + 1) % LEN;
        let place = self.places.get_mut(self.at);
        place.map_or(thing, |place| std::mem::replace(place, thing))
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
        let item = |part| Some(Item { span: 0, part });
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
