//! What a mapping is by its name alone, for memory that nobody else claimed.

use letgo_target::Mapping;

use crate::Leaf;
use crate::claims::Claim;

/// Mappings that belong to the kernel. Source: proc_pid_maps(5), and arch/x86/entry/vdso.
const KERNEL: [&str; 6] = [
    "[vdso]",
    "[vvar]",
    "[vvar_vclock]",
    "[vsyscall]",
    "[vectors]",
    "[uprobes]",
];

/// Whether a mapping's memory counts as virtual bytes: address space without any access allowed
/// is merely reserved.
pub(crate) fn is_accessible(mapping: &Mapping) -> bool {
    let permissions = mapping.permissions;
    permissions.read || permissions.write || permissions.execute
}

/// Whether a mapping is plain anonymous memory, named by the program or not.
pub(crate) fn is_anonymous(mapping: &Mapping) -> bool {
    !mapping.is_file() && (mapping.name.is_empty() || mapping.name.starts_with("[anon:"))
}

/// Whether shared memory without a file on disk lies behind a mapping.
pub(crate) fn is_shared_memory(mapping: &Mapping) -> bool {
    const NAMES: [&str; 5] = ["/memfd:", "/dev/shm/", "/dev/zero", "/SYSV", "[anon_shmem:"];
    NAMES.iter().any(|name| mapping.name.starts_with(name))
}

/// The owner of a mapping's memory as far as its name tells.
fn leaf(mapping: &Mapping) -> Leaf {
    let name = mapping.name.as_str();
    if KERNEL.contains(&name) {
        Leaf::Kernel
    } else if name == "[stack]" {
        Leaf::StacksOsThread
    } else if is_shared_memory(mapping) {
        Leaf::MapsShm
    } else if mapping.is_file() {
        Leaf::MapsFile
    } else if mapping.permissions.shared {
        Leaf::MapsShm
    } else {
        Leaf::MapsAnon
    }
}

/// The last layer: every mapping.
pub(crate) fn claims(mappings: &[Mapping]) -> Vec<Claim> {
    let claim = |(index, mapping): (usize, &Mapping)| {
        let mut claim = Claim::new(mapping.range, leaf(mapping)).of_mapping(index);
        claim.counted = is_accessible(mapping);
        claim
    };
    mappings.iter().enumerate().map(claim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use letgo_target::Permissions;

    fn named(name: &str, inode: u64, shared: bool) -> Mapping {
        Mapping {
            name: name.to_owned(),
            inode,
            permissions: Permissions {
                read: true,
                shared,
                ..Permissions::default()
            },
            ..Mapping::default()
        }
    }

    #[test]
    fn names_tell_the_owner() {
        let cases = [
            ("[vdso]", 0, false, Leaf::Kernel),
            ("[vvar_vclock]", 0, false, Leaf::Kernel),
            ("[stack]", 0, false, Leaf::StacksOsThread),
            ("[heap]", 0, false, Leaf::MapsAnon),
            ("", 0, false, Leaf::MapsAnon),
            ("[anon: Go: heap]", 0, false, Leaf::MapsAnon),
            ("/dev/zero (deleted)", 7, true, Leaf::MapsShm),
            ("/memfd:ring (deleted)", 7, true, Leaf::MapsShm),
            ("/var/lib/db", 7, true, Leaf::MapsFile),
            ("/var/lib/db (deleted)", 7, false, Leaf::MapsFile),
        ];
        for (name, inode, shared, expected) in cases {
            assert_eq!(leaf(&named(name, inode, shared)), expected, "{name}");
        }
    }
}
