//! The notes of a core: threads with their registers, the process, its auxiliary vector, which
//! files were mapped where.
//!
//! The kernel and gdb write the same notes; only their order differs. The thread that comes first
//! is the one that died, or the one that gdb had selected. Floating-point and vector registers are
//! passed over without being read.
//!
//! Source: fs/binfmt_elf.c, include/linux/elfcore.h, include/uapi/linux/elf.h; x86-64 layouts.

use letgo_target::{Addr, AddrRange, Registers};

use crate::ReadAt;
use crate::bytes::{text, u16_at, u32_at, u64_at};

const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
/// `SIGI`
const NT_SIGINFO: u32 = 0x5349_4749;
/// `FILE`
const NT_FILE: u32 = 0x4649_4c45;
/// The owner of all of these.
const OWNER: &[u8] = b"CORE\0";

/// Bytes of the header of a note.
const NOTE_HEADER: u64 = 12;
/// Most bytes of one note that is read. `NT_FILE` is the largest: the kernel stops at 4 MiB, gdb
/// does not.
const MOST_NOTE_BYTES: u64 = 64 << 20;
/// Most notes: a thread has about five.
const MOST_NOTES: usize = 8 << 20;
/// Most pairs of the auxiliary vector; kernels give about 20.
const MOST_AUXV: usize = 256;
/// Bytes of `struct elf_prstatus` that are read; `pr_reg` ends there.
const PRSTATUS_BYTES: usize = 328;
/// Where `pr_reg` starts in it.
const PRSTATUS_REGISTERS: usize = 112;

/// A thread, as it was when the core was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Thread {
    /// Its thread id.
    pub tid: u32,
    /// The signal that it was handling, 0 for none.
    pub signal: u16,
    /// What it had in its hands.
    pub registers: Registers,
}

/// What `NT_PRPSINFO` says of the process.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProcessInfo {
    /// Its process id, in its own pid namespace or gdb's.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
    /// Real user.
    pub uid: u32,
    /// The name of its main thread, at most 15 bytes.
    pub name: String,
    /// The start of its command line, at most 79 bytes, arguments joined by blanks.
    pub arguments: String,
}

/// What `NT_SIGINFO` says of the signal that killed it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signal {
    /// Its number.
    pub number: u32,
    /// `si_code`.
    pub code: i32,
}

/// A mapping of a file, as `NT_FILE` lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileMapping {
    /// Where it lay.
    pub range: AddrRange,
    /// Offset of its first byte in the file, in bytes.
    pub offset: u64,
    /// The file's path when it ran; a deleted one ends in ` (deleted)`.
    pub path: String,
}

/// What all the notes say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Notes {
    /// The first is the one that died.
    pub(crate) threads: Vec<Thread>,
    pub(crate) process: Option<ProcessInfo>,
    pub(crate) signal: Option<Signal>,
    pub(crate) auxv: Vec<(u64, u64)>,
    /// By address, disjoint.
    pub(crate) files: Vec<FileMapping>,
    /// Whether gdb has left a note of its own.
    pub(crate) gdb: bool,
    /// Notes that do not read as what they should be.
    pub(crate) damaged: u64,
    /// Whether the notes end before their segment does.
    pub(crate) cut: bool,
}

impl Notes {
    /// Reads all notes in the segments `places`, each an offset and a length.
    pub(crate) fn read(source: &dyn ReadAt, places: &[(u64, u64)]) -> Notes {
        let mut notes = Notes::default();
        let mut left = MOST_NOTES;
        for &(offset, len) in places {
            if notes.read_segment(source, offset, len, &mut left).is_none() {
                notes.cut = true;
            }
        }
        notes.files.sort_by_key(|file| file.range.start());
        notes
            .files
            .dedup_by(|high, low| high.range.start() < low.range.end());
        notes
    }

    /// Nothing where it ends in the middle of a note.
    fn read_segment(
        &mut self,
        source: &dyn ReadAt,
        offset: u64,
        len: u64,
        left: &mut usize,
    ) -> Option<()> {
        let end = offset.checked_add(len)?;
        let mut at = offset;
        while at.checked_add(NOTE_HEADER)? <= end {
            *left = left.checked_sub(1)?;
            let mut header = [0; 20];
            let header_len = usize::try_from(end - at).map_or(20, |rest| rest.min(20));
            source.read_at(at, header.get_mut(..header_len)?).ok()?;
            let owner_len = u64::from(u32_at(&header, 0)?);
            let desc_len = u64::from(u32_at(&header, 4)?);
            let kind = u32_at(&header, 8)?;
            let desc = at.checked_add(NOTE_HEADER + owner_len.next_multiple_of(4))?;
            let next = desc.checked_add(desc_len.next_multiple_of(4))?;
            if desc.checked_add(desc_len)? > end {
                return None;
            }
            self.gdb |= owner_len == 4 && header.get(12..16) == Some(b"GDB\0");
            let ours = owner_len == OWNER.len() as u64 && header.get(12..17) == Some(OWNER);
            if ours && is_read(kind) {
                let len = usize::try_from(desc_len.min(MOST_NOTE_BYTES)).ok()?;
                // A length that the file cannot have is not allocated.
                if desc.checked_add(len as u64)? > source.size() {
                    return None;
                }
                let mut bytes = vec![0; len];
                source.read_at(desc, &mut bytes).ok()?;
                self.add(kind, &bytes);
            }
            at = next;
        }
        Some(())
    }

    fn add(&mut self, kind: u32, bytes: &[u8]) {
        let understood = match kind {
            NT_PRSTATUS => thread(bytes).map(|thread| self.threads.push(thread)),
            NT_PRPSINFO => process(bytes).map(|process| self.process = Some(process)),
            NT_SIGINFO => signal(bytes).map(|signal| self.signal = Some(signal)),
            NT_AUXV => {
                self.auxv = auxv(bytes);
                Some(())
            }
            _ => files(bytes).map(|files| self.files.extend(files)),
        };
        self.damaged += u64::from(understood.is_none());
    }
}

fn is_read(kind: u32) -> bool {
    matches!(
        kind,
        NT_PRSTATUS | NT_PRPSINFO | NT_SIGINFO | NT_AUXV | NT_FILE
    )
}

/// `struct elf_prstatus`
fn thread(bytes: &[u8]) -> Option<Thread> {
    let bytes = bytes.get(..PRSTATUS_BYTES)?;
    let register = |index: usize| u64_at(bytes, PRSTATUS_REGISTERS + 8 * index);
    let system_call = register(15)?;
    let registers = Registers {
        r15: register(0)?,
        r14: register(1)?,
        r13: register(2)?,
        r12: register(3)?,
        rbp: register(4)?,
        rbx: register(5)?,
        r11: register(6)?,
        r10: register(7)?,
        r9: register(8)?,
        r8: register(9)?,
        rax: register(10)?,
        rcx: register(11)?,
        rdx: register(12)?,
        rsi: register(13)?,
        rdi: register(14)?,
        rip: register(16)?,
        rsp: register(19)?,
        fs_base: register(21)?,
        // -1 where it is in none.
        system_call: (system_call <= i64::MAX.unsigned_abs()).then_some(system_call),
    };
    Some(Thread {
        tid: u32_at(bytes, 32)?,
        signal: u16_at(bytes, 12)?,
        registers,
    })
}

/// `struct elf_prpsinfo`
fn process(bytes: &[u8]) -> Option<ProcessInfo> {
    Some(ProcessInfo {
        uid: u32_at(bytes, 16)?,
        pid: u32_at(bytes, 24)?,
        parent: u32_at(bytes, 28)?,
        name: text(bytes.get(40..56)?),
        arguments: text(bytes.get(56..136)?).trim_end().to_owned(),
    })
}

/// The start of `siginfo_t`.
fn signal(bytes: &[u8]) -> Option<Signal> {
    Some(Signal {
        number: u32_at(bytes, 0)?,
        code: u32_at(bytes, 8)?.cast_signed(),
    })
}

fn auxv(bytes: &[u8]) -> Vec<(u64, u64)> {
    bytes
        .chunks_exact(16)
        .take(MOST_AUXV)
        .filter_map(|pair| Some((u64_at(pair, 0)?, u64_at(pair, 8)?)))
        .take_while(|pair| pair.0 != 0)
        .collect()
}

/// Number of mappings, bytes of a unit of offset, three words each, then their paths.
fn files(bytes: &[u8]) -> Option<Vec<FileMapping>> {
    let count = usize::try_from(u64_at(bytes, 0)?).ok()?;
    let unit = u64_at(bytes, 8)?;
    let table = bytes.get(16..)?.get(..count.checked_mul(24)?)?;
    let names = bytes.get(16 + table.len()..)?;
    let mut names = names.split(|byte| *byte == 0);
    let mut found = Vec::new();
    for entry in table.chunks_exact(24) {
        let range = AddrRange::new(Addr(u64_at(entry, 0)?), Addr(u64_at(entry, 8)?));
        let path = text(names.next()?);
        if !range.is_empty() {
            found.push(FileMapping {
                range,
                offset: u64_at(entry, 16)?.checked_mul(unit)?,
                path,
            });
        }
    }
    Some(found)
}
