//! Programs built by real toolchains: what is found without symbols equals what symbols say.
//!
//! `LETGO_TEST_GO` lists the toolchains, separated by commas: releases (`1.21.13`), which the `go`
//! command in `PATH` is asked for, or paths of `go` commands. Without it, that `go` command itself.
//! A machine without Go or binutils skips, loudly.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use letgo_gobin::{GoBinary, Image, Layouts, Rule, WANTED, fuzzing};
use letgo_target::{Addr, Fault, ReadMemory};

const PROGRAM: &str = r#"package main

import (
	"fmt"
	"os"
	"sync"
)

var pool = sync.Pool{New: func() any { return new([64]byte) }}

func main() {
	pool.Put(pool.Get())
	fmt.Println(len(os.Args))
	os.Stdin.Read(make([]byte, 1))
}
"#;
/// The line of `func main`.
const MAIN_LINE: u32 = 11;

fn toolchains() -> Vec<String> {
    let listed = std::env::var("LETGO_TEST_GO").unwrap_or_default();
    let listed: Vec<String> = listed
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_string)
        .collect();
    match listed.is_empty() {
        true => vec!["go".to_string()],
        false => listed,
    }
}

/// One toolchain, and where its programs go.
struct Lab {
    dir: PathBuf,
    toolchain: String,
}

impl Lab {
    /// Nothing where the toolchain or binutils are missing.
    fn new(toolchain: &str) -> Option<Lab> {
        let name = toolchain.replace('/', "_");
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("locate-{name}"));
        std::fs::create_dir_all(&dir).expect("a directory for the programs");
        std::fs::write(dir.join("main.go"), PROGRAM).expect("write the program");
        let module = "module example.com/tiny\n\ngo 1.19\n";
        std::fs::write(dir.join("go.mod"), module).expect("write go.mod");
        let lab = Lab {
            dir,
            toolchain: toolchain.to_string(),
        };
        let works = |command: &mut Command| {
            let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
            quiet.status().is_ok_and(|status| status.success())
        };
        if works(lab.go().arg("version")) && works(Command::new("strip").arg("--version")) {
            return Some(lab);
        }
        eprintln!("SKIPPED: no Go toolchain {toolchain}, or no strip");
        None
    }

    fn go(&self) -> Command {
        let is_release = self.toolchain.starts_with(|c: char| c.is_ascii_digit());
        let mut command = Command::new(if is_release { "go" } else { &self.toolchain });
        if is_release {
            command.env("GOTOOLCHAIN", format!("go{}", self.toolchain));
        } else {
            command.env("GOTOOLCHAIN", "local");
        }
        command.current_dir(&self.dir).env("CGO_ENABLED", "0");
        command
    }

    fn build(&self, mode: &str, flags: &str) -> PathBuf {
        let path = self.dir.join(format!("{mode}{flags}"));
        let status = self
            .go()
            .args(["build", "-buildmode", mode, "-ldflags", flags, "-o"])
            .arg(&path)
            .status();
        assert!(status.is_ok_and(|status| status.success()), "go build");
        path
    }
}

/// One program, built three ways.
struct Program {
    mode: &'static str,
    /// With symbols and DWARF: the truth.
    whole: PathBuf,
    /// The same, stripped.
    stripped: PathBuf,
    /// Linked without them.
    bare: PathBuf,
}

/// Built once for all tests.
static PROGRAMS: LazyLock<Vec<Program>> = LazyLock::new(|| {
    let toolchains = toolchains();
    let labs = toolchains.iter().filter_map(|name| Lab::new(name));
    labs.flat_map(|lab| {
        ["exe", "pie"].map(|mode| {
            let whole = lab.build(mode, "");
            Program {
                mode,
                stripped: strip(&whole),
                bare: lab.build(mode, "-s -w"),
                whole,
            }
        })
    })
    .collect()
});

fn strip(path: &Path) -> PathBuf {
    let stripped = path.with_extension("stripped");
    let status = Command::new("strip")
        .arg("-s")
        .args([path.as_os_str(), "-o".as_ref(), stripped.as_os_str()])
        .status();
    assert!(status.is_ok_and(|status| status.success()), "strip");
    stripped
}

fn open(path: &Path) -> GoBinary {
    let image = Image::from_file(File::open(path).expect("open")).expect("an ELF file");
    GoBinary::open(image, None).expect("a Go program")
}

/// Every variable that symbols name is found at the same place, and all rules agree.
fn assert_same(found: &GoBinary, truth: &GoBinary, what: &str) {
    assert_eq!(found.globals.disagreements(), [], "{what}");
    for name in WANTED {
        assert_eq!(
            found.globals.get(name),
            truth.globals.get(name),
            "{what}: {name}"
        );
    }
}

/// Calls `check` with each program and what its symbols say.
fn each(check: impl Fn(&Program, &GoBinary)) {
    for program in PROGRAMS.iter() {
        check(program, &open(&program.whole));
    }
}

#[test]
fn stripped_programs_give_what_their_symbols_say() {
    each(|program, truth| {
        assert_eq!(truth.pie(), program.mode == "pie");
        let named = |name: &&&str| {
            let found = truth.globals.found(name);
            found.is_some_and(|found| found.by.contains(&Rule::Symbol))
        };
        // gcCleanups came with 1.25.
        let expected = WANTED.len() - usize::from(truth.build.version.minor < 25);
        assert_eq!(WANTED.iter().filter(named).count(), expected);
        let what = format!("{} {}", truth.build.version, program.mode);
        let stripped = open(&program.stripped);
        assert!(stripped.stripped());
        assert_same(&stripped, truth, &what);

        let linked = open(&program.bare);
        assert!(linked.stripped());
        assert_eq!(linked.globals.disagreements(), [], "{what} -s -w");
        for name in WANTED {
            let exists = truth.globals.get(name).is_some();
            assert_eq!(
                linked.globals.get(name).is_some(),
                exists,
                "{what} -s -w: {name}"
            );
        }
    });
}

#[test]
fn dwarf_gives_what_symbols_say_and_layouts_that_survive_their_text() {
    each(|program, truth| {
        let what = format!("{} {}", truth.build.version, program.mode);
        let mut bytes = std::fs::read(&program.whole).expect("read");
        hide_symbols(&mut bytes);
        let image = Image::from_bytes(bytes).expect("an ELF file");
        assert!(!image.has_symtab() && image.has_dwarf(), "{what}");
        let binary = GoBinary::open(image, None).expect("a Go program");
        assert_same(&binary, truth, &what);
        let found = binary.globals.found("runtime.mheap_").expect("mheap_");
        assert_eq!(found.by, [Rule::Dwarf], "{what}");

        let wanted = |name: &str| name.starts_with("runtime.") || name == "sync.Pool";
        let layouts = Layouts::from_dwarf(&binary.image, &wanted).expect("layouts");
        let span = layouts.get("runtime.mspan").expect("runtime.mspan");
        let start = span.field("startAddr").expect("startAddr");
        assert_eq!((start.offset, start.size), (24, 8), "{what}");
        assert!(
            layouts
                .get("runtime.mheap")
                .is_some_and(|heap| heap.size > 60_000)
        );
        assert!(layouts.get("sync.Pool").is_some() && layouts.get("sync.Mutex").is_none());
        assert_eq!(
            Layouts::parse(&layouts.to_text()).as_ref(),
            Ok(&layouts),
            "{what}"
        );
    });
}

/// Makes the symbol table's header one of no type.
fn hide_symbols(bytes: &mut [u8]) {
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
    let table = usize::try_from(word(40)).expect("an offset");
    let count = usize::from(u16::from_le_bytes([bytes[60], bytes[61]]));
    for header in (0..count).map(|index| table + 64 * index) {
        if bytes[header + 4] == 2 {
            bytes[header + 4] = 0;
        }
    }
}

#[test]
fn functions_know_their_names_and_lines() {
    each(|program, _| {
        let binary = open(&program.stripped);
        let main = binary.functions.by_name("main.main").expect("readable");
        let main = main.expect("main.main");
        let what = format!("{} {}: {main:?}", binary.build.version, program.mode);
        if binary.build.version.minor >= 20 {
            assert_eq!(main.start_line, Some(MAIN_LINE), "{what}");
        }
        let line = binary.functions.line_at(main.entry).expect("readable");
        let line = line.expect("a line");
        assert!(line.file.ends_with("/main.go"), "{what} {line:?}");
        assert_eq!(line.line, MAIN_LINE, "{what}");
        let inside = Addr(main.end.0 - 1);
        let found = binary.functions.function_at(inside).expect("readable");
        assert_eq!(found, Some(main), "{what}");
    });
}

/// Memory of a process that we started, through `/proc/PID/mem`.
struct ProcessMemory(File);

impl ReadMemory for ProcessMemory {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let len = buf.len() as u64;
        let fault = |_| Fault::Unmapped { addr, len };
        self.0.read_exact_at(buf, addr.0).map_err(fault)
    }
}

/// Where the file's first byte is mapped.
fn load_base(child: &Child, path: &Path) -> Addr {
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", child.id())).expect("maps");
    let name = path.to_str().expect("a UTF-8 path");
    let line = maps
        .lines()
        .find(|line| line.ends_with(name))
        .expect("mapped");
    let (start, _) = line.split_once('-').expect("a range");
    Addr(u64::from_str_radix(start, 16).expect("an address"))
}

#[test]
fn the_memory_of_a_process_gives_what_its_file_says() {
    each(|program, truth| {
        let path = &program.stripped;
        let mut child = Command::new(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start");
        let mut first = [0];
        let mut out = child.stdout.take().expect("its output");
        out.read_exact(&mut first).expect("it runs");
        let base = load_base(&child, path);
        match File::open(format!("/proc/{}/mem", child.id())) {
            Ok(memory) => {
                let memory = Box::new(ProcessMemory(memory));
                let image = Image::from_memory(memory, base).expect("an ELF image");
                assert_eq!(
                    image.bias_from_lowest(base),
                    truth.image.bias_from_lowest(base)
                );
                let binary = GoBinary::open(image, None).expect("a Go program");
                assert_same(
                    &binary,
                    truth,
                    &format!("{} {}", truth.build.version, program.mode),
                );
                assert_eq!(binary.module, truth.module);
            }
            Err(error) => eprintln!("SKIPPED: /proc/PID/mem: {error}"),
        }
        drop(child.stdin.take());
        child.wait().expect("it ends");
    });
}

#[test]
fn damaged_programs_are_survived() {
    each(|program, _| {
        let bytes = std::fs::read(&program.whole).expect("read");
        assert!(fuzzing::elf(&bytes));
        let binary = open(&program.whole);
        let offset_of = |addr: Addr| {
            let segments = binary.image.segments().iter();
            let mut holding = segments.filter(|segment| segment.range.contains(addr));
            let segment = holding.next().expect("loaded");
            let offset = segment.file_offset + addr.since(segment.range.start());
            usize::try_from(offset).expect("an offset")
        };
        let info = binary.image.section(".debug_info").expect("DWARF");
        let info = usize::try_from(info.file_offset).expect("an offset");
        let places = [
            0,
            offset_of(binary.module.pc_header),
            offset_of(binary.module.pclntable.start()),
            offset_of(binary.module.pctab.start()),
            offset_of(binary.moduledata),
            info,
        ];
        // A linear congruential generator: the damage is the same in every run.
        let mut state = 1u64;
        let mut next = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            usize::try_from(state >> 33).expect("31 bits") % below
        };
        for round in 0..120 {
            let mut damaged = bytes.clone();
            let place = places[round % places.len()];
            for _ in 0..4 {
                let at = place + next(512);
                damaged[at] = [0, 0xff, 0x7f, 0x80][next(4)];
            }
            if round % 4 == 3 {
                damaged.truncate(next(bytes.len()));
            }
            fuzzing::elf(&damaged);
        }
    });
}
