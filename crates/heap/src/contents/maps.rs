//! [`MapUse`]: entries of a map, and the slots that it has for them.
//!
//! A map never gives slots back: what is deleted leaves them empty, and `clear` does too. Up to
//! 1.23 slots are in one array of buckets of eight; while a map grows there is the old array as
//! well. From 1.24 on they are in groups of eight, a small map's one group, else those of tables
//! that a directory leads to, at most 1024 slots each.
//!
//! Buckets beside the array ("overflow") are not counted: there are fewer bytes to give back then
//! than said, never more.
//!
//! Does not read keys and values (see `survey`).
//!
//! Invariants: the entries of tables are those of the map, else nothing is said of slots.
//!
//! Source: src/runtime/map.go and map_noswiss.go, `hmap`, `makeBucketArray`, `overLoadFactor`;
//! src/internal/runtime/maps/map.go, `Map`, `NewMap`; table.go, `table`; group.go,
//! `groupsReference`; go1.19 to go1.27. See docs/formats/go-containers.md.

use letgo_goruntime::types::{GoHead, GoShape};
use letgo_target::{Addr, gather};

use super::Looker;
use crate::bits::{index, word};

/// Bytes of the header, of either kind.
const HEADER: u64 = 48;
/// Slots of a bucket or a group.
const SLOTS: u64 = 8;
/// Looks at a map that changes while it is read.
const LOOKS: usize = 3;

/// `hmap.flags`, `hmap.B`, `hmap.buckets`, `hmap.oldbuckets`
const FLAGS: usize = 8;
const BUCKETS_LOG: usize = 9;
const BUCKETS: usize = 16;
const OLD_BUCKETS: usize = 24;
/// Most of `flags`: four are known.
const MOST_FLAGS: u8 = 1 << 4;
/// Most of `B`.
const MOST_LOG: u8 = 40;
/// Buckets from which on an array has some more at its end, as a share of 1/16.
const SPARE_FROM_LOG: u32 = 4;
/// Entries of an average bucket at most, in halves.
const LOAD_HALVES: u64 = 13;

/// `Map.dirPtr`, `Map.dirLen`, `Map.globalDepth`
const DIRECTORY: usize = 16;
const DIRECTORY_LEN: usize = 24;
const DEPTH: usize = 32;
/// Most tables' places of a directory that are read.
const MOST_PLACES: u64 = 1 << 20;
/// Tables that are read at a time: each may be in an os page of its own.
const LOT: usize = 1 << 12;
/// Bytes of a table; `used`, `capacity` in the first of its words; `groups.data`.
const TABLE: u64 = 32;
const GROUPS: usize = 16;
/// Slots of the largest table.
const MOST_CAPACITY: u64 = 1024;

/// How full a map is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MapUse {
    /// `len`
    pub entries: u64,
    /// Its slots, where they could be read without contradiction.
    pub parts: Option<MapParts>,
}

/// The slots of a map.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MapParts {
    /// Slots for entries, in use or not.
    pub slots: u64,
    /// Bytes of the memory that they are in, as weighed.
    pub bytes: u64,
    /// Bytes of the slots that a map made anew for the same entries would have.
    pub needed_bytes: u64,
    /// It grows right now, and has its old slots as well.
    pub grows: bool,
}

impl MapParts {
    /// Bytes that a map made anew would not have.
    pub fn slack_bytes(&self) -> u64 {
        if self.grows {
            return 0;
        }
        self.bytes.saturating_sub(self.needed_bytes)
    }
}

/// Where slots lie: their first, and how many buckets or groups.
pub(crate) type Places = Vec<(Addr, u64)>;

impl Looker<'_> {
    /// How full the map at an address is, and where its slots are.
    pub(crate) fn map_use(&self, at: Addr, of: Addr) -> Option<(MapUse, Places)> {
        let GoShape::Map { part, .. } = self.table.get(of)?.shape else {
            return None;
        };
        let part = self.table.head(part).filter(|part| part.size > 0)?;
        let is_grouped = self.is_group(part);
        let mut entries = None;
        for _ in 0..LOOKS {
            let header = self.words(at, HEADER)?;
            let found = match is_grouped {
                true => self.grouped(&header, part)?,
                false => self.bucketed(&header, part)?,
            };
            if found.0.parts.is_some() {
                return Some(found);
            }
            entries = Some(found);
        }
        entries
    }

    /// The type of a map's buckets or groups.
    pub(crate) fn map_part(&self, of: Addr) -> Option<Addr> {
        match self.table.get(of)?.shape {
            GoShape::Map { part, .. } => Some(part),
            _ => None,
        }
    }

    /// Whether a part of a map is a group: the type's first field says so.
    fn is_group(&self, part: GoHead) -> bool {
        match self.table.get(part.addr).map(|part| part.shape) {
            Some(GoShape::Struct { fields }) => {
                fields.first().is_some_and(|first| first.name == "ctrl")
            }
            _ => false,
        }
    }

    fn bucketed(&self, header: &[u8], part: GoHead) -> Option<(MapUse, Places)> {
        let byte = |at: usize| header.get(at).copied();
        let entries = word(header, 0);
        let log = byte(BUCKETS_LOG).filter(|log| *log <= MOST_LOG)?;
        let sane = byte(FLAGS)? < MOST_FLAGS && entries <= (SLOTS << log).saturating_mul(SLOTS);
        if !sane {
            return None;
        }
        let (first, old) = (word(header, BUCKETS), word(header, OLD_BUCKETS));
        let buckets = 1u64 << log;
        let own = |parts| MapUse { entries, parts };
        let Some(bytes) = self.part_bytes(Addr(first), buckets, part) else {
            // Slots are made when the first entry is put in.
            return (first == 0 && entries == 0).then(|| (own(None), Vec::new()));
        };
        let needed = needed_buckets(entries);
        let spare = if needed >= 1 << SPARE_FROM_LOG {
            needed / 16
        } else {
            0
        };
        let parts = MapParts {
            slots: buckets * SLOTS,
            bytes,
            needed_bytes: (needed + spare).saturating_mul(part.size),
            grows: old != 0,
        };
        Some((own(Some(parts)), vec![(Addr(first), buckets)]))
    }

    fn grouped(&self, header: &[u8], part: GoHead) -> Option<(MapUse, Places)> {
        let entries = word(header, 0);
        let (directory, len) = (word(header, DIRECTORY), word(header, DIRECTORY_LEN));
        let depth = u32::from(*header.get(DEPTH)?);
        let own = |parts| MapUse { entries, parts };
        if len == 0 {
            if depth != 0 || entries > SLOTS {
                return None;
            }
            let places = vec![(Addr(directory), 1)];
            let bytes = self.part_bytes(Addr(directory), 1, part);
            return Some((own(bytes.map(|bytes| small(bytes, part))), places));
        }
        if depth > 40 || len != 1 << depth || len > MOST_PLACES {
            return None;
        }
        let tables = self.tables(Addr(directory), len)?;
        let Some((slots, places)) = self.of_tables(&tables, entries) else {
            return Some((own(None), Vec::new()));
        };
        let bytes = places.iter().map(|(at, groups)| {
            let bytes = self.part_bytes(*at, *groups, part);
            bytes.unwrap_or(0)
        });
        let needed = needed_groups(entries);
        let parts = MapParts {
            slots,
            bytes: bytes.sum(),
            needed_bytes: needed.saturating_mul(part.size),
            grows: false,
        };
        Some((own(Some(parts)), places))
    }

    /// A directory's tables, each once.
    fn tables(&self, directory: Addr, len: u64) -> Option<Vec<Addr>> {
        let bytes = self.words(directory, len * 8)?;
        let all = bytes.chunks_exact(8).map(|own| Addr(word(own, 0)));
        let mut tables: Vec<Addr> = all.collect();
        // Several places lead to one that is not as deep.
        tables.sort_unstable();
        tables.dedup();
        Some(tables)
    }

    /// Slots of tables and where their groups are; nothing where these are not the map's own.
    fn of_tables(&self, tables: &[Addr], entries: u64) -> Option<(u64, Places)> {
        let (mut used, mut slots) = (0u64, 0u64);
        let mut places = Vec::with_capacity(tables.len());
        for lot in tables.chunks(LOT) {
            let asked = lot.iter().map(|at| (*at, TABLE));
            let gathered = gather(self.memory, asked).ok()?;
            for at in lot {
                let table = gathered.get(*at, index(TABLE))?;
                let counts = word(table, 0);
                let (own, capacity) = (counts & 0xffff, counts >> 16 & 0xffff);
                let sane = own <= capacity && (SLOTS..=MOST_CAPACITY).contains(&capacity);
                if !sane || !capacity.is_power_of_two() {
                    return None;
                }
                used += own;
                slots += capacity;
                places.push((Addr(word(table, GROUPS)), capacity / SLOTS));
            }
        }
        // No two tables have the same slots.
        places.sort_unstable();
        let is_twice = |pair: &[(Addr, u64)]| matches!(pair, [one, next] if one.0 == next.0);
        let is_sane = used == entries && !places.windows(2).any(is_twice);
        is_sane.then_some((slots, places))
    }

    /// Bytes of the object that so many buckets or groups are in, as weighed.
    fn part_bytes(&self, at: Addr, count: u64, part: GoHead) -> Option<u64> {
        let (_, range) = self.object(at.0)?;
        let end = at.0.checked_add(count.checked_mul(part.size)?)?;
        (end <= range.end().0).then(|| (self.weigh)(range))
    }
}

/// A map of one group, which has no fewer.
fn small(bytes: u64, part: GoHead) -> MapParts {
    MapParts {
        slots: SLOTS,
        bytes,
        needed_bytes: part.size,
        grows: false,
    }
}

/// Buckets of a map that is made for so many entries.
fn needed_buckets(entries: u64) -> u64 {
    if entries <= SLOTS {
        return 1;
    }
    let buckets = entries.saturating_mul(2).div_ceil(LOAD_HALVES);
    buckets.checked_next_power_of_two().unwrap_or(u64::MAX)
}

/// Groups of a map that is made for so many entries: seven of eight slots may be in use.
fn needed_groups(entries: u64) -> u64 {
    if entries <= SLOTS {
        return 1;
    }
    let slots = entries.saturating_mul(SLOTS).div_ceil(SLOTS - 1);
    slots.checked_next_power_of_two().unwrap_or(u64::MAX) / SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_made_anew_has_as_many_slots_as_make_gives_it() {
        for (entries, buckets) in [
            (0, 1),
            (8, 1),
            (9, 2),
            (13, 2),
            (14, 4),
            (104, 16),
            (105, 32),
        ] {
            assert_eq!(needed_buckets(entries), buckets, "{entries}");
        }
        for (entries, groups) in [
            (0, 1),
            (8, 1),
            (9, 2),
            (14, 2),
            (15, 4),
            (896, 128),
            (897, 256),
        ] {
            assert_eq!(needed_groups(entries), groups, "{entries}");
        }
        assert!(needed_buckets(u64::MAX) > 0 && needed_groups(u64::MAX) > 0);
    }

    #[test]
    fn a_map_that_grows_has_no_slack() {
        let mut parts = MapParts {
            bytes: 1000,
            needed_bytes: 300,
            ..MapParts::default()
        };
        assert_eq!(parts.slack_bytes(), 700);
        parts.grows = true;
        assert_eq!(parts.slack_bytes(), 0);
    }
}
