//! [`ThisHost`]: what runs on the host that letgo runs on.
//!
//! The names of pods come from the node's `/var/log/containers`, where the kubelet keeps one link
//! a container, `POD_NAMESPACE_CONTAINER-ID.log`; without it from the processes themselves.
//!
//! Source: pkg/kubelet/kuberuntime/legacy.go, `legacyLogSymlink`.

use std::fs;

use super::{Candidate, Host, PodName};

/// Where the kubelet links the logs of containers.
const CONTAINERS: &str = "/var/log/containers";

/// The host that letgo runs on.
#[derive(Clone, Copy, Debug)]
pub struct ThisHost;

impl Host for ThisHost {
    fn processes(&self) -> Vec<Candidate> {
        Vec::new()
    }

    fn is_go(&self, _pid: u32) -> bool {
        true
    }

    fn container_ids(&self, pod: &PodName, container: Option<&str>) -> Vec<String> {
        let entries = fs::read_dir(CONTAINERS).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names
            .filter_map(|name| container_id(&name, pod, container))
            .collect()
    }

    fn pod_of(&self, pid: u32) -> Option<PodName> {
        let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let mut vars = environ.split(|byte| *byte == 0);
        let name = vars.find_map(|var| var.strip_prefix(b"HOSTNAME="))?;
        let secrets = "var/run/secrets/kubernetes.io/serviceaccount";
        let namespace = fs::read_to_string(format!("/proc/{pid}/root/{secrets}/namespace"));
        Some(PodName {
            namespace: namespace.unwrap_or_default().trim().into(),
            name: String::from_utf8_lossy(name).into_owned(),
        })
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
    use super::*;

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
