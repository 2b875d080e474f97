//! [`Layout`]: where the runtime's structures keep their fields, in the release at hand.
//!
//! Each foreign structure and field is declared once, in `layout/structs.rs`, by the macro
//! `foreign!`. From the declarations come the typed offsets below, the list of what we rely on
//! ([`dependencies`], printed by `cargo xtask runtime-deps`) and what the generated tables hold.
//!
//! A structure is *needed* or *may* be there; so is a field. A field that may be there is an
//! `Option`: the code asks whether it exists, never which release this is. Names of fields may be
//! paths through structures by value (`inUse.ranges`).
//!
//! Does not know where variables lie (see [`crate::Runtime`]) and reads no target.

mod embedded;
mod flat;
mod structs;
mod tables;

use letgo_gobin::{Field, Layouts};
use letgo_target::Addr;

pub use flat::{flatten, is_wanted};
pub use structs::*;
pub use tables::{Choice, Origin, choose, key_release, keys, newer_than_known, refuse_older};

/// A field of a structure: where in it, and how wide.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Member {
    /// Bytes from the start of the structure.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
}

impl Member {
    /// The field's address in a structure at `base`.
    pub fn at(self, base: Addr) -> Addr {
        base.add(u64::from(self.offset))
    }

    /// The field out of a structure's bytes, zero-extended; 0 where the bytes are too short.
    ///
    /// Wider fields than 8 bytes give their first 8.
    pub fn get(self, bytes: &[u8]) -> u64 {
        let start = self.offset as usize;
        let Some(bytes) = bytes.get(start..) else {
            return 0;
        };
        match self.size {
            1 => bytes.first().map_or(0, |byte| u64::from(*byte)),
            2 => bytes
                .first_chunk()
                .map_or(0, |b| u64::from(u16::from_le_bytes(*b))),
            4 => bytes
                .first_chunk()
                .map_or(0, |b| u64::from(u32::from_le_bytes(*b))),
            _ => bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b)),
        }
    }

    /// The field as a pointer.
    pub fn addr(self, bytes: &[u8]) -> Addr {
        Addr(self.get(bytes))
    }

    /// The field as a number of 32 bits; what does not fit is `u32::MAX`.
    pub fn u32(self, bytes: &[u8]) -> u32 {
        u32::try_from(self.get(bytes)).unwrap_or(u32::MAX)
    }

    /// The field as a byte; what does not fit is its lowest.
    pub fn u8(self, bytes: &[u8]) -> u8 {
        self.get(bytes).to_le_bytes()[0]
    }

    /// The field as a signed number of 32 bits.
    pub fn i32(self, bytes: &[u8]) -> i32 {
        self.u32(bytes).cast_signed()
    }
}

/// Something of the runtime that we rely on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dependency {
    /// The structure in Go's words.
    pub structure: &'static str,
    /// The field's path and its other names in other releases; empty for the structure itself.
    pub fields: &'static [&'static str],
    /// Widths that we can read, in bytes; empty where the width does not matter.
    pub widths: &'static [u32],
    /// Whether we can do nothing without it.
    pub needed: bool,
    /// What it is for.
    pub why: &'static str,
}

/// Turns one release's [`Layouts`] into [`Layout`], noting everything that is missing.
struct Resolver<'a> {
    layouts: &'a Layouts,
    /// Needed things that are absent or of a width that we cannot read.
    missing: Vec<String>,
}

impl Resolver<'_> {
    fn size(&self, structure: &str) -> Option<u32> {
        flat::named(self.layouts, structure).and_then(|layout| u32::try_from(layout.size).ok())
    }

    fn need(&mut self, structure: &str, names: &[&str], widths: &[u32]) -> Member {
        self.may(structure, names, widths).unwrap_or_else(|| {
            let name = names.first().copied().unwrap_or_default();
            self.missing.push(format!("{structure}.{name}"));
            Member::default()
        })
    }

    fn may(&self, structure: &str, names: &[&str], widths: &[u32]) -> Option<Member> {
        let field = names
            .iter()
            .find_map(|name| flat::field(self.layouts, structure, name))?;
        member(&field).filter(|member| widths.is_empty() || widths.contains(&member.size))
    }
}

/// A field whose place and width are believable.
fn member(field: &Field) -> Option<Member> {
    /// No structure of the runtime is larger (heapArena of 1.19 has 2 MiB).
    const MOST: u64 = 16 << 20;
    if field.offset > MOST || field.size > MOST {
        return None;
    }
    Some(Member {
        offset: u32::try_from(field.offset).ok()?,
        size: u32::try_from(field.size).ok()?,
    })
}

/// The type of a field of a layout: a field that we need is there.
macro_rules! field_type {
    (need) => { $crate::layout::Member };
    (may) => { Option<$crate::layout::Member> };
}

/// Whether `need` or `may`.
macro_rules! is_needed {
    (need) => {
        true
    };
    (may) => {
        false
    };
}

/// The type of a structure in [`Layout`].
macro_rules! structure_type {
    (need $name:ident) => { $name };
    (may $name:ident) => { Option<$name> };
}

/// Resolves a structure, absent where it may be.
macro_rules! resolve_structure {
    (need $name:ident $go:literal $resolver:ident) => {{
        if $resolver.size($go).is_none() {
            $resolver.missing.push($go.to_owned());
        }
        $name::resolve($resolver)
    }};
    (may $name:ident $go:literal $resolver:ident) => {
        $resolver
            .size($go)
            .is_some()
            .then(|| $name::resolve($resolver))
    };
}

/// Declares foreign structures: `need|may Name name = "go name" { need|may field: [widths] =
/// "path" | "other name"; }`. Doc comments say what a field is for and end up in the list of
/// dependencies.
macro_rules! foreign {
    ($(
        $(#[doc = $doc:literal])*
        $presence:ident $name:ident $member:ident = $go:literal {
            $(
                $(#[doc = $field_doc:literal])*
                $kind:ident $field:ident: [$($width:literal),*] =
                    $path:literal $(| $alias:literal)*;
            )*
        }
    )*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
            pub struct $name {
                /// Bytes of the whole structure.
                pub size: u32,
                $(
                    $(#[doc = $field_doc])*
                    pub $field: field_type!($kind),
                )*
            }

            impl $name {
                pub(super) fn resolve(resolver: &mut Resolver<'_>) -> $name {
                    $name {
                        size: resolver.size($go).unwrap_or(0),
                        $($field: resolver.$kind($go, &[$path $(, $alias)*], &[$($width),*]),)*
                    }
                }
            }
        )*

        /// Where every structure that we read keeps what we read of it.
        #[derive(Clone, PartialEq, Eq, Debug, Default)]
        pub struct Layout {
            $(
                $(#[doc = $doc])*
                pub $member: structure_type!($presence $name),
            )*
        }

        impl Layout {
            pub(super) fn resolve_all(resolver: &mut Resolver<'_>) -> Layout {
                Layout {
                    $($member: resolve_structure!($presence $name $go resolver),)*
                }
            }
        }

        /// Every structure and field that is declared, in the order of the declarations.
        pub fn dependencies() -> &'static [Dependency] {
            &[$(
                Dependency {
                    structure: $go,
                    fields: &[],
                    widths: &[],
                    needed: is_needed!($presence),
                    why: concat!($($doc),*),
                },
                $(
                    Dependency {
                        structure: $go,
                        fields: &[$path $(, $alias)*],
                        widths: &[$($width),*],
                        needed: is_needed!($kind),
                        why: concat!($($field_doc),*),
                    },
                )*
            )*]
        }
    };
}
use {field_type, foreign, is_needed, resolve_structure, structure_type};

impl Layout {
    /// Finds every declared field in a release's structures.
    ///
    /// # Errors
    /// The needed structures and fields that are absent, or have a width that we cannot read.
    pub fn resolve(layouts: &Layouts) -> Result<Layout, Vec<String>> {
        let mut resolver = Resolver {
            layouts,
            missing: Vec::new(),
        };
        let layout = Layout::resolve_all(&mut resolver);
        if resolver.missing.is_empty() {
            Ok(layout)
        } else {
            Err(resolver.missing)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_reads_its_own_width() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        let member = |offset, size| Member { offset, size };
        assert_eq!(member(0, 1).get(&bytes), 1);
        assert_eq!(member(1, 2).get(&bytes), 0x0302);
        assert_eq!(member(1, 4).get(&bytes), 0x0504_0302);
        assert_eq!(member(1, 8).get(&bytes), 0x0908_0706_0504_0302);
        assert_eq!(member(2, 8).get(&bytes), 0, "past the end");
        assert_eq!(member(90, 1).get(&bytes), 0);
    }

    #[test]
    fn every_dependency_says_what_it_is_for() {
        for dependency in dependencies() {
            assert!(!dependency.why.trim().is_empty(), "{dependency:?}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = Layout::resolve(&Layouts::default()).unwrap_err();
        assert!(missing.contains(&"runtime.mspan".to_owned()));
        assert!(missing.contains(&"runtime.mspan.startAddr".to_owned()));
        assert!(!missing.iter().any(|name| name.ends_with("largeType")));
    }
}
