//! A stopped process, read with nothing but the standard library, unless it has terabytes of
//! shadow.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use letgo_account::ImageSegment;
use letgo_gobin::{GoBinary, Image};
use letgo_goruntime::{Census, Runtime};
use letgo_heap::{Graph, GraphOptions, Reachable};
use letgo_target::{
    Addr, AddrRange, Fault, Mapping, OS_PAGE, PageKind, PageRun, Permissions, ReadMemory, Residency,
};

/// A Go program that stands still.
pub(crate) struct Target {
    pub(crate) memory: StoppedMemory,
    pub(crate) binary: GoBinary,
    pub(crate) runtime: Runtime,
    pub(crate) program: Vec<ImageSegment>,
}

impl Target {
    pub(crate) fn open(pid: u32) -> Target {
        let memory = StoppedMemory::open(pid);
        let exe = format!("/proc/{pid}/exe");
        let image = Image::from_file(File::open(&exe).unwrap()).unwrap();
        let binary = GoBinary::open(image, None).unwrap();
        let path = fs::read_link(&exe).unwrap();
        let path = path.to_str().unwrap();
        let lowest = memory.mappings.iter().find(|mapping| mapping.name == path);
        let bias = binary.image.bias_from_lowest(lowest.unwrap().range.start());
        let runtime = Runtime::attach(&binary, bias, &memory).unwrap();
        let segments = binary.image.segments().iter();
        let program = segments
            .map(|segment| ImageSegment {
                range: AddrRange::sized(segment.range.start().biased(bias), segment.range.len()),
                file_len: segment.file_len,
                write: segment.write,
            })
            .collect();
        Target {
            memory,
            binary,
            runtime,
            program,
        }
    }

    /// What is reachable.
    pub(crate) fn reachable(&self, census: &Census) -> Reachable {
        let options = GraphOptions::default();
        let (runtime, memory) = (&self.runtime, &self.memory);
        let graph = Graph::read(runtime, &self.binary, memory, census, &options).unwrap();
        graph.mark(&options)
    }
}

/// Memory of which only resident pages are read; what was never touched is zero.
pub(crate) struct StoppedMemory {
    mem: File,
    pub(crate) mappings: Vec<Mapping>,
    pub(crate) residency: Residency,
}

impl StoppedMemory {
    fn open(pid: u32) -> StoppedMemory {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let mappings: Vec<Mapping> = maps.lines().map(mapping).collect();
        StoppedMemory {
            mem: File::open(format!("/proc/{pid}/mem")).unwrap(),
            residency: match mappings
                .iter()
                .map(|mapping| mapping.range.len())
                .sum::<u64>()
            {
                // The table has 8 bytes for each page that might be: only a scan ends in time.
                len if len > 1 << 40 => scan(pid, &mappings),
                _ => table(pid, &mappings),
            },
            mappings,
        }
    }

    /// Reads a part of one os page.
    fn read_page(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let len = buf.len() as u64;
        let range = AddrRange::sized(addr, len);
        if self.residency.is_resident(range) {
            let unmapped = |_| Fault::Unmapped { addr, len };
            return self.mem.read_exact_at(buf, addr.0).map_err(unmapped);
        }
        match Mapping::find(&self.mappings, addr) {
            Some(mapping) if !mapping.is_file() && mapping.permissions.read => {
                buf.fill(0);
                Ok(())
            }
            Some(_) => Err(Fault::NotResident { addr, len }),
            None => Err(Fault::Unmapped { addr, len }),
        }
    }
}

impl ReadMemory for StoppedMemory {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let len = buf.len() as u64;
        if self.residency.is_resident(AddrRange::sized(addr, len)) {
            let unmapped = |_| Fault::Unmapped { addr, len };
            return self.mem.read_exact_at(buf, addr.0).map_err(unmapped);
        }
        let mut at = addr;
        let mut rest = buf;
        while !rest.is_empty() {
            let in_page = OS_PAGE - at.0 % OS_PAGE;
            let take = rest.len().min(usize::try_from(in_page).unwrap());
            let (head, tail) = rest.split_at_mut(take);
            self.read_page(at, head)?;
            at = at.add(take as u64);
            rest = tail;
        }
        Ok(())
    }
}

fn mapping(line: &str) -> Mapping {
    let mut words = line.splitn(6, ' ');
    let mut word = || words.next().unwrap_or_default();
    let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let (start, end) = word().split_once('-').unwrap();
    let flags = word();
    let offset = hex(word());
    let (major, minor) = word().split_once(':').unwrap();
    Mapping {
        range: AddrRange::new(Addr(hex(start)), Addr(hex(end))),
        permissions: Permissions {
            read: flags.contains('r'),
            write: flags.contains('w'),
            execute: flags.contains('x'),
            shared: flags.contains('s'),
        },
        offset,
        device: hex(major) << 32 | hex(minor),
        inode: word().parse().unwrap(),
        name: word().trim().to_owned(),
    }
}

/// The page table through `/proc/PID/pagemap`; the shared zero page is told by `kpageflags`.
fn table(pid: u32, mappings: &[Mapping]) -> Residency {
    const PRESENT: u64 = 1 << 63;
    const SWAPPED: u64 = 1 << 62;
    const FILE: u64 = 1 << 61;
    const ZERO_PAGE: u64 = 1 << 24;
    let pagemap = File::open(format!("/proc/{pid}/pagemap")).unwrap();
    let flags = File::open("/proc/kpageflags").unwrap();
    let is_zero_page = |entry: u64| {
        let mut word = [0; 8];
        let frame = entry & ((1 << 55) - 1);
        assert_ne!(frame, 0, "CAP_SYS_ADMIN is missing: frames are hidden");
        flags.read_exact_at(&mut word, frame * 8).unwrap();
        u64::from_le_bytes(word) & ZERO_PAGE != 0
    };
    let mut residency = Residency::default();
    for mapping in mappings {
        // Rss does not count these.
        if mapping.name.starts_with("[vvar") || mapping.name == "[vsyscall]" {
            continue;
        }
        let mut at = mapping.range.start();
        while at < mapping.range.end() {
            let pages = (mapping.range.end().since(at) / OS_PAGE).min(1 << 16);
            let mut entries = vec![0; usize::try_from(pages * 8).unwrap()];
            pagemap
                .read_exact_at(&mut entries, at.0 / OS_PAGE * 8)
                .unwrap();
            for entry in entries.chunks_exact(8) {
                let entry = u64::from_le_bytes(entry.try_into().unwrap());
                let kind = match entry {
                    entry if entry & PRESENT != 0 && is_zero_page(entry) => None,
                    entry if entry & PRESENT != 0 && entry & FILE != 0 => Some(PageKind::File),
                    entry if entry & PRESENT != 0 => Some(PageKind::Anon),
                    entry if entry & SWAPPED != 0 => Some(PageKind::Swapped),
                    _ => None,
                };
                if let Some(kind) = kind {
                    let range = AddrRange::sized(at, OS_PAGE);
                    residency.push(PageRun { range, kind });
                }
                at = at.add(OS_PAGE);
            }
        }
    }
    residency
}

/// The page table by the crate `linux`.
fn scan(pid: u32, mappings: &[Mapping]) -> Residency {
    let process = letgo_linux::Process::open(pid).unwrap();
    letgo_linux::residency(&process, mappings)
        .unwrap()
        .residency
}
