//! Questions in SQL over tables that are made while they are read.
//!
//! A [`Table`] says which columns it has and hands out rows, one after the other; [`Database`]
//! lends such tables to SQLite as virtual ones and runs one question at a time. Nothing is copied
//! into SQLite but what a question sorts or groups.
//!
//! Knows SQLite and nothing of what the tables hold; depends on no crate of ours. Does not format.
//!
//! Invariants:
//! - nothing but questions: no table is written, no file is opened, no extension is loaded;
//! - a question has a limit of memory and of time, and hitting one is an error;
//! - there is no unsafe block; the `unsafe` here promises to SQLite's binding that a structure
//!   begins as SQLite wants it (see `module`).

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

mod database;
mod error;
mod module;
mod table;
#[cfg(test)]
mod tests;

pub use database::{Database, Limits, Take};
pub use error::Error;
pub use table::{Ask, Column, Kind, Rows, Table, Value};
