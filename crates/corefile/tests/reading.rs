//! Cores made byte by byte: what of them is read, and what is refused.

use letgo_corefile::{CoreFile, Error, Family, Matched, ReadAt, fuzzing};
use letgo_target::{Addr, AddrRange, Fault, ReadMemory, read_u64};
use letgo_testkit::SyntheticCore;

const R: u32 = 4;
const W: u32 = 2;
const X: u32 = 1;
const EXE: &str = "/srv/my api (v2)";
const TEXT: u64 = 0x40_0000;
const DATA: u64 = 0x50_0000;
const HEAP: u64 = 0xc0_0000_0000;
const STACK: u64 = 0x7fff_0000_0000;

/// An executable of four os pages: headers with a build id, code, constants.
fn executable(id: &[u8; 4]) -> Vec<u8> {
    let mut file = vec![0; 4 * 4096];
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    file[32] = 64;
    file[54] = 56;
    file[56] = 2;
    let mut put = |at: usize, words: &[u64]| {
        for (at, word) in (at..).step_by(8).zip(words) {
            file[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
    };
    put(64, &[1 | 5 << 32, 0, TEXT, 0, 0x4000, 0x4000, 4096]);
    put(120, &[4 | 4 << 32, 256, TEXT + 256, 0, 20, 20, 4]);
    put(256, &[4 | 4 << 32, 3]);
    file[268..272].copy_from_slice(b"GNU\0");
    file[272..276].copy_from_slice(id);
    for (at, byte) in file.iter_mut().enumerate().skip(4096) {
        *byte = u8::try_from(at / 64 % 256).unwrap();
    }
    file
}

/// Two threads, an executable of which the first os page is kept, data, a heap, a stack.
fn sound() -> SyntheticCore {
    let mut registers = [0; 27];
    for (slot, value) in registers.iter_mut().zip(1000..) {
        *slot = value;
    }
    let mut other = [7; 27];
    other[15] = u64::MAX;
    let heap: Vec<u8> = (0..0x2000u64).flat_map(u64::to_le_bytes).collect();
    SyntheticCore::default()
        .thread(4242, 6, registers)
        .process(4242, "api", "/srv/my api -x ")
        .note(
            b"CORE\0",
            0x5349_4749,
            &[6, 0, 0, 0, 0, 0, 0, 0, 250, 255, 255, 255],
        )
        .auxv(&[(3, TEXT + 64), (9, TEXT + 0x1010), (25, STACK + 0x1ff0)])
        .thread(4243, 0, other)
        .load(TEXT, R | X, &executable(b"abcd")[..4096], 0x3000)
        .load(TEXT + 0x3000, R, &[], 0x1000)
        .load(DATA, R | W, &[5; 0x1000], 0x2000)
        .load(HEAP, R | W, &heap, 0x10000)
        .load(HEAP + 0x10000, 0, &[], 0x10_0000)
        .load(STACK, R | W, &[9; 0x2000], 0x2000)
        .file(TEXT, TEXT + 0x3000, 0, EXE)
        .file(TEXT + 0x3000, TEXT + 0x4000, 0x3000, EXE)
        .file(DATA, DATA + 0x1000, 0x3000, EXE)
}

fn open(bytes: Vec<u8>) -> Result<CoreFile, Error> {
    CoreFile::from_source(Box::new(bytes))
}

fn range(start: u64, len: u64) -> AddrRange {
    AddrRange::sized(Addr(start), len)
}

#[test]
fn threads_process_and_auxv_are_those_that_were_written() {
    let core = open(sound().build()).unwrap();
    let [first, second] = core.threads() else {
        panic!("{:?}", core.threads());
    };
    assert_eq!((first.tid, first.signal, second.tid), (4242, 6, 4243));
    let registers = first.registers;
    assert_eq!(
        (registers.r15, registers.r14, registers.rbp),
        (1000, 1001, 1004)
    );
    assert_eq!((registers.rax, registers.rdi), (1010, 1014));
    assert_eq!(registers.system_call, Some(1015));
    assert_eq!((registers.rip, registers.rsp), (1016, 1019));
    assert_eq!(registers.fs_base, 1021);
    assert_eq!(second.registers.system_call, None);
    let process = core.process().unwrap();
    assert_eq!(
        (process.name.as_str(), process.arguments.as_str()),
        ("api", "/srv/my api -x")
    );
    assert_eq!(core.pid(), Some(4242));
    let signal = core.signal().unwrap();
    assert_eq!((signal.number, signal.code), (6, -6));
    assert_eq!(core.entry(), Some(Addr(TEXT + 0x1010)));
    assert_eq!(core.program_headers(), Some(Addr(TEXT + 64)));
    assert_eq!(core.exe_path(), Some(EXE));
    assert!(!core.is_from_gdb());
    assert!(core.coverage().is_complete(), "{:?}", core.coverage());
}

#[test]
fn a_read_crosses_segments_and_what_was_left_out_is_no_zero() {
    let core = open(sound().build()).unwrap();
    assert_eq!(read_u64(&core, Addr(HEAP + 8 * 77)), Ok(77));
    let fault = read_u64(&core, Addr(DATA + 0x0ffc)).unwrap_err();
    assert!(matches!(fault, Fault::NotKept { .. }), "{fault}");
    let fault = read_u64(&core, Addr(HEAP + 0x10000)).unwrap_err();
    assert!(
        matches!(fault, Fault::NotKept { .. }),
        "a reservation: {fault}"
    );
    let fault = read_u64(&core, Addr(DATA - 8)).unwrap_err();
    assert!(matches!(fault, Fault::Unmapped { .. }), "{fault}");
    let two = SyntheticCore::default()
        .load(0x1000, R, &[1; 0x1000], 0x1000)
        .load(0x2000, R, &[2; 0x1000], 0x1000)
        .build();
    let word = read_u64(&open(two).unwrap(), Addr(0x1ffc)).unwrap();
    assert_eq!(word, 0x0202_0202_0101_0101);
}

#[test]
fn the_executable_answers_for_what_was_left_out_of_it_and_not_for_its_data() {
    let mut core = open(sound().build()).unwrap();
    let file = executable(b"abcd");
    assert!(core.read(Addr(TEXT + 0xffc), &mut [0; 8]).is_err());
    assert_eq!(core.build_id(EXE), Some(b"abcd".to_vec()));
    let matched = core.attach(EXE, Box::new(file.clone())).unwrap();
    assert_eq!(matched, Matched::BuildId);
    let mut all = vec![0; 0x4000];
    core.read(Addr(TEXT), &mut all).unwrap();
    assert!(all == file);
    assert!(core.read(Addr(DATA + 0x1000), &mut [0; 8]).is_err(), "bss");
    assert_eq!(
        core.readable(),
        [
            range(TEXT, 0x4000),
            range(DATA, 0x1000),
            range(HEAP, 0x10000),
            range(STACK, 0x2000)
        ]
    );
    assert_eq!(core.present()[0], range(TEXT, 0x1000));
}

#[test]
fn another_build_is_refused_by_name() {
    let mut core = open(sound().build()).unwrap();
    let error = core.attach(EXE, Box::new(executable(b"abce"))).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("61626365") && text.contains("61626364"),
        "{text}"
    );
    assert!(text.contains(EXE), "{text}");
    assert_eq!(error.family(), Family::Unsupported);
    // The same build, its segments moved by some tool.
    let mut moved = executable(b"abcd");
    moved[64 + 9] = 0x10;
    let error = core.attach(EXE, Box::new(moved)).unwrap_err();
    assert!(error.to_string().contains("laid out"), "{error}");
    let error = core.attach(EXE, Box::new(vec![0u8; 9000])).unwrap_err();
    assert!(error.to_string().contains("no ELF file"), "{error}");
    let error = core
        .attach("/other", Box::new(executable(b"abcd")))
        .unwrap_err();
    assert!(matches!(error, Error::NoSuchFile { .. }), "{error}");
    assert!(core.read(Addr(TEXT + 0x1000), &mut [0; 8]).is_err());
}

#[test]
fn what_could_not_be_compared_is_in_the_coverage() {
    let bytes = SyntheticCore::default()
        .thread(1, 0, [0; 27])
        .load(DATA, R | W, &[5; 0x1000], 0x1000)
        .file(TEXT, TEXT + 0x4000, 0, EXE)
        .build();
    let mut core = open(bytes).unwrap();
    assert!(core.is_from_gdb());
    // gdb writes no header at all for a mapping that it leaves out.
    assert!(matches!(
        core.read(Addr(TEXT), &mut [0; 8]),
        Err(Fault::NotKept { .. })
    ));
    let matched = core.attach(EXE, Box::new(executable(b"abcd"))).unwrap();
    assert_eq!(matched, Matched::Unchecked);
    let mut word = [0; 4];
    core.read(Addr(TEXT), &mut word).unwrap();
    assert_eq!(&word, b"\x7fELF");
    assert!(!core.coverage().is_complete());
    assert_eq!(core.mappings().len(), 2);
}

#[test]
fn behind_the_end_of_a_file_its_last_page_is_zero_and_the_next_is_not_there() {
    let bytes = SyntheticCore::default()
        .load(TEXT, R, &[], 0x3000)
        .file(TEXT, TEXT + 0x3000, 0, "/short")
        .build();
    let mut core = open(bytes).unwrap();
    core.attach("/short", Box::new(vec![3u8; 0x1800])).unwrap();
    let mut page = [1; 0x1000];
    core.read(Addr(TEXT + 0x1000), &mut page).unwrap();
    assert!(page[..0x800] == [3; 0x800] && page[0x800..] == [0; 0x800]);
    assert!(core.read(Addr(TEXT + 0x1fff), &mut [0; 2]).is_err());
    assert_eq!(core.readable(), [range(TEXT, 0x2000)]);
}

#[test]
fn mappings_carry_names_files_and_rights() {
    let core = open(sound().build()).unwrap();
    let mappings = core.mappings();
    let shown: Vec<_> = mappings
        .iter()
        .map(|mapping| {
            let rights = mapping.permissions;
            let flags = [rights.read, rights.write, rights.execute].map(u8::from);
            (
                mapping.range.start().0,
                flags,
                mapping.offset,
                mapping.name.as_str(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (TEXT, [1, 0, 1], 0, EXE),
            (TEXT + 0x3000, [1, 0, 0], 0x3000, EXE),
            (DATA, [1, 1, 0], 0x3000, EXE),
            (DATA + 0x1000, [1, 1, 0], 0, ""),
            (HEAP, [1, 1, 0], 0, ""),
            (HEAP + 0x10000, [0, 0, 0], 0, ""),
            (STACK, [1, 1, 0], 0, "[stack]"),
        ]
    );
    assert!(mappings[0].same_file(&mappings[2]) && !mappings[3].is_file());
}

#[test]
fn a_core_that_was_cut_says_what_is_missing() {
    let whole = sound().build();
    let heap_at = whole.len() - 0x2000 - 0x10000;
    let bytes = whole[..heap_at + 0x1234].to_vec();
    let core = open(bytes).unwrap();
    assert_eq!(read_u64(&core, Addr(HEAP + 0x1228)), Ok(0x1228 / 8));
    let fault = read_u64(&core, Addr(HEAP + 0x1230)).unwrap_err();
    assert!(matches!(fault, Fault::NotKept { .. }), "{fault}");
    assert_eq!(
        core.lost(),
        [range(HEAP + 0x1234, 0x10000 - 0x1234), range(STACK, 0x2000)]
    );
    let coverage = core.coverage();
    assert!(!coverage.is_complete());
    let why = &coverage.skipped[0].why;
    let missing = (0x10000 - 0x1234 + 0x2000).to_string();
    assert!(
        why.contains(&missing) && why.contains("0xc000001234"),
        "{why}"
    );
    assert_eq!(coverage.skipped[0].count, 2);
}

#[test]
fn a_core_cut_anywhere_is_refused_or_says_so() {
    let whole = sound().build();
    let last = whole.len() - 1;
    for len in (0..0x3000).chain([0x4000, 0x5000, last]) {
        match open(whole[..len].to_vec()) {
            Ok(core) => assert!(!core.coverage().is_complete(), "{len} bytes"),
            Err(error) => assert_ne!(error.family(), Family::Denied, "{error}"),
        }
    }
}

#[test]
fn many_segments_are_counted_in_the_first_section_header() {
    let mut core = SyntheticCore::default().extended();
    for index in 0..70_000u64 {
        core = core.load(0x1_0000_0000 + index * 0x2000, R, &[], 0x1000);
    }
    let bytes = core.load(0x1000, R, &[8; 8], 8).build();
    let core = open(bytes.clone()).unwrap();
    assert_eq!(core.mappings().len(), 70_001);
    assert_eq!(read_u64(&core, Addr(0x1000)), Ok(0x0808_0808_0808_0808));
    let mut without = bytes;
    without[40..48].fill(0);
    let error = open(without).unwrap_err();
    assert!(
        error.to_string().contains("first section header"),
        "{error}"
    );
}

#[test]
fn what_is_no_core_of_ours_says_what_to_do() {
    type Change = fn(&mut Vec<u8>);
    let cases: [(Change, &str); 10] = [
        (|bytes| bytes[16] = 2, "an executable"),
        (|bytes| bytes[16] = 1, "an ELF object file"),
        (|bytes| bytes[4] = 1, "a 32-bit ELF file"),
        (|bytes| bytes[5] = 2, "a big-endian ELF file"),
        (|bytes| bytes[18] = 183, "for arm64"),
        (|bytes| bytes[..4].copy_from_slice(b"MDMP"), "a minidump"),
        (
            |bytes| bytes[..8].copy_from_slice(b"LETGOSNP"),
            "a snapshot of letgo",
        ),
        (
            |bytes| bytes[..8].copy_from_slice(b"go1.7 he"),
            "debug.WriteHeapDump",
        ),
        (|bytes| bytes[..4].copy_from_slice(b"BZh9"), "bzip2"),
        (Vec::clear, "an empty file"),
    ];
    for (change, expected) in cases {
        let mut bytes = sound().build();
        change(&mut bytes);
        let error = open(bytes).unwrap_err();
        assert_eq!(error.family(), Family::Unsupported, "{error}");
        let text = error.to_string();
        assert!(text.contains(expected) && text.contains(": give"), "{text}");
    }
}

#[test]
fn damaged_headers_are_inconsistent() {
    let cases: [fn(&mut Vec<u8>); 6] = [
        |bytes| bytes[54] = 55,
        |bytes| bytes[56..58].fill(0),
        |bytes| bytes[39] = 0x80,
        // The first mapping: more bytes in the file than in memory; an end beyond 2^64; a second
        // one in the same place.
        |bytes| bytes[64 + 56 + 37] = 0x80,
        |bytes| bytes[64 + 56 + 16..64 + 56 + 24].fill(0xff),
        |bytes| bytes[64 + 2 * 56 + 17] = 0,
    ];
    for (index, change) in cases.iter().enumerate() {
        let mut bytes = sound().build();
        change(&mut bytes);
        let error = open(bytes).unwrap_err();
        assert_eq!(error.family(), Family::Inconsistent, "{index}: {error}");
    }
}

#[test]
fn notes_of_nonsense_are_counted_and_the_others_read() {
    let bytes = sound().note(b"CORE\0", 1, &[1; 100]).build();
    let core = open(bytes).unwrap();
    assert_eq!(core.threads().len(), 2);
    assert!(!core.coverage().is_complete());
    let none = SyntheticCore::default().load(DATA, R, &[1; 8], 8).build();
    let coverage = open(none).unwrap().coverage();
    assert_eq!(coverage.skipped[0].what, "registers");
}

#[test]
fn a_file_that_fails_to_read_is_a_fault_and_no_zeros() {
    struct Failing(Vec<u8>);
    impl ReadAt for Failing {
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
            if offset >= 0x3000 {
                return Err(std::io::Error::other("the disk is broken"));
            }
            self.0.read_at(offset, buf)
        }
        fn size(&self) -> u64 {
            self.0.size()
        }
    }
    let core = CoreFile::from_source(Box::new(Failing(sound().build()))).unwrap();
    let fault = read_u64(&core, Addr(HEAP)).unwrap_err();
    assert!(fault.to_string().contains("the disk is broken"), "{fault}");
}

#[test]
fn any_changed_byte_of_the_headers_is_survived() {
    let whole = sound().build();
    assert!(fuzzing::core(&whole));
    let seed = include_bytes!("../../../fuzz/seeds/corefile/small");
    assert!(fuzzing::core(seed), "the fuzzer starts from a sound core");
    for at in 0..0x1000 {
        for value in [0, 1, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            fuzzing::core(&bytes);
        }
    }
}
