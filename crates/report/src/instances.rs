//! [`TypeReport`]: `letgo.type/1`, the objects of one type.
//!
//! Plain data. Nothing here is computed, and nothing is read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Amount, HeldObject, Own, Taken, Target};

/// The answer of `letgo heap TARGET --type TYPE -o json`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TypeReport {
    /// `letgo.type/1`. Fields are added under this name, never changed or removed.
    pub schema: String,
    /// What made this report, and what it took.
    pub letgo: Own,
    /// The process.
    pub target: Target,
    /// When and how it was read.
    pub taken: Taken,
    /// The type, as it was asked for; a size where types are not known.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its reachable objects.
    pub reachable: Amount,
    /// Its objects that are not reachable.
    pub garbage: Amount,
    /// As of [`crate::HeapType`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub shares_slots: bool,
    /// Those that retain most. What one of them retains may be part of what another does.
    pub largest: Vec<Instance>,
    /// Reachable ones that are not listed.
    pub more: u64,
    /// Why something of them is not told, where that is so: a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl TypeReport {
    /// The schema's name.
    pub const SCHEMA: &'static str = "letgo.type/1";
}

/// One object of the type.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Instance {
    /// The object.
    pub object: HeldObject,
    /// Bytes of the slots of all that it retains, its own included.
    pub retained_bytes: u64,
    /// Objects that it retains, itself included.
    pub retained_objects: u64,
    /// What is in it, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contents: Option<Contents>,
    /// What is in its fields, where the type is known and they could be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldValue>,
    /// Fields that are not listed.
    #[serde(default, skip_serializing_if = "is_none")]
    pub fields_more: u64,
}

/// A field of an object, or an element, read as [`Contents`] are.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct FieldValue {
    /// Its name, with that of the structure that it is in: `mu.state`, `[3].conn`.
    pub name: String,
    /// Its type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// What is in it, as one would write it; absent where it could not be read, or is too large.
    /// Text is escaped and cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Nothing was stored into it, or zero.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_zero: bool,
    /// Of a string of which the text could not be read: how many bytes that has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread_bytes: Option<u64>,
}

/// The first bytes of an object, read when the report was made: a program that runs has gone on.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Contents {
    /// They are text: so far as that goes, with escapes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The bytes in hex.
    pub hex: String,
    /// Bytes of the object that are not shown.
    pub more: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_none(value: &u64) -> bool {
    *value == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}
