//! [`Opened`]: a running Go program, recognised; [`Reading`]: what one look at it brought.
//!
//! Joins what the crates below read of one process, and turns their errors into complaints. Does
//! not judge (see `letgo_diagnose`) and does not write (see [`crate::output`]).

mod backlogs;
mod beside;
mod c_stacks;
mod choice;
pub(crate) mod complaints;
mod contents;
mod core;
mod diff;
mod extent;
mod facts;
mod fields;
mod filed;
mod goroutines;
mod grown;
mod halted;
mod heap;
mod held_stacks;
mod holders;
mod in_c;
mod instances;
mod keep;
mod kept;
mod kinds;
mod marked;
mod modules;
mod nearest;
mod owners;
mod paths;
mod picture;
mod plugins;
mod program;
mod reading;
mod report;
pub(crate) mod room;
mod roots;
mod sharing;
mod slack;
mod snap;
mod sql;
mod statics;
mod stored;
mod subject;
mod surroundings;
mod types;
mod values;
mod variables;
mod view;
mod whereabouts;

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Instant;

use letgo_gobin::{BuildInfo, GoBinary, Image};
use letgo_goruntime::{Goroutine, Light, Limits, Runtime};
use letgo_linux::{LiveMemory, Process, residency};

pub use self::core::Core;
pub(crate) use beside::beside;
pub use diff::{Prints, Side, diff_report};
pub use facts::facts;
pub use filed::Filed;
pub use goroutines::{Groups, goroutine_groups, goroutines_report};
pub use grown::grown;
pub use heap::heap_report;
pub use held_stacks::{HeldStack, held_stacks};
pub use holders::Depth;
pub use instances::type_report;
pub use marked::Marked;
pub use paths::{Wanted, path_report};
pub use picture::{Drawn, draw, html_report};
pub use program::Program;
pub use reading::{Hold, Options, Reading};
pub use report::why_report;
pub(crate) use report::{container, memory_limit, taken, target};
pub use snap::{Keep, Snapped, check as check_snapshot, write as write_snapshot};
pub use sql::{Tables, described};
pub use subject::{Contents, Subject};
pub use surroundings::Surroundings;
pub use variables::{Held, held};
pub use view::View;

use crate::complaint::Complaint;
use modules::{Loaded, Modules};
use plugins::PluginImages;

/// A running Go program, recognised.
#[derive(Debug)]
pub struct Opened {
    /// The process.
    pub process: Process,
    /// The program that it runs.
    pub program: Program,
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
        let Modules {
            libraries: mut loaded,
            plugins,
        } = modules::loaded(&process).map_err(told)?;
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
        opened.program.plugin_images = Some(PluginImages::of_files(plugins));
        let others = loaded.into_iter();
        opened.program.others = others
            .map(|other| format!("{} ({})", other.path, other.version))
            .collect();
        Ok(opened)
    }

    /// Joins a process with a Go library that it loaded.
    fn with_library(process: Process, library: Loaded) -> Result<Opened, Complaint> {
        let binary = crate::facts::open(library.image)
            .map_err(|error| complaints::of_binary(&error, process.pid()))?;
        let mut opened = Opened::at(process, Arc::new(binary), library.bias);
        opened.program.library = Some(library.path);
        Ok(opened)
    }

    /// Joins a process with the binary that it is known to run.
    ///
    /// # Errors
    /// A [`Complaint`] where the process is gone or may not be read.
    pub fn with_binary(process: Process, binary: Arc<GoBinary>) -> Result<Opened, Complaint> {
        let bias = load_bias(&process, &binary.image)?;
        Ok(Opened::at(process, binary, bias))
    }

    fn at(process: Process, binary: Arc<GoBinary>, bias: u64) -> Opened {
        let exe = process.exe_path().ok();
        let path = exe.as_ref().map(|exe| exe.path.display().to_string());
        let name = path.or_else(|| Some(process.stat().ok()?.name));
        let mut program = Program::new(process.pid(), name.unwrap_or_default(), binary, bias);
        program.exe_deleted = exe.is_some_and(|exe| exe.deleted);
        Opened { process, program }
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
        let memory = self.resident_memory()?;
        let runtime = self.program.attach(&memory)?;
        let light = runtime.light(&memory);
        light.map_err(|error| complaints::of_runtime(&error))
    }

    /// A light reading of the runtime that was recognised before, and what goroutines do, without
    /// their stacks; these as far as all of them can be read.
    ///
    /// No page is faulted in, as with [`Opened::light`]. The instant is that of the counters.
    ///
    /// # Errors
    /// A [`Complaint`] where the counters cannot be read.
    pub fn second_look(
        &self,
        runtime: &Runtime,
    ) -> Result<(Light, Instant, Option<Vec<Goroutine>>), Complaint> {
        let memory = self.resident_memory()?;
        let light = runtime.light(&memory);
        let light = light.map_err(|error| complaints::of_runtime(&error))?;
        let at = Instant::now();
        let goroutines = runtime.goroutines(&memory, &Limits::default());
        // Another program now, it has another runtime.
        let told = |error| complaints::of_process(&error);
        self.process.verify().map_err(told)?;
        Ok((light, at, goroutines.ok().flatten()))
    }

    /// The process's memory, without what was swapped out.
    fn resident_memory(&self) -> Result<LiveMemory, Complaint> {
        let told = |error| complaints::of_process(&error);
        let memory = LiveMemory::new(&self.process).map_err(told)?;
        if self.process.status().map_err(told)?.vm_swap == 0 {
            return Ok(memory);
        }
        let mappings = self.process.maps().map_err(told)?;
        let scan = residency(&self.process, &mappings).map_err(told)?;
        Ok(memory.only_resident(Arc::new(scan.residency), &mappings))
    }
}

/// Whether a process runs a Go program or has loaded a Go library, as far as we may know.
pub(crate) fn is_go(process: &Process) -> bool {
    let image = process
        .exe_file()
        .ok()
        .and_then(|file| Image::from_file(file).ok());
    image.is_some_and(|image| BuildInfo::from_image(&image).is_ok())
        || modules::loaded(process).is_ok_and(|loaded| !loaded.libraries.is_empty())
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
