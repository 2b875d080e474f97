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

/// Release and first patch of a key: 25 and 0 of `go1.25-greenteagc`, 23 and 5 of `go1.23.5`.
pub fn key_release(key: &str) -> Option<(u32, u32)> {
    let rest = key.strip_prefix("go1.")?;
    let release = rest.split('-').next()?;
    let (minor, patch) = release.split_once('.').unwrap_or((release, "0"));
    Some((minor.parse().ok()?, patch.parse().ok()?))
}

/// The experiments of a key: `greenteagc` of `go1.25-greenteagc`.
fn key_experiments(key: &str) -> impl Iterator<Item = &str> {
    key.split('-').skip(1)
}

/// The table for `version`.
///
/// # Errors
/// [`Error::Unsupported`] for releases older than the oldest table, [`Error::Binary`] where a
/// table does not parse (a defect of this build).
pub fn choose(version: &GoVersion) -> Result<Choice, Error> {
    refuse_older(version)?;
    let (_, newest) = known();
    let wanted = if version.minor > newest {
        (newest, u32::MAX)
    } else {
        (version.minor, version.patch)
    };
    let experiments = telling(wanted.0, &version.experiments);
    // The last patch that is not later than the one wanted.
    let best = |experiments: &[&str]| {
        TABLES
            .iter()
            .filter(|(key, _)| key_experiments(key).eq(experiments.iter().copied()))
            .filter_map(|table| Some((key_release(table.0)?, table)))
            .filter(|(release, _)| release.0 == wanted.0 && release.1 <= wanted.1)
            .max_by_key(|(release, _)| *release)
            .map(|(_, table)| table)
    };
    let exact = best(&experiments);
    let Some((found, text)) = exact.or_else(|| best(&[])) else {
        return Err(Error::Unsupported {
            found: version.raw.clone(),
            why: format!("there is no table for go1.{}", wanted.0),
        });
    };
    let doubt = doubt(version, exact.is_some());
    Ok(Choice {
        layouts: Layouts::parse(text)?,
        origin: match doubt {
            None => Origin::Table((*found).to_owned()),
            Some(_) => Origin::ShapeOnly((*found).to_owned()),
        },
        doubt,
    })
}

/// The oldest and the newest minor release with a table.
fn known() -> (u32, u32) {
    let releases = || keys().filter_map(key_release).map(|release| release.0);
    (releases().min().unwrap_or(0), releases().max().unwrap_or(0))
}

/// Refuses releases that nothing here was tested with, whatever their shape.
///
/// # Errors
/// [`Error::Unsupported`] for releases older than the oldest table.
pub fn refuse_older(version: &GoVersion) -> Result<(), Error> {
    let (oldest, _) = known();
    if version.minor >= oldest {
        return Ok(());
    }
    Err(Error::Unsupported {
        found: version.raw.clone(),
        why: format!("go1.{oldest} is the oldest release that letgo reads"),
    })
}

/// Says that `version` came out after this build, where it did.
pub fn newer_than_known(version: &GoVersion) -> Option<String> {
    let (_, newest) = known();
    (version.minor > newest).then(|| {
        format!(
            "go1.{} is newer than go1.{newest}, the newest release that letgo knows",
            version.minor
        )
    })
}

fn doubt(version: &GoVersion, exact: bool) -> Option<String> {
    if let Some(unknown) = newer_than_known(version) {
        Some(unknown)
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

/// The experiments that change something in this release, sorted.
fn telling(minor: u32, experiments: &[String]) -> Vec<&str> {
    let mut telling: Vec<&str> = experiments
        .iter()
        .map(String::as_str)
        .filter(|name| !is_neutral(minor, name))
        .collect();
    telling.sort_unstable();
    telling
}

/// Whether an experiment, switched on or off, leaves alone what we read of this release.
fn is_neutral(minor: u32, experiment: &str) -> bool {
    let plain = experiment.strip_prefix("no").unwrap_or(experiment);
    NEUTRAL
        .iter()
        .filter(|row| row.0 == minor)
        .any(|row| row.1.contains(&experiment) || row.1.contains(&plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;

    fn origin(version: &str) -> Origin {
        choose(&version.parse().unwrap()).unwrap().origin
    }

    #[test]
    fn a_key_tells_release_and_patch() {
        assert_eq!(key_release("go1.25-greenteagc"), Some((25, 0)));
        assert_eq!(key_release("go1.23.5"), Some((23, 5)));
        assert_eq!(key_release("1.23"), None);
    }

    #[test]
    fn every_table_has_all_that_we_need() {
        assert!(keys().count() > 0);
        for (key, text) in TABLES {
            let layouts = Layouts::parse(text).unwrap();
            assert_eq!(Layout::resolve(&layouts).err(), None, "{key}");
        }
    }

    #[test]
    fn a_release_finds_its_table_whatever_changes_nothing() {
        let table = |key: &str| Origin::Table(key.to_owned());
        assert_eq!(origin("go1.25.3"), table("go1.25"));
        assert_eq!(origin("go1.25.3 X:jsonv2"), table("go1.25"));
        assert_eq!(origin("go1.25.3 X:greenteagc"), table("go1.25-greenteagc"));
        assert_eq!(
            origin("go1.26.6-X:nogreenteagc"),
            table("go1.26-nogreenteagc")
        );
    }

    #[test]
    fn what_no_table_was_made_for_is_read_by_shape_only() {
        let newest = choose(&"go1.99.1".parse().unwrap()).unwrap();
        assert!(matches!(newest.origin, Origin::ShapeOnly(_)));
        assert!(newest.doubt.unwrap().contains("go1.99"));
        assert!(matches!(
            origin("go1.25.3 X:homemade"),
            Origin::ShapeOnly(_)
        ));
        let old = choose(&"go1.18.1".parse().unwrap()).unwrap_err();
        assert_eq!(old.family(), crate::Family::Unsupported);
    }
}
