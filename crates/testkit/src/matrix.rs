//! [`cases`]: the Go versions and kinds of build that letgo promises to read, as data.
//!
//! Two tiers: `make test` runs the oldest, a middle and the newest Go, plain and stripped PIE;
//! `make matrix` runs everything.

use crate::{Kind, Sanitizer, Strip};

/// The oldest Go that is read: what Debian 12 ships.
pub const OLDEST_GO: &str = "1.19.8";
/// One in the middle.
pub const MIDDLE_GO: &str = "1.24.13";
/// The newest one.
pub const NEWEST_GO: &str = "1.27.4";

/// First and newest patch release of each minor, oldest first; 1.19.8 is Debian's.
pub const VERSIONS: &[&str] = &[
    "1.19", "1.19.8", "1.19.13", "1.20", "1.20.14", "1.21.0", "1.21.13", "1.22.0", "1.22.12",
    "1.23.0", "1.23.12", "1.24.0", "1.24.13", "1.25.0", "1.25.14", "1.26.0", "1.26.11", "1.27.0",
    "1.27.4",
];

/// Those of [`VERSIONS`] that are built in every kind.
const EVERY_KIND: &[&str] = &[
    "1.19.8", "1.20.14", "1.21.13", "1.22.12", "1.23.12", "1.24.13", "1.25.14", "1.26.11", "1.27.4",
];

/// Experiments that change what the runtime's structures look like, where they exist.
const EXPERIMENTS: &[(&str, &str)] = &[
    ("1.22.12", "noallocheaders"),
    ("1.24.13", "noswissmap"),
    ("1.25.14", "noswissmap"),
    ("1.25.14", "greenteagc"),
    ("1.26.11", "nogreenteagc"),
    ("1.27.4", "nogreenteagc"),
];

/// How much to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tier {
    /// What `make test` runs.
    #[default]
    Test,
    /// Every version and kind.
    Matrix,
}

impl Tier {
    /// `LETGO_TIER=matrix` in the environment, else [`Tier::Test`].
    pub fn from_env() -> Tier {
        match std::env::var("LETGO_TIER").as_deref() {
            Ok("matrix") => Tier::Matrix,
            _ => Tier::Test,
        }
    }
}

/// One Go version and one kind of build.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    /// As [`crate::Toolchain::get`] takes it.
    pub version: &'static str,
    /// How it is built.
    pub kind: Kind,
}

impl Case {
    fn new(version: &'static str, kind: Kind) -> Case {
        Case { version, kind }
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "go{} {}", self.version, self.kind)
    }
}

/// Everything that `tier` runs, oldest Go first, no case twice.
pub fn cases(tier: Tier) -> Vec<Case> {
    let versions = match tier {
        Tier::Test => &[OLDEST_GO, MIDDLE_GO, NEWEST_GO][..],
        Tier::Matrix => VERSIONS,
    };
    let mut cases: Vec<Case> = Vec::new();
    for version in versions {
        cases.push(Case::new(version, Kind::plain()));
        cases.push(Case::new(version, Kind::stripped_pie()));
        if tier == Tier::Matrix {
            cases.extend(more_kinds(version));
        }
    }
    cases
}

/// Builds with shadow memory, of every release that is built in every kind. Not among [`cases`]:
/// such a build may be refused, by name.
pub fn sanitized_cases() -> Vec<Case> {
    let sanitizers = [Sanitizer::Race, Sanitizer::Msan, Sanitizer::Asan];
    let of = |version: &&'static str| {
        sanitizers.map(|sanitizer| Case::new(version, Kind::plain().sanitized(sanitizer)))
    };
    EVERY_KIND.iter().flat_map(of).collect()
}

fn more_kinds(version: &'static str) -> Vec<Case> {
    let mut kinds = Vec::new();
    if EVERY_KIND.contains(&version) {
        for pie in [false, true] {
            for cgo in [false, true] {
                for strip in [Strip::None, Strip::LinkerSw, Strip::StripS] {
                    kinds.push(Kind {
                        pie,
                        cgo,
                        strip,
                        ..Kind::plain()
                    });
                }
            }
        }
        kinds.push(Kind {
            trimpath: true,
            strip: Strip::StripS,
            ..Kind::plain()
        });
        if version != "1.19.8" {
            kinds.push(Kind {
                pgo: true,
                ..Kind::plain()
            });
            kinds.push(Kind {
                pgo: true,
                ..Kind::stripped_pie()
            });
        }
    }
    for (_, experiment) in EXPERIMENTS.iter().filter(|pair| pair.0 == version) {
        kinds.push(Kind::plain().experiment(experiment));
        kinds.push(Kind::stripped_pie().experiment(experiment));
    }
    kinds.retain(|kind| *kind != Kind::plain() && *kind != Kind::stripped_pie());
    kinds
        .into_iter()
        .map(|kind| Case::new(version, kind))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_test_tier_is_part_of_the_matrix_and_no_case_comes_twice() {
        let matrix: Vec<String> = cases(Tier::Matrix).iter().map(Case::to_string).collect();
        let unique: BTreeSet<&String> = matrix.iter().collect();
        assert_eq!(unique.len(), matrix.len());
        for case in cases(Tier::Test) {
            assert!(unique.contains(&case.to_string()), "{case}");
        }
    }

    #[test]
    fn every_version_of_the_tables_is_listed() {
        let all = EVERY_KIND
            .iter()
            .chain(EXPERIMENTS.iter().map(|pair| &pair.0));
        for version in all {
            assert!(VERSIONS.contains(version), "{version}");
        }
    }
}
