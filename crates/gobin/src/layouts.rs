//! [`Layouts`]: offsets and sizes of the fields of Go structures, by name.
//!
//! Read from a program's DWARF, or parsed from a table that was generated from it. What the fields
//! mean is not known here (see `goruntime`).
//!
//! The text form is stable. Lines are in order of name, fields in order of offset:
//!
//! ```text
//! letgo layouts 1
//! struct 160 runtime.mspan
//! 0 8 next *runtime.mspan
//! 16 8 list *runtime.mSpanList
//! ```
//!
//! A structure is its size and its name; a field is its offset, its size, its name and its type
//! (the rest of the line). Sizes and offsets are bytes, in decimal. Lines that start with `#` and
//! empty ones are passed over. Of fields with one name (`_`) the first is kept.

use std::collections::BTreeMap;
use std::fmt::Write;

use letgo_target::Addr;

use crate::dwarf::Sections;
use crate::{Error, Image};

const HEADER: &str = "letgo layouts 1";
/// Most lines of the text form; all structures of Go's runtime take 5000.
const MOST_LINES: usize = 1 << 20;

/// One member of a structure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    /// Bytes from the structure's start.
    pub offset: u64,
    /// Bytes, 0 where DWARF does not say.
    pub size: u64,
    /// As DWARF spells it: `*runtime.mspan`, `[]uint8`, `runtime.mSpanList`.
    pub type_name: String,
}

/// A structure.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StructLayout {
    /// Bytes.
    pub size: u64,
    /// Its fields; embedded ones by the name of their type, without package.
    pub fields: BTreeMap<String, Field>,
}

impl StructLayout {
    /// A structure of `size` bytes without fields.
    pub fn new(size: u64) -> StructLayout {
        StructLayout {
            size,
            fields: BTreeMap::new(),
        }
    }

    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.get(name)
    }
}

/// Structures by their full name, such as `runtime.mspan`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Layouts {
    structs: BTreeMap<String, StructLayout>,
}

impl Layouts {
    /// The structure of that name, if it was wanted and is there.
    pub fn get(&self, name: &str) -> Option<&StructLayout> {
        self.structs.get(name)
    }

    /// All structures, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &StructLayout)> {
        let each = self.structs.iter();
        each.map(|(name, layout)| (name.as_str(), layout))
    }

    /// How many structures there are.
    pub fn len(&self) -> usize {
        self.structs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.structs.is_empty()
    }

    /// Adds a structure, in place of one with that name.
    pub fn insert(&mut self, name: String, layout: StructLayout) {
        self.structs.insert(name, layout);
    }

    pub(crate) fn insert_first(&mut self, name: String, layout: StructLayout) {
        self.structs.entry(name).or_insert(layout);
    }

    /// The layouts of all structures whose name `wanted` likes, from the image's DWARF.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where it has no DWARF, [`Error::Inconsistent`] where that is damaged.
    pub fn from_dwarf(image: &Image, wanted: &dyn Fn(&str) -> bool) -> Result<Layouts, Error> {
        let sections = Sections::read(image)?.ok_or_else(|| Error::Unsupported {
            found: "a program without DWARF".to_string(),
            supported: "reading layouts from DWARF (built without -ldflags=-w, not stripped)",
        })?;
        sections.units()?.layouts(wanted)
    }

    /// Parses the text form.
    ///
    /// # Errors
    /// [`Error::Inconsistent`], with the line's number for an address.
    pub fn parse(text: &str) -> Result<Layouts, Error> {
        let mut layouts = Layouts::default();
        let mut open: Option<(String, StructLayout)> = None;
        let mut lines = (1u64..).zip(text.split_terminator('\n'));
        let broken =
            |number, why: &str| Error::inconsistent("the layout table's line", Addr(number), why);
        if lines.next().is_none_or(|(_, line)| line != HEADER) {
            return Err(broken(1, "it does not start with \"letgo layouts 1\""));
        }
        for (number, line) in lines {
            if number > MOST_LINES as u64 {
                return Err(broken(number, "there are too many"));
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(rest) = line.strip_prefix("struct ") {
                let started = parse_struct(rest).ok_or_else(|| broken(number, "no structure"))?;
                if let Some((name, layout)) = open.replace(started) {
                    layouts.insert(name, layout);
                }
                continue;
            }
            let (name, field) = parse_field(line).ok_or_else(|| broken(number, "no field"))?;
            let (_, layout) = open
                .as_mut()
                .ok_or_else(|| broken(number, "a field of no structure"))?;
            layout.fields.insert(name, field);
        }
        if let Some((name, layout)) = open {
            layouts.insert(name, layout);
        }
        Ok(layouts)
    }

    /// The text form.
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\n");
        for (name, layout) in &self.structs {
            let _ = writeln!(text, "struct {} {name}", layout.size);
            let mut fields: Vec<_> = layout.fields.iter().collect();
            fields.sort_by_key(|(_, field)| field.offset);
            for (name, field) in fields {
                let Field {
                    offset,
                    size,
                    type_name,
                } = field;
                let _ = writeln!(text, "{offset} {size} {name} {type_name}");
            }
        }
        text
    }
}

fn parse_struct(rest: &str) -> Option<(String, StructLayout)> {
    let (size, name) = rest.split_once(' ')?;
    Some((name.to_string(), StructLayout::new(size.parse().ok()?)))
}

fn parse_field(line: &str) -> Option<(String, Field)> {
    let mut words = line.splitn(4, ' ');
    let offset = words.next()?.parse().ok()?;
    let size = words.next()?.parse().ok()?;
    let name = words.next()?.to_string();
    let type_name = words.next()?.to_string();
    Some((
        name,
        Field {
            offset,
            size,
            type_name,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "letgo layouts 1\n\
        struct 24 runtime.a\n\
        0 8 next *runtime.a\n\
        8 16 m map[string]struct { x int }\n\
        struct 0 runtime.b[go.shape.struct { x int }]\n";

    #[test]
    fn the_text_form_survives_a_round_trip() {
        let layouts = Layouts::parse(TEXT).unwrap();
        assert_eq!(layouts.to_text(), TEXT);
        let a = layouts.get("runtime.a").unwrap();
        assert_eq!(a.size, 24);
        let field = a.field("m").unwrap();
        assert_eq!((field.offset, field.size), (8, 16));
        assert_eq!(field.type_name, "map[string]struct { x int }");
        assert_eq!(layouts.len(), 2);
    }

    #[test]
    fn comments_are_passed_over_and_nonsense_names_its_line() {
        let commented = TEXT.replacen("struct 24", "# generated\n\nstruct 24", 1);
        assert_eq!(
            Layouts::parse(&commented).unwrap(),
            Layouts::parse(TEXT).unwrap()
        );
        for (text, line) in [
            ("", 1),
            ("letgo layouts 2\n", 1),
            ("letgo layouts 1\n0 8 next t\n", 2),
            ("letgo layouts 1\nstruct 8 a\n0 -8 next t\n", 3),
            ("letgo layouts 1\nstruct 8\n", 2),
        ] {
            let error = Layouts::parse(text).unwrap_err();
            assert!(
                matches!(error, Error::Inconsistent { addr: Addr(at), .. } if at == line),
                "{text:?}: {error}"
            );
        }
    }
}
