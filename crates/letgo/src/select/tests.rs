//! Selection on a host that is made up.

use super::*;
use crate::cli::By;
use crate::exit::Exit;

const POD_UID: &str = "1b2c3d4e-0000-4111-8222-333344445555";

/// Processes, the pids of Go programs, container ids by pod, and pods by pid.
#[derive(Default)]
struct Made {
    processes: Vec<Candidate>,
    go: Vec<u32>,
    containers: Vec<(&'static str, &'static str, &'static str)>,
    pods: Vec<(u32, PodName)>,
}

impl Host for Made {
    fn processes(&self) -> Vec<Candidate> {
        self.processes.clone()
    }

    fn may_be_go(&self, pid: u32) -> bool {
        self.go.contains(&pid)
    }

    fn container_ids(&self, pod: &PodName, container: Option<&str>) -> Vec<String> {
        let of_pod = self.containers.iter().filter(|(name, which, _)| {
            *name == pod.name && container.is_none_or(|container| container == *which)
        });
        of_pod.map(|(_, _, id)| (*id).to_string()).collect()
    }

    fn pod_of(&self, pid: u32) -> Option<PodName> {
        let found = self.pods.iter().find(|(of, _)| *of == pid);
        found.map(|(_, pod)| pod.clone())
    }
}

fn process(pid: u32, exe: &str, command: &str, cgroup: &str) -> Candidate {
    let name = exe.rsplit('/').next().unwrap();
    Candidate {
        pid,
        name: name.chars().take(15).collect(),
        exe: exe.into(),
        command: command.split(' ').map(String::from).collect(),
        cgroups: vec![cgroup.into()],
    }
}

fn host() -> Made {
    let pod = format!(
        "/kubepods.slice/kubepods-pod{}.slice",
        POD_UID.replace('-', "_")
    );
    Made {
        processes: vec![
            process(10, "/bin/bash", "bash -c api", "/user.slice"),
            process(
                11,
                "/srv/api",
                "/srv/api --port 1",
                &format!("{pod}/cri-aaaa.scope"),
            ),
            process(
                12,
                "/srv/api",
                "/srv/api --port 2",
                "/system.slice/api.service",
            ),
            process(
                13,
                "/srv/sidecar",
                "/srv/sidecar",
                &format!("{pod}/cri-bbbb.scope"),
            ),
            process(
                14,
                "/usr/bin/python3",
                "worker",
                "/system.slice/worker.service",
            ),
        ],
        go: vec![11, 12, 13],
        ..Made::default()
    }
}

fn named(name: &str) -> Selection {
    Selection {
        by: By {
            name: Some(name.into()),
            ..By::default()
        },
        ..Selection::default()
    }
}

fn in_pod(pod: &str) -> Selection {
    Selection {
        by: By {
            pod: Some(pod.into()),
            ..By::default()
        },
        ..Selection::default()
    }
}

#[test]
fn a_name_that_two_programs_have_lists_both() {
    let complaint = resolve(&named("api"), &host()).unwrap_err();
    assert_eq!(complaint.exit, Exit::Usage);
    let listed = ["     11  /srv/api --port 1", "     12  /srv/api --port 2"];
    assert_eq!(complaint.choices, listed);
}

#[test]
fn a_name_and_a_cgroup_together_choose_one() {
    let mut selection = named("api");
    for path in [
        "api.service",
        "/system.slice/api.service",
        "/system.slice",
        "/sys/fs/cgroup/system.slice/api.service/",
        "/sys/fs/cgroup/memory/system.slice/api.service",
    ] {
        selection.by.cgroup = Some(path.into());
        assert_eq!(resolve(&selection, &host()), Ok(12), "{path}");
    }
    for path in ["pi.service", "/", "", "slice"] {
        selection.by.cgroup = Some(path.into());
        let complaint = resolve(&selection, &host()).unwrap_err();
        assert_eq!(complaint.exit, Exit::NoReport, "{path}");
    }
}

#[test]
fn processes_that_are_not_go_are_not_chosen_and_said_so() {
    let mut host = host();
    assert_eq!(resolve(&named("worker"), &host), Ok(14), "the only one");
    let mut second = host.processes[4].clone();
    second.pid = 15;
    host.processes.push(second);
    let complaint = resolve(&named("worker"), &host).unwrap_err();
    assert_eq!(complaint.exit, Exit::NoReport);
    assert!(complaint.wrong.contains("a Go program"), "{complaint:?}");
    assert_eq!(complaint.choices, ["     14  worker", "     15  worker"]);
    host.go.push(15);
    assert_eq!(resolve(&named("worker"), &host), Ok(15));
}

#[test]
fn a_name_of_nobody_says_where_to_look() {
    let complaint = resolve(&named("apj"), &host()).unwrap_err();
    assert!(complaint.choices.is_empty());
    assert!(complaint.next.contains("letgo ps"));
}

#[test]
fn a_pod_is_found_by_its_containers_by_its_uid_and_by_what_its_processes_say() {
    let mut host = host();
    host.containers = vec![("api-1", "main", "aaaa"), ("api-1", "side", "bbbb")];
    let mut selection = in_pod("shop/api-1");
    assert_eq!(resolve(&selection, &host).unwrap_err().choices.len(), 2);
    selection.by.container = Some("side".into());
    assert_eq!(resolve(&selection, &host), Ok(13));

    let mut by_uid = in_pod(POD_UID);
    by_uid.by.name = Some("sidecar".into());
    assert_eq!(resolve(&by_uid, &host), Ok(13));

    host.containers.clear();
    let pod = |namespace: &str| PodName {
        namespace: namespace.into(),
        name: "api-1".into(),
    };
    host.pods = vec![(11, pod("shop")), (13, pod("other"))];
    assert_eq!(resolve(&in_pod("shop/api-1"), &host), Ok(11));
}

#[test]
fn a_pod_without_a_namespace_is_a_wrong_command_line() {
    let complaint = resolve(&in_pod("api-1"), &host()).unwrap_err();
    assert_eq!(complaint.exit, Exit::Usage);
}
