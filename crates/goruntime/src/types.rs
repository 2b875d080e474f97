//! [`TypeTable`]: what a Go program says of its own types.
//!
//! Every type that a program allocates, converts to an interface or reflects upon has a descriptor
//! (`abi.Type`), stripped or not. Descriptors and their names lie in one section of each module,
//! which is held here; those that `reflect` makes while the program runs lie in its heap, and are
//! learnt one by one.
//!
//! Does not know which object is of which type (see the `heap` crate).
//!
//! Invariants: nothing outside of what is held is read, so that a type is the same whenever it is
//! asked for; all held bytes together stay within a limit; a name has at most [`MOST_NAME`] bytes
//! and no control characters. Types refer to each other: whoever follows them counts steps.
//!
//! Source: src/internal/abi/type.go, go1.21 to go1.27; src/runtime/type.go, go1.19 to go1.20. See
//! docs/formats/go-types.md.

mod decode;
mod descriptor;
mod held;
mod shapes;

use letgo_target::Addr;

pub use held::TypeTable;

/// Longest name that is kept whole.
pub const MOST_NAME: usize = 4096;
/// Most fields of a structure.
pub const MOST_FIELDS: u64 = 1 << 14;

/// `abi.Kind`
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "Go's own kinds")]
pub enum GoKind {
    Bool,
    /// Integers, floats and complex numbers of all sizes.
    Number,
    Uint8,
    Array,
    Chan,
    Func,
    Interface,
    Map,
    Pointer,
    Slice,
    String,
    Struct,
    UnsafePointer,
}

/// What the bytes of a [`GoKind::Number`] or [`GoKind::Uint8`] say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "Go's own kinds")]
pub enum GoNumber {
    Int,
    Uint,
    Float,
    Complex,
}

/// What a type is made of, as far as pointers need it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GoShape {
    /// Nothing that points anywhere of which a type is known.
    Plain,
    /// `[len]elem`
    Array {
        /// Type of the elements.
        elem: Addr,
        /// How many.
        len: u64,
    },
    /// `chan elem`
    Chan {
        /// Type of what is sent.
        elem: Addr,
    },
    /// `map[key]elem`
    Map {
        /// Type of the keys.
        key: Addr,
        /// Type of the values.
        elem: Addr,
        /// Type of a bucket, or of a group of slots.
        part: Addr,
    },
    /// `*elem`
    Pointer {
        /// Type of what it points to.
        elem: Addr,
    },
    /// `[]elem`
    Slice {
        /// Type of the elements.
        elem: Addr,
    },
    /// A structure.
    Struct {
        /// Its fields, by offset.
        fields: Vec<GoField>,
    },
}

/// A field of a structure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GoField {
    /// Its name; `_` may come more than once.
    pub name: String,
    /// Its type.
    pub typ: Addr,
    /// Bytes from the start of the structure.
    pub offset: u64,
    /// It is embedded.
    pub embedded: bool,
}

/// The head of a type: what is told without following anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GoHead {
    /// Where its descriptor lies in the target.
    pub addr: Addr,
    /// What it is.
    pub kind: GoKind,
    /// Bytes of a value.
    pub size: u64,
    /// Bytes of these that may hold pointers; 0 where it has none.
    pub ptr_bytes: u64,
    /// An interface holds the value itself, and not a pointer to it.
    pub direct: bool,
    /// It has a name of its own.
    pub named: bool,
    hash: u32,
    name: i32,
    extra_star: bool,
}

/// A type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GoType {
    /// What is told of every type.
    pub head: GoHead,
    /// What it is made of.
    pub shape: GoShape,
}
