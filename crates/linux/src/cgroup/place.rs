//! [`find`]: where the memory cgroup of a process lies in the file system.
//!
//! Both files are relative to a cgroup namespace: a path that leaves ours starts with `/..`, and a
//! mount shows the hierarchy from some `root` on. A cgroup is visible through a mount where the
//! mount's root is a prefix of its path.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Which cgroup interface.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Version {
    /// One hierarchy a controller.
    V1,
    /// The unified hierarchy.
    V2,
}

impl Version {
    /// 1 or 2.
    pub fn number(self) -> u32 {
        match self {
            Version::V1 => 1,
            Version::V2 => 2,
        }
    }
}

/// A line of `/proc/PID/cgroup`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Membership {
    /// Controllers of a version 1 hierarchy; empty for version 2.
    pub controllers: Vec<String>,
    /// Whether it is the unified hierarchy.
    pub version: Version,
    /// Path in the hierarchy.
    pub path: String,
}

/// Parses `/proc/PID/cgroup`. Lines that do not read as documented are left out.
pub fn parse_membership(text: &str) -> Vec<Membership> {
    let parse = |line: &str| {
        let (id, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let unified = id == "0" && controllers.is_empty();
        let path = path.strip_suffix(" (deleted)").unwrap_or(path);
        path.starts_with('/').then(|| Membership {
            controllers: controllers
                .split(',')
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
            version: if unified { Version::V2 } else { Version::V1 },
            path: path.to_owned(),
        })
    };
    text.lines().filter_map(parse).collect()
}

/// A cgroup mount of `mountinfo`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mount {
    /// Which interface.
    pub version: Version,
    /// Controllers of a version 1 hierarchy.
    pub controllers: Vec<String>,
    /// Which cgroup of the hierarchy the mount shows.
    pub root: String,
    /// Where.
    pub mount_point: String,
}

/// Parses the cgroup mounts of `/proc/PID/mountinfo`.
pub fn parse_mounts(text: &str) -> Vec<Mount> {
    text.lines().filter_map(parse_mount).collect()
}

fn parse_mount(line: &str) -> Option<Mount> {
    // id parent major:minor root mount_point options [tags...] - type source super_options
    let (head, tail) = line.split_once(" - ")?;
    let mut tail = tail.split(' ');
    let version = match tail.next()? {
        "cgroup" => Version::V1,
        "cgroup2" => Version::V2,
        _ => return None,
    };
    let options = tail.nth(1).unwrap_or_default();
    let mut head = head.split(' ').skip(3);
    Some(Mount {
        version,
        controllers: options.split(',').map(str::to_owned).collect(),
        root: unescape(head.next()?),
        mount_point: unescape(head.next()?),
    })
}

/// Undoes the octal escapes of `mountinfo` (`\040` is a blank).
fn unescape(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail.get(..3).and_then(|d| std::str::from_utf8(d).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) if byte == b'\\' => {
                out.push(code);
                rest = tail.get(3..).unwrap_or_default();
            }
            _ => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A cgroup in the file system.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Which interface.
    pub version: Version,
    /// Path in the hierarchy.
    pub path: String,
    /// Where its hierarchy is mounted.
    pub mount_point: PathBuf,
    /// Its directory below the mount point, one part a level; empty at the mount's root.
    pub below: Vec<String>,
}

impl Place {
    /// The directories from its own up to the mount's root, each with its path in the hierarchy.
    pub(super) fn upwards(&self) -> impl Iterator<Item = (PathBuf, String)> + '_ {
        (0..=self.below.len()).rev().map(|depth| {
            let parts = self.below.get(..depth).unwrap_or_default();
            let mut dir = self.mount_point.clone();
            dir.extend(parts);
            let cut = self.below.len() - depth;
            let mut path: Vec<&str> = self.path.split('/').filter(|p| !p.is_empty()).collect();
            path.truncate(path.len().saturating_sub(cut));
            (dir, format!("/{}", path.join("/")))
        })
    }
}

/// Where the memory cgroup may lie: version 1's first where the memory controller is there, as on
/// hybrid systems.
pub fn find(members: &[Membership], mounts: &[Mount]) -> Vec<Place> {
    find_for("memory", members, mounts)
}

/// Where the cgroup with a controller may lie: version 1's first where it has the controller.
pub(super) fn find_for(controller: &str, members: &[Membership], mounts: &[Mount]) -> Vec<Place> {
    let has_it = |names: &[String]| names.iter().any(|name| name == controller);
    let mut places = Vec::new();
    for version in [Version::V1, Version::V2] {
        let wanted = |version_: Version, names: &[String]| {
            version_ == version && (version == Version::V2 || has_it(names))
        };
        for member in members {
            if !wanted(member.version, &member.controllers) {
                continue;
            }
            let mounts = mounts
                .iter()
                .filter(|mount| wanted(mount.version, &mount.controllers));
            places.extend(mounts.filter_map(|mount| join(member, mount)));
        }
    }
    places
}

fn join(member: &Membership, mount: &Mount) -> Option<Place> {
    fn parts(path: &str) -> impl Iterator<Item = &str> {
        path.split('/').filter(|part| !part.is_empty())
    }
    let mut path = parts(&member.path);
    for part in parts(&mount.root) {
        if path.next() != Some(part) {
            return None;
        }
    }
    let below: Vec<String> = path.map(str::to_owned).collect();
    // Above what the mount shows.
    if below.iter().any(|part| part == "..") {
        return None;
    }
    Some(Place {
        version: member.version,
        path: member.path.clone(),
        mount_point: mount.mount_point.clone().into(),
        below,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID_MOUNTS: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
    const HYBRID: &str = "\
8:pids:/user.slice
4:memory:/docker/abc
1:name=systemd:/x:y
0::/system.slice/docker.service (deleted)
";

    fn dirs(cgroup: &str, mounts: &str) -> Vec<String> {
        let places = find(&parse_membership(cgroup), &parse_mounts(mounts));
        places
            .iter()
            .filter_map(|place| place.upwards().next())
            .map(|(dir, _)| dir.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn hybrid_prefers_the_memory_controller() {
        assert_eq!(
            dirs(HYBRID, HYBRID_MOUNTS),
            [
                "/sys/fs/cgroup/memory/docker/abc",
                "/sys/fs/cgroup/unified/system.slice/docker.service"
            ]
        );
        let members = parse_membership(HYBRID);
        assert_eq!(members[2].path, "/x:y", "a path may hold colons");
    }

    #[test]
    fn table_of_views() {
        // (what, /proc/PID/cgroup, mount root, mount point, directory)
        let table = [
            (
                "host",
                "0::/a/b",
                "/",
                "/sys/fs/cgroup",
                "/sys/fs/cgroup/a/b",
            ),
            (
                "in the container",
                "0::/",
                "/",
                "/sys/fs/cgroup",
                "/sys/fs/cgroup",
            ),
            (
                "bind mount of a subtree, no namespace",
                "0::/docker/abc/sub",
                "/docker/abc",
                "/sys/fs/cgroup",
                "/sys/fs/cgroup/sub",
            ),
            (
                "a sibling through its own mount",
                "0::/../def",
                "/../def",
                "/sys/fs/cgroup",
                "/sys/fs/cgroup",
            ),
            (
                "a sibling through ours",
                "0::/../def",
                "/",
                "/sys/fs/cgroup",
                "",
            ),
            ("another subtree", "0::/docker/def", "/docker/abc", "/x", ""),
            (
                "the host's tree, mounted from above",
                "0::/../def/x",
                "/..",
                "/host/cgroup",
                "/host/cgroup/def/x",
            ),
            ("blanks", "0::/a b", "/", "/my\\040cgroup", "/my cgroup/a b"),
        ];
        for (what, cgroup, root, point, dir) in table {
            let mounts = format!("1 2 0:3 {root} {point} rw - cgroup2 cgroup2 rw");
            let found = dirs(cgroup, &mounts);
            assert_eq!(found.first().map_or("", |dir| dir), dir, "{what}");
        }
    }

    #[test]
    fn ancestors_keep_their_names_in_the_hierarchy() {
        let mounts = "1 2 0:3 /docker /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
        let places = find(
            &parse_membership("0::/docker/abc/sub"),
            &parse_mounts(mounts),
        );
        let up: Vec<(PathBuf, String)> = places[0].upwards().collect();
        let expected = [
            ("/sys/fs/cgroup/abc/sub", "/docker/abc/sub"),
            ("/sys/fs/cgroup/abc", "/docker/abc"),
            ("/sys/fs/cgroup", "/docker"),
        ];
        assert_eq!(up, expected.map(|(dir, path)| (dir.into(), path.into())));
    }

    #[test]
    fn nonsense_is_left_out() {
        assert_eq!(parse_membership("\nx\n0:\n0::relative\n"), []);
        assert_eq!(
            parse_mounts("x\n - \n1 2 - cgroup2\na b c - cgroup cgroup rw"),
            []
        );
    }
}
