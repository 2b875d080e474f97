//! How many processes and threads a cgroup may have, and has.
//!
//! Both versions have the same two files; a limit of an ancestor counts too.
//!
//! Source: Documentation/admin-guide/cgroup-v1/pids.rst, Documentation/admin-guide/cgroup-v2.rst.

use std::fs;
use std::path::Path;

use super::stat::Files;
use super::{Place, parse_mounts, place};
use crate::{Error, Process};

/// What the cgroup of `process` that has least left has now, and may have at most; nothing where
/// none has a limit, or where it cannot be seen from here.
///
/// # Errors
/// [`Error::Gone`].
pub(crate) fn processes_of(process: &Process) -> Result<Option<(u64, u64)>, Error> {
    let members = process.cgroups()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let places = place::find_for("pids", &members, &parse_mounts(&mounts));
    let bounds = places
        .iter()
        .flat_map(|place| bounds(Path::new("/"), place));
    Ok(bounds.min_by_key(|(now, most)| most.saturating_sub(*now)))
}

fn bounds(root: &Path, place: &Place) -> Vec<(u64, u64)> {
    let bound = |dir: &Path| {
        let files = Files::new(root, dir);
        // `max` is none, and does not parse.
        Some((files.number("pids.current")?, files.number("pids.max")?))
    };
    place.upwards().filter_map(|(dir, _)| bound(&dir)).collect()
}
