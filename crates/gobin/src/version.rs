//! [`GoVersion`]: the version string that the linker put into a program.
//!
//! Releases (`go1.25.3`), candidates (`go1.26rc1`), development trees (`devel go1.27-4f3a...`,
//! from 1.26 `go1.27-devel_4f3a...`) and vendors' own (`go1.22.5-corp`, `go1.21.4 (Red Hat ...)`).
//! Experiments follow a blank up to 1.25 (`go1.25.5 X:greenteagc`) and a hyphen from 1.26
//! (`go1.26.6-X:nogreenteagc`).
//!
//! Source: src/cmd/dist/build.go, findgoversion; src/cmd/link/internal/ld/lib.go,
//! src/internal/buildcfg/exp.go, go1.19 to go1.27.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// Longest version string that is believed; real ones have fewer than 100 bytes.
const MOST_BYTES: usize = 1024;

/// A Go version. The major version is always 1.
///
/// Not ordered: `suffix` has no order that a vendor promises. Compare `minor` and `patch`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct GoVersion {
    /// The release: 25 of `go1.25.3`.
    pub minor: u32,
    /// The patch release: 3 of `go1.25.3`; 0 where none is named.
    pub patch: u32,
    /// What stands behind the numbers, without experiments: `rc1`, `-corp`, `-devel_4f3a...`.
    pub suffix: String,
    /// `GOEXPERIMENT` where it differs from the release's default: `nogreenteagc`.
    pub experiments: Vec<String>,
    /// The whole string as found.
    pub raw: String,
}

impl GoVersion {
    /// Whether the tree was no release: `devel ...`.
    pub fn is_devel(&self) -> bool {
        self.raw.starts_with("devel") || self.suffix.starts_with("-devel")
    }

    /// Whether the experiment `name` is spelt out.
    pub fn has_experiment(&self, name: &str) -> bool {
        self.experiments.iter().any(|experiment| experiment == name)
    }
}

impl FromStr for GoVersion {
    type Err = Error;

    /// # Errors
    /// [`Error::Unsupported`] where no release can be told from it (`devel +4f3a...`, gccgo).
    fn from_str(raw: &str) -> Result<GoVersion, Error> {
        parse(raw).ok_or_else(|| Error::Unsupported {
            found: format!("the Go version {:?}", clip(raw)),
            supported: "go1.N, go1.N.P, and development trees that name their release",
        })
    }
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.raw)
    }
}

fn clip(raw: &str) -> String {
    raw.chars().take(80).collect()
}

fn parse(raw: &str) -> Option<GoVersion> {
    if raw.len() > MOST_BYTES {
        return None;
    }
    let (version, experiments) = split_experiments(raw);
    let numbers = version
        .strip_prefix("devel ")
        .unwrap_or(version)
        .strip_prefix("go1.")?;
    let (minor, rest) = leading_number(numbers)?;
    let (patch, suffix) = rest
        .strip_prefix('.')
        .and_then(leading_number)
        .unwrap_or((0, rest));
    Some(GoVersion {
        minor,
        patch,
        suffix: suffix.trim().to_string(),
        experiments: experiments
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_string)
            .collect(),
        raw: raw.to_string(),
    })
}

/// Splits at the last ` X:` or `-X:`.
fn split_experiments(raw: &str) -> (&str, &str) {
    raw.rfind("X:")
        .and_then(|at| {
            let version = raw.get(..at)?;
            let version = version
                .strip_suffix(' ')
                .or_else(|| version.strip_suffix('-'))?;
            Some((version, raw.get(at + 2..)?))
        })
        .unwrap_or((raw, ""))
}

fn leading_number(text: &str) -> Option<(u32, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(raw: &str) -> (u32, u32, String, Vec<String>) {
        let version: GoVersion = raw.parse().unwrap();
        assert_eq!(version.to_string(), raw);
        (
            version.minor,
            version.patch,
            version.suffix,
            version.experiments,
        )
    }

    #[test]
    fn releases_and_candidates() {
        assert_eq!(version("go1.19.8"), (19, 8, String::new(), vec![]));
        assert_eq!(version("go1.21"), (21, 0, String::new(), vec![]));
        assert_eq!(version("go1.26rc1"), (26, 0, "rc1".into(), vec![]));
    }

    #[test]
    fn both_spellings_of_experiments() {
        let names = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            version("go1.25.5 X:greenteagc,noswissmap"),
            (25, 5, String::new(), names(&["greenteagc", "noswissmap"]))
        );
        assert_eq!(
            version("go1.26.6-X:nogreenteagc"),
            (26, 6, String::new(), names(&["nogreenteagc"]))
        );
    }

    #[test]
    fn vendors_and_development_trees() {
        assert_eq!(
            version("go1.22.5-corp-X:nocoverageredesign"),
            (22, 5, "-corp".into(), vec!["nocoverageredesign".into()])
        );
        assert_eq!(
            version("go1.21.4 (Red Hat 1.21.4-1.el9)").2,
            "(Red Hat 1.21.4-1.el9)"
        );
        let devel: GoVersion = "devel go1.23-4f3a1b2 Tue Jan 2 2024".parse().unwrap();
        assert_eq!((devel.minor, devel.is_devel()), (23, true));
        let devel: GoVersion = "go1.27-devel_4f3a1b2 Tue".parse().unwrap();
        assert_eq!((devel.minor, devel.is_devel()), (27, true));
    }

    #[test]
    fn what_names_no_release_is_unsupported() {
        for raw in [
            "",
            "devel +4f3a1b2 Tue",
            "go2.1",
            "go1.",
            "go1.99999999999",
            "gccgo 12",
        ] {
            let error = raw.parse::<GoVersion>().unwrap_err();
            assert_eq!(error.family(), crate::Family::Unsupported, "{raw}");
        }
    }
}
