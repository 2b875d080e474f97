//! Descriptors and names, out of what a [`TypeTable`] holds.
//!
//! Whatever an address leads to, what is returned makes sense in itself: a size that holds its
//! pointers, an alignment, a kind that exists, a name that is text.

use letgo_target::Addr;

use super::descriptor::{
    ALIGN, ARRAY_LEN, DIRECT, ELEM, EXTRA_STAR, FIELD, FIELD_ALIGN, FIELD_NAME, FIELD_OFFSET,
    FIELD_TYPE, FIELDS, HASH, HEAD, ITAB, ITAB_HASH, ITAB_INTER, ITAB_TYPE, KIND, KIND_MASK,
    LONGEST, MAP_ELEM, MAP_PART, NAME_EMBEDDED, NAME_FLAGS, NAMED, PTR_BYTES, SIZE, STR, TFLAG,
};
use super::shapes::without_shapes;
use super::{
    GoField, GoHead, GoKind, GoNumber, GoShape, GoType, MOST_FIELDS, MOST_NAME, TypeTable,
};

/// Largest type: the linker refuses larger ones.
const MOST_SIZE: u64 = 1 << 47;
/// Most fields of all structures that are looked for.
const ALL_FIELDS: usize = 1 << 24;
/// Deepest nesting of a name that is put together.
const MOST_SPELLING: u32 = 8;

/// The word at an offset; 0 behind the end.
fn word(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).and_then(|rest| rest.first_chunk());
    rest.map_or(0, |word| u64::from_le_bytes(*word))
}

/// Half a word at an offset; 0 behind the end.
fn half(bytes: &[u8], at: usize) -> u32 {
    let rest = bytes.get(at..).and_then(|rest| rest.first_chunk());
    rest.map_or(0, |half| u32::from_le_bytes(*half))
}

fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// Source: src/internal/abi/type.go, `Kind`.
fn kind(number: u8) -> Option<GoKind> {
    Some(match number & KIND_MASK {
        1 => GoKind::Bool,
        8 => GoKind::Uint8,
        2..=16 => GoKind::Number,
        17 => GoKind::Array,
        18 => GoKind::Chan,
        19 => GoKind::Func,
        20 => GoKind::Interface,
        21 => GoKind::Map,
        22 => GoKind::Pointer,
        23 => GoKind::Slice,
        24 => GoKind::String,
        25 => GoKind::Struct,
        26 => GoKind::UnsafePointer,
        _ => return None,
    })
}

/// Bytes of a value, and of its pointers, where a kind has one size.
fn fixed(kind: GoKind) -> Option<(u64, u64)> {
    Some(match kind {
        GoKind::Chan | GoKind::Func | GoKind::Map | GoKind::UnsafePointer => (8, 8),
        GoKind::Interface => (16, 16),
        GoKind::Slice => (24, 8),
        GoKind::String => (16, 8),
        GoKind::Bool | GoKind::Uint8 => (1, 0),
        _ => return None,
    })
}

impl TypeTable {
    /// The head of the type at `addr`, where one is held there and makes sense.
    pub fn head(&self, addr: Addr) -> Option<GoHead> {
        if !addr.0.is_multiple_of(8) {
            return None;
        }
        let head = decode_head(addr, self.bytes(addr, HEAD)?)?;
        // Nothing else that lies among types has a name.
        self.written_name(&head).is_some().then_some(head)
    }

    /// The type at `addr`.
    pub fn get(&self, addr: Addr) -> Option<GoType> {
        let head = self.head(addr)?;
        let elem = |at: usize| {
            let bytes = self.bytes(addr, at + 8)?;
            Some(Addr(word(bytes, at)))
        };
        let shape = match head.kind {
            GoKind::Array => GoShape::Array {
                elem: elem(ELEM)?,
                len: elem(ARRAY_LEN)?.0,
            },
            GoKind::Chan => GoShape::Chan { elem: elem(ELEM)? },
            GoKind::Pointer => GoShape::Pointer { elem: elem(ELEM)? },
            GoKind::Slice => GoShape::Slice { elem: elem(ELEM)? },
            GoKind::Map => GoShape::Map {
                key: elem(ELEM)?,
                elem: elem(MAP_ELEM)?,
                part: elem(MAP_PART)?,
            },
            GoKind::Struct => GoShape::Struct {
                fields: self.fields(&head)?,
            },
            _ => GoShape::Plain,
        };
        Some(GoType { head, shape })
    }

    /// What the bytes of a number's type say; nothing for a type that is none.
    ///
    /// Source: src/internal/abi/type.go, `Kind`.
    pub fn number(&self, addr: Addr) -> Option<GoNumber> {
        Some(match byte(self.bytes(addr, HEAD)?, KIND) & KIND_MASK {
            2..=6 => GoNumber::Int,
            7..=12 => GoNumber::Uint,
            13 | 14 => GoNumber::Float,
            15 | 16 => GoNumber::Complex,
            _ => return None,
        })
    }

    fn fields(&self, of: &GoHead) -> Option<Vec<GoField>> {
        let slice = self.bytes(of.addr, FIELDS + 16)?;
        let (at, len) = (Addr(word(slice, FIELDS)), word(slice, FIELDS + 8));
        if len == 0 {
            return Some(Vec::new());
        }
        let bytes = usize::try_from(len.min(MOST_FIELDS + 1)).ok()? * FIELD;
        let table = (len <= MOST_FIELDS).then(|| self.bytes(at, bytes))??;
        let field = |field: &[u8]| {
            let (name, embedded) = self.field_name(Addr(word(field, FIELD_NAME)));
            GoField {
                name,
                embedded,
                typ: Addr(word(field, FIELD_TYPE)),
                offset: word(field, FIELD_OFFSET),
            }
        };
        let fields: Vec<GoField> = table.chunks_exact(FIELD).map(field).collect();
        let sorted = fields.is_sorted_by_key(|field| field.offset);
        let inside = fields.last().is_none_or(|last| last.offset <= of.size);
        (sorted && inside).then_some(fields)
    }

    fn field_name(&self, at: Addr) -> (String, bool) {
        let flags = self.bytes(at, 1).map_or(0, |bytes| byte(bytes, 0));
        let name = self.text(at).unwrap_or("?").to_owned();
        (name, flags & NAME_EMBEDDED != 0)
    }

    /// A name: flags, a length of 7 bits a byte, text.
    fn text(&self, at: Addr) -> Option<&str> {
        let mut start = at.0.checked_add(NAME_FLAGS)?;
        let mut len = 0usize;
        for shift in [0, 7, 14] {
            let part = byte(self.bytes(Addr(start), 1)?, 0);
            len |= usize::from(part & 0x7f) << shift;
            start = start.checked_add(1)?;
            if part & 0x80 == 0 {
                let text = self.bytes(Addr(start), len.min(MOST_NAME))?;
                let text = std::str::from_utf8(text).ok()?;
                let sane = !text.is_empty() && !text.chars().any(char::is_control);
                return sane.then_some(text);
            }
        }
        None
    }

    /// The name as it is written down; made types have none that we find.
    fn written_name(&self, of: &GoHead) -> Option<&str> {
        if self.is_made(of.addr) {
            return Some("");
        }
        let offset = u64::try_from(of.name).ok().filter(|offset| *offset > 0)?;
        let text = self.text(self.names_of(of.addr)?.add(offset))?;
        match of.extra_star {
            true => text.strip_prefix('*'),
            false => Some(text),
        }
    }

    /// The type's name as Go prints it: `map[string]*main.Session`.
    pub fn name(&self, addr: Addr) -> String {
        self.spelled(addr, MOST_SPELLING)
    }

    fn spelled(&self, addr: Addr, depth: u32) -> String {
        let unknown = || "?".to_owned();
        let Some(head) = self.head(addr).filter(|_| depth > 0) else {
            return unknown();
        };
        match self.written_name(&head) {
            Some(written) if !written.is_empty() => return without_shapes(written),
            _ => {}
        }
        let of = |elem: Addr| self.spelled(elem, depth - 1);
        match self.get(addr).map(|found| found.shape) {
            Some(GoShape::Array { elem, len }) => format!("[{len}]{}", of(elem)),
            Some(GoShape::Chan { elem }) => format!("chan {}", of(elem)),
            Some(GoShape::Map { key, elem, .. }) => format!("map[{}]{}", of(key), of(elem)),
            Some(GoShape::Pointer { elem }) => format!("*{}", of(elem)),
            Some(GoShape::Slice { elem }) => format!("[]{}", of(elem)),
            Some(GoShape::Struct { fields }) => {
                let mut text = "struct {".to_owned();
                for (number, field) in fields.iter().enumerate() {
                    if text.len() > MOST_NAME {
                        break;
                    }
                    let separator = if number == 0 { " " } else { "; " };
                    text += &format!("{separator}{} {}", field.name, of(field.typ));
                }
                text + " }"
            }
            Some(GoShape::Plain) if head.kind == GoKind::Func => "func".to_owned(),
            _ => unknown(),
        }
    }

    /// The type that values of the itab at `addr` have, where one is held there: it names an
    /// interface and a type, and repeats the type's hash.
    pub fn itab(&self, addr: Addr) -> Option<Addr> {
        self.decode_itab(self.bytes(addr, ITAB)?)
    }

    /// The same of the bytes of one that is not held.
    pub fn decode_itab(&self, bytes: &[u8]) -> Option<Addr> {
        let inter = self.head(Addr(word(bytes, ITAB_INTER)))?;
        let found = self.head(Addr(word(bytes, ITAB_TYPE)))?;
        let sane = inter.kind == GoKind::Interface && found.hash == half(bytes, ITAB_HASH);
        sane.then_some(found.addr)
    }

    /// Every structure type that is held, by address.
    pub fn structures(&self) -> Vec<Addr> {
        let (mut found, mut fields) = (Vec::new(), 0);
        for own in self.all_of(GoKind::Struct) {
            if let GoShape::Struct { fields: own } = &own.shape {
                fields += own.len();
            }
            if fields > ALL_FIELDS {
                return found;
            }
            if self.is_whole(&own) {
                found.push(own.head.addr);
            }
        }
        found
    }

    /// Every channel type that is held, by address, with the type of what is sent.
    pub fn channels(&self) -> Vec<(Addr, Addr)> {
        let sent = |own: GoType| match own.shape {
            GoShape::Chan { elem } => Some((own.head.addr, elem)),
            _ => None,
        };
        self.all_of(GoKind::Chan).filter_map(sent).collect()
    }

    /// Every type of a kind.
    ///
    /// Descriptors have no list of their own, so each place is looked at where one may lie.
    fn all_of(&self, wanted: GoKind) -> impl Iterator<Item = GoType> + '_ {
        self.sections().flat_map(move |(start, bytes)| {
            let places = bytes.get(..bytes.len().saturating_sub(LONGEST - 8));
            let places = places.unwrap_or_default().chunks_exact(8);
            (0u64..).zip(places).filter_map(move |(number, _)| {
                let head = bytes.get(usize::try_from(number * 8).unwrap_or(usize::MAX)..)?;
                let is_of = kind(byte(head, KIND)) == Some(wanted);
                is_of.then(|| self.get(start.add(number * 8)))?
            })
        })
    }

    /// Whether all that a structure refers to is there.
    fn is_whole(&self, of: &GoType) -> bool {
        let GoShape::Struct { fields } = &of.shape else {
            return false;
        };
        fields.iter().all(|field| {
            let head = self.head(field.typ);
            head.is_some_and(|head| {
                let end = field.offset.checked_add(head.size);
                end.is_some_and(|end| end <= of.head.size)
            })
        })
    }

    /// Addresses that the descriptor of a made type leads to: the table of a structure's fields
    /// first, with its length.
    pub(super) fn leads_to(bytes: &[u8]) -> (Vec<Addr>, Option<(Addr, u64)>) {
        match kind(byte(bytes, KIND)) {
            Some(GoKind::Array | GoKind::Chan | GoKind::Pointer | GoKind::Slice) => {
                (vec![Addr(word(bytes, ELEM))], None)
            }
            Some(GoKind::Map) => {
                let all = [ELEM, MAP_ELEM, MAP_PART].map(|at| Addr(word(bytes, at)));
                (all.to_vec(), None)
            }
            Some(GoKind::Struct) => {
                let table = (Addr(word(bytes, FIELDS)), word(bytes, FIELDS + 8));
                (Vec::new(), Some(table))
            }
            _ => (Vec::new(), None),
        }
    }

    /// Name and type of each field of a table of fields.
    pub(super) fn table_leads_to(table: &[u8]) -> impl Iterator<Item = (Addr, Addr)> + '_ {
        let fields = table.chunks_exact(FIELD);
        fields.map(|field| {
            let at = |at| Addr(word(field, at));
            (at(FIELD_NAME), at(FIELD_TYPE))
        })
    }
}

/// Whether bytes may be the start of a descriptor.
pub(super) fn decode_head(addr: Addr, bytes: &[u8]) -> Option<GoHead> {
    let aligned = |at: usize| {
        let align = byte(bytes, at);
        align.is_power_of_two() && align <= 64
    };
    let flags = byte(bytes, TFLAG);
    let head = GoHead {
        addr,
        kind: kind(byte(bytes, KIND))?,
        size: word(bytes, SIZE),
        ptr_bytes: word(bytes, PTR_BYTES),
        direct: (flags | byte(bytes, KIND)) & DIRECT != 0,
        named: flags & NAMED != 0,
        hash: half(bytes, HASH),
        name: half(bytes, STR).cast_signed(),
        extra_star: flags & EXTRA_STAR != 0,
    };
    let sizes = (head.size, head.ptr_bytes);
    let sane = head.ptr_bytes <= head.size
        && head.ptr_bytes.is_multiple_of(8)
        && head.size <= MOST_SIZE
        && aligned(ALIGN)
        // Up to 1.23 `reflect` leaves it out of the buckets that it makes.
        && (aligned(FIELD_ALIGN) || byte(bytes, FIELD_ALIGN) == 0)
        && fixed(head.kind).is_none_or(|fixed| fixed == sizes)
        // One that points to what is not in Go's heap has no pointer bytes.
        && (head.kind != GoKind::Pointer || head.size == 8);
    sane.then_some(head)
}
