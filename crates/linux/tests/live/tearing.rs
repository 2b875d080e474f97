//! Whether a store ever arrives in two pieces.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use letgo_linux::journal::{JournalDir, Kind, Who};
use letgo_linux::write::Store;
use letgo_linux::{Word, Writer};
use letgo_target::{Addr, ReadMemory, read_u64};

use crate::child::Child;
use crate::shapes::ready;

static WORD: AtomicU64 = AtomicU64::new(0);
static READS: AtomicU64 = AtomicU64::new(0);
static TORN: AtomicU64 = AtomicU64::new(0);
static STOP: AtomicBool = AtomicBool::new(false);

/// The shape `tear`: reads a word as fast as it can, and counts what is neither all zeros nor all
/// ones.
pub(crate) fn watch() {
    std::thread::spawn(|| {
        let (mut reads, mut torn) = (0, 0);
        loop {
            for _ in 0..1000 {
                let word = WORD.load(Ordering::Relaxed);
                torn += u64::from(word != 0 && word != u64::MAX);
            }
            reads += 1000;
            READS.store(reads, Ordering::Relaxed);
            TORN.store(torn, Ordering::Relaxed);
            if STOP.load(Ordering::Relaxed) {
                break;
            }
        }
    });
    let places = [("word", &WORD), ("reads", &READS), ("torn", &TORN)];
    let said = places.map(|(name, word)| format!("{name}={}", word.as_ptr().addr()));
    ready(&said.join(" "));
    let _ = std::io::read_to_string(std::io::stdin());
    STOP.store(true, Ordering::Relaxed);
}

/// The kernel's copy of eight bytes is one instruction. A million by the bare system call is a
/// matter of a second; the writer's own way, with its journal, gets fewer.
#[test]
fn a_word_of_eight_bytes_is_never_seen_half_written() {
    let child = Child::start("tear");
    let memory = child.memory();
    let word = child.address("word");
    let begun = read_u64(&memory, child.address("reads")).unwrap();
    let values = [0_u64.to_le_bytes(), u64::MAX.to_le_bytes()];
    for round in 1..=1_000_000_usize {
        store_bare(child.pid(), word, &values[round % 2]);
    }
    let dir = tempfile::tempdir().unwrap();
    let dir = JournalDir::at(dir.path()).unwrap();
    let mut writer = Writer::open(&child.open(), dir, Who::this("test")).unwrap();
    for round in 0..2000 {
        let (old, new) = if round % 2 == 0 {
            (0, u64::MAX)
        } else {
            (u64::MAX, 0)
        };
        let store = Store {
            name: "word",
            addr: word,
            old: Word::U64(old),
            new: Word::U64(new),
            kind: Kind::SelfHealing,
            reason: "a test",
        };
        writer.store(store).unwrap();
    }
    let reads = read_u64(&memory, child.address("reads")).unwrap() - begun;
    assert!(reads > 1_000_000, "{reads} reads are no test");
    let mut torn = [0; 8];
    memory.read(child.address("torn"), &mut torn).unwrap();
    assert_eq!(u64::from_le_bytes(torn), 0, "of {reads} reads");
}

fn store_bare(pid: u32, addr: Addr, bytes: &[u8; 8]) {
    use std::io::IoSlice;

    use nix::sys::uio::{RemoteIoVec, process_vm_writev};

    let remote = RemoteIoVec {
        base: usize::try_from(addr.0).unwrap(),
        len: 8,
    };
    let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
    let len = process_vm_writev(pid, &[IoSlice::new(bytes)], &[remote]).unwrap();
    assert_eq!(len, 8);
}
