//! Skeleton: bodies follow.
#![allow(missing_docs, unused, reason = "skeleton")]
use crate::Error;
use letgo_target::Addr;

/// One function of the program's text, link-time addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Function {
    pub entry: Addr,
    /// Entry of the next function: padding included.
    pub end: Addr,
    pub name: String,
    /// Line of the `func` keyword; absent before 1.20.
    pub start_line: Option<u32>,
}

/// A place in the source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    pub file: String,
    pub line: u32,
}

#[derive(Debug)]
pub struct FunctionTable;

impl FunctionTable {
    pub fn len(&self) -> usize {
        0
    }
    pub fn is_empty(&self) -> bool {
        true
    }
    /// The function whose code holds `pc` (link time).
    pub fn function_at(&self, pc: Addr) -> Result<Option<Function>, Error> {
        Ok(None)
    }
    pub fn by_name(&self, name: &str) -> Result<Option<Function>, Error> {
        Ok(None)
    }
    /// File and line of `pc` (link time).
    pub fn line_at(&self, pc: Addr) -> Result<Option<Line>, Error> {
        Ok(None)
    }
}
