//! Skeleton: bodies follow.
#![allow(missing_docs, unused, reason = "skeleton")]
use letgo_target::Addr;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

pub const WANTED: &[&str] = &[];

/// How an address was found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Rule {
    /// `.symtab`.
    Symbol,
    /// A DWARF variable.
    Dwarf,
    /// `moduledata` itself.
    Moduledata,
    /// An instruction pattern, by name.
    Disassembly(Cow<'static, str>),
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Found {
    pub addr: Addr,
    pub by: Vec<Rule>,
}

/// Rules that gave different addresses for one global.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Disagreement {
    pub name: String,
    pub candidates: Vec<Found>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Globals {
    found: BTreeMap<String, Found>,
    disagreements: Vec<Disagreement>,
}

impl Globals {
    /// Link-time address of a global such as `runtime.mheap_`.
    pub fn get(&self, name: &str) -> Option<Addr> {
        self.found.get(name).map(|f| f.addr)
    }
    pub fn found(&self, name: &str) -> Option<&Found> {
        self.found.get(name)
    }
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Found)> {
        self.found.iter().map(|(n, f)| (n.as_str(), f))
    }
    pub fn disagreements(&self) -> &[Disagreement] {
        &self.disagreements
    }
}
