//! What each fuzz target does with its input: any bytes, and it must return.
//!
//! Raw ELF files are mutated as they are; what lies deep inside of one (pclntab, build info, DWARF,
//! moduledata) is put into an otherwise sound file, so that mutations reach it.
//! `fuzz/seeds` holds what the fuzzer starts from, `fuzz/crashes` what once failed; `cargo test`
//! replays both without a fuzzer.
//!
//! Does not judge what is returned: a target fails by a panic, a hang or memory without bound.

mod shell;

use letgo_gobin::fuzzing;
use letgo_goruntime::{CensusOptions, Limits, Parts, Runtime, layout};
use letgo_linux::{cgroup, journal::Log, process};
use letgo_testkit::synthetic::{GO_VERSION, Synthetic};

pub use shell::Shell;

/// A target: its name and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All targets by name.
pub const TARGETS: &[Target] = &[
    ("elf", elf),
    ("pclntab", pclntab),
    ("buildinfo", buildinfo),
    ("dwarf", dwarf),
    ("moduledata", moduledata),
    ("code", code),
    ("pc_values", pc_values),
    ("layouts_text", layouts_text),
    ("smaps", smaps),
    ("maps", maps),
    ("cgroup", cgroup),
    ("journal", journal),
    ("runtime", runtime),
    ("corefile", corefile),
    ("snapshot", snapshot),
];

/// An executable file, opened as a Go program.
pub fn elf(bytes: &[u8]) {
    fuzzing::elf(bytes);
}

/// The function table.
pub fn pclntab(bytes: &[u8]) {
    let shell = Shell {
        pclntab: bytes.to_vec(),
        ..Shell::default()
    };
    fuzzing::elf(&shell.build());
}

/// Build info: version and module information.
pub fn buildinfo(bytes: &[u8]) {
    let shell = Shell {
        build_info: bytes.to_vec(),
        ..Shell::default()
    };
    fuzzing::elf(&shell.build());
}

/// DWARF: the first two bytes say how much of the rest is abbreviations.
pub fn dwarf(bytes: &[u8]) {
    let Some((len, rest)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let len = usize::from(u16::from_le_bytes(*len)).min(rest.len());
    let (abbrev, info) = rest.split_at(len);
    let shell = Shell {
        debug_abbrev: abbrev.to_vec(),
        debug_info: info.to_vec(),
        ..Shell::default()
    };
    fuzzing::elf(&shell.build());
}

/// The module's tables of tables.
pub fn moduledata(bytes: &[u8]) {
    let shell = Shell {
        moduledata: bytes.to_vec(),
        ..Shell::default()
    };
    fuzzing::elf(&shell.build());
}

/// A function's machine code, as the rules for stripped binaries read it.
pub fn code(bytes: &[u8]) {
    fuzzing::code(bytes);
}

/// A table of values by pc; the first byte is the pc.
pub fn pc_values(bytes: &[u8]) {
    if let Some((pc, table)) = bytes.split_first() {
        fuzzing::pc_values(table, u64::from(*pc));
    }
}

/// A table of layouts, and a version.
pub fn layouts_text(bytes: &[u8]) {
    fuzzing::text(&String::from_utf8_lossy(bytes));
}

/// `/proc/PID/smaps` and `smaps_rollup`.
pub fn smaps(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = process::parse_smaps(&text);
    let _ = process::parse_rollup(&text);
}

/// `/proc/PID/maps`, and the other files of a process.
pub fn maps(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = process::parse_maps(&text);
    let _ = process::Status::parse(&text);
    let _ = process::Stat::parse(&text);
    let _ = process::Statm::parse(&text);
    let _ = process::Limits::parse(&text);
    let _ = process::Auxv::parse(bytes);
    let _ = process::parse_timens_offsets(&text);
}

/// A process's cgroups and mounts, and what they say of pressure.
pub fn cgroup(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = cgroup::parse_membership(&text);
    let _ = cgroup::parse_mounts(&text);
    let _ = cgroup::parse_pressure(&text, cgroup::PressureScope::Cgroup);
    let _ = cgroup::container_of_path(&text);
}

/// A journal, whose last writer may have died at any byte.
pub fn journal(bytes: &[u8]) {
    let log = Log::parse(bytes);
    let pending = log.transient().len() + log.lasting().len();
    let lines = bytes.split(|byte| *byte == b'\n').count();
    assert!(pending + log.strange() <= lines, "a line counts once");
}

/// A core file.
pub fn corefile(bytes: &[u8]) {
    letgo_corefile::fuzzing::core(bytes);
}

/// A snapshot: as it is, and as the tables of one whose checksums are right.
pub fn snapshot(bytes: &[u8]) {
    letgo_snapshot::fuzzing::file(bytes);
    letgo_snapshot::fuzzing::tables(bytes);
}

/// A runtime in memory, some words of which are overwritten: sixteen bytes each, of which two say
/// which os page, two which word, the last eight what to write.
pub fn runtime(bytes: &[u8]) {
    let mut synthetic = Synthetic::sane();
    for patch in bytes.chunks_exact(16).take(64) {
        let half = |at: usize| usize::from(u16::from_le_bytes([patch[at], patch[at + 1]]));
        let value = patch[8..].try_into().map_or(0, u64::from_le_bytes);
        synthetic.overwrite(half(0), half(2), value);
    }
    let Ok(version) = GO_VERSION.parse() else {
        return;
    };
    let Ok(choice) = layout::choose(&version) else {
        return;
    };
    let memory = synthetic.memory();
    let parts = Parts {
        version,
        layouts: choice.layouts,
        origin: choice.origin,
        globals: synthetic
            .globals()
            .map(|(name, addr)| (name.to_owned(), addr))
            .collect(),
        bias: 0,
        moduledata: synthetic.moduledata(),
    };
    let Ok(runtime) = Runtime::from_parts(parts, &memory) else {
        return;
    };
    let _ = runtime.light(&memory);
    if let Ok(census) = runtime.census(&memory, &CensusOptions::default()) {
        let _ = runtime.slots(
            &memory,
            &census.spans,
            &Limits::default(),
            &mut |_, bits| {
                let _ = bits.counts();
            },
        );
    }
}
