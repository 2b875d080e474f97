//! [`probe`]: what this machine allows letgo, what that means, and how to grant what is missing.
//!
//! Checks look at settings, and try the real thing on a child of ours where a setting does not
//! tell. Nothing is changed. With a pid, the same is asked of that process, and who says no is
//! named; the process is not stopped for it.
//!
//! Does not print (see the `report` crate).

mod access;
mod attempts;
mod machine;
mod target;
mod tracing;

use serde::{Deserialize, Serialize};

use crate::denial::Credentials;

/// Whether a thing is there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum State {
    /// All of it.
    Ok,
    /// In part, or only for some processes.
    Limited,
    /// Not at all.
    Missing,
}

/// One thing that letgo needs or can use.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Check {
    /// What it is, in a few words.
    pub name: String,
    /// Whether it is there.
    pub state: State,
    /// What was found, and what that means for letgo.
    pub detail: String,
    /// How to grant it, where it is not whole.
    pub fix: Option<String>,
}

impl Check {
    fn ok(name: &str, detail: impl Into<String>) -> Check {
        Check {
            name: name.to_owned(),
            state: State::Ok,
            detail: detail.into(),
            fix: None,
        }
    }

    fn limited(name: &str, detail: impl Into<String>, fix: impl Into<String>) -> Check {
        Check {
            state: State::Limited,
            fix: Some(fix.into()),
            ..Check::ok(name, detail)
        }
    }

    fn missing(name: &str, detail: impl Into<String>, fix: impl Into<String>) -> Check {
        Check {
            state: State::Missing,
            fix: Some(fix.into()),
            ..Check::ok(name, detail)
        }
    }
}

/// Looks at everything; with `target`, also at what is allowed on that process.
///
/// Takes some milliseconds: a child is started, read, stopped and killed.
pub fn probe(target: Option<u32>) -> Vec<Check> {
    let ours = Credentials::read("self").unwrap_or_default();
    let mut checks = vec![machine::kernel(), machine::processes()];
    checks.extend(access::all(&ours));
    checks.extend(attempts::all());
    checks.extend([
        machine::container(),
        machine::cgroup(),
        machine::pressure(),
        machine::huge_pages(),
    ]);
    checks.extend(tracing::all(&ours));
    if let Some(pid) = target {
        checks.extend(target::all(pid));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_is_not_whole_says_how_to_make_it_so() {
        let checks = probe(Some(std::process::id()));
        assert!(checks.len() >= 15, "{checks:#?}");
        for check in &checks {
            assert!(!check.name.is_empty() && !check.detail.is_empty());
            assert_eq!(check.fix.is_some(), check.state != State::Ok, "{check:?}");
        }
        let mut names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), checks.len(), "names are unique");
    }

    #[test]
    fn a_pid_that_nobody_has_is_missing() {
        let checks = probe(Some(1 << 30));
        let last = checks.last().unwrap();
        assert_eq!(last.state, State::Missing);
        assert!(last.detail.contains("no process"), "{last:?}");
    }
}
