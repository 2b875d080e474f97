//! [`resolve`]: which process is meant by a pid, a name, a cgroup or a pod.
//!
//! What is asked for together must all hold, and only Go programs count. Where more than one is
//! left, letgo does not choose: it lists them.
//!
//! What runs on this host comes through [`Host`]; see [`ThisHost`].

mod host;

pub use host::ThisHost;

use crate::cli::Selection;
use crate::complaint::Complaint;

/// Candidates that are listed; further ones are counted.
const MOST_LISTED: usize = 20;
/// Characters of a command line that are listed.
const MOST_COMMAND: usize = 100;

/// A process that may be meant.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Candidate {
    /// Process id.
    pub pid: u32,
    /// The kernel's short name.
    pub name: String,
    /// Path of the executable; empty where it cannot be read.
    pub exe: String,
    /// Command line.
    pub command: Vec<String>,
    /// Paths in the cgroup hierarchies.
    pub cgroups: Vec<String>,
}

/// What runs here.
pub trait Host {
    /// All processes, as far as they can be seen.
    fn processes(&self) -> Vec<Candidate>;
    /// Whether a process is a Go program, or may not be looked at.
    fn may_be_go(&self, pid: u32) -> bool;
    /// Ids of the containers of a pod, as the node's log directory tells them; of one of its
    /// containers if that is asked for.
    fn container_ids(&self, pod: &PodName, container: Option<&str>) -> Vec<String>;
    /// The pod that a process says it runs in, by its own environment.
    fn pod_of(&self, pid: u32) -> Option<PodName>;
}

/// The name of a pod.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PodName {
    /// Its namespace; empty where it is not known.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Finds the one process that is meant.
///
/// A pid is taken as it is, and so is the only process that matches: whether it exists and is a
/// Go program is found out, and told in more words, when it is opened.
///
/// # Errors
/// A [`Complaint`]: nothing matches, nothing that matches is a Go program, or several are.
pub fn resolve(selection: &Selection, host: &dyn Host) -> Result<u32, Complaint> {
    if let Some(pid) = selection.pid {
        return Ok(pid);
    }
    let matching = matching(selection, host)?;
    if let [one] = matching.as_slice() {
        return Ok(one.pid);
    }
    let go = matching.iter().filter(|one| host.may_be_go(one.pid));
    let go: Vec<&Candidate> = go.collect();
    match go.as_slice() {
        [one] => Ok(one.pid),
        [] if matching.is_empty() => Err(Complaint::no_report(
            format!("no process here matches {}", words(selection)),
            "`letgo ps` lists the Go programs that run on this host",
        )),
        [] => Err(Complaint::no_report(
            format!("none of what matches {} is a Go program", words(selection)),
            "`letgo ps` lists the Go programs that run on this host",
        )
        .among(listed(&matching.iter().collect::<Vec<_>>()))),
        many => Err(Complaint::usage(
            format!("{} Go programs match {}", many.len(), words(selection)),
            "Give the pid of one of them",
        )
        .among(listed(many))),
    }
}

fn matching(selection: &Selection, host: &dyn Host) -> Result<Vec<Candidate>, Complaint> {
    let mut candidates = host.processes();
    if let Some(name) = &selection.by.name {
        candidates.retain(|one| is_named(one, name));
    }
    if let Some(path) = &selection.by.cgroup {
        candidates.retain(|one| one.cgroups.iter().any(|cgroup| lies_in(cgroup, path)));
    }
    if let Some(pod) = &selection.by.pod {
        let container = selection.by.container.as_deref();
        retain_pod(&mut candidates, pod, container, host)?;
    }
    Ok(candidates)
}

fn is_named(candidate: &Candidate, name: &str) -> bool {
    let file = |path: &str| path.rsplit('/').next() == Some(name);
    let first = candidate.command.first();
    !name.is_empty()
        && (candidate.name == name
            || candidate.exe == name
            || file(&candidate.exe)
            || first.is_some_and(|first| file(first)))
}

/// Whether a cgroup's path is `asked`, lies below it, or ends or goes on below with it.
fn lies_in(cgroup: &str, asked: &str) -> bool {
    let asked = asked.strip_prefix("/sys/fs/cgroup").unwrap_or(asked);
    let asked = asked.trim_matches('/');
    let cgroup = format!("/{}/", cgroup.trim_matches('/'));
    // Below /sys/fs/cgroup the first part may be the name of a v1 hierarchy.
    let below = asked.split_once('/').map_or("", |(_, below)| below);
    let has = |path: &str| !path.is_empty() && cgroup.contains(&format!("/{path}/"));
    has(asked) || (asked.starts_with("memory/") && has(below))
}

fn retain_pod(
    candidates: &mut Vec<Candidate>,
    pod: &str,
    container: Option<&str>,
    host: &dyn Host,
) -> Result<(), Complaint> {
    let Some((namespace, name)) = pod.split_once('/') else {
        if pod.len() < 32 || container.is_some() {
            return Err(Complaint::usage(
                format!("`{pod}` is neither NAMESPACE/NAME nor a pod's uid"),
                "Write --pod NAMESPACE/NAME, as `kubectl get pods -A` shows them",
            ));
        }
        let systemd = pod.replace('-', "_");
        let of_pod = |path: &String| path.contains(pod) || path.contains(&systemd);
        candidates.retain(|one| one.cgroups.iter().any(of_pod));
        return Ok(());
    };
    let pod = PodName {
        namespace: namespace.into(),
        name: name.into(),
    };
    let ids = host.container_ids(&pod, container);
    if !ids.is_empty() {
        let of_pod = |path: &String| ids.iter().any(|id| path.contains(id.as_str()));
        candidates.retain(|one| one.cgroups.iter().any(of_pod));
    } else if container.is_some() {
        return Err(Complaint::no_report(
            "the node's /var/log/containers, which names containers, has none like it",
            "Leave --container out, or use --name to choose among the pod's processes",
        ));
    } else {
        candidates.retain(|one| {
            host.pod_of(one.pid).is_some_and(|found| {
                let same = found.namespace.is_empty() || found.namespace == pod.namespace;
                same && found.name == pod.name
            })
        });
    }
    Ok(())
}

/// The selection in the words that it was typed in.
fn words(selection: &Selection) -> String {
    let options = [
        ("--name", &selection.by.name),
        ("--cgroup", &selection.by.cgroup),
        ("--pod", &selection.by.pod),
        ("--container", &selection.by.container),
    ];
    let given = options.iter().filter_map(|(option, value)| {
        let value = value.as_ref()?;
        Some(format!("{option} {value}"))
    });
    given.collect::<Vec<_>>().join(" ")
}

fn listed(candidates: &[&Candidate]) -> Vec<String> {
    let mut lines: Vec<String> = candidates
        .iter()
        .take(MOST_LISTED)
        .map(|one| {
            let command = one.command.join(" ");
            let shown = if command.is_empty() {
                &one.name
            } else {
                &command
            };
            let shown: String = shown.chars().take(MOST_COMMAND).collect();
            format!("{:>7}  {shown}", one.pid)
        })
        .collect();
    let more = candidates.len().saturating_sub(MOST_LISTED);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

#[cfg(test)]
mod tests;
