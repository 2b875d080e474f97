//! [`SyntheticCore`]: an ELF core made byte by byte.
//!
//! Written after elf(5) and the kernel's `fs/binfmt_elf.c`, and not after letgo's decoders, so that
//! it stays a second source. Every part may be made wrong by changing the bytes that come out.

/// Bytes of an os page; segments start at one in the file too.
const PAGE: usize = 4096;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;

/// A mapping of the dead process.
#[derive(Clone, Debug)]
struct Load {
    addr: u64,
    flags: u32,
    bytes: Vec<u8>,
    memory_len: u64,
}

/// A core that is being made.
#[derive(Clone, Debug, Default)]
pub struct SyntheticCore {
    loads: Vec<Load>,
    notes: Vec<u8>,
    files: Vec<([u64; 3], String)>,
    extended: bool,
}

impl SyntheticCore {
    /// Adds a mapping: `flags` as in `PF_R` (4), `PF_W` (2), `PF_X` (1); bytes beyond `bytes` are
    /// left out of the core.
    #[must_use]
    pub fn load(mut self, addr: u64, flags: u32, bytes: &[u8], memory_len: u64) -> SyntheticCore {
        self.loads.push(Load {
            addr,
            flags,
            bytes: bytes.to_vec(),
            memory_len,
        });
        self
    }

    /// Adds a thread: `registers` in the order of `user_regs_struct`.
    #[must_use]
    pub fn thread(self, tid: u32, signal: u16, registers: [u64; 27]) -> SyntheticCore {
        let mut desc = vec![0; 336];
        desc[12..14].copy_from_slice(&signal.to_le_bytes());
        desc[32..36].copy_from_slice(&tid.to_le_bytes());
        for (slot, value) in desc[112..328].chunks_exact_mut(8).zip(registers) {
            slot.copy_from_slice(&value.to_le_bytes());
        }
        self.note(b"CORE\0", 1, &desc)
    }

    /// Adds the process.
    #[must_use]
    pub fn process(self, pid: u32, name: &str, arguments: &str) -> SyntheticCore {
        let mut desc = vec![0; 136];
        desc[24..28].copy_from_slice(&pid.to_le_bytes());
        for (at, text) in [(40, name), (56, arguments)] {
            desc[at..at + text.len()].copy_from_slice(text.as_bytes());
        }
        self.note(b"CORE\0", 3, &desc)
    }

    /// Adds the auxiliary vector, whose end is added too.
    #[must_use]
    pub fn auxv(self, pairs: &[(u64, u64)]) -> SyntheticCore {
        let pairs = pairs.iter().chain(&[(0, 0)]);
        let words = pairs.flat_map(|pair| [pair.0, pair.1]);
        let desc: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        self.note(b"CORE\0", 6, &desc)
    }

    /// Adds a mapping of a file: `offset` in bytes, a multiple of an os page.
    #[must_use]
    pub fn file(mut self, start: u64, end: u64, offset: u64, path: &str) -> SyntheticCore {
        let entry = [start, end, offset / PAGE as u64];
        self.files.push((entry, path.to_owned()));
        self
    }

    /// Adds any note.
    #[must_use]
    pub fn note(mut self, owner: &[u8], kind: u32, desc: &[u8]) -> SyntheticCore {
        let len = |part: &[u8]| u32::try_from(part.len()).expect("short").to_le_bytes();
        self.notes.extend(len(owner));
        self.notes.extend(len(desc));
        self.notes.extend(kind.to_le_bytes());
        for part in [owner, desc] {
            self.notes.extend(part);
            let padded = self.notes.len().next_multiple_of(4);
            self.notes.resize(padded, 0);
        }
        self
    }

    /// Counts the program headers where a core with 65,535 of them or more has their number.
    #[must_use]
    pub fn extended(mut self) -> SyntheticCore {
        self.extended = true;
        self
    }

    /// The file.
    pub fn build(mut self) -> Vec<u8> {
        if !self.files.is_empty() {
            let desc = self.files_note();
            self = self.note(b"CORE\0", 0x4649_4c45, &desc);
        }
        let count = self.loads.len() + 1;
        let notes_at = 64 + 56 * count;
        let mut offset = (notes_at + self.notes.len()).next_multiple_of(PAGE);
        let mut file = self.header(count);
        file.extend(program_header(
            PT_NOTE,
            0,
            notes_at as u64,
            0,
            self.notes.len() as u64,
            0,
        ));
        let first = offset;
        for load in &self.loads {
            let (at, len) = (offset as u64, load.bytes.len() as u64);
            file.extend(program_header(
                PT_LOAD,
                load.flags,
                at,
                load.addr,
                len,
                load.memory_len,
            ));
            offset += load.bytes.len().next_multiple_of(PAGE);
        }
        file.extend(&self.notes);
        file.resize(first, 0);
        for load in &self.loads {
            file.extend(&load.bytes);
            file.resize(file.len().next_multiple_of(PAGE), 0);
        }
        if self.extended {
            let at = file.len() as u64;
            file[40..48].copy_from_slice(&at.to_le_bytes());
            let mut section = vec![0; 64];
            let count = u32::try_from(count).expect("few");
            section[44..48].copy_from_slice(&count.to_le_bytes());
            file.extend(section);
        }
        file
    }

    fn header(&self, count: usize) -> Vec<u8> {
        let mut header = b"\x7fELF\x02\x01\x01".to_vec();
        header.resize(64, 0);
        header[16..20].copy_from_slice(&[4, 0, 62, 0]);
        header[20] = 1;
        header[32] = 64;
        header[52] = 64;
        header[54] = 56;
        let count = if self.extended {
            0xffff
        } else {
            u16::try_from(count).expect("few")
        };
        header[56..58].copy_from_slice(&count.to_le_bytes());
        header
    }

    fn files_note(&self) -> Vec<u8> {
        let mut words = vec![self.files.len() as u64, PAGE as u64];
        words.extend(self.files.iter().flat_map(|file| file.0));
        let mut desc: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
        for (_, path) in &self.files {
            desc.extend(path.as_bytes());
            desc.push(0);
        }
        desc
    }
}

/// Why a process that dies here leaves no core in its working folder; nothing where it does.
pub fn why_no_kernel_core() -> Option<String> {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").ok()?;
    let elsewhere = pattern.starts_with(['|', '/', '@']);
    elsewhere.then(|| format!("cores go elsewhere: core_pattern is {}", pattern.trim()))
}

fn program_header(
    kind: u32,
    flags: u32,
    offset: u64,
    addr: u64,
    file_len: u64,
    memory_len: u64,
) -> Vec<u8> {
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend(flags.to_le_bytes());
    for word in [offset, addr, 0, file_len, memory_len, PAGE as u64] {
        bytes.extend(word.to_le_bytes());
    }
    bytes
}
