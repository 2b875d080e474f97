//! [`Log`]: what a journal says, all lines taken together.
//!
//! A line that is torn (the writer was killed, or the disk was full), too long, or that we do not
//! know is counted in [`Log::strange`] and left out: each line stands for itself, and a store is
//! made only after its line is whole.
//!
//! Stores that are meant to last are kept as one *chain* for each place: from what was there before
//! the first of them to what the last one wrote. A store that found another value than the one
//! before it had left begins a new chain, since the program has set its own in between.
//!
//! Does not touch a process or a file. Never panics, whatever the bytes.
//!
//! Invariants: at most [`MOST_PENDING`] entries of each kind are held; more are counted as strange.

use std::collections::BTreeMap;

use letgo_target::Addr;

use super::record::{Entry, FORMAT, Fate, Head, Kind, Line, WakePlaces, Who};
use crate::write::Word;

/// Most bytes of a line: names and reasons are short.
pub(super) const LINE_LIMIT: usize = 64 << 10;
/// Most entries of one kind that wait to be undone. A protocol has about ten.
const MOST_PENDING: usize = 10_000;

/// Lasting stores into one place, in a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Chain {
    /// From the first store's `old` to the last one's `new`; the rest is the last one's.
    pub(crate) entry: Entry,
    /// What the last store found. If letgo died before it made the store, that is still there.
    pub(crate) found: Word,
    /// Number of the first store.
    first: u64,
}

/// What a journal says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Log {
    pub(crate) head: Option<Head>,
    /// Who took the lock last.
    pub(crate) opened: Option<Who>,
    transient: BTreeMap<u64, Entry>,
    lasting: BTreeMap<Addr, Chain>,
    wakes: BTreeMap<u64, WakePlaces>,
    last: u64,
    strange: usize,
}

impl Log {
    /// Reads the bytes of a journal.
    pub fn parse(bytes: &[u8]) -> Log {
        let mut log = Log::default();
        let mut lines = bytes.split(|byte| *byte == b'\n');
        if let Some(first) = lines.next() {
            log.head = serde_json::from_slice(first).ok();
            if log.head.is_none() && !first.is_empty() {
                log.strange += 1;
            }
        }
        for line in lines.filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(line_) if line.len() <= LINE_LIMIT => log.apply(line_),
                _ => log.strange += 1,
            }
        }
        log
    }

    /// Stores to be put back, in the order in which they were made.
    pub fn transient(&self) -> Vec<Entry> {
        self.transient.values().cloned().collect()
    }

    /// Stores that last, one for each place: what was there before the first and what the last
    /// wrote, in the order in which they were made.
    pub fn lasting(&self) -> Vec<Entry> {
        self.chains().into_iter().map(|chain| chain.entry).collect()
    }

    /// Lines that were left out.
    pub fn strange(&self) -> usize {
        self.strange
    }

    /// The version of its format, where that is newer than ours.
    pub(crate) fn newer(&self) -> Option<u64> {
        let format = self.head.as_ref()?.format;
        (format > FORMAT).then_some(format)
    }

    pub(crate) fn chains(&self) -> Vec<Chain> {
        let mut chains: Vec<Chain> = self.lasting.values().cloned().collect();
        chains.sort_by_key(|chain| chain.entry.number);
        chains
    }

    /// Wakes of which it is not known whether they were made whole.
    pub(crate) fn wakes(&self) -> Vec<(u64, WakePlaces)> {
        self.wakes
            .iter()
            .map(|(number, places)| (*number, *places))
            .collect()
    }

    /// The number of the next entry.
    pub(crate) fn next_number(&self) -> u64 {
        self.last.saturating_add(1)
    }

    /// Whether nothing has to be remembered.
    pub(crate) fn is_settled(&self) -> bool {
        self.transient.is_empty() && self.lasting.is_empty() && self.wakes.is_empty()
    }

    /// Lines that say what is still to be remembered, and no more.
    pub(crate) fn remembered(&self) -> Vec<Line> {
        let opened = self.opened.iter().map(|who| Line::Open {
            who: who.clone(),
            at_ms: 0,
        });
        // A chain of two or more becomes two stores: what the last one found is still needed.
        let chains = self.lasting.values().flat_map(|chain| {
            let mut before = chain.entry.clone();
            before.number = chain.first;
            before.new = chain.found;
            let mut last = chain.entry.clone();
            last.old = chain.found;
            let several = chain.first != last.number;
            [several.then_some(before), Some(last)]
        });
        let mut entries: Vec<Entry> = chains.flatten().collect();
        entries.extend(self.transient.values().cloned());
        entries.sort_by_key(|entry| entry.number);
        let wakes = self.wakes.iter().map(|(number, places)| Line::Wake {
            number: *number,
            places: *places,
            who: Who::default(),
            at_ms: 0,
        });
        opened
            .chain(entries.into_iter().map(Line::Store))
            .chain(wakes)
            .collect()
    }

    /// Takes one more line in.
    pub(crate) fn apply(&mut self, line: Line) {
        match line {
            Line::Open { who, .. } => self.opened = Some(who),
            Line::Store(entry) => self.store(entry),
            Line::Undone { number, fate, .. } => self.undone(number, fate),
            Line::Wake { number, places, .. } => {
                self.last = self.last.max(number);
                if self.wakes.len() < MOST_PENDING {
                    self.wakes.insert(number, places);
                } else {
                    self.strange += 1;
                }
            }
            Line::Woken { number, .. } => {
                self.wakes.remove(&number);
            }
        }
    }

    fn store(&mut self, entry: Entry) {
        self.last = self.last.max(entry.number);
        match entry.kind {
            Kind::SelfHealing => {}
            Kind::Transient if self.transient.len() < MOST_PENDING => {
                self.transient.insert(entry.number, entry);
            }
            Kind::Lasting if self.lasting.len() < MOST_PENDING => self.lengthen(entry),
            Kind::Transient | Kind::Lasting => self.strange += 1,
        }
    }

    fn lengthen(&mut self, entry: Entry) {
        let mut chain = Chain {
            found: entry.old,
            first: entry.number,
            entry,
        };
        if let Some(before) = self.lasting.get(&chain.entry.addr)
            && (chain.found == before.entry.new || chain.found == before.found)
        {
            chain.first = before.first;
            chain.entry.old = before.entry.old;
        }
        self.lasting.insert(chain.entry.addr, chain);
    }

    fn undone(&mut self, number: u64, fate: Fate) {
        if self.transient.remove(&number).is_some() {
            return;
        }
        let mut chains = self.lasting.values_mut();
        let Some(chain) = chains.find(|chain| chain.entry.number == number) else {
            return;
        };
        if fate == Fate::Void && chain.first != number {
            chain.entry.new = chain.found;
        } else {
            let addr = chain.entry.addr;
            self.lasting.remove(&addr);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(number: u64, kind: Kind, old: u64, new: u64) -> Entry {
        Entry {
            number,
            name: "runtime.x".into(),
            addr: Addr(0x1000),
            old: Word::U64(old),
            new: Word::U64(new),
            kind,
            reason: "a test".into(),
            who: Who::default(),
            at_ms: 1,
        }
    }

    fn undone(number: u64, fate: Fate) -> Line {
        Line::Undone {
            number,
            fate,
            found: None,
            who: Who::default(),
            at_ms: 2,
        }
    }

    fn log(lines: impl IntoIterator<Item = Line>) -> Log {
        let mut log = Log::default();
        lines.into_iter().for_each(|line| log.apply(line));
        log
    }

    fn text(lines: &[Line]) -> Vec<u8> {
        let mut text = b"{\"letgo.journal\":1}\n".to_vec();
        for line in lines {
            text.extend(serde_json::to_vec(line).unwrap());
            text.push(b'\n');
        }
        text
    }

    #[test]
    fn what_was_undone_is_not_pending() {
        let log = log([
            Line::Store(entry(1, Kind::Transient, 1, 2)),
            Line::Store(entry(2, Kind::Transient, 2, 3)),
            Line::Store(entry(3, Kind::SelfHealing, 2, 3)),
            undone(2, Fate::Restored),
        ]);
        assert_eq!(log.transient(), [entry(1, Kind::Transient, 1, 2)]);
        assert_eq!(log.next_number(), 4);
        assert!(!log.is_settled());
    }

    #[test]
    fn lasting_stores_in_a_row_go_back_to_before_the_first() {
        let lines = [(1, 100, 50), (2, 50, 40), (3, 40, 30)]
            .map(|(number, old, new)| Line::Store(entry(number, Kind::Lasting, old, new)));
        let log = log(lines);
        assert_eq!(log.lasting(), [entry(3, Kind::Lasting, 100, 30)]);
        let mut log = log;
        log.apply(undone(3, Fate::Restored));
        assert!(log.is_settled());
    }

    #[test]
    fn a_value_of_the_programs_own_begins_anew() {
        let log = log([
            Line::Store(entry(1, Kind::Lasting, 100, 50)),
            Line::Store(entry(2, Kind::Lasting, 80, 40)),
        ]);
        assert_eq!(log.lasting(), [entry(2, Kind::Lasting, 80, 40)]);
    }

    #[test]
    fn a_store_that_was_not_made_leaves_the_chain_as_it_was() {
        let first = Line::Store(entry(1, Kind::Lasting, 100, 50));
        let second = Line::Store(entry(2, Kind::Lasting, 50, 40));
        let told = log([first.clone(), second.clone(), undone(2, Fate::Void)]);
        assert_eq!(told.lasting()[0].new, Word::U64(50));
        // Killed before it could be told; the next one finds what the first had left.
        let third = Line::Store(entry(3, Kind::Lasting, 50, 30));
        let untold = log([first.clone(), second, third]);
        assert_eq!(untold.lasting(), [entry(3, Kind::Lasting, 100, 30)]);
        assert!(log([first, undone(1, Fate::Void)]).is_settled());
    }

    #[test]
    fn a_line_reads_as_it_was_written_and_a_torn_one_is_left_out() {
        let lines = [
            Line::Open {
                who: Who::this("release"),
                at_ms: 7,
            },
            Line::Store(entry(1, Kind::Transient, u64::MAX, 2)),
            Line::Store(entry(2, Kind::Transient, 2, u64::MAX)),
        ];
        let whole = text(&lines);
        let read = Log::parse(&whole);
        assert_eq!(read.strange(), 0);
        assert_eq!(read.opened, Some(Who::this("release")));
        assert_eq!(read.transient()[0], entry(1, Kind::Transient, u64::MAX, 2));
        for cut in 1..80 {
            let read = Log::parse(&whole[..whole.len() - cut]);
            // Without its newline the last line is whole all the same.
            let expected = if cut == 1 { 2 } else { 1 };
            assert_eq!(read.transient().len(), expected, "{cut}");
            assert_eq!(read.strange(), usize::from(cut != 1), "{cut}");
        }
    }

    #[test]
    fn what_is_remembered_says_the_same() {
        let mut all = log([
            Line::Open {
                who: Who::this("tune"),
                at_ms: 0,
            },
            Line::Store(entry(1, Kind::Lasting, 100, 50)),
            Line::Store(entry(2, Kind::Lasting, 50, 40)),
            Line::Store(entry(3, Kind::Transient, 40, 30)),
            Line::Store(entry(4, Kind::Transient, 30, 20)),
            undone(4, Fate::Restored),
            Line::Store(entry(5, Kind::Lasting, 30, 35)),
        ]);
        for (number, old, new) in [(6, 1, 2), (7, 2, 3), (8, 3, 4)] {
            let mut other = entry(number, Kind::Lasting, old, new);
            other.addr = Addr(8);
            all.apply(Line::Store(other));
        }
        let again = log(all.remembered());
        assert_eq!(again, all);
        assert_eq!(again.chains(), all.chains());
    }

    /// Lines of a life: stores here and there, most of which are undone some time.
    fn life() -> impl Strategy<Value = Vec<Line>> {
        let kind = prop_oneof![Just(Kind::Lasting), Just(Kind::Transient)];
        let fate = prop_oneof![Just(Fate::Restored), Just(Fate::Kept), Just(Fate::Void)];
        let step = (
            0..3_u64,
            kind,
            0..4_u64,
            0..4_u64,
            prop::option::of((0..9_u64, fate)),
        );
        prop::collection::vec(step, 0..40).prop_map(|steps| {
            let mut lines = Vec::new();
            for (number, (place, kind, old, new, undo)) in (1..).zip(steps) {
                let mut entry = entry(number, kind, old, new);
                entry.addr = Addr(8 * place);
                lines.push(Line::Store(entry));
                if let Some((back, fate)) = undo {
                    lines.push(undone(number.saturating_sub(back), fate));
                }
            }
            lines
        })
    }

    proptest! {
        #[test]
        fn nothing_is_forgotten_by_rewriting(lines in life()) {
            let all = log(lines.clone());
            let again = log(all.remembered());
            prop_assert_eq!(again.chains(), all.chains());
            prop_assert_eq!(again.transient(), all.transient());
            prop_assert_eq!(Log::parse(&text(&lines)).chains(), all.chains());
        }
    }

    proptest! {
        #[test]
        fn broken_bytes_lose_their_own_lines_and_no_others(
            lines in life(),
            breaks in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..9),
        ) {
            let mut bytes = text(&lines);
            for (at, byte) in &breaks {
                *at.get_mut(&mut bytes) = *byte;
            }
            let read = Log::parse(&bytes);
            let pending = read.transient().len() + read.lasting().len();
            let count = bytes.split(|byte| *byte == b'\n').count();
            prop_assert!(pending + read.strange() <= count);
            // A byte that became a newline makes two lines of one.
            prop_assert!(read.strange() <= 3 * breaks.len());
        }
    }

    #[test]
    fn hostile_lines_are_counted() {
        let long = format!(
            "{{\"open\":{{\"who\":{{\"verb\":\"{}\"}}}}}}",
            "x".repeat(70_000)
        );
        let deep = "[".repeat(10_000);
        let lines = [
            "{}",
            "null",
            "{\"store\":{}}",
            "{\"store\":1}",
            "{\"unheard-of\":{}}",
            "{\"woken\":{\"number\":-1,\"at_ms\":0}}",
            "{\"store\":{\"number\":1,\"name\":\"x\",\"addr\":\"0x1\",\"width\":4,\"old\":\"0x100000000\",\
             \"new\":\"0x0\",\"kind\":\"lasting\",\"reason\":\"\",\"who\":{\"uid\":0,\"pid\":0,\"verb\":\"\"},\"at_ms\":0}}",
            "\u{0}\u{1}",
            &long,
            &deep,
        ];
        let read = Log::parse(format!("{{\"letgo.journal\":1}}\n{}", lines.join("\n")).as_bytes());
        assert_eq!(read.strange(), lines.len());
        assert!(read.is_settled());
        assert_eq!(Log::parse(b"{\"letgo.journal\":2}").newer(), Some(2));
        let last = Log::parse(&text(&[Line::Store(entry(
            u64::MAX,
            Kind::Transient,
            1,
            2,
        ))]));
        assert_eq!(last.next_number(), u64::MAX);
    }
}
