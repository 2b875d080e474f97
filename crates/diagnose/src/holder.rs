//! [`Holder`]: what leads into the heap, with all that would be garbage without it, as plain data.
//!
//! Who finds out what holds what, and names it, is the caller. What cannot be known is `None` or
//! empty, never zero.

use crate::finding::Location;
use crate::words;

/// A variable of the program, and what it alone holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Its name, `main.cache`; without symbols its place, `bss+0x1e40`.
    pub name: String,
    /// Whether `name` is one that the source has.
    pub is_named: bool,
    /// Whether it is no variable but all goroutines that began with the same function.
    pub is_goroutines: bool,
    /// Its type, or that of the object which it leads to.
    pub go_type: Option<String>,
    /// Resident bytes of all objects that nothing but it holds.
    pub resident_bytes: u64,
    /// How many these are.
    pub objects: u64,
    /// The functions that store into it.
    pub stored_by: Vec<Location>,
    /// How much is in it, where it is a container.
    pub elements: Option<Elements>,
    /// What it was some time later, where somebody looked twice.
    pub later: Option<Later>,
}

/// How much is in a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elements {
    /// What is counted.
    pub of: Counted,
    /// How many.
    pub count: u64,
}

/// What is counted of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Of a map.
    Entries,
    /// Of a slice.
    Elements,
    /// Of a string.
    Bytes,
    /// Of a channel.
    Messages,
}

impl Elements {
    /// `1,200,300 entries`
    pub(crate) fn words(self) -> String {
        let (one, many) = match self.of {
            Counted::Entries => ("entry", "entries"),
            Counted::Elements => ("element", "elements"),
            Counted::Bytes => ("byte", "bytes"),
            Counted::Messages => ("message", "messages"),
        };
        let noun = if self.count == 1 { one } else { many };
        format!("{} {noun}", words::count(self.count))
    }
}

/// What a holder was at a later look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Later {
    /// How much later.
    pub window_ns: u64,
    /// By how many bytes all that is reachable had grown, whoever holds it.
    pub heap_grew: u64,
    /// Resident bytes that it held alone.
    pub resident_bytes: u64,
    /// Objects that these were.
    pub objects: u64,
    /// How much was in it.
    pub elements: Option<Elements>,
}

impl Holder {
    /// `main.cache, a map[string]*main.Session,`; `the variable at bss+0x1e40`.
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
