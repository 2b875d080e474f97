//! What is at the same place with the same contents as before, and who holds it.
//!
//! By size, contents and type: this tells that nobody wrote, not that nobody read. An address that
//! was given to another object in between is told by its size, by other contents, or by another
//! type where the types of both are known; one that was given to an object of the same type with
//! the very same contents cannot be, and does not matter for what could be dropped.

use std::collections::{BTreeMap, HashMap};

use letgo_heap::Holder;
use letgo_report as out;
use letgo_report::{Still, StillOf};

use super::prints::{ABSENT, Pair, Prints, UNKNOWN};
use super::{Holding, Side, finalizing, key, several};
use crate::inspect::owners::{Owner, OwnerKind};
use crate::inspect::sharing::Tops;

/// Sizes and holders that are listed.
const MOST: usize = 24;

/// Reachable objects by what became of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    unchanged: Still,
    changed: Still,
    new: Still,
    unknown: Still,
    /// By bytes of a slot: unchanged, and all.
    by_slot: BTreeMap<u64, (Still, u64)>,
    by_holder: Vec<(Owner, Still, u64)>,
    /// Nothing where types are not known.
    by_type: HashMap<String, Part>,
}

/// What is unchanged of some objects, and the bytes of all of them.
type Part = (Still, u64);

fn join(to: &mut Part, by: Part) {
    to.0.count += by.0.count;
    to.0.slot_bytes = to.0.slot_bytes.saturating_add(by.0.slot_bytes);
    to.1 = to.1.saturating_add(by.1);
}

/// Compares what was there with what is.
pub(super) fn tell(holding: &Holding<'_>, before: &Prints, after: &Prints) -> Told {
    let mut told = Told::default();
    let mut tops = Tops::new(&holding.dominators, holding.graph.slots());
    let mut by_top: HashMap<Holder, Part> = HashMap::new();
    let mut by_kind: HashMap<u32, Part> = HashMap::new();
    after.beside(before, &mut |range, pair| {
        let is_unchanged = told.add(range.len(), pair);
        let Some(object) = holding.graph.object_at(range.start()) else {
            return;
        };
        let add = |sum: &mut Part| {
            sum.1 += range.len();
            if is_unchanged {
                sum.0.add(range.len());
            }
        };
        if let Some(top) = tops.of(object) {
            add(by_top.entry(top).or_default());
        }
        add(by_kind.entry(holding.kinds.number(object)).or_default());
    });
    told.by_type = holding.by_type(by_kind, join);
    told.by_holder = by_top
        .into_iter()
        .filter(|(_, (still, _))| still.count > 0)
        .map(|(top, (still, all))| (owner(top, holding), still, all))
        .collect();
    told
}

impl Told {
    /// Counts an object of so many bytes; whether it is unchanged.
    fn add(&mut self, bytes: u64, pair: Pair) -> bool {
        let Pair { own, was, .. } = pair;
        let is_same = own == was && own != UNKNOWN && !pair.other_type;
        let same = self.by_slot.entry(bytes).or_default();
        same.1 = same.1.saturating_add(bytes);
        let sum = match (own, was) {
            (_, ABSENT) => &mut self.new,
            _ if pair.other_type => &mut self.changed,
            (UNKNOWN, _) | (_, UNKNOWN) => &mut self.unknown,
            _ if is_same => {
                same.0.add(bytes);
                &mut self.unchanged
            }
            _ => &mut self.changed,
        };
        sum.add(bytes);
        is_same
    }
}

/// Whom what a top holds belongs to.
fn owner(top: Holder, holding: &Holding<'_>) -> Owner {
    let known = match top {
        Holder::Group(number) => holding.owners.all.get(number as usize).cloned(),
        Holder::Finalizers => Some(finalizing()),
        Holder::Object(_) | Holder::Top => None,
    };
    known.unwrap_or_else(several)
}

/// Why contents say nothing where they were left out of one side: a word that is zero there can
/// have been any other.
fn left_out(before: bool, after: bool) -> Option<String> {
    let side = match (before, after) {
        (false, false) => return None,
        (true, false) => "what was before",
        (false, true) => "what was after",
        (true, true) => "both",
    };
    Some(format!(
        "contents were left out of {side} (letgo snap --redact), so whether an object was written \
         to is not known"
    ))
}

/// What has not changed, or why that is not told.
pub(super) fn report(
    before: &Side,
    after: &Side,
    same_build: bool,
    same_process: bool,
) -> (Option<out::Unchanged>, Option<String>) {
    if !same_process {
        let why = "they are of two processes, and no object of one is in the other";
        return (None, Some(why.into()));
    }
    if let Some(why) = left_out(before.moment.redacted, after.moment.redacted) {
        return (None, Some(why));
    }
    let Some(told) = &after.told else {
        let why = "objects were not read at one moment in both: that needs a frozen copy, a core \
                   file or a snapshot";
        return (None, Some(why.into()));
    };
    let cycles = after.moment.num_gc.checked_sub(before.moment.num_gc);
    let by_slot = told.by_slot.iter().map(|(bytes, (still, all))| StillOf {
        name: bytes.to_string(),
        unchanged: *still,
        slot_bytes: *all,
    });
    let mut holders: BTreeMap<(OwnerKind, String), Part> = BTreeMap::new();
    for (owner, still, all) in &told.by_holder {
        join(
            holders.entry(key(owner, same_build)).or_default(),
            (*still, *all),
        );
    }
    let by_holder = holders
        .into_iter()
        .map(|((_, name), (unchanged, slot_bytes))| StillOf {
            name,
            unchanged,
            slot_bytes,
        });
    let by_type = told.by_type.iter();
    let by_type = by_type.map(|(name, (unchanged, slot_bytes))| StillOf {
        name: name.clone(),
        unchanged: *unchanged,
        slot_bytes: *slot_bytes,
    });
    let unknown_why = (told.unknown.count > 0).then(|| {
        "their contents were not kept, or were swapped out: a snapshot has objects without \
         pointers only with --contents"
            .into()
    });
    let unchanged = out::Unchanged {
        signal: "contents".into(),
        age_gc_cycles: cycles,
        unchanged: told.unchanged,
        changed: told.changed,
        new: told.new,
        unknown: told.unknown,
        unknown_why,
        by_holder: largest(by_holder),
        by_type: largest(by_type),
        by_slot: largest(by_slot),
    };
    (Some(unchanged), None)
}

fn largest(all: impl Iterator<Item = StillOf>) -> Vec<StillOf> {
    let mut all: Vec<StillOf> = all.filter(|one| one.unchanged.count > 0).collect();
    all.sort_by(|a, b| {
        let bytes = |one: &StillOf| one.unchanged.slot_bytes;
        bytes(b).cmp(&bytes(a)).then_with(|| a.name.cmp(&b.name))
    });
    all.truncate(MOST);
    all
}
