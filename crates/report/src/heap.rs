//! [`HeapReport`]: `letgo.heap/1`, what is in a Go heap and who holds it.
//!
//! Plain data. Nothing here is computed, and nothing is read.
//!
//! Words: an object *retains* what would be garbage without it; its *children* are what it
//! dominates directly: every way to them leads through it. A *holder* is an object that no other
//! dominates, with what leads to it.
//!
//! Invariants, kept by whoever fills it:
//! - `totals.objects` is reachable objects and garbage together;
//! - the retained bytes of a holder are at least those of its children together, by its own slot;
//! - holders and what is beside them retain all that is reachable, each object once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::open::HolderKind;
use crate::{Location, Own, Taken, Target};

/// The answer of `letgo heap TARGET -o json`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HeapReport {
    /// `letgo.heap/1`. Fields are added under this name, never changed or removed.
    pub schema: String,
    /// What made this report, and what it took.
    pub letgo: Own,
    /// The process.
    pub target: Target,
    /// When and how it was read.
    pub taken: Taken,
    /// All of the heap.
    pub totals: HeapTotals,
    /// The heap by size class, those with slots only, most bytes of spans first.
    pub size_classes: Vec<HeapClass>,
    /// Who holds most, by retained bytes; absent where dominators were not computed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holders: Vec<Holder>,
    /// Holders that are not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holders_rest: Option<Rest>,
    /// Reachable objects by type, those with most bytes first; absent where no types were found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<HeapType>,
    /// Objects of types that are not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types_rest: Option<TypesRest>,
    /// Reachable objects whose type is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untyped: Option<Amount>,
    /// What was said of objects' types and not believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types_conflicts: Option<TypesConflicts>,
}

/// Reachable objects of one type.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct HeapType {
    /// Its name, as Go prints it: `map[string]*main.Session`; of what only the runtime has a name
    /// for, that with what it is: `map[string]*main.Session groups`, `string bytes`.
    pub name: String,
    /// What the objects are: `value`, `slice`, `string`, `tiny`, `map`, `map_part`, `chan`,
    /// `chan_buffer`, `closure`.
    pub kind: String,
    /// The objects.
    pub objects: Amount,
    /// Small values without pointers share slots: what is counted are slots, and there may be more
    /// values.
    #[serde(default, skip_serializing_if = "is_false")]
    pub shares_slots: bool,
}

/// Types that are not listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct TypesRest {
    /// How many types.
    pub count: u64,
    /// Their objects.
    pub objects: Amount,
}

/// What was said of objects' types and not believed, by cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct TypesConflicts {
    /// The object's slot does not fit the type.
    pub slot: u64,
    /// The object has a pointer where the type has none.
    pub pointers: u64,
    /// Something more certain says otherwise.
    pub weaker: u64,
    /// Something as certain says otherwise: the object has no type.
    pub disputed: u64,
}

impl HeapReport {
    /// The schema's name.
    pub const SCHEMA: &'static str = "letgo.heap/1";
}

/// Objects, or free slots, and their bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Amount {
    /// How many.
    pub count: u64,
    /// Bytes of their slots, in RAM or not.
    pub slot_bytes: u64,
    /// Bytes of these that are in RAM; absent where there is no page table, as in a core file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident_bytes: Option<u64>,
}

/// A heap, altogether.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct HeapTotals {
    /// Spans in use.
    pub spans: Amount,
    /// Slots in use: reachable objects and garbage.
    pub objects: Amount,
    /// Reachable objects.
    pub reachable: Amount,
    /// Objects that are not reachable; the next GC takes them.
    pub garbage: Amount,
    /// Free slots in spans in use.
    pub free_slots: Amount,
    /// Of the reachable objects, those that only words lead to which may be no pointers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guessed: Option<Amount>,
    /// Slots in use of spans that the graph does not know: neither reachable nor garbage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<Amount>,
}

/// All spans in use with slots of one size.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct HeapClass {
    /// Number of the class; 0 is one object a span, of any size.
    pub class: u32,
    /// Bytes of a slot; 0 for class 0.
    pub slot_bytes: u64,
    /// Spans in use: how many, and their bytes.
    pub spans: Amount,
    /// Of these, spans that the next GC frees as a whole.
    pub spans_going: u64,
    /// Slots, in use or not.
    pub slots: u64,
    /// Reachable objects.
    pub reachable: Amount,
    /// Objects that are not reachable.
    pub garbage: Amount,
    /// Free slots.
    pub free_slots: Amount,
}

/// An object with all that would be garbage without it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Holder {
    /// What leads to it; absent where another object does, whose child it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<HolderRoot>,
    /// Other roots that lead to it directly, beside `root`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub roots_more: u64,
    /// The object itself. Of a group of roots, where the first of them lies; it takes no slot then.
    pub object: HeldObject,
    /// Where no object but several roots together hold it: a variable of several words, goroutines
    /// that began with the same function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<HolderGroup>,
    /// Bytes of the slots of all that it retains, its own included.
    pub retained_bytes: u64,
    /// Objects that it retains, itself included.
    pub retained_objects: u64,
    /// What of the retained bytes is in RAM, where that was computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_resident_bytes: Option<u64>,
    /// The retained bytes as a share of all reachable bytes, between 0 and 1.
    pub share: f64,
    /// The largest of what it dominates directly, down to a few levels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Holder>,
    /// Children that are not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub children_rest: Option<Rest>,
}

/// Roots that hold together what none of them holds alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct HolderGroup {
    /// How many roots that lead to objects.
    pub roots: u64,
    /// Of how many goroutines, where they are those of goroutines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goroutines: Option<u64>,
}

/// An object by its place.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct HeldObject {
    /// Where it starts, as a hex string.
    pub address: String,
    /// Bytes of its slot.
    pub slot_bytes: u64,
    /// Its type, as [`HeapType::name`], where that is known.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// How much is in it, where it is the header of a map or a channel and could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elements: Option<Elements>,
}

/// How much is in a container, as it was when the report was made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Elements {
    /// What it is: `map`, `slice`, `string`, `chan`.
    pub of: String,
    /// Entries of a map, elements of a slice, bytes of a string, what was sent to a channel and not
    /// received yet: what `len` says.
    pub count: u64,
    /// How many there is memory for: slots of a map, what `cap` says of a slice or a channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u64>,
}

/// What leads into the heap. Only what is known of it is there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HolderRoot {
    /// What it is.
    pub kind: HolderKind,
    /// Name of the variable: `main.sessions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it lies: `data+0x1e40`, or an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Number of the goroutine whose stack it lies on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goroutine: Option<u64>,
    /// The function that this goroutine was started with, or that a finalizer would call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The `go` statement that started this goroutine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Location>,
    /// Type of the variable, or of the part of it that leads on: `[]*main.Node`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// Where the program's code stores into the variable, or into what it points to; the first few
    /// functions that do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stored_by: Vec<Location>,
    /// How much is in the variable, where it is a container and could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elements: Option<Elements>,
}

/// What is not listed, summed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Rest {
    /// How many are not listed.
    pub count: u64,
    /// What they retain, in bytes of slots.
    pub retained_bytes: u64,
    /// Objects that they retain.
    pub retained_objects: u64,
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
