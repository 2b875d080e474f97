//! [`Holder`]: what leads into the heap, with all that would be garbage without it, as plain data.
//!
//! Who finds out what holds what, and names it, is the caller. What cannot be known is `None` or
//! empty, never zero.

use crate::finding::Location;

/// A variable of the program, and what it alone holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Its name, `main.cache`; without symbols its place, `bss+0x1e40`.
    pub name: String,
    /// Whether `name` is one that the source has.
    pub is_named: bool,
    /// Its type, or that of the object which it leads to.
    pub go_type: Option<String>,
    /// Resident bytes of all objects that nothing but it holds.
    pub resident_bytes: u64,
    /// How many these are.
    pub objects: u64,
    /// The functions that store into it.
    pub stored_by: Vec<Location>,
}

impl Holder {
    /// `main.cache, a map[string]*main.Session`; `the variable at bss+0x1e40`.
    pub(crate) fn words(&self) -> String {
        let name = match self.is_named {
            true => self.name.clone(),
            false => format!("the variable at {}", self.name),
        };
        match &self.go_type {
            Some(go_type) => format!("{name}, {} {go_type},", article(go_type)),
            None => name,
        }
    }
}

/// `an` before a vowel as it is read: `an []int` no, `an int` yes.
fn article(word: &str) -> &'static str {
    let vowel = word.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O']);
    if vowel { "an" } else { "a" }
}
