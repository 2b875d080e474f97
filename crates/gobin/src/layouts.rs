//! Skeleton: bodies follow.
#![allow(missing_docs, unused, reason = "skeleton")]
use crate::{Error, Image};
use std::collections::BTreeMap;

/// One member of a structure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    pub offset: u64,
    pub size: u64,
    /// As DWARF spells it: `*runtime.mspan`, `[]uint8`, `runtime.mSpanList`.
    pub type_name: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StructLayout {
    pub size: u64,
    pub fields: BTreeMap<String, Field>,
}

impl StructLayout {
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.get(name)
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Layouts {
    structs: BTreeMap<String, StructLayout>,
}

impl Layouts {
    /// The structure named `runtime.mspan`, if it was wanted and is there.
    pub fn get(&self, name: &str) -> Option<&StructLayout> {
        self.structs.get(name)
    }
    pub fn iter(&self) -> impl Iterator<Item = (&str, &StructLayout)> {
        self.structs.iter().map(|(n, s)| (n.as_str(), s))
    }
    pub fn insert(&mut self, name: String, layout: StructLayout) {
        self.structs.insert(name, layout);
    }
    pub fn from_dwarf(image: &Image, wanted: &dyn Fn(&str) -> bool) -> Result<Layouts, Error> {
        Err(Error::NotGo {
            why: "skeleton".into(),
        })
    }
    pub fn parse(text: &str) -> Result<Layouts, Error> {
        Err(Error::NotGo {
            why: "skeleton".into(),
        })
    }
    pub fn to_text(&self) -> String {
        String::new()
    }
}
