//! Cores of real Go programs, by the kernel and by gdb, against the process itself.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use letgo_corefile::{CoreFile, Matched};
use letgo_target::{Addr, AddrRange, ReadMemory};
use letgo_testkit::{Patient, Recipe, skip, why_no_kernel_core};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A patient that leaves its core in `folder`, of at most so many of `ulimit`'s units.
fn patient(binary: &Path, folder: &Path, limit: &str) -> Patient {
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "ulimit -c \"$1\" && cd \"$2\" && exec \"$3\"",
            "sh",
            limit,
        ])
        .args([folder, binary])
        .env("GOTRACEBACK", "crash");
    Patient::run(command).unwrap()
}

/// The memory of a process, through its file.
struct Live(File);

impl Live {
    fn of(pid: u32) -> Live {
        Live(File::open(format!("/proc/{pid}/mem")).unwrap())
    }

    fn read(&self, addr: Addr, buf: &mut [u8]) -> bool {
        self.0.read_exact_at(buf, addr.0).is_ok()
    }
}

/// Objects that the patient `graph` keeps.
const KEPT: [&str; 6] = [
    "kept_list_end",
    "kept_slice_end",
    "kept_tagged_last",
    "kept_bulky_last",
    "kept_grid_end",
    "kept_pairs_end",
];

/// Their addresses, and the bytes that lie there.
fn kept_bytes(patient: &Patient) -> [(Addr, [u8; 64]); 6] {
    let live = Live::of(patient.pid());
    KEPT.map(|name| {
        let addr = Addr(patient.truth().get(name));
        let mut bytes = [0; 64];
        assert!(live.read(addr, &mut bytes), "{name}");
        (addr, bytes)
    })
}

/// Stack pointer and program counter of a stopped thread, as the kernel says.
fn place(pid: u32, tid: u32) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")).ok()?;
    let mut words = text.split_whitespace().rev().map(|word| {
        let digits = word.strip_prefix("0x").unwrap_or(word);
        u64::from_str_radix(digits, 16).ok()
    });
    let (pc, sp) = (words.next()??, words.next()??);
    Some((sp, pc))
}

/// The first place in `range` where the core does not hold what the process has.
fn first_difference(core: &CoreFile, live: &Live, range: AddrRange) -> Option<Addr> {
    let (mut ours, mut theirs) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let zeros = vec![0; 1 << 20];
    let mut at = range.start();
    while at < range.end() {
        let len = usize::try_from(range.end().since(at)).unwrap().min(1 << 20);
        core.read(at, &mut ours[..len]).unwrap();
        // A reservation cannot be read; gdb writes it as zeros.
        let readable = live.read(at, &mut theirs[..len]);
        let expected = if readable { &theirs } else { &zeros };
        if ours[..len] != expected[..len] {
            return Some(at);
        }
        at = at.add(len as u64);
    }
    None
}

#[test]
fn a_core_by_gdb_is_byte_by_byte_the_stopped_process() {
    let folder = tempfile::tempdir().unwrap();
    if Command::new("gcore").arg("-h").output().is_err() {
        skip!("gcore is not here");
    }
    let binary = Recipe::new("graph").build().unwrap();
    let mut patient = patient(&binary, folder.path(), "0");
    patient.stop().unwrap();
    let pid = patient.pid();
    let prefix = folder.path().join("core");
    let output = Command::new("gcore")
        .arg("-o")
        .arg(&prefix)
        .arg(pid.to_string())
        .output();
    let path = folder.path().join(format!("core.{pid}"));
    if !path.exists() {
        skip!("gcore wrote nothing: {output:?}");
    }
    let mut core = CoreFile::open(&path).unwrap();
    assert!(core.is_from_gdb());
    assert!(core.coverage().is_complete(), "{:?}", core.coverage());
    assert_eq!(core.pid(), Some(pid));
    let exe = core.exe_path().unwrap().to_owned();
    assert_eq!(Path::new(&exe), binary);
    let matched = core
        .attach(&exe, Box::new(File::open(&binary).unwrap()))
        .unwrap();
    assert_eq!(matched, Matched::BuildId);

    let live = Live::of(pid);
    let mut compared = 0;
    for range in core.readable() {
        assert_eq!(first_difference(&core, &live, range), None, "{range:?}");
        compared += range.len();
    }
    assert!(compared > 16 << 20);
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .count();
    assert_eq!(core.threads().len(), tasks);
    for thread in core.threads() {
        if let Some(place) = place(pid, thread.tid) {
            assert_eq!((thread.registers.rsp, thread.registers.rip), place);
        }
    }
    // Every mapping of the map is known, with its file and offset.
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mappings = core.mappings();
    for line in maps.lines().filter(|line| line.contains("graph")) {
        let found = mappings.iter().any(|mapping| {
            let range = mapping.range;
            let text = format!("{:08x}-{:08x}", range.start().0, range.end().0);
            line.starts_with(&text) && line.contains(&format!(" {:08x} ", mapping.offset))
        });
        assert!(found, "{line}");
    }
    patient.resume().unwrap();
}

/// Kills the patient with `SIGABRT` and opens the core that the kernel writes; nothing, and loud,
/// where the machine puts it elsewhere.
fn core_of_killed(mut patient: Patient, folder: &Path) -> Option<CoreFile> {
    let pid = i32::try_from(patient.pid()).unwrap();
    kill(Pid::from_raw(pid), Signal::SIGABRT).unwrap();
    // Another thread may still answer while the one that the signal came to dies.
    let died = (0..1000).any(|_| patient.command("memstats").is_err());
    assert!(died, "it has died");
    drop(patient);
    let entries = std::fs::read_dir(folder).unwrap();
    let path = entries.map(|entry| entry.unwrap().path()).next();
    path.map(|path| CoreFile::open(&path).unwrap())
}

#[test]
fn a_core_by_the_kernel_holds_what_the_process_had() {
    if let Some(why) = why_no_kernel_core() {
        skip!("{why}");
    }
    let folder = tempfile::tempdir().unwrap();
    let binary = Recipe::new("graph").build().unwrap();
    let patient = patient(&binary, folder.path(), "unlimited");
    let kept = kept_bytes(&patient);
    let pid = patient.pid();
    let mut core = core_of_killed(patient, folder.path()).unwrap();
    assert!(!core.is_from_gdb());
    assert!(core.coverage().is_complete(), "{:?}", core.coverage());
    assert_eq!(core.pid(), Some(pid));
    assert_eq!(core.signal().map(|signal| signal.number), Some(6));
    assert_eq!(core.threads()[0].signal, 6);
    assert!(kept.iter().any(|(_, bytes)| *bytes != [0; 64]));
    for (addr, expected) in kept {
        let mut bytes = [0; 64];
        core.read(addr, &mut bytes).unwrap();
        assert_eq!(bytes, expected, "at {addr}");
    }
    let exe = core.exe_path().unwrap().to_owned();
    let entry = core.entry().unwrap();
    assert!(core.read(entry, &mut [0; 16]).is_err(), "code is left out");
    let matched = core
        .attach(&exe, Box::new(File::open(&binary).unwrap()))
        .unwrap();
    assert_eq!(matched, Matched::BuildId);
    core.read(entry, &mut [0; 16]).unwrap();
    let (present, written): (u64, u64) = (
        core.present().iter().map(|range| range.len()).sum(),
        core.written().iter().map(|range| range.len()).sum(),
    );
    assert!(written <= present, "{written} of {present}");
    let other = Recipe::new("healthy").build().unwrap();
    let error = core
        .attach(&exe, Box::new(File::open(other).unwrap()))
        .unwrap_err();
    assert!(error.to_string().contains("build id"), "{error}");
}

#[test]
fn a_core_that_the_limit_cut_says_so() {
    if let Some(why) = why_no_kernel_core() {
        skip!("{why}");
    }
    let folder = tempfile::tempdir().unwrap();
    let binary = Recipe::new("graph").build().unwrap();
    let patient = patient(&binary, folder.path(), "4000");
    let core = core_of_killed(patient, folder.path()).unwrap();
    let coverage = core.coverage();
    assert!(!coverage.is_complete());
    let why = &coverage.skipped[0].why;
    assert!(why.starts_with("the core file is cut"), "{why}");
    let lost = core.lost();
    let fault = core.read(lost[0].start(), &mut [0; 8]);
    assert!(fault.is_err(), "what is lost is no zeros");
}
