//! [`Container`]: which container a cgroup's path belongs to.
//!
//! Container runtimes name cgroups after containers and pods; there is no other mark in the
//! kernel. The innermost part of a path that looks like a container counts, so a container in a
//! container (kind, docker in docker) is the inner one. Inside a cgroup namespace the path says
//! nothing, but the mounts of `/etc/hostname` and the like often hold the id.
//!
//! Does not ask any runtime. Names of pods are not in the kernel; only uids are.

use serde::{Deserialize, Serialize};

use super::place::Membership;

/// Who made the container.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Runtime {
    /// Docker.
    Docker,
    /// containerd, by Kubernetes or nerdctl.
    Containerd,
    /// CRI-O.
    Crio,
    /// Podman.
    Podman,
    /// Amazon ECS.
    Ecs,
    /// A runtime that leaves no name, such as Kubernetes with the cgroupfs driver.
    Unknown,
}

/// A container.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Container {
    /// The container's id, as its runtime prints it in full.
    pub id: String,
    /// Who made it.
    pub runtime: Runtime,
    /// Uid of its Kubernetes pod, with dashes; for a static pod 32 digits without.
    pub pod_uid: Option<String>,
}

/// The container of a process, from its cgroups, or else from its mounts.
pub fn container_of(members: &[Membership], mountinfo: &str) -> Option<Container> {
    let mut by_path = members
        .iter()
        .filter_map(|member| container_of_path(&member.path));
    by_path.next().or_else(|| container_of_mounts(mountinfo))
}

/// The container that a cgroup's path names, if it does.
pub fn container_of_path(path: &str) -> Option<Container> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    // `slice:prefix:id`, where a runtime was given a systemd path but uses cgroupfs.
    let parts: Vec<&str> = parts.iter().flat_map(|part| part.split(':')).collect();
    let mut runtime_before = Runtime::Unknown;
    let mut found = None;
    for (index, part) in parts.iter().enumerate() {
        let before = parts
            .get(index.wrapping_sub(1))
            .copied()
            .unwrap_or_default();
        if let Some((runtime, id)) = container_part(part, before) {
            let runtime = if runtime == Runtime::Unknown {
                runtime_before
            } else {
                runtime
            };
            found = Some((runtime, id, index));
        } else if let Some(runtime) = runtime_of(part) {
            runtime_before = runtime;
        }
    }
    let (runtime, id, index) = found?;
    let outer = parts.get(..index).unwrap_or_default();
    Some(Container {
        id: id.to_owned(),
        runtime,
        pod_uid: outer.iter().rev().find_map(|part| pod_uid(part)),
    })
}

/// What a part that is no container says of those below it.
fn runtime_of(part: &str) -> Option<Runtime> {
    match part {
        "docker" => Some(Runtime::Docker),
        "ecs" => Some(Runtime::Ecs),
        "cri-containerd" | "nerdctl" | "k8s.io" => Some(Runtime::Containerd),
        "crio" => Some(Runtime::Crio),
        "libpod_parent" => Some(Runtime::Podman),
        _ => None,
    }
}

/// Reads one part of a path as a container; `before` is the part above it.
fn container_part<'a>(part: &'a str, before: &str) -> Option<(Runtime, &'a str)> {
    let name = part.strip_suffix(".scope").unwrap_or(part);
    let prefixes = [
        ("docker-", Runtime::Docker),
        ("cri-containerd-", Runtime::Containerd),
        ("nerdctl-", Runtime::Containerd),
        ("crio-", Runtime::Crio),
        ("libpod-", Runtime::Podman),
    ];
    for (prefix, runtime) in prefixes {
        if let Some(id) = name.strip_prefix(prefix) {
            return is_id(id).then_some((runtime, id));
        }
    }
    if is_id(name) {
        return Some((Runtime::Unknown, name));
    }
    // ECS on Fargate: /ecs/TASK/TASK-NUMBER, 32 digits and up to 10.
    let (task, number) = name.split_once('-')?;
    let fargate = task == before && is_hex(task, 32) && !number.is_empty();
    let decimal = number.bytes().all(|byte| byte.is_ascii_digit());
    (fargate && decimal).then_some((Runtime::Ecs, name))
}

/// 64 hexadecimal digits.
fn is_id(text: &str) -> bool {
    is_hex(text, 64)
}

fn is_hex(text: &str, len: usize) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == len && text.bytes().all(digit)
}

/// The uid in `podUID` (cgroupfs) or `kubepods-burstable-podUID.slice` (systemd, where dashes are
/// written as underscores).
fn pod_uid(part: &str) -> Option<String> {
    let name = part.strip_suffix(".slice").unwrap_or(part);
    let uid = match name.strip_prefix("pod") {
        Some(uid) => uid,
        None => name.strip_prefix("kubepods")?.rsplit_once("-pod")?.1,
    };
    let uid = uid.replace('_', "-");
    let dashed = uid.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    let digits: String = uid.chars().filter(|c| *c != '-').collect();
    (is_hex(&digits, 32) && (dashed || uid.len() == 32)).then_some(uid)
}

/// The id in the source of a mount that runtimes bind into each container.
fn container_of_mounts(mountinfo: &str) -> Option<Container> {
    let files = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];
    mountinfo.lines().find_map(|line| {
        let mut words = line.split(' ').skip(3);
        let (source, point) = (words.next()?, words.next()?);
        if !files.contains(&point) {
            return None;
        }
        let parts: Vec<&str> = source.split('/').collect();
        let id = parts.iter().rev().find(|part| is_id(part))?;
        let runtime = if parts.contains(&"docker") {
            Runtime::Docker
        } else if parts
            .iter()
            .any(|part| part.starts_with("overlay-containers"))
        {
            Runtime::Podman
        } else {
            Runtime::Unknown
        };
        Some(Container {
            id: (*id).to_owned(),
            runtime,
            pod_uid: parts.iter().find_map(|part| pod_uid(part)),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f5c0ad1b7d94f6b8d2c0f3e9a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b";
    const OTHER: &str = "00ff0ad1b7d94f6b8d2c0f3e9a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b";
    const UID: &str = "5b1e4c2a-93d7-4c58-a1f0-0c9d8e7f6a5b";

    fn check(path: &str, runtime: Runtime, pod_uid: Option<&str>) {
        let found = container_of_path(path).unwrap_or_else(|| panic!("{path}"));
        assert_eq!(found.id, ID, "{path}");
        assert_eq!(found.runtime, runtime, "{path}");
        assert_eq!(found.pod_uid.as_deref(), pod_uid, "{path}");
    }

    #[test]
    fn table_of_pods() {
        use Runtime::{Containerd, Crio, Docker, Unknown};
        let under = UID.replace('-', "_");
        let static_uid = UID.replace('-', "");
        let slice = format!("kubepods-burstable-pod{under}.slice");
        let burst = format!("/kubepods.slice/kubepods-burstable.slice/{slice}");
        let table = [
            (
                format!("/kubepods/burstable/pod{UID}/{ID}"),
                Unknown,
                Some(UID),
            ),
            (format!("/kubepods/pod{UID}/{ID}"), Unknown, Some(UID)),
            (
                format!("/kubepods/besteffort/pod{static_uid}/{ID}"),
                Unknown,
                Some(static_uid.as_str()),
            ),
            (
                format!("{burst}/cri-containerd-{ID}.scope"),
                Containerd,
                Some(UID),
            ),
            (
                format!("{burst}/crio-{ID}.scope/container"),
                Crio,
                Some(UID),
            ),
            (format!("{burst}/docker-{ID}.scope"), Docker, Some(UID)),
            (
                format!("/kubepods.slice/kubepods-pod{under}.slice/cri-containerd-{ID}.scope"),
                Containerd,
                Some(UID),
            ),
            (
                format!("/system.slice/containerd.service/{slice}:cri-containerd:{ID}"),
                Containerd,
                Some(UID),
            ),
            (
                format!("/system.slice/k3s.service/kubepods/burstable/pod{UID}/{ID}"),
                Unknown,
                Some(UID),
            ),
            (
                format!("/docker/{OTHER}/kubelet/kubepods/burstable/pod{UID}/{ID}"),
                Docker,
                Some(UID),
            ),
        ];
        for (path, runtime, pod_uid) in table {
            check(&path, runtime, pod_uid);
        }
    }

    #[test]
    fn table_of_containers_without_pod() {
        use Runtime::{Containerd, Docker, Ecs, Podman, Unknown};
        let task = &ID[..32];
        let table = [
            (format!("/docker/{ID}"), Docker),
            (format!("/system.slice/docker-{ID}.scope"), Docker),
            (format!("/docker/{ID}/init.scope"), Docker),
            (
                format!("/machine.slice/libpod-{ID}.scope/container"),
                Podman,
            ),
            (
                format!(
                    "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope"
                ),
                Podman,
            ),
            (
                format!("/machine.slice/machine-libpod_pod_{OTHER}.slice/libpod-{ID}.scope"),
                Podman,
            ),
            (format!("/libpod_parent/libpod-{ID}"), Podman),
            (format!("/ecs/my-cluster/{task}/{ID}"), Ecs),
            (format!("/k8s.io/{ID}"), Containerd),
            (format!("/default/{ID}"), Unknown),
            (format!("/../{ID}"), Unknown),
        ];
        for (path, runtime) in table {
            check(&path, runtime, None);
        }
    }

    #[test]
    fn fargate_ids_are_a_task_and_a_number() {
        let task = &ID[..32];
        let found = container_of_path(&format!("/ecs/{task}/{task}-2531612879")).unwrap();
        assert_eq!(found.id, format!("{task}-2531612879"));
        assert_eq!(found.runtime, Runtime::Ecs);
    }

    #[test]
    fn what_is_no_container_is_none() {
        for path in [
            "/".to_owned(),
            String::new(),
            "/system.slice/ssh.service".to_owned(),
            "/user.slice/user-1000.slice/session-3.scope".to_owned(),
            format!("/system.slice/crio-conmon-{ID}.scope"),
            format!("/machine.slice/libpod-conmon-{ID}.scope"),
            format!("/kubepods/burstable/pod{UID}"),
            format!("/docker/{}", &ID[..63]),
            format!("/docker/{}", ID.to_uppercase()),
        ] {
            assert_eq!(container_of_path(&path), None, "{path}");
        }
    }

    #[test]
    fn inside_a_cgroup_namespace_the_mounts_tell() {
        let line = format!(
            "1 2 8:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/sda rw"
        );
        let members = super::super::parse_membership("0::/\n");
        let found = container_of(&members, &line).unwrap();
        assert_eq!((found.id.as_str(), found.runtime), (ID, Runtime::Docker));
        let elsewhere = line.replace(" /etc/hostname", " /mnt");
        assert_eq!(container_of(&members, &elsewhere), None);
        let pod = format!(
            "1 2 8:1 /var/lib/containers/storage/overlay-containers/{ID}/userdata/hosts /etc/hosts rw"
        );
        let found = container_of(&members, &pod).unwrap();
        assert_eq!(found.runtime, Runtime::Podman);
    }
}
