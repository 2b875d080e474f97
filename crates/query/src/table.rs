//! [`Table`]: what can be asked about: columns, and rows that are made while they are read.

use std::rc::Rc;

/// What a cell holds.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// It is not known, or there is none.
    Null,
    /// A number.
    Integer(i64),
    /// A number that is not whole.
    Real(f64),
    /// Words.
    Text(String),
}

impl From<u64> for Value {
    /// What is beyond 63 bits is the largest number.
    fn from(number: u64) -> Value {
        Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Value {
        Value::Integer(i64::from(yes))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

/// What a column's cells are, where they are not null.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Whole numbers.
    Integer,
    /// Words.
    Text,
}

impl Kind {
    /// In SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Integer => "integer",
            Kind::Text => "text",
        }
    }
}

/// A column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Column {
    /// Its name; no word of SQL.
    pub name: &'static str,
    /// What its cells are.
    pub kind: Kind,
    /// What it means, in words.
    pub about: &'static str,
}

/// Which rows are asked for, in which order. SQLite leaves out what does not fit by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask {
    /// All.
    All,
    /// All, by rising values of this column.
    Sorted(usize),
    /// At least those with this value in this column.
    Equal(usize, i64),
}

/// A table.
pub trait Table {
    /// Its name.
    fn name(&self) -> &'static str;

    /// What its rows are, in words.
    fn about(&self) -> &'static str;

    /// Its columns.
    fn columns(&self) -> &[Column];

    /// About how many rows there are.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About how many rows have one value of this column, where these are found without going over
    /// all; nothing where they are not.
    fn finds(&self, _column: usize) -> Option<u64> {
        None
    }

    /// Whether rows can be had by rising values of this column.
    fn sorts(&self, _column: usize) -> bool {
        false
    }

    /// Rows, before the first of them.
    ///
    /// # Errors
    /// Why there are none, as a sentence.
    fn open(self: Rc<Self>, ask: Ask) -> Result<Box<dyn Rows>, String>;
}

/// Rows of a table, one after the other.
pub trait Rows {
    /// Goes on to the next row; says whether there is one.
    ///
    /// # Errors
    /// Why it cannot be had, as a sentence.
    fn next(&mut self) -> Result<bool, String>;

    /// A cell of the row.
    ///
    /// # Errors
    /// Why it cannot be had, as a sentence.
    fn value(&self, column: usize) -> Result<Value, String>;
}
