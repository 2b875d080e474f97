//! [`Pressure`]: time that tasks lost waiting for memory.
//!
//! Source: Documentation/accounting/psi.rst.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::stat::Files;

/// Whose time it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum PressureScope {
    /// The cgroup's.
    Cgroup,
    /// The whole host's: the cgroup has no `memory.pressure` (version 1, or switched off).
    Host,
}

/// Shares of time between 0 and 1, and the sum.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Stall {
    /// Over the last 10 seconds.
    pub avg10: f64,
    /// Over the last 60 seconds.
    pub avg60: f64,
    /// Over the last 300 seconds.
    pub avg300: f64,
    /// Since the start, in microseconds.
    pub total_us: u64,
}

/// Memory pressure.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Pressure {
    /// Whose.
    pub scope: PressureScope,
    /// Some task waited.
    pub some: Stall,
    /// All tasks waited.
    pub full: Stall,
}

/// Parses `memory.pressure`. Nothing where it has no `some` line; a kernel that has no `full`
/// line gives zeros.
pub fn parse_pressure(text: &str, scope: PressureScope) -> Option<Pressure> {
    let find = |key: &str| text.lines().find_map(|line| parse_stall(line, key));
    Some(Pressure {
        scope,
        some: find("some")?,
        full: find("full").unwrap_or_default(),
    })
}

fn parse_stall(line: &str, key: &str) -> Option<Stall> {
    let rest = line.strip_prefix(key)?.strip_prefix(' ')?;
    let value = |name: &str| {
        let word = rest.split(' ').find_map(|word| word.strip_prefix(name));
        word.and_then(|word| word.strip_prefix('='))
    };
    let share = |name: &str| -> Option<f64> {
        let percent: f64 = value(name)?.parse().ok()?;
        (0.0..=100.0).contains(&percent).then_some(percent / 100.0)
    };
    Some(Stall {
        avg10: share("avg10")?,
        avg60: share("avg60")?,
        avg300: share("avg300")?,
        total_us: value("total")?.parse().ok()?,
    })
}

/// The whole host's pressure.
pub(super) fn of_host(root: &Path) -> Option<Pressure> {
    let text = Files::new(root, Path::new("/proc/pressure")).text("memory")?;
    parse_pressure(&text, PressureScope::Host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_between_zero_and_one() {
        let text = "\
some avg10=12.50 avg60=3.00 avg300=0.25 total=123456
full avg10=1.00 avg60=0.00 avg300=0.00 total=99
";
        let pressure = parse_pressure(text, PressureScope::Cgroup).unwrap();
        assert!((pressure.some.avg10 - 0.125).abs() < 1e-9);
        assert_eq!(pressure.full.total_us, 99);
    }

    #[test]
    fn nonsense_is_absent() {
        for text in [
            "",
            "some",
            "some avg10=nan avg60=0 avg300=0 total=0",
            "some avg10=101 avg60=0 avg300=0 total=0",
            "some avg10=1 avg60=0 avg300=0 total=-1",
        ] {
            assert_eq!(parse_pressure(text, PressureScope::Host), None, "{text}");
        }
    }
}
