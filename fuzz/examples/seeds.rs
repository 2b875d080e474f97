//! Writes `fuzz/seeds` anew: `cargo run --example seeds -- GO-BINARY`.
//!
//! The binary gives the DWARF (its own runtime's types, cut short) and some machine code; cat's own
//! files under /proc give the kernel's text.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use letgo_fuzz::Shell;
use letgo_gobin::Image;
use letgo_testkit::SyntheticCore;

/// Bytes that a seed of DWARF or code keeps.
const SHORT: usize = 12 << 10;

/// A journal of two stores, one of them undone, of a wake, and of a line that was cut off.
const JOURNAL: &[u8] = b"\
{\"letgo.journal\":1,\"boot\":\"0f\",\"pid\":7,\"start\":9,\"exe\":\"/srv/api\",\"image\":\"1-2\",\"namespaces\":\"\"}
{\"open\":{\"who\":{\"uid\":0,\"pid\":8,\"verb\":\"release\"},\"at_ms\":1}}
{\"store\":{\"number\":1,\"name\":\"x\",\"addr\":\"0x8\",\"width\":4,\"old\":\"0x64\",\"new\":\"0x32\",\"kind\":\"transient\",\"reason\":\"\",\"who\":{\"uid\":0,\"pid\":8,\"verb\":\"release\"},\"at_ms\":1}}
{\"store\":{\"number\":2,\"name\":\"y\",\"addr\":\"0x10\",\"width\":8,\"old\":\"0x1\",\"new\":\"0x2\",\"kind\":\"lasting\",\"reason\":\"\",\"who\":{\"uid\":0,\"pid\":8,\"verb\":\"tune\"},\"at_ms\":1}}
{\"wake\":{\"number\":3,\"places\":{\"lock\":\"0x18\",\"waits\":\"0x20\",\"waits_width\":1,\"note\":\"0x28\"},\"who\":{\"uid\":0,\"pid\":8,\"verb\":\"release\"},\"at_ms\":1}}
{\"woken\":{\"number\":3,\"at_ms\":2}}
{\"undone\":{\"number\":1,\"fate\":\"kept\",\"found\":\"0x50\",\"who\":{\"uid\":0,\"pid\":8,\"verb\":\"release\"},\"at_ms\":3}}
{\"store\":{\"number\":4,\"na";

fn main() {
    let binary = PathBuf::from(std::env::args().nth(1).expect("a Go binary with DWARF"));
    let shell = Shell::default();
    seed("elf", "shell", &shell.build());
    seed("pclntab", "sound", &shell.pclntab);
    seed("buildinfo", "sound", &shell.build_info);
    seed("moduledata", "sound", &shell.moduledata);
    seed(
        "pc_values",
        "sound",
        &[3, 2, 0xc0, 1, 0, 16, 16, 4, 0xb0, 1, 0],
    );
    seed(
        "layouts_text",
        "small",
        b"letgo layouts 1\nstruct 24 runtime.special\n0 8 next *runtime.special\n16 1 kind uint8\n",
    );
    seed("layouts_text", "version", b"go1.26.6-X:nogreenteagc");
    seed("cgroup", "membership", b"12:memory:/docker/0123456789abcdef\n0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-2.scope\n");
    seed("cgroup", "pressure", b"some avg10=0.12 avg60=1.00 avg300=0.00 total=123456\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=12\n");
    seed("journal", "release", JOURNAL);
    seed("runtime", "none", &[0; 16]);
    seed("corefile", "small", &core());
    seed("snapshot", "tables", &tables());
    seed(
        "cgroup",
        "mountinfo",
        b"25 30 0:22 / /sys/fs/cgroup rw,nosuid,nodev shared:9 - cgroup2 cgroup2 rw,nsdelegate\n36 25 0:31 /docker/01 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
    );
    for (target, file) in [
        ("smaps", "smaps"),
        ("smaps", "smaps_rollup"),
        ("maps", "maps"),
        ("maps", "status"),
        ("maps", "stat"),
        ("maps", "statm"),
        ("maps", "limits"),
        ("maps", "auxv"),
    ] {
        // cat's own files: they are the same everywhere.
        let cat = Command::new("/bin/cat")
            .arg(format!("/proc/self/{file}"))
            .env_clear()
            .output();
        let bytes = cat.expect("cat").stdout;
        seed(target, file, &bytes[..bytes.len().min(SHORT)]);
    }
    let image = Image::from_file(fs::File::open(binary).expect("the binary")).expect("an ELF file");
    let section = |name| {
        image
            .section_bytes(name)
            .expect("a section")
            .expect("a section")
    };
    let text = section(".text");
    seed("code", "text", &text[text.len() / 2..][..SHORT]);
    let (abbrev, info) = (section(".debug_abbrev"), section(".debug_info"));
    let unit = runtime_unit(&info);
    let mut bytes = u16::try_from(abbrev.len())
        .expect("short")
        .to_le_bytes()
        .to_vec();
    bytes.extend(&abbrev);
    bytes.extend(unit);
    seed("dwarf", "runtime", &bytes);
}

/// A core of two threads, an executable of which a page is kept, and a heap.
fn core() -> Vec<u8> {
    let shell = Shell::default().build();
    SyntheticCore::default()
        .thread(7, 6, [9; 27])
        .process(7, "api", "/srv/api -x")
        .auxv(&[(3, 0x40_0040), (9, 0x40_1000), (25, 0xc0_0000_0100)])
        .thread(8, 0, [8; 27])
        .load(0x40_0000, 5, &shell[..4096], 0x2000)
        .load(0xc0_0000_0000, 6, &[1; 4096], 8192)
        .file(0x40_0000, 0x40_2000, 0, "/srv/api")
        .build()
}

/// Facts, one block that is stored as it is, three runs of memory, and the block's bytes.
fn tables() -> Vec<u8> {
    let data = [7; 256];
    let facts = br#"{"pid":7,"threads":[{"tid":7}],"surroundings":{"env":{"GOGC":"off"}}}"#;
    let mut blocks = Vec::new();
    // Blocks of 256 KiB; one, at byte 64 of the file, with 256 bytes.
    for word in [256 << 10, 256, 64, 256 | 256 << 32] {
        blocks.extend(u64::to_le_bytes(word));
    }
    blocks.extend(letgo_snapshot::fuzzing::sum(&data).to_le_bytes());
    let mut memory = Vec::new();
    let runs = [
        [0x1000, 256, 0],
        [0x2000, 4096, u64::MAX],
        [0x4000, 4096, u64::MAX - 1],
    ];
    for word in runs.into_iter().flatten() {
        memory.extend(u64::to_le_bytes(word));
    }
    let mut bytes = Vec::new();
    for table in [facts.as_slice(), &blocks, &memory] {
        let len = u16::try_from(table.len()).expect("short");
        bytes.extend(len.to_le_bytes());
    }
    bytes.extend([facts.as_slice(), &blocks, &memory, &data].concat());
    bytes
}

/// The unit of package runtime, cut short and its length put right.
fn runtime_unit(info: &[u8]) -> Vec<u8> {
    let mut at = 0;
    loop {
        let len = u32::from_le_bytes(info[at..at + 4].try_into().expect("four bytes"));
        let unit = &info[at..][..usize::try_from(len).expect("a length") + 4];
        let is_runtime = unit[..64]
            .windows(9)
            .any(|bytes| bytes == b"\0runtime\0" || &bytes[1..] == b"runtime\0");
        if is_runtime {
            let mut unit = unit[..unit.len().min(SHORT)].to_vec();
            let len = u32::try_from(unit.len() - 4).expect("short");
            unit[..4].copy_from_slice(&len.to_le_bytes());
            return unit;
        }
        at += unit.len();
    }
}

fn seed(target: &str, name: &str, bytes: &[u8]) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target);
    fs::create_dir_all(&dir).expect("a directory");
    fs::write(dir.join(name), bytes).expect("a seed");
}
