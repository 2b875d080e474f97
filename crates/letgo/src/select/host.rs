//! [`ThisHost`]: what runs on the host that letgo runs on.
//!
//! The names of pods come from the node's `/var/log/containers`, where the kubelet keeps one link
//! a container, `POD_NAMESPACE_CONTAINER-ID.log`; without it from the processes themselves.
//!
//! Source: pkg/kubelet/kuberuntime/legacy.go, `legacyLogSymlink`.

use std::fs;

use letgo_linux::Process;
use letgo_linux::hosts::{self, Listed};

use super::{Candidate, Host, PodName};
use crate::inspect;

/// Where the kubelet links the logs of containers.
const CONTAINERS: &str = "/var/log/containers";

/// The host that letgo runs on.
#[derive(Clone, Copy, Debug)]
pub struct ThisHost;

impl Host for ThisHost {
    fn processes(&self) -> Vec<Candidate> {
        let listed = hosts::processes().into_iter().flatten();
        let ours = std::process::id();
        let others = listed.filter(|listed| listed.pid != ours);
        others.map(candidate).collect()
    }

    fn may_be_go(&self, pid: u32) -> bool {
        let Ok(process) = Process::open(pid) else {
            return false;
        };
        process.exe_file().is_err() || inspect::is_go(&process)
    }

    fn container_ids(&self, pod: &PodName, container: Option<&str>) -> Vec<String> {
        let entries = fs::read_dir(CONTAINERS).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names
            .filter_map(|name| container_id(&name, pod, container))
            .collect()
    }

    fn pod_of(&self, pid: u32) -> Option<PodName> {
        let process = Process::open(pid).ok()?;
        let name = process.environment_variable("HOSTNAME").ok()??;
        let secrets = "var/run/secrets/kubernetes.io/serviceaccount";
        let namespace = fs::read_to_string(format!("/proc/{pid}/root/{secrets}/namespace"));
        Some(PodName {
            namespace: namespace.unwrap_or_default().trim().into(),
            name,
        })
    }
}

/// What can be said of a process without its leave; what is not known is empty.
fn candidate(listed: Listed) -> Candidate {
    let process = Process::open(listed.pid).ok();
    let exe = listed.exe.unwrap_or_default().display().to_string();
    let cgroups = process.as_ref().and_then(|process| process.cgroups().ok());
    Candidate {
        pid: listed.pid,
        name: listed.name,
        exe: exe.trim_end_matches(" (deleted)").into(),
        command: process
            .and_then(|process| process.cmdline().ok())
            .unwrap_or_default(),
        cgroups: cgroups
            .into_iter()
            .flatten()
            .map(|member| member.path)
            .collect(),
    }
}

/// The container's id in the name of a link, if it is of this pod and container.
fn container_id(link: &str, pod: &PodName, container: Option<&str>) -> Option<String> {
    let mut parts = link.strip_suffix(".log")?.splitn(3, '_');
    let (name, namespace, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (which, id) = rest.rsplit_once('-')?;
    let wanted = container.is_none_or(|container| container == which);
    (name == pod.name && namespace == pod.namespace && wanted && !id.is_empty())
        .then(|| id.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::process::Stdio;

    use super::*;

    #[test]
    fn a_process_that_was_started_is_seen_and_is_not_go() {
        let mut child = std::process::Command::new("cat")
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // What it echoes shows that it is past its start.
        child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        let stdout = child.stdout.as_mut().unwrap();
        stdout.read_exact(&mut [0]).unwrap();
        let found = ThisHost.processes();
        let found = found.iter().find(|one| one.pid == child.id()).cloned();
        let may_be_go = ThisHost.may_be_go(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        let found = found.unwrap();
        assert!(found.exe.starts_with('/'), "{found:?}");
        assert_eq!(found.command, ["cat", "-"]);
        assert!(!found.cgroups.is_empty());
        assert!(!may_be_go);
    }

    #[test]
    fn a_link_of_the_kubelet_names_pod_container_and_id() {
        let pod = PodName {
            namespace: "shop".into(),
            name: "api-7d9f5-x2x4q".into(),
        };
        let link = "api-7d9f5-x2x4q_shop_main-loop-0a1b2c.log";
        assert_eq!(container_id(link, &pod, None).as_deref(), Some("0a1b2c"));
        let main = container_id(link, &pod, Some("main-loop"));
        assert_eq!(main.as_deref(), Some("0a1b2c"));
        assert_eq!(container_id(link, &pod, Some("loop")), None);
        assert_eq!(container_id("junk.log", &pod, None), None);
        let other = link.replace("shop", "store");
        assert_eq!(container_id(&other, &pod, None), None);
    }
}
