//! [`Namespaces`]: which of our namespaces a target shares.
//!
//! Nothing that letgo does needs a shared namespace apart from seeing the pid, since files are
//! opened through `/proc/PID`. Paths and clocks of the target mean something else in another one.
//!
//! Source: namespaces(7), time_namespaces(7).

use super::Process;
use crate::Error;

/// Whether the target and we share a namespace of each kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Namespaces {
    /// Pids mean the same.
    pub same_pid: bool,
    /// Paths mean the same.
    pub same_mount: bool,
    /// User ids mean the same, and our capabilities count.
    pub same_user: bool,
    /// Monotonic clocks agree; see [`Process::monotonic_offset_ns`].
    pub same_time: bool,
    /// Paths of cgroups start at the same place.
    pub same_cgroup: bool,
    /// Ports mean the same.
    pub same_network: bool,
}

impl Namespaces {
    pub(super) fn of(process: &Process) -> Result<Namespaces, Error> {
        let ours = Process::open_self()?;
        let same = |name: &str| -> Result<bool, Error> {
            let name = format!("ns/{name}");
            // A kind of namespace that this kernel does not have is shared by all.
            let Ok(our_link) = ours.link(&name) else {
                return Ok(true);
            };
            Ok(process.link(&name)? == our_link)
        };
        Ok(Namespaces {
            same_pid: same("pid")?,
            same_mount: same("mnt")?,
            same_user: same("user")?,
            same_time: same("time")?,
            same_cgroup: same("cgroup")?,
            same_network: same("net")?,
        })
    }
}

/// Parses `/proc/PID/timens_offsets`: the offset of the monotonic clock in nanoseconds, 0 where
/// the text has none.
pub fn parse_timens_offsets(text: &str) -> i64 {
    let parse = |line: &str| {
        let mut words = line.strip_prefix("monotonic")?.split_whitespace();
        let seconds: i64 = words.next()?.parse().ok()?;
        let nanoseconds: i64 = words.next()?.parse().ok()?;
        seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
    };
    text.lines().find_map(parse).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_signed_and_nonsense_is_none() {
        let text = "monotonic       -5  500000000\nboottime         7         0\n";
        assert_eq!(parse_timens_offsets(text), -4_500_000_000);
        assert_eq!(parse_timens_offsets("monotonic 9223372036854775807 0"), 0);
        assert_eq!(parse_timens_offsets(""), 0);
    }

    #[test]
    fn we_share_all_namespaces_with_ourselves() {
        let process = Process::open_self().unwrap();
        let all = process.namespaces().unwrap();
        assert!(all.same_pid && all.same_mount && all.same_user && all.same_time);
        assert!(all.same_cgroup && all.same_network);
    }
}
