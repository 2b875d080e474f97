//! A process, opened in the plainest way: this crate knows no Linux.

#![allow(dead_code, reason = "not every user needs all of it")]

pub(crate) mod liar;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use letgo_gobin::{GoBinary, Image};
use letgo_goruntime::{Census, CensusOptions, Runtime};
use letgo_heap::{Graph, GraphOptions, Registers};
use letgo_target::{Addr, AddrRange, Fault, ReadMemory};

/// `/proc/PID/mem`
pub(crate) struct ProcMem(File);

impl ReadMemory for ProcMem {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let len = buf.len() as u64;
        let fault = Fault::Unmapped { addr, len };
        self.0.read_exact_at(buf, addr.0).map_err(|_| fault)
    }
}

/// A process whose runtime was recognised.
pub(crate) struct Process {
    folder: PathBuf,
    pub(crate) binary: GoBinary,
    pub(crate) memory: ProcMem,
    pub(crate) runtime: Runtime,
}

impl Process {
    pub(crate) fn open(pid: u32) -> Result<Process> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let image = Image::from_file(File::open(folder.join("exe"))?)?;
        let path = fs::read_link(folder.join("exe"))?;
        let maps = fs::read_to_string(folder.join("maps"))?;
        let lowest = maps
            .lines()
            .find(|line| line.ends_with(&*path.to_string_lossy()))
            .and_then(|line| u64::from_str_radix(line.split('-').next()?, 16).ok())
            .context("the executable is not mapped")?;
        let bias = image.bias_from_lowest(Addr(lowest));
        let memory = ProcMem(File::open(folder.join("mem"))?);
        let binary = GoBinary::open(image, None)?;
        let runtime = Runtime::attach(&binary, bias, &memory)?;
        Ok(Process {
            folder,
            binary,
            memory,
            runtime,
        })
    }

    pub(crate) fn census(&self) -> Result<Census> {
        let options = CensusOptions {
            functions: Some(&self.binary.functions),
            ..CensusOptions::default()
        };
        Ok(self.runtime.census(&self.memory, &options)?)
    }

    pub(crate) fn graph(&self, census: &Census, options: &GraphOptions<'_>) -> Result<Graph> {
        let graph = Graph::read(&self.runtime, &self.binary, &self.memory, census, options)?;
        Ok(graph)
    }

    /// The program's file with stack maps, frame sizes and masks that lie; nothing where it cannot
    /// be opened any more.
    pub(crate) fn binary_that_lies(&self, seed: u64) -> Result<Option<GoBinary>> {
        let mut bytes = fs::read(self.folder.join("exe"))?;
        let module = &self.binary.module;
        let layout = &self.runtime.layout().moduledata;
        let gofunc = layout.gofunc.at(self.runtime.moduledata());
        let gofunc = Addr(letgo_target::read_u64(&self.memory, gofunc)?);
        let gofunc = gofunc.biased(self.runtime.bias().wrapping_neg());
        let ranges = [module.pctab, AddrRange::sized(gofunc, 256 << 10)];
        for range in ranges {
            let segments = self.binary.image.segments().iter();
            let mut found = segments.filter(|segment| segment.range.contains(range.start()));
            let Some(segment) = found.next() else {
                continue;
            };
            let start = segment.file_offset + range.start().since(segment.range.start());
            for at in (start..start + range.len()).step_by(4) {
                let dice = liar::dice(seed, at);
                if dice.is_multiple_of(40)
                    && let Some(word) = bytes
                        .get_mut(usize::try_from(at)?..)
                        .and_then(|rest| rest.first_chunk_mut::<4>())
                {
                    let truth = u64::from(u32::from_le_bytes(*word));
                    word.copy_from_slice(&liar::lie(dice, at, truth).to_le_bytes()[..4]);
                }
            }
        }
        Ok(Image::from_bytes(bytes)
            .and_then(|image| GoBinary::open(image, None))
            .ok())
    }

    /// Stack pointers and instructions of the threads that stand still.
    pub(crate) fn registers(&self) -> Result<Vec<Registers>> {
        let mut registers = Vec::new();
        for task in fs::read_dir(self.folder.join("task"))? {
            let text = fs::read_to_string(task?.path().join("syscall")).unwrap_or_default();
            let mut last = text.split_whitespace().rev().map(|word| {
                let digits = word.strip_prefix("0x").unwrap_or(word);
                u64::from_str_radix(digits, 16).map(Addr)
            });
            if let (Some(Ok(pc)), Some(Ok(sp))) = (last.next(), last.next()) {
                registers.push(Registers::only(pc, sp));
            }
        }
        Ok(registers)
    }

    /// `gcController.heapMarked`: what the last GC found alive.
    pub(crate) fn heap_marked(&self) -> Result<u64> {
        let global = self
            .runtime
            .global("runtime.gcController")
            .context("gcController")?;
        let field = self.runtime.layout().gc_controller.heap_marked;
        Ok(letgo_target::read_u64(&self.memory, field.at(global))?)
    }
}
