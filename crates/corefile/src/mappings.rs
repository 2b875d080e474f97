//! The mappings of a core: its segments, with what `NT_FILE` and the auxiliary vector say of them.

use letgo_target::{Addr, AddrRange, Mapping, Permissions};

use crate::CoreFile;
use crate::headers::Segment;

const AT_RANDOM: u64 = 25;
const AT_SYSINFO_EHDR: u64 = 33;
/// Where the kernel maps the vsyscall page: the same place in every process.
const VSYSCALL: Addr = Addr(0xffff_ffff_ff60_0000);

impl CoreFile {
    /// The mappings of the process, by address: each segment, cut where `NT_FILE` changes.
    ///
    /// A core has neither devices nor inodes. A file's mappings have one made-up inode, counted
    /// from 1 by path, and device 0. `shared` is never set. Only `[vdso]`, `[vsyscall]` and
    /// `[stack]` are named, by what the auxiliary vector says.
    pub fn mappings(&self) -> Vec<Mapping> {
        let mut paths: Vec<&str> = self.files().iter().map(|file| &*file.path).collect();
        paths.sort_unstable();
        paths.dedup();
        let mut mappings = Vec::new();
        for segment in &self.segments {
            let mut at = segment.range.start();
            while at < segment.range.end() {
                let mapping = self.mapping_from(segment, at, &paths);
                at = mapping.range.end();
                mappings.push(mapping);
            }
        }
        mappings
    }

    fn mapping_from(&self, segment: &Segment, at: Addr, paths: &[&str]) -> Mapping {
        let permissions = Permissions {
            read: segment.read,
            write: segment.write,
            execute: segment.execute,
            shared: false,
        };
        let index = self.files().partition_point(|file| file.range.end() <= at);
        let next = self.files().get(index);
        let end = segment.range.end();
        match next {
            Some(file) if file.range.contains(at) => Mapping {
                range: AddrRange::new(at, file.range.end().min(end)),
                permissions,
                offset: file.offset.saturating_add(at.since(file.range.start())),
                device: 0,
                inode: paths
                    .binary_search(&&*file.path)
                    .map_or(u64::MAX, |place| place as u64 + 1),
                name: file.path.clone(),
            },
            _ => {
                let end = next.map_or(end, |file| file.range.start().min(end));
                let range = AddrRange::new(at, end);
                Mapping {
                    range,
                    permissions,
                    name: self.special_name(range).to_owned(),
                    ..Mapping::default()
                }
            }
        }
    }

    fn special_name(&self, range: AddrRange) -> &'static str {
        let holds = |addr: Option<Addr>| addr.is_some_and(|addr| range.contains(addr));
        if range.contains(VSYSCALL) {
            "[vsyscall]"
        } else if holds(self.aux(AT_SYSINFO_EHDR)) {
            "[vdso]"
        } else if holds(self.aux(AT_RANDOM)) {
            "[stack]"
        } else {
            ""
        }
    }
}
