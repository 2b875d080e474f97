//! [`Types`]: the type descriptors that the linker put into a program.
//!
//! A descriptor starts with an `abi.Type`: size, kind, and the offset of its name from the start
//! of all types. What follows depends on the kind: the element of a pointer, the fields of a
//! structure. An *itab* joins an interface with a type that has its methods.
//! The whole part of the image that holds them is read once, so that asking is cheap.
//!
//! Does not know types that a program makes while it runs (see `reflect`), nor what values look
//! like (see `goruntime`).
//!
//! Invariants: what [`Types::at`] gives has a known kind, a size of at most 1 TiB of which the part
//! with pointers is a part, and a name. An address that only looks like a descriptor mostly does
//! not pass, but may: what code says of it should be asked first.
//!
//! Source: src/internal/abi/type.go (until 1.20 src/runtime/type.go), go1.19 to go1.27;
//! src/runtime/symtab.go, type moduledata.

use letgo_target::{Addr, AddrRange, ReadMemory, read_bytes};

use crate::bytes::{u32_at, u64_at, uvarint};
use crate::{Error, GoBinary, Pointee};

/// Most bytes of descriptors; the largest programs that we know have 20 MB.
const MOST_BYTES: u64 = 256 << 20;
/// Largest size of one value.
const MOST_SIZE: u64 = 1 << 40;
/// Longest name. The linker cuts none, and generics nest.
const MOST_NAME_BYTES: u64 = 64 << 10;
/// Bytes of an `abi.Type`, and most bytes of what follows it that is read.
const TYPE_BYTES: usize = 48;
const FIELD_BYTES: usize = 24;
/// Most fields of a structure.
const MOST_FIELDS: u64 = 1 << 16;
const WHAT: &str = "a type descriptor";

/// The kind of a type: `abi.Kind`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Bool, numbers, `uintptr`: no pointers.
    Plain,
    /// An array: element and length.
    Array,
    /// A channel.
    Chan,
    /// A function value.
    Func,
    /// An interface.
    Interface,
    /// A map.
    Map,
    /// A pointer.
    Pointer,
    /// A slice.
    Slice,
    /// A string.
    Text,
    /// A structure.
    Struct,
    /// `unsafe.Pointer`.
    Unsafe,
}

impl Kind {
    pub(crate) fn of(number: u8) -> Option<Kind> {
        Some(match number & 31 {
            1..=16 => Kind::Plain,
            17 => Kind::Array,
            18 => Kind::Chan,
            19 => Kind::Func,
            20 => Kind::Interface,
            21 => Kind::Map,
            22 => Kind::Pointer,
            23 => Kind::Slice,
            24 => Kind::Text,
            25 => Kind::Struct,
            26 => Kind::Unsafe,
            _ => return None,
        })
    }
}

/// The head of a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TypeHead {
    /// Where the descriptor lies (link time).
    pub addr: Addr,
    /// Bytes of a value.
    pub size: u64,
    /// Bytes up to and including the last pointer of a value.
    pub ptr_bytes: u64,
    /// Its kind.
    pub kind: Kind,
    hash: u32,
}

/// The type descriptors of a program.
#[derive(Clone, Debug)]
pub struct Types {
    range: AddrRange,
    bias: u64,
    bytes: Vec<u8>,
}

impl GoBinary {
    /// Reads the type descriptors.
    ///
    /// # Errors
    /// Where the moduledata does not say where they are, or they cannot be read.
    pub fn types(&self) -> Result<Types, Error> {
        let (start, end) = match self.build.version.minor {
            ..20 => (280, 288),
            20..27 => (296, 304),
            // With `typedesclen` between them.
            27.. => (296, 312),
        };
        let field = |offset: u64| {
            let value = letgo_target::read_u64(&self.image, self.moduledata.add(offset))?;
            Ok::<_, Error>(self.image.link_addr(value))
        };
        let (start, end) = (field(start)?, field(end)?);
        let range = AddrRange::new(start, end);
        let segment = self.image.segment_at(start);
        let held = segment
            .map(|segment| AddrRange::sized(segment.range.start(), segment.file_len))
            .is_some_and(|held| held.covers(range));
        if start >= end || !held {
            let why = "the moduledata does not say where types are";
            return Err(Error::inconsistent(WHAT, start, why));
        }
        Ok(Types {
            range,
            bias: self.image.pointer_to(Addr(0)),
            bytes: read_bytes(&self.image, start, range.len(), MOST_BYTES)?,
        })
    }
}

impl Types {
    /// No types at all.
    pub(crate) fn none() -> Types {
        Types {
            range: AddrRange::new(Addr(0), Addr(0)),
            bias: 0,
            bytes: Vec::new(),
        }
    }

    /// What pointers in the image are above link-time addresses.
    pub(crate) fn bias(&self) -> u64 {
        self.bias
    }

    /// Where descriptors and names lie.
    pub fn range(&self) -> AddrRange {
        self.range
    }

    /// The type whose descriptor lies at `addr`.
    pub fn at(&self, addr: Addr) -> Option<TypeHead> {
        let bytes = self.bytes_at(addr)?;
        let kind = Kind::of(*bytes.get(23)?)?;
        let (size, ptr_bytes) = (u64_at(bytes, 0)?, u64_at(bytes, 8)?);
        let aligned = addr.0.is_multiple_of(8) && [1, 2, 4, 8].contains(bytes.get(21)?);
        if !aligned || size > MOST_SIZE || ptr_bytes > size || ptr_bytes % 8 != 0 {
            return None;
        }
        let hash = u32_at(bytes, 16)?;
        self.name_at(u32_at(bytes, 40)?)?;
        Some(TypeHead {
            addr,
            size,
            ptr_bytes,
            kind,
            hash,
        })
    }

    /// The name of the type at `addr`, as Go spells it: `*main.Node`.
    pub fn name(&self, addr: Addr) -> Option<String> {
        self.at(addr)?;
        let bytes = self.bytes_at(addr)?;
        let name = self.name_at(u32_at(bytes, 40)?)?;
        // `TFlagExtraStar`: the name is shared with that of the pointer to it.
        let shared = bytes.get(20)? & 2 != 0;
        let name = match shared {
            true => name.strip_prefix(b"*").unwrap_or(name),
            false => name,
        };
        Some(String::from_utf8_lossy(name).into_owned())
    }

    /// A type whose values are such words, as Go spells it; nothing of interfaces, of which there
    /// are many.
    pub fn name_of_pointee(&self, pointee: Pointee) -> Option<String> {
        Some(match pointee {
            Pointee::Ptr(ty) => format!("*{}", self.name(ty)?),
            Pointee::Slice(ty) => format!("[]{}", self.name(ty)?),
            Pointee::Map(ty) | Pointee::Chan(ty) => self.name(ty)?,
            Pointee::Func => "func".to_string(),
            Pointee::Str => "string".to_string(),
            Pointee::Iface => return None,
        })
    }

    /// The element of an array, a channel, a pointer or a slice, or the key of a map.
    pub fn elem(&self, addr: Addr) -> Option<Addr> {
        self.pointer(addr, TYPE_BYTES)
    }

    /// How many elements an array has.
    pub(crate) fn array_len(&self, addr: Addr) -> Option<u64> {
        u64_at(self.bytes_at(addr)?, 64)
    }

    /// Whether the type at `addr` is of this kind.
    pub(crate) fn is(&self, addr: Addr, kind: Kind) -> bool {
        self.at(addr).is_some_and(|head| head.kind == kind)
    }

    /// The fields of a structure: offset and type of each.
    pub fn fields(&self, addr: Addr) -> Option<Vec<(u64, Addr)>> {
        if !self.is(addr, Kind::Struct) {
            return None;
        }
        let bytes = self.bytes_at(addr)?;
        let start = Addr(u64_at(bytes, 56)?.wrapping_sub(self.bias));
        let count = u64_at(bytes, 64).filter(|count| *count <= MOST_FIELDS)?;
        let count = usize::try_from(count).ok()?;
        let fields = self.bytes_at(start)?.chunks_exact(FIELD_BYTES).take(count);
        let found: Option<Vec<(u64, Addr)>> = fields
            .map(|field| {
                let kind = Addr(u64_at(field, 8)?.wrapping_sub(self.bias));
                Some((u64_at(field, 16)?, kind))
            })
            .collect();
        found.filter(|found| found.len() == count)
    }

    /// The type of the values that an itab at `addr` of `image` is for.
    pub(crate) fn of_itab(&self, image: &dyn ReadMemory, addr: Addr) -> Option<TypeHead> {
        let mut bytes = [0; 24];
        if !addr.0.is_multiple_of(8) {
            return None;
        }
        image.read(addr, &mut bytes).ok()?;
        let pointer = |offset| Some(Addr(u64_at(&bytes, offset)?.wrapping_sub(self.bias)));
        let own = self.at(pointer(8)?)?;
        let joined = self.is(pointer(0)?, Kind::Interface) && u32_at(&bytes, 16) == Some(own.hash);
        joined.then_some(own)
    }

    fn pointer(&self, addr: Addr, offset: usize) -> Option<Addr> {
        let value = u64_at(self.bytes_at(addr)?, offset)?;
        let found = Addr(value.wrapping_sub(self.bias));
        self.range.contains(found).then_some(found)
    }

    fn bytes_at(&self, addr: Addr) -> Option<&[u8]> {
        let offset = addr.0.checked_sub(self.range.start().0)?;
        self.bytes.get(usize::try_from(offset).ok()?..)
    }

    /// A name: flags, its length, and its bytes.
    fn name_at(&self, offset: u32) -> Option<&[u8]> {
        let bytes = self.bytes.get(usize::try_from(offset).ok()?..)?;
        let (len, taken) = uvarint(bytes.get(1..)?)?;
        if offset == 0 || len == 0 || len > MOST_NAME_BYTES {
            return None;
        }
        let bytes = bytes.get(1 + taken..)?;
        bytes.get(..usize::try_from(len).ok()?)
    }
}
