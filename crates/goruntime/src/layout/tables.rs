//! The generated tables: which one fits a Go version.
//!
//! `cargo xtask layouts` writes one table for each release and each experiment that changes what
//! we read (`layouts/go1.25.txt`, `layouts/go1.25-greenteagc.txt`), and notes the experiments that
//! change nothing. A version string names experiments only where they differ from the release's
//! default, and so do the keys.

use letgo_gobin::{GoVersion, Layouts};
use serde::{Deserialize, Serialize};

use super::embedded::{NEUTRAL, TABLES};
use crate::Error;

/// Where a layout comes from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Origin {
    /// The program's own DWARF.
    Dwarf,
    /// The generated table of this key, made for this release and these experiments.
    Table(String),
    /// The generated table of this key, made for another release or other experiments: what was
    /// read is what the shape of the data confirmed.
    ShapeOnly(String),
}

/// A table that was chosen, and why it may not fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice {
    /// The table.
    pub layouts: Layouts,
    /// Which it is.
    pub origin: Origin,
    /// Why it may not fit, as a sentence; absent where it is made for this version.
    pub doubt: Option<String>,
}

/// Keys of all tables, oldest release first.
pub fn keys() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|table| table.0)
}

/// The table for `version`.
///
/// # Errors
/// [`Error::Unsupported`] for releases older than the oldest table, [`Error::Binary`] where a
/// table does not parse (a defect of this build).
pub fn choose(version: &GoVersion) -> Result<Choice, Error> {
    let minors = || TABLES.iter().filter_map(|table| minor_of(table.0));
    let (oldest, newest) = (minors().min().unwrap_or(0), minors().max().unwrap_or(0));
    if version.minor < oldest {
        return Err(Error::Unsupported {
            found: version.raw.clone(),
            why: format!("go1.{oldest} is the oldest release that letgo knows"),
        });
    }
    let minor = version.minor.min(newest);
    let key = key(minor, &version.experiments);
    let exact = TABLES.iter().find(|table| table.0 == key);
    let fallback = || TABLES.iter().find(|table| minor_of(table.0) == Some(minor));
    let Some((found, text)) = exact.or_else(fallback) else {
        return Err(Error::Unsupported {
            found: version.raw.clone(),
            why: format!("there is no table for go1.{minor}"),
        });
    };
    let doubt = doubt(version, newest, exact.is_some());
    Ok(Choice {
        layouts: Layouts::parse(text)?,
        origin: match doubt {
            None => Origin::Table((*found).to_owned()),
            Some(_) => Origin::ShapeOnly((*found).to_owned()),
        },
        doubt,
    })
}

fn doubt(version: &GoVersion, newest: u32, exact: bool) -> Option<String> {
    if version.minor > newest {
        Some(format!(
            "go1.{} is newer than go1.{newest}, the newest release that letgo knows",
            version.minor
        ))
    } else if !exact {
        Some(format!(
            "letgo has no table for the experiments {}",
            version.experiments.join(",")
        ))
    } else if version.is_devel() {
        Some("a development tree may differ from its release".to_owned())
    } else {
        None
    }
}

/// The key of a release with these experiments, those that change nothing left out.
fn key(minor: u32, experiments: &[String]) -> String {
    let mut telling: Vec<&str> = experiments
        .iter()
        .map(String::as_str)
        .filter(|name| !is_neutral(minor, name))
        .collect();
    telling.sort_unstable();
    let mut key = format!("go1.{minor}");
    for name in telling {
        key.push('-');
        key.push_str(name);
    }
    key
}

/// Whether an experiment, switched on or off, leaves alone what we read of this release.
fn is_neutral(minor: u32, experiment: &str) -> bool {
    let plain = experiment.strip_prefix("no").unwrap_or(experiment);
    NEUTRAL
        .iter()
        .filter(|row| row.0 == minor)
        .any(|row| row.1.contains(&experiment) || row.1.contains(&plain))
}

/// The release of a key: 25 of `go1.25-greenteagc`.
fn minor_of(key: &str) -> Option<u32> {
    let rest = key.strip_prefix("go1.")?;
    rest.split('-').next()?.parse().ok()
}
