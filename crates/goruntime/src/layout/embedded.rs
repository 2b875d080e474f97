//! Written by `cargo xtask layouts`: the tables, and the experiments that change nothing.

/// Key and text of each table.
pub(super) const TABLES: &[(&str, &str)] = &[];

/// Release and its experiments that leave alone what we read.
pub(super) const NEUTRAL: &[(u32, &[&str])] = &[];
