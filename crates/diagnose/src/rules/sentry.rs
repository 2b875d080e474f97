//! `gvisor-sentry`: the process is the kernel of a gVisor sandbox, not the program inside.
//!
//! The sentry (`runsc boot`) is a Go program, and its heap is its own. What runs in the sandbox,
//! Go or not, has its memory in one memfd, `runsc-memory`, which the sentry maps; letgo does not
//! look into it.
//!
//! Source: gVisor, runsc/boot/loader.go, `createMemoryFile`.

use letgo_account::Leaf;

use crate::draft::{Case, Draft};
use crate::facts::Facts;
use crate::finding::{Confidence, Severity};
use crate::words;

/// The name of the file that holds the guest's memory.
const GUEST_MEMORY: &str = "memfd:runsc-memory";
/// The module that the sentry is built from.
const MODULE: &str = "gvisor.dev/gvisor";

/// Says what the process is, and whose memory is whose.
pub(crate) fn gvisor(case: &Case<'_>) -> Option<Draft> {
    if !is_sentry(case.facts) {
        return None;
    }
    let guest = case.facts.resident(Leaf::MapsShm);
    Some(
        Draft::new(
            Confidence::Proven,
            "this is gVisor's sentry, not the program in the sandbox",
        )
        .most(Severity::Info)
        .claim(Leaf::MapsShm, guest)
        .evidence(format!(
            "It maps {GUEST_MEMORY}: {} of shared memory are what the programs in the sandbox \
                 use, as far as the sentry has it mapped.",
            words::bytes(guest)
        ))
        .evidence(
            "Heap, stacks and runtime structures here are the sentry's own. letgo does not \
                 read the programs in the sandbox.",
        )
        .remedy(
            "for the programs inside",
            "ask them from inside of the sandbox (net/http/pprof, runtime.MemStats)",
            "their own figures; from outside only their sum is known",
        ),
    )
}

/// Whether the process is a sentry: it maps a guest's memory, and is runsc by its modules or by
/// its name.
pub(super) fn is_sentry(facts: &Facts) -> bool {
    let target = &facts.target;
    let file = target.exe.rsplit('/').next().unwrap_or_default();
    let named = file.starts_with("runsc") || target.modules.iter().any(|path| path == MODULE);
    let guest = |name: &str| name.contains(GUEST_MEMORY);
    named && facts.mappings.iter().any(|mapping| guest(&mapping.name))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::facts::Mapping;
    use crate::testing::{MIB, find, healthy};

    /// A process that maps 900 MiB of a guest's memory.
    pub(crate) fn sentry(exe: &str, modules: &[&str]) -> Facts {
        let mut facts = healthy().with(Leaf::MapsShm, 900 * MIB);
        facts.target.exe = exe.into();
        facts.target.modules = modules.iter().map(ToString::to_string).collect();
        facts.mappings = vec![Mapping {
            leaf: Leaf::MapsShm,
            name: "/memfd:runsc-memory (deleted)".into(),
            resident_bytes: 900 * MIB,
            virtual_bytes: 4096 * MIB,
        }];
        facts
    }

    #[test]
    fn a_sentry_is_named_and_its_guests_memory_is_no_fault() {
        for facts in [
            sentry("/usr/local/bin/runsc", &[]),
            sentry("/memfd:x", &["golang.org/x/sys", MODULE]),
        ] {
            let finding = find(&facts, "gvisor-sentry").expect("a sentry");
            assert_eq!(finding.severity, Severity::Info);
            assert_eq!(finding.bytes, 900 * MIB);
            assert!(finding.evidence[0].contains("900 MiB"));
            assert_eq!(find(&facts, "mapped-file"), None);
        }
    }

    #[test]
    fn one_sign_alone_makes_no_sentry() {
        assert_eq!(find(&sentry("/srv/api", &[]), "gvisor-sentry"), None);
        let mut gofer = sentry("/usr/local/bin/runsc", &[MODULE]);
        gofer.mappings.clear();
        assert_eq!(find(&gofer, "gvisor-sentry"), None);
        assert!(find(&gofer, "mapped-file").is_some());
    }
}
