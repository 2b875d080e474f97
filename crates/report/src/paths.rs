//! [`PathReport`]: `letgo.path/1`, why an object is alive.
//!
//! Plain data. Nothing here is computed, and nothing is read.
//!
//! Words: a *way* leads from a root to an object, from object to object; each *hop* is an object
//! of it, the last one what was asked for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::open::{HolderKind, PlaceKind};
use crate::{Amount, HeldObject, HolderRoot, Own, Taken, Target};

/// The answer of `letgo heap TARGET --path ADDR|TYPE -o json`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PathReport {
    /// `letgo.path/1`. Fields are added under this name, never changed or removed.
    pub schema: String,
    /// What made this report, and what it took.
    pub letgo: Own,
    /// The process.
    pub target: Target,
    /// When and how it was read.
    pub taken: Taken,
    /// What was asked for.
    pub asked: PathAsked,
    /// What lies at the address; absent where a type was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The object that was asked for, or that holds the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<HeldObject>,
    /// Whether that object is reachable; otherwise the next GC takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reachable: Option<bool>,
    /// Reachable objects of the type that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<Amount>,
    /// Of these, how many more than one owner leads to, so that to cut one way frees none of them.
    /// An owner is a variable, all goroutines that began with one function, or what the runtime
    /// keeps for finalizers and the like; one that leads there by a guess does not count where
    /// others do for certain. Absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<u64>,
    /// The shortest way; absent where none leads there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathWay>,
    /// Ways by what they lead through. To one object: those for sure first, then the shortest. To
    /// the objects of a type: those that lead to most bytes first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<PathKind>,
    /// Ways of kinds that are not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds_rest: Option<PathRest>,
}

impl PathReport {
    /// The schema's name.
    pub const SCHEMA: &'static str = "letgo.path/1";
}

/// What was asked for: an address or a type.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct PathAsked {
    /// An address, as a hex string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// A type by its name.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// What digits without `0x` were taken as, where it was digits: a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What lies at an address.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// What it is.
    pub kind: PlaceKind,
    /// In words: `a free slot of 48 B`.
    pub what: String,
    /// Where it starts, as a hex string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Bytes of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// How many bytes behind its start the address is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// A way to an object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PathWay {
    /// Where it starts.
    pub root: HolderRoot,
    /// The root may be no pointer.
    #[serde(default, skip_serializing_if = "is_false")]
    pub guess: bool,
    /// The objects, from the root on; of a long way the first and the last ones.
    pub hops: Vec<Hop>,
    /// Objects that are not listed, between the first and the last half of those that are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hops_more: u64,
}

/// An object of a way.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Hop {
    /// The object.
    #[serde(flatten)]
    pub object: HeldObject,
    /// How many bytes behind its start the pointer to the next one lies, where that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The field that holds it, where the type is known: `.conns[3].buf`, `["alice"]` for the value
    /// of a map's key, `captured 2` for a variable of a closure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// Ways that start at roots of one name and lead through objects of the same kinds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PathKind {
    /// What leads in: of goroutines the function that they began with, and no number.
    pub root: PathRoot,
    /// What they lead through; the last is what was asked for.
    pub steps: Vec<PathStep>,
    /// How many: roots that lead to the one object, or objects of the type.
    pub ways: u64,
    /// Bytes of the objects that they lead to.
    pub slot_bytes: u64,
    /// Of the objects of a type that they lead to, how many another owner leads to as well; absent
    /// where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<u64>,
    /// Objects on the shortest of them, the last one included.
    pub hops: u64,
    /// The last objects of the shortest one: where one of that kind is, as a hex string.
    pub example: String,
}

/// Roots of one name.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PathRoot {
    /// What they are.
    pub kind: HolderKind,
    /// Name of the variable, else its place, else the function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A step of a kind of ways.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct PathStep {
    /// The objects' type; absent where it is not known.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// Bytes of their slots; absent for further steps that are not told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot_bytes: Option<u64>,
    /// Some of these ways go through several of them behind each other.
    #[serde(default, skip_serializing_if = "is_false")]
    pub repeated: bool,
    /// The field through which the shortest of these ways goes on, where the type is known; `[]`
    /// stands for an element, and for a value of a map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// Ways that are not listed, summed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct PathRest {
    /// Kinds.
    pub kinds: u64,
    /// Ways.
    pub ways: u64,
    /// Bytes of the objects that they lead to; of one object 0.
    pub slot_bytes: u64,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}
