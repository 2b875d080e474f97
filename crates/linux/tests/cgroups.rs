//! Recorded cgroup trees against what they were written to say.

use std::path::{Path, PathBuf};

use letgo_linux::cgroup::{
    Bound, Memory, PressureScope, Version, find, parse_membership, parse_mounts, read,
};

const MIB: u64 = 1 << 20;
const V2_MOUNT: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate";
const V1_MOUNT: &str = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory";
const ID: &str = "3f5c0ad1b7d94f6b8d2c0f3e9a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b";
const POD: &str = "/kubepods.slice/kubepods-burstable.slice/\
                   kubepods-burstable-pod5b1e4c2a_93d7_4c58_a1f0_0c9d8e7f6a5b.slice";

fn tree(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// What the cgroup `path` in a tree says.
fn read_tree(name: &str, mount: &str, membership: &str) -> Option<Memory> {
    let places = find(&parse_membership(membership), &parse_mounts(mount));
    let [place] = places.as_slice() else {
        panic!("{places:?}");
    };
    read(&tree(name), place)
}

fn bound(bytes: u64, at: &str) -> Option<Bound> {
    Some(Bound {
        bytes,
        at: Some(at.to_owned()),
    })
}

#[test]
fn a_container_in_a_pod_has_the_pods_limit() {
    let path = format!("{POD}/cri-containerd-{ID}.scope");
    let memory = read_tree("cgroup2/pod", V2_MOUNT, &format!("0::{path}")).unwrap();
    assert_eq!(memory.version, Version::V2);
    assert_eq!(memory.path, path);
    assert_eq!(memory.usage, 601 * MIB);
    assert_eq!(memory.working_set, (601 - 37) * MIB);
    assert_eq!(memory.limit, bound(640 * MIB, POD));
    assert_eq!(memory.high, bound(700 * MIB, &path));
    assert_eq!(memory.swap_limit, bound(0, &path));
    assert_eq!((memory.low, memory.min), (Some(64 * MIB), Some(32 * MIB)));
    assert_eq!(memory.peak, Some(633 * MIB));
    assert_eq!(memory.anon, Some(511 * MIB));
    assert_eq!(memory.file, Some(62 * MIB));
    assert_eq!(memory.inactive_file, Some(37 * MIB));
    assert_eq!(memory.shmem, Some(4 * MIB));
    assert_eq!(memory.kernel, Some(28 * MIB));
    assert_eq!(memory.slab, Some(14 * MIB));
    assert_eq!(memory.sock, Some(256 << 10));
    assert_eq!(memory.swap, Some(5 * MIB));
    assert_eq!(memory.oom_events, Some(1));
    assert_eq!(memory.oom_kills, Some(1));
    assert_eq!(memory.limit_hits, Some(29));
    assert_eq!(memory.high_hits, Some(17));
    assert_eq!(memory.oom_group, Some(true));
    assert_eq!(memory.soft_limit, None);
    let pressure = memory.pressure.unwrap();
    assert_eq!(pressure.scope, PressureScope::Cgroup);
    assert!((pressure.some.avg10 - 0.125).abs() < 1e-9);
    assert!((pressure.full.avg60 - 0.02).abs() < 1e-9);
    assert_eq!(pressure.full.total_us, 4_911_223);
}

#[test]
fn the_root_of_the_hierarchy_is_no_container() {
    assert_eq!(read_tree("cgroup2/pod", V2_MOUNT, "0::/"), None);
}

#[test]
fn inside_a_cgroup_namespace_the_mounts_root_is_the_container() {
    let memory = read_tree("cgroup2/namespaced", V2_MOUNT, "0::/").unwrap();
    assert_eq!(memory.usage, 90 * MIB);
    assert_eq!(memory.limit, bound(128 * MIB, "/"));
    assert_eq!(memory.high, None);
    let pressure = memory.pressure.unwrap();
    assert_eq!(pressure.scope, PressureScope::Host, "no memory.pressure");
}

#[test]
fn without_a_controller_the_nearest_ancestor_counts() {
    let path = "0::/user.slice/user-1000.slice/app.scope";
    let memory = read_tree("cgroup2/delegated", V2_MOUNT, path).unwrap();
    assert_eq!(memory.path, "/user.slice/user-1000.slice");
    assert_eq!(memory.usage, 700 * MIB);
    assert_eq!(memory.limit, None);
    assert_eq!(memory.high, bound(2048 * MIB, "/user.slice"));
    assert_eq!(memory.peak, None, "before Linux 5.19");
    assert_eq!(memory.pressure, None);
    assert_eq!(memory.oom_kills, Some(0), "known to be none");
}

#[test]
fn version_one_has_the_tightest_limit_of_all_ancestors() {
    let path = format!("/docker/{ID}");
    let memory = read_tree("cgroup1/docker", V1_MOUNT, &format!("4:memory:{path}")).unwrap();
    assert_eq!(memory.version, Version::V1);
    assert_eq!(memory.usage, 300 * MIB);
    assert_eq!(memory.working_set, 270 * MIB);
    let limit = memory.limit.unwrap();
    assert_eq!(limit.bytes, 1024 * MIB);
    assert_eq!(limit.at, None, "an ancestor out of sight sets it");
    assert_eq!(memory.peak, Some(307 * MIB));
    assert_eq!(memory.anon, Some(200 * MIB), "with its descendants");
    assert_eq!(memory.file, Some(80 * MIB));
    assert_eq!(memory.kernel, Some(9 * MIB));
    assert_eq!(memory.sock, Some(64 << 10));
    assert_eq!(memory.swap, Some(2 * MIB));
    assert_eq!(memory.oom_kills, Some(3));
    assert_eq!(memory.oom_events, None);
    assert_eq!(memory.limit_hits, Some(41));
    assert_eq!(memory.soft_limit, Some(256 * MIB));
    assert_eq!(memory.swap_limit, None, "unlimited");
    assert_eq!(memory.pressure.unwrap().scope, PressureScope::Host);
}

#[test]
fn version_one_names_the_ancestor_that_it_can_see() {
    let memory = read_tree("cgroup1/docker", V1_MOUNT, "4:memory:/docker").unwrap();
    assert_eq!(memory.limit, bound(2048 * MIB, "/docker"));
    assert_eq!(read_tree("cgroup1/docker", V1_MOUNT, "4:memory:/"), None);
}

#[test]
fn a_cgroup_that_is_no_more_is_none() {
    assert_eq!(
        read_tree("cgroup1/docker", V1_MOUNT, "4:memory:/gone"),
        None
    );
}
