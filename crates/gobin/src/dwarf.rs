//! Reading the compiler's DWARF: structure layouts and addresses of variables.
//!
//! Go's linker puts all types of a program into the compile unit of package `runtime`, and each
//! package's variables into that package's unit. Only these units are walked; of all others, the
//! first entry is read for its name. DWARF 4 (to 1.24) and 5 are read, compressed or not.
//! C code's units, lines, locations and inlining are not read.
//!
//! Bounds: a walk is bounded by the section's length, since each entry takes at least a byte;
//! chains of typedefs by [`MOST_TYPEDEFS`].
//!
//! Source: src/cmd/internal/dwarf/dwarf.go, src/cmd/link/internal/ld/dwarf.go, go1.19 to go1.27;
//! DWARF 5, sections 2, 5 and 7.

mod go_types;

use std::sync::Arc;

use gimli::{
    Abbreviations, AttributeValue, DebugAbbrev, DebugAddr, DebugInfo, EndianSlice, EntriesRaw,
    LittleEndian, Reader, UnitHeader, UnitOffset, UnitSectionOffset,
};
use letgo_target::Addr;
use rustc_hash::FxHashMap;

use crate::layouts::{Field, Layouts, StructLayout};
use crate::{Error, Image};
pub(crate) use go_types::GoType;

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// The unit that holds all Go types.
const TYPES_UNIT: &[u8] = b"runtime";
const MOST_TYPEDEFS: usize = 16;
const POINTER_BYTES: u64 = 8;
/// Go's own attributes.
const GO_KIND: gimli::DwAt = gimli::DwAt(0x2900);
const GO_ELEM: gimli::DwAt = gimli::DwAt(0x2902);
const GO_RUNTIME_TYPE: gimli::DwAt = gimli::DwAt(0x2904);

/// The sections that we need, decompressed.
pub(crate) struct Sections {
    info: Vec<u8>,
    abbrev: Vec<u8>,
    addr: Vec<u8>,
}

impl Sections {
    /// Absent where the image has no DWARF.
    pub(crate) fn read(image: &Image) -> Result<Option<Sections>, Error> {
        let section = |name: &str| match image.section_bytes(&format!(".debug_{name}"))? {
            Some(bytes) => Ok(Some(bytes)),
            None => image.section_bytes(&format!(".zdebug_{name}")),
        };
        let (Some(info), Some(abbrev)) = (section("info")?, section("abbrev")?) else {
            return Ok(None);
        };
        let addr = section("addr")?.unwrap_or_default();
        Ok((!info.is_empty()).then_some(Sections { info, abbrev, addr }))
    }

    pub(crate) fn units(&self) -> Result<Units<'_>, Error> {
        Units::read(self).map_err(|error| broken(0, error))
    }
}

fn broken(offset: usize, error: gimli::Error) -> Error {
    Error::inconsistent(".debug_info", Addr(offset as u64), error.to_string())
}

/// A unit's header, its abbreviations, and what its first entry says.
struct Unit<'a> {
    header: UnitHeader<Slice<'a>>,
    start: usize,
    abbreviations: Arc<Abbreviations>,
    name: &'a [u8],
    addr_base: usize,
}

/// All units of `.debug_info`, by offset.
pub(crate) struct Units<'a> {
    units: Vec<Unit<'a>>,
    addr: DebugAddr<Slice<'a>>,
}

impl<'a> Units<'a> {
    fn read(sections: &'a Sections) -> gimli::Result<Units<'a>> {
        let info = DebugInfo::new(&sections.info, LittleEndian);
        let abbrev = DebugAbbrev::new(&sections.abbrev, LittleEndian);
        let mut known = FxHashMap::default();
        let mut units = Vec::new();
        let mut headers = info.units();
        while let Some(header) = headers.next()? {
            let offset = header.debug_abbrev_offset();
            let abbreviations = match known.get(&offset) {
                Some(abbreviations) => Arc::clone(abbreviations),
                None => {
                    let parsed = Arc::new(header.abbreviations(&abbrev)?);
                    known.insert(offset, Arc::clone(&parsed));
                    parsed
                }
            };
            let mut unit = Unit {
                start: header.offset().0,
                header,
                abbreviations,
                name: &[],
                addr_base: 0,
            };
            unit.read_root()?;
            units.push(unit);
        }
        let addr = DebugAddr::from(EndianSlice::new(&sections.addr, LittleEndian));
        Ok(Units { units, addr })
    }

    /// The layouts of all structures whose name `wanted` likes; of equal names the first.
    pub(crate) fn layouts(&self, wanted: &dyn Fn(&str) -> bool) -> Result<Layouts, Error> {
        let mut layouts = Layouts::default();
        for unit in self.units.iter().filter(|unit| unit.name == TYPES_UNIT) {
            self.add_layouts(unit, wanted, &mut layouts)
                .map_err(|error| broken(unit.start, error))?;
        }
        Ok(layouts)
    }

    fn add_layouts(
        &self,
        unit: &Unit<'a>,
        wanted: &dyn Fn(&str) -> bool,
        layouts: &mut Layouts,
    ) -> gimli::Result<()> {
        let mut entries = unit.entries(None)?;
        let mut open: Option<(isize, String, StructLayout)> = None;
        while !entries.is_empty() {
            let depth = entries.next_depth();
            if let Some((_, name, layout)) = open.take_if(|open| depth <= open.0) {
                layouts.insert_first(name, layout);
            }
            let Some(abbreviation) = entries.read_abbreviation()? else {
                continue;
            };
            let attributes = abbreviation.attributes();
            match abbreviation.tag() {
                gimli::DW_TAG_structure_type => {
                    let entry = Entry::read(&mut entries, attributes)?;
                    let name = String::from_utf8_lossy(entry.name);
                    if open.is_none() && wanted(&name) {
                        let size = entry.byte_size.unwrap_or_default();
                        open = Some((depth, name.into_owned(), StructLayout::new(size)));
                    }
                }
                gimli::DW_TAG_member => {
                    let entry = Entry::read(&mut entries, attributes)?;
                    if let Some((start, _, layout)) = &mut open
                        && depth == *start + 1
                    {
                        let (size, type_name) = self.type_at(unit, entry.kind);
                        let name = String::from_utf8_lossy(entry.name).into_owned();
                        let field = Field {
                            offset: entry.member_location,
                            size,
                            type_name,
                        };
                        layout.fields.entry(name).or_insert(field);
                    }
                }
                _ => entries.skip_attributes(attributes)?,
            }
        }
        if let Some((_, name, layout)) = open {
            layouts.insert_first(name, layout);
        }
        Ok(())
    }

    /// The addresses of variables of the packages `packages`, by full name.
    pub(crate) fn variables(
        &self,
        packages: &[&str],
        wanted: &dyn Fn(&[u8]) -> bool,
        found: &mut dyn FnMut(&[u8], Addr),
    ) -> Result<(), Error> {
        let named = |unit: &&Unit<'_>| packages.iter().any(|name| name.as_bytes() == unit.name);
        for unit in self.units.iter().filter(named) {
            let mut walk = || {
                let mut entries = unit.entries(None)?;
                while !entries.is_empty() {
                    let Some(abbreviation) = entries.read_abbreviation()? else {
                        continue;
                    };
                    let attributes = abbreviation.attributes();
                    if abbreviation.tag() != gimli::DW_TAG_variable {
                        entries.skip_attributes(attributes)?;
                        continue;
                    }
                    let entry = Entry::read(&mut entries, attributes)?;
                    if wanted(entry.name)
                        && let Some(addr) = entry.location.and_then(|op| self.address(unit, op))
                    {
                        found(entry.name, addr);
                    }
                }
                Ok(())
            };
            walk().map_err(|error| broken(unit.start, error))?;
        }
        Ok(())
    }

    /// The address that a location of one operation gives.
    fn address(&self, unit: &Unit<'_>, mut location: Slice<'_>) -> Option<Addr> {
        match gimli::DwOp(location.read_u8().ok()?) {
            gimli::DW_OP_addr => location.read_u64().ok().map(Addr),
            gimli::DW_OP_addrx => {
                let index = usize::try_from(location.read_uleb128().ok()?).ok()?;
                let base = gimli::DebugAddrBase(unit.addr_base);
                let index = gimli::DebugAddrIndex(index);
                let addr = self.addr.get_address(8, base, index);
                addr.ok().map(Addr)
            }
            _ => None,
        }
    }

    /// Size and name of the type that an entry of `unit` refers to; typedefs are followed for the
    /// size. Size 0 and no name where the reference leads nowhere.
    fn type_at(&self, unit: &Unit<'a>, kind: Option<TypeRef>) -> (u64, String) {
        let mut name: Option<String> = None;
        let (mut unit, mut kind) = (unit, kind);
        for _ in 0..MOST_TYPEDEFS {
            let (next, offset) = match kind {
                Some(TypeRef::Unit(offset)) => (unit, UnitOffset(offset)),
                Some(TypeRef::Info(offset)) => match self.unit_of(offset) {
                    Some((unit, offset)) => (unit, offset),
                    None => break,
                },
                None => break,
            };
            unit = next;
            let Ok(Some((tag, entry))) = unit.entry(offset) else {
                break;
            };
            if name.is_none() {
                name = Some(String::from_utf8_lossy(entry.name).into_owned());
            }
            let size = match tag {
                gimli::DW_TAG_pointer_type | gimli::DW_TAG_subroutine_type => Some(POINTER_BYTES),
                _ => entry.byte_size,
            };
            if let Some(size) = size {
                return (size, name.unwrap_or_default());
            }
            kind = entry.kind;
        }
        (0, name.unwrap_or_default())
    }

    fn unit_of(&self, offset: usize) -> Option<(&Unit<'a>, UnitOffset)> {
        let index = self.units.partition_point(|unit| unit.start <= offset);
        let unit = self.units.get(index.checked_sub(1)?)?;
        let section = UnitSectionOffset(offset);
        Some((unit, section.to_unit_offset(&unit.header)?))
    }
}

impl<'a> Unit<'a> {
    fn entries(&self, offset: Option<UnitOffset>) -> gimli::Result<EntriesRaw<'_, Slice<'a>>> {
        self.header.entries_raw(&self.abbreviations, offset)
    }

    fn entry(&self, offset: UnitOffset) -> gimli::Result<Option<(gimli::DwTag, Entry<'a>)>> {
        let mut entries = self.entries(Some(offset))?;
        let Some(abbreviation) = entries.read_abbreviation()? else {
            return Ok(None);
        };
        let tag = abbreviation.tag();
        let entry = Entry::read(&mut entries, abbreviation.attributes())?;
        Ok(Some((tag, entry)))
    }

    fn read_root(&mut self) -> gimli::Result<()> {
        let mut entries = self.header.entries_raw(&self.abbreviations, None)?;
        if let Some(abbreviation) = entries.read_abbreviation()? {
            let entry = Entry::read(&mut entries, abbreviation.attributes())?;
            (self.name, self.addr_base) = (entry.name, entry.addr_base);
        }
        Ok(())
    }
}

/// A reference to a type: within its unit, or within the section.
#[derive(Clone, Copy)]
enum TypeRef {
    Unit(usize),
    Info(usize),
}

/// The attributes that we care for.
#[derive(Default)]
struct Entry<'a> {
    /// Empty where it is not spelt inline, as Go's always are.
    name: &'a [u8],
    byte_size: Option<u64>,
    member_location: u64,
    kind: Option<TypeRef>,
    location: Option<Slice<'a>>,
    addr_base: usize,
    /// `DW_AT_go_kind`: Go's number of the kind of a type.
    go_kind: Option<u64>,
    /// `DW_AT_go_elem`: the element of a slice or a channel.
    go_elem: Option<TypeRef>,
    /// `DW_AT_go_runtime_type`: where the descriptor of a type lies.
    runtime_type: Option<AddressRef>,
    /// Elements of an array.
    count: Option<u64>,
}

/// An address, or its number in `.debug_addr`.
#[derive(Clone, Copy)]
enum AddressRef {
    Address(u64),
    Index(usize),
}

impl<'a> Entry<'a> {
    fn read(
        entries: &mut EntriesRaw<'_, Slice<'a>>,
        attributes: &[gimli::AttributeSpecification],
    ) -> gimli::Result<Entry<'a>> {
        let mut entry = Entry::default();
        for spec in attributes {
            let attribute = entries.read_attribute(*spec)?;
            entry.take(attribute.name(), attribute.value());
        }
        Ok(entry)
    }

    fn take(&mut self, name: gimli::DwAt, value: AttributeValue<Slice<'a>>) {
        match (name, value) {
            (gimli::DW_AT_name, AttributeValue::String(name)) => self.name = name.slice(),
            (gimli::DW_AT_byte_size, value) => self.byte_size = value.udata_value(),
            (gimli::DW_AT_type, AttributeValue::UnitRef(offset)) => {
                self.kind = Some(TypeRef::Unit(offset.0));
            }
            (gimli::DW_AT_type, AttributeValue::DebugInfoRef(offset)) => {
                self.kind = Some(TypeRef::Info(offset.0));
            }
            (gimli::DW_AT_data_member_location, AttributeValue::Exprloc(mut expression)) => {
                // DW_OP_plus_uconst, which releases before 1.19 wrote.
                let op = expression.0.read_u8();
                let offset = expression.0.read_uleb128();
                if let (Ok(0x23), Ok(offset)) = (op, offset) {
                    self.member_location = offset;
                }
            }
            (gimli::DW_AT_data_member_location, value) => {
                self.member_location = value.udata_value().unwrap_or_default();
            }
            (gimli::DW_AT_location, AttributeValue::Exprloc(expression)) => {
                self.location = Some(expression.0);
            }
            (GO_KIND, value) => self.go_kind = value.udata_value(),
            (GO_ELEM, AttributeValue::UnitRef(offset)) => {
                self.go_elem = Some(TypeRef::Unit(offset.0));
            }
            (GO_ELEM, AttributeValue::DebugInfoRef(offset)) => {
                self.go_elem = Some(TypeRef::Info(offset.0));
            }
            (GO_RUNTIME_TYPE, AttributeValue::Addr(addr)) => {
                self.runtime_type = Some(AddressRef::Address(addr));
            }
            (GO_RUNTIME_TYPE, AttributeValue::DebugAddrIndex(index)) => {
                self.runtime_type = Some(AddressRef::Index(index.0));
            }
            (gimli::DW_AT_count, value) => self.count = value.udata_value(),
            (gimli::DW_AT_addr_base, AttributeValue::DebugAddrBase(base)) => {
                self.addr_base = base.0;
            }
            _ => {}
        }
    }
}
