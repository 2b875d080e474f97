//! [`What`] an object is, and where a word of it leads: [`Lead`].

use letgo_target::Addr;

/// What an object is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum What {
    /// A value of a type.
    Value(Addr),
    /// Values of a type, one behind the other.
    Row(Addr),
    /// The bytes of a string.
    Text,
    /// Several small values without pointers, packed by the tiny allocator.
    Small,
    /// The header of a map of this type.
    Map(Addr),
    /// Its table of tables.
    MapDirectory(Addr),
    /// One of its tables.
    MapTable(Addr),
    /// Its groups or buckets: keys and values.
    MapSlots(Addr),
    /// What a map with buckets has when those have no pointers: a list of more buckets.
    MapExtra(Addr),
    /// A header of that list.
    MapOverflow(Addr),
    /// That list.
    MapOverflowList(Addr),
    /// A channel of this type; with what it holds where that has no pointers.
    Chan(Addr),
    /// What a channel holds.
    ChanBuffer(Addr),
    /// A closure of the function that starts here.
    Closure(Addr),
}

impl What {
    /// The type that it is named by.
    pub(crate) fn named_by(self) -> Option<Addr> {
        match self {
            What::Value(at)
            | What::Row(at)
            | What::Map(at)
            | What::MapDirectory(at)
            | What::MapTable(at)
            | What::MapSlots(at)
            | What::MapExtra(at)
            | What::MapOverflow(at)
            | What::MapOverflowList(at)
            | What::Chan(at)
            | What::ChanBuffer(at) => Some(at),
            What::Text | What::Small | What::Closure(_) => None,
        }
    }

    /// How telling it is among those of one element type.
    pub(crate) fn rank(self) -> u8 {
        match self {
            What::Value(_) => 0,
            What::Row(_) => 1,
            _ => 2,
        }
    }
}

/// Where a word leads: what to make of the object at its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lead {
    /// The kind has no pointer there.
    None,
    /// To an object of which this says nothing.
    Unknown,
    /// To the start of an object of this kind.
    Whole(u32),
    /// To a row of this kind, or into one.
    Row(u32),
    /// To bytes of a string.
    Text,
    /// To a closure.
    Func,
    /// To the directory or the only group of a map of this kind.
    MapParts(u32),
}

/// Leads as they are kept, 4 bytes each: 3 bits for which, the rest for the kind.
const SHIFT: u32 = 29;
/// The number of a kind.
pub(super) const NUMBER: u32 = (1 << SHIFT) - 1;

impl Lead {
    pub(crate) fn packed(self) -> u32 {
        match self {
            Lead::None => 0,
            Lead::Unknown => 1 << SHIFT,
            Lead::Whole(kind) => 2 << SHIFT | kind,
            Lead::Row(kind) => 3 << SHIFT | kind,
            Lead::Text => 4 << SHIFT,
            Lead::Func => 5 << SHIFT,
            Lead::MapParts(kind) => 6 << SHIFT | kind,
        }
    }

    /// Whether a packed one says anything of the object at its end.
    #[inline]
    pub(crate) fn leads_on(packed: u32) -> bool {
        packed >> SHIFT >= 2
    }

    #[inline]
    pub(crate) fn unpacked(packed: u32) -> Lead {
        let kind = packed & NUMBER;
        match packed >> SHIFT {
            0 => Lead::None,
            2 => Lead::Whole(kind),
            3 => Lead::Row(kind),
            4 => Lead::Text,
            5 => Lead::Func,
            6 => Lead::MapParts(kind),
            _ => Lead::Unknown,
        }
    }
}
