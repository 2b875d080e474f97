//! [`Opened`]: a running Go program, recognised; [`Reading`]: what one look at it brought.
//!
//! Joins what the crates below read of one process, and turns their errors into complaints. Does
//! not judge (see `letgo_diagnose`) and does not write (see [`crate::output`]).

pub(crate) mod complaints;
mod facts;
mod modules;
mod reading;
mod report;
mod surroundings;

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use letgo_account::{ImageSegment, Sanitizer};
use letgo_gobin::{BuildInfo, GoBinary, Image};
use letgo_goruntime::{Light, Runtime, Shape};
use letgo_linux::process::ExePath;
use letgo_linux::{LiveMemory, Process, residency};
use letgo_target::{AddrRange, ReadMemory};

pub use facts::facts;
pub use reading::{Options, Reading};
pub use report::why_report;
pub(crate) use report::{container, memory_limit, target};
pub use surroundings::Surroundings;

use crate::complaint::Complaint;
use modules::Loaded;

/// A running Go program whose binary was read and whose place in memory is known.
#[derive(Debug)]
pub struct Opened {
    /// The process.
    pub process: Process,
    /// Where its executable is, if the kernel tells.
    pub exe: Option<ExePath>,
    /// What its executable says.
    pub binary: Arc<GoBinary>,
    /// What is added to link-time addresses.
    pub bias: u64,
    /// Path of the Go library that was opened, where the executable itself is no Go program.
    pub library: Option<String>,
    /// Further Go runtimes in the same process, which are not looked into: path and release.
    pub others: Vec<String>,
    /// How the binary lays out its runtime, once that is known.
    shape: Option<Arc<Shape>>,
}

impl Opened {
    /// Opens a process and recognises the Go program that it runs, or the Go library that it
    /// loaded.
    ///
    /// # Errors
    /// A [`Complaint`]: no such process, not a Go program, not supported, not allowed.
    pub fn open(pid: u32) -> Result<Opened, Complaint> {
        let told = |error| complaints::of_process(&error);
        let process = Process::open(pid).map_err(told)?;
        let file = process
            .exe_file()
            .map_err(|error| complaints::of_executable(&error, process.exe_path().ok()))?;
        let exe_inode = file.metadata().map(|meta| meta.ino()).unwrap_or_default();
        let mut loaded = modules::loaded(&process).map_err(told)?;
        let mut opened = match binary_of_file(file) {
            Err(letgo_gobin::Error::NotGo { .. }) if !loaded.is_empty() => {
                Opened::with_library(process, loaded.remove(0))?
            }
            Err(error) => return Err(complaints::of_binary(&error, pid)),
            Ok(binary) => {
                loaded.retain(|other| other.inode != exe_inode);
                Opened::with_binary(process, Arc::new(binary))?
            }
        };
        let others = loaded.into_iter();
        opened.others = others
            .map(|other| format!("{} ({})", other.path, other.version))
            .collect();
        Ok(opened)
    }

    /// Joins a process with a Go library that it loaded.
    fn with_library(process: Process, library: Loaded) -> Result<Opened, Complaint> {
        let binary = crate::facts::open(library.image)
            .map_err(|error| complaints::of_binary(&error, process.pid()))?;
        Ok(Opened {
            exe: process.exe_path().ok(),
            process,
            binary: Arc::new(binary),
            bias: library.bias,
            library: Some(library.path),
            others: Vec::new(),
            shape: None,
        })
    }

    /// Joins a process with the binary that it is known to run.
    ///
    /// # Errors
    /// A [`Complaint`] where the process is gone or may not be read.
    pub fn with_binary(process: Process, binary: Arc<GoBinary>) -> Result<Opened, Complaint> {
        let bias = load_bias(&process, &binary.image)?;
        let exe = process.exe_path().ok();
        Ok(Opened {
            process,
            exe,
            binary,
            bias,
            library: None,
            others: Vec::new(),
            shape: None,
        })
    }

    /// With what is known of the binary from another process that runs it.
    #[must_use]
    pub fn shaped(mut self, shape: Arc<Shape>) -> Opened {
        self.shape = Some(shape);
        self
    }

    /// Recognises the runtime in `memory`; facts that were kept from an earlier run and turn out
    /// to be wrong are forgotten and found anew.
    ///
    /// # Errors
    /// A [`Complaint`] that says what was not recognised.
    pub fn attach(&mut self, memory: &dyn ReadMemory) -> Result<Runtime, Complaint> {
        let shape = match self.shape.take() {
            Some(shape) => shape,
            // Facts have no part in it: what is missing here is missing for good.
            None => Arc::new(Shape::of(&self.binary).map_err(|e| complaints::of_runtime(&e))?),
        };
        let shape = self.shape.insert(shape);
        let first = match Runtime::attach_as(shape, &self.binary, self.bias, memory) {
            Ok(runtime) => return Ok(runtime),
            Err(error) => error,
        };
        crate::facts::forget(&self.binary.image);
        let image = self.binary.image.clone();
        let fresh = GoBinary::open(image, None)
            .map_err(|error| complaints::of_binary(&error, self.process.pid()))?;
        (self.binary, self.shape) = (Arc::new(fresh), None);
        Runtime::attach(&self.binary, self.bias, memory).map_err(|_| complaints::of_runtime(&first))
    }

    /// The process's memory, all of it.
    ///
    /// # Errors
    /// A [`Complaint`] where the process is gone or may not be read.
    pub fn memory(&self) -> Result<LiveMemory, Complaint> {
        LiveMemory::new(&self.process).map_err(|error| complaints::of_process(&error))
    }

    /// A light reading: the counters alone.
    ///
    /// No page is faulted in: what the runtime counts in is resident unless it was swapped out,
    /// and where anything is, the page table is asked first.
    ///
    /// # Errors
    /// A [`Complaint`] where they cannot be read.
    pub fn light(&mut self) -> Result<Light, Complaint> {
        let told = |error| complaints::of_process(&error);
        let mut memory = LiveMemory::new(&self.process).map_err(told)?;
        if self.process.status().map_err(told)?.vm_swap > 0 {
            let mappings = self.process.maps().map_err(told)?;
            let scan = residency(&self.process, &mappings).map_err(told)?;
            memory = memory.only_resident(Arc::new(scan.residency), &mappings);
        }
        let runtime = self.attach(&memory)?;
        runtime
            .light(&memory)
            .map_err(|error| complaints::of_runtime(&error))
    }

    /// Path of the executable; the command's name where the kernel does not tell the path.
    pub fn exe_name(&self) -> String {
        let path = self.exe.as_ref().map(|exe| exe.path.display().to_string());
        path.or_else(|| Some(self.process.stat().ok()?.name))
            .unwrap_or_default()
    }

    /// The program's loadable segments where the process has them.
    pub fn segments(&self) -> Vec<ImageSegment> {
        let placed = |range: AddrRange| {
            AddrRange::new(
                range.start().biased(self.bias),
                range.end().biased(self.bias),
            )
        };
        let segments = self.binary.image.segments().iter();
        segments
            .map(|segment| ImageSegment {
                range: placed(segment.range),
                file_len: segment.file_len,
                write: segment.write,
            })
            .collect()
    }

    /// The instrumentation that the program was built with.
    pub fn sanitizer(&self) -> Option<Sanitizer> {
        let build = &self.binary.build;
        match (build.race(), build.msan(), build.asan()) {
            (true, _, _) => Some(Sanitizer::Race),
            (_, true, _) => Some(Sanitizer::Memory),
            (_, _, true) => Some(Sanitizer::Address),
            _ => None,
        }
    }
}

/// Whether a process runs a Go program or has loaded a Go library, as far as we may know.
pub(crate) fn is_go(process: &Process) -> bool {
    let image = process
        .exe_file()
        .ok()
        .and_then(|file| Image::from_file(file).ok());
    image.is_some_and(|image| BuildInfo::from_image(&image).is_ok())
        || modules::loaded(process).is_ok_and(|loaded| !loaded.is_empty())
}

/// Reads an executable.
pub(crate) fn binary_of_file(file: File) -> Result<GoBinary, letgo_gobin::Error> {
    crate::facts::open(Image::from_file(file)?)
}

/// What the loader added to link-time addresses.
fn load_bias(process: &Process, image: &Image) -> Result<u64, Complaint> {
    let auxv = process
        .auxv()
        .map_err(|error| complaints::of_process(&error))?;
    let entry = auxv.entry().ok_or_else(|| {
        Complaint::no_report(
            format!(
                "the kernel does not tell where process {} was loaded",
                process.pid()
            ),
            "It may have exited just now: try again",
        )
    })?;
    Ok(image.bias_from_entry(entry))
}
