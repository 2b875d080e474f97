//! Whether a process is frozen by its cgroup, so that none of its threads can run.
//!
//! Version 1 has a controller of its own, whose `freezer.state` is `THAWED`, `FREEZING` or
//! `FROZEN` and speaks for its ancestors too. Version 2 has `cgroup.freeze`, what was asked of this
//! cgroup, and `frozen` in `cgroup.events`, what is the case, ancestors included.
//!
//! Does not freeze or thaw.
//!
//! Source: Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst,
//! Documentation/admin-guide/cgroup-v2.rst, "cgroup.freeze".

use std::fs;
use std::path::Path;

use super::stat::Files;
use super::{Place, Version, parse_mounts, place};
use crate::{Error, Process};

/// The path, in its hierarchy, of the cgroup that freezes `process` or is about to; nothing where
/// none does, or where it cannot be seen from here.
///
/// # Errors
/// [`Error::Gone`].
pub(crate) fn frozen_by(process: &Process) -> Result<Option<String>, Error> {
    let members = process.cgroups()?;
    let ours = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let places = place::find_for("freezer", &members, &parse_mounts(&ours));
    if let Some(path) = first_frozen(Path::new("/"), &places) {
        return Ok(Some(path));
    }
    let theirs = process.text("mountinfo", "reading the mounts");
    let mounts = parse_mounts(&theirs.unwrap_or_default());
    let places = place::find_for("freezer", &members, &mounts);
    let root = format!("/proc/{}/root", process.pid());
    Ok(first_frozen(Path::new(&root), &places))
}

fn first_frozen(root: &Path, places: &[Place]) -> Option<String> {
    let frozen = places.iter().find(|place| match place.version {
        Version::V1 => is_frozen_v1(root, place),
        Version::V2 => is_frozen_v2(root, place),
    });
    frozen.map(|place| place.path.clone())
}

fn is_frozen_v1(root: &Path, place: &Place) -> bool {
    let state = place
        .upwards()
        .find_map(|(dir, _)| Files::new(root, &dir).text("freezer.state"));
    state.is_some_and(|state| matches!(state.trim(), "FROZEN" | "FREEZING"))
}

fn is_frozen_v2(root: &Path, place: &Place) -> bool {
    let asked = |dir: &Path| Files::new(root, dir).number("cgroup.freeze") == Some(1);
    let is = |dir: &Path| Files::new(root, dir).pairs("cgroup.events")?.get("frozen");
    place.upwards().any(|(dir, _)| asked(&dir))
        || place.upwards().find_map(|(dir, _)| is(&dir)) == Some(1)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A tree of cgroup files below a fresh directory.
    fn tree(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("letgo-{}-{name}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn place(version: Version) -> Place {
        Place {
            version,
            path: "/a/b".into(),
            mount_point: "/cg".into(),
            below: vec!["a".into(), "b".into()],
        }
    }

    #[test]
    fn version_one_speaks_for_its_ancestors() {
        for (state, frozen) in [
            ("THAWED\n", false),
            ("FREEZING\n", true),
            ("FROZEN\n", true),
        ] {
            let root = tree(
                "freezer-1",
                &[("cg/a/b/freezer.state", state), ("cg/a/x", "")],
            );
            let found = first_frozen(&root, &[place(Version::V1)]);
            assert_eq!(found, frozen.then(|| "/a/b".to_owned()), "{state}");
            fs::remove_dir_all(root).unwrap();
        }
    }

    #[test]
    fn version_two_is_frozen_when_asked_or_when_it_is_so() {
        let cases: [(&[(&str, &str)], bool); 4] = [
            (
                &[("cg/a/b/cgroup.events", "populated 1\nfrozen 0\n")],
                false,
            ),
            (&[("cg/a/b/cgroup.events", "populated 1\nfrozen 1\n")], true),
            (
                &[
                    ("cg/a/cgroup.freeze", "1\n"),
                    ("cg/a/b/cgroup.freeze", "0\n"),
                ],
                true,
            ),
            (&[("cg/a/b/memory.current", "1")], false),
        ];
        for (files, frozen) in cases {
            let root = tree("freezer-2", files);
            let found = first_frozen(&root, &[place(Version::V2)]);
            assert_eq!(found.is_some(), frozen, "{files:?}");
            fs::remove_dir_all(root).unwrap();
        }
    }
}
