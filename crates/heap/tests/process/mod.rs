//! A process, opened in the plainest way: this crate knows no Linux.

#![allow(dead_code, reason = "not every user needs all of it")]

pub(crate) mod liar;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use letgo_gobin::{GoBinary, Image};
use letgo_goruntime::{Census, CensusOptions, Plugins, Runtime};
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

/// The path of the file that is mapped at `addr`, and where it is mapped first.
fn file_at(maps: &str, addr: Addr) -> Option<(&str, Addr)> {
    let parts = |line: &str| {
        let (range, _) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let hex = |text| u64::from_str_radix(text, 16).ok().map(Addr);
        Some(AddrRange::new(hex(start)?, hex(end)?))
    };
    let holds = |line: &&str| parts(line).is_some_and(|range| range.contains(addr));
    let path = maps.lines().find(holds)?.split_whitespace().nth(5)?;
    let first = maps.lines().find(|line| line.ends_with(path))?;
    Some((path, parts(first)?.start()))
}

/// The image of that file, and its load bias.
fn image_at(maps: &str, addr: Addr) -> Option<(Image, u64)> {
    let (path, start) = file_at(maps, addr)?;
    let image = Image::from_file(File::open(path).ok()?).ok()?;
    let bias = image.bias_from_lowest(start);
    Some((image, bias))
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
        let mut plugins = Plugins::default();
        plugins.update(&runtime, &memory, &|addr| image_at(&maps, addr));
        Ok(Process {
            folder,
            binary,
            memory,
            runtime: runtime.with_plugins(plugins),
        })
    }

    /// The same process, without what is known of plugins.
    pub(crate) fn without_plugins(self) -> Process {
        Process {
            runtime: self.runtime.with_plugins(Plugins::default()),
            ..self
        }
    }

    /// The same process, with plugins that are read out of its memory.
    pub(crate) fn plugins_of_memory(self) -> Result<Process> {
        let maps = fs::read_to_string(self.folder.join("maps"))?;
        let mut plugins = Plugins::default();
        plugins.update(&self.runtime, &self.memory, &|addr| {
            let memory = ProcMem(File::open(self.folder.join("mem")).ok()?);
            let (_, start) = file_at(&maps, addr)?;
            let image = Image::from_memory(Box::new(memory), start).ok()?;
            let bias = image.bias_from_lowest(start);
            Some((image, bias))
        });
        Ok(Process {
            runtime: self.runtime.with_plugins(plugins),
            ..self
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
