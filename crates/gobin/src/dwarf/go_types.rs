//! [`GoType`]: a Go type as DWARF tells it, and the variables of all packages.
//!
//! Source: src/cmd/link/internal/ld/dwarf.go, newtype and defgotype, go1.19 to go1.27.

use gimli::UnitOffset;
use letgo_target::Addr;

use super::{AddressRef, TypeRef, Unit, Units, broken};
use crate::Error;

/// Most members of a structure.
const MOST_MEMBERS: usize = 1 << 16;

/// A type. Other types are offsets in `.debug_info`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct GoType {
    /// As Go spells it, mostly.
    pub(crate) name: String,
    /// Go's number of its kind; absent for a name of another type.
    pub(crate) kind: Option<u64>,
    pub(crate) size: Option<u64>,
    /// Its descriptor, where the program has one.
    pub(crate) runtime: Option<Addr>,
    /// The element of a slice or a channel.
    pub(crate) elem: Option<usize>,
    /// What it is a name of, points to, or is an array of.
    pub(crate) inner: Option<usize>,
    /// Elements of an array.
    pub(crate) count: u64,
    /// Offset and type of each member.
    pub(crate) members: Vec<(u64, usize)>,
}

impl Units<'_> {
    /// Gives `found` the name, the address and the type of every variable with a fixed address.
    pub(crate) fn typed_variables(
        &self,
        found: &mut dyn FnMut(&[u8], Addr, usize),
    ) -> Result<(), Error> {
        for unit in &self.units {
            let mut walk = || {
                let mut entries = unit.entries(None)?;
                while !entries.is_empty() {
                    let Some(abbreviation) = entries.read_abbreviation()? else {
                        continue;
                    };
                    let attributes = abbreviation.attributes();
                    // Locals of functions have a list of places or one on the stack.
                    if abbreviation.tag() != gimli::DW_TAG_variable {
                        entries.skip_attributes(attributes)?;
                        continue;
                    }
                    let entry = super::Entry::read(&mut entries, attributes)?;
                    let addr = entry.location.and_then(|op| self.address(unit, op));
                    let kind = unit.offset_of(entry.kind);
                    if let Some((addr, kind)) = addr.zip(kind) {
                        found(entry.name, addr, kind);
                    }
                }
                Ok(())
            };
            walk().map_err(|error| broken(unit.start, error))?;
        }
        Ok(())
    }

    /// The type at an offset of `.debug_info`.
    pub(crate) fn go_type(&self, offset: usize) -> Option<GoType> {
        let (unit, at) = self.unit_of(offset)?;
        self.read_type(unit, at).ok()?
    }

    fn read_type(&self, unit: &Unit<'_>, at: UnitOffset) -> gimli::Result<Option<GoType>> {
        let mut entries = unit.entries(Some(at))?;
        let start = entries.next_depth();
        let Some(abbreviation) = entries.read_abbreviation()? else {
            return Ok(None);
        };
        let tag = abbreviation.tag();
        let entry = super::Entry::read(&mut entries, abbreviation.attributes())?;
        let pointer = matches!(
            tag,
            gimli::DW_TAG_pointer_type | gimli::DW_TAG_subroutine_type
        );
        let mut found = GoType {
            name: String::from_utf8_lossy(entry.name).into_owned(),
            kind: entry.go_kind,
            size: if pointer { Some(8) } else { entry.byte_size },
            runtime: entry.runtime_type.and_then(|at| self.resolved(unit, at)),
            elem: unit.offset_of(entry.go_elem),
            inner: unit.offset_of(entry.kind),
            ..GoType::default()
        };
        if !abbreviation.has_children() {
            return Ok(Some(found));
        }
        while entries.next_depth() > start && found.members.len() < MOST_MEMBERS {
            let depth = entries.next_depth();
            let Some(abbreviation) = entries.read_abbreviation()? else {
                continue;
            };
            let child = super::Entry::read(&mut entries, abbreviation.attributes())?;
            if depth != start + 1 {
                continue;
            }
            match abbreviation.tag() {
                gimli::DW_TAG_member => {
                    let kind = unit.offset_of(child.kind);
                    let member = kind.map(|kind| (child.member_location, kind));
                    found.members.extend(member);
                }
                gimli::DW_TAG_subrange_type => found.count = child.count.unwrap_or(0),
                _ => {}
            }
        }
        Ok(Some(found))
    }

    fn resolved(&self, unit: &Unit<'_>, at: AddressRef) -> Option<Addr> {
        match at {
            AddressRef::Address(addr) => Some(Addr(addr)),
            AddressRef::Index(index) => {
                let base = gimli::DebugAddrBase(unit.addr_base);
                let addr = self.addr.get_address(8, base, gimli::DebugAddrIndex(index));
                addr.ok().map(Addr)
            }
        }
        .filter(|addr| !addr.is_null())
    }
}

impl Unit<'_> {
    /// A reference as an offset of the section.
    fn offset_of(&self, kind: Option<TypeRef>) -> Option<usize> {
        match kind? {
            TypeRef::Unit(offset) => self.start.checked_add(offset),
            TypeRef::Info(offset) => Some(offset),
        }
    }
}
