//! A process, opened with nothing but `/proc`.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use letgo_gobin::{GoBinary, Image};
use letgo_target::{Addr, Fault, ReadMemory};

/// A Go program that runs.
pub(crate) struct Opened {
    pub(crate) binary: GoBinary,
    pub(crate) bias: u64,
    pub(crate) memory: ProcMem,
}

impl Opened {
    /// The process of this id.
    pub(crate) fn pid(pid: u32) -> Opened {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let image = Image::from_file(File::open(folder.join("exe")).unwrap()).unwrap();
        let bias = image.bias_from_lowest(lowest_mapping(&folder));
        Opened {
            binary: GoBinary::open(image, None).unwrap(),
            bias,
            memory: ProcMem(File::open(folder.join("mem")).unwrap()),
        }
    }
}

/// The first mapping of the process's own file.
fn lowest_mapping(folder: &std::path::Path) -> Addr {
    let program = fs::read_link(folder.join("exe")).unwrap();
    let maps = fs::read_to_string(folder.join("maps")).unwrap();
    let path = program.to_string_lossy();
    let line = maps.lines().find(|line| line.ends_with(&*path)).unwrap();
    let start = line.split('-').next().unwrap();
    Addr(u64::from_str_radix(start, 16).unwrap())
}

/// A process's memory through `/proc/PID/mem`.
pub(crate) struct ProcMem(File);

impl ReadMemory for ProcMem {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        self.0
            .read_exact_at(buf, addr.0)
            .map_err(|_| Fault::Unmapped {
                addr,
                len: buf.len() as u64,
            })
    }
}
