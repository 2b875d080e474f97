//! [`Program`]: what is known of a Go program apart from where its memory is.
//!
//! A process, its frozen copy, its core and its snapshot all run the same program.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use letgo_account::{ImageSegment, Sanitizer};
use letgo_gobin::{Function, GoBinary, Image};
use letgo_goruntime::{Plugins, Runtime, Shape};
use letgo_target::{Addr, AddrRange, ReadMemory};

use super::complaints;
use super::plugins::PluginImages;
use crate::complaint::Complaint;

/// Where distributions put what they strip off: `xx/yyyy.debug` by the GNU build id.
const DEBUG_FILES: &str = "/usr/lib/debug/.build-id";

fn debug_path(id: &[u8]) -> PathBuf {
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let (first, rest) = hex.split_at(hex.len().min(2));
    Path::new(DEBUG_FILES).join(format!("{first}/{rest}.debug"))
}

/// A Go program whose binary was read and whose place in memory is known.
#[derive(Debug)]
pub struct Program {
    /// The process that runs it, or ran it.
    pub pid: u32,
    /// The file that was read instead of it, where there may be no process any more.
    pub file: Option<PathBuf>,
    /// Path of its executable; the command's name where no path is known.
    pub exe: String,
    /// The executable was deleted or replaced since.
    pub exe_deleted: bool,
    /// What its executable says.
    pub binary: Arc<GoBinary>,
    /// What is added to link-time addresses.
    pub bias: u64,
    /// Path of the Go library that was opened, where the executable itself is no Go program.
    pub library: Option<String>,
    /// Further Go runtimes in the same process, which are not looked into: path and release.
    pub others: Vec<String>,
    /// What its plugins were loaded from, where that was looked for.
    pub(super) plugin_images: Option<PluginImages>,
    /// Its plugins, as far as they were found when the runtime was recognised last.
    pub plugins: Plugins,
    /// How the binary lays out its runtime, once that is known.
    shape: Option<Arc<Shape>>,
}

impl Program {
    /// A program of which nothing but this is known.
    pub fn new(pid: u32, exe: String, binary: Arc<GoBinary>, bias: u64) -> Program {
        Program {
            pid,
            file: None,
            exe,
            exe_deleted: false,
            binary,
            bias,
            library: None,
            others: Vec::new(),
            plugin_images: None,
            plugins: Plugins::default(),
            shape: None,
        }
    }

    /// With what is known of the binary from another process that runs it.
    #[must_use]
    pub fn shaped(mut self, shape: Arc<Shape>) -> Program {
        self.shape = Some(shape);
        self
    }

    /// Begins to find what types variables have, which takes long of a large executable; whoever
    /// asks for it then waits for less.
    pub fn types_ahead(&self) {
        let binary = Arc::clone(&self.binary);
        let finder = std::thread::Builder::new().name("letgo-types".to_owned());
        // Where no thread can be had, it is found when it is asked for.
        let _ = finder.spawn(move || binary.globals_typed().is_ok());
    }

    /// Recognises the runtime in `memory`, and the plugins that it has loaded; facts that were kept
    /// from an earlier run and turn out to be wrong are forgotten and found anew.
    ///
    /// # Errors
    /// A [`Complaint`] that says what was not recognised.
    pub fn attach(&mut self, memory: &dyn ReadMemory) -> Result<Runtime, Complaint> {
        let runtime = self.recognise(memory)?;
        if let Some(images) = &self.plugin_images {
            let image_of = |code| images.at(code);
            self.plugins.update(&runtime, memory, &image_of);
        }
        Ok(runtime.with_plugins(self.plugins.clone()))
    }

    /// The function whose code holds an address of the target, with its link-time addresses.
    pub fn function_at(&self, pc: Addr) -> Option<Function> {
        let of_plugin = self.plugins.function_at(pc).ok().flatten();
        of_plugin.or_else(|| {
            let linked = pc.biased(self.bias.wrapping_neg());
            self.binary.functions.function_at(linked).ok().flatten()
        })
    }

    fn recognise(&mut self, memory: &dyn ReadMemory) -> Result<Runtime, Complaint> {
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
        let fresh =
            GoBinary::open(image, None).map_err(|error| complaints::of_binary(&error, self.pid))?;
        let fresh = fresh.with_debug_file_of(&self.binary);
        (self.binary, self.shape) = (Arc::new(fresh), None);
        Runtime::attach(&self.binary, self.bias, memory).map_err(|_| complaints::of_runtime(&first))
    }

    /// Takes names and types from a file of the same build: the one given, else, where the program
    /// is stripped, the one that the system has by the program's GNU build id.
    ///
    /// # Errors
    /// A [`Complaint`] where the file that was given cannot be read, or is of another build.
    pub fn use_debug_file(&mut self, given: Option<&Path>) -> Result<(), Complaint> {
        let image = &self.binary.image;
        let path = match given {
            Some(path) => path.to_owned(),
            None => match image.build_id().filter(|_| self.binary.stripped()) {
                Some(id) => debug_path(&id),
                None => return Ok(()),
            },
        };
        // Whoever opened the program has just made it, and nobody else has it yet.
        let binary = Arc::get_mut(&mut self.binary);
        let Some(binary) = binary else {
            return Err(complaints::of_debug_file("the program is in use", &path));
        };
        let opened = File::open(&path).map_err(|error| error.to_string());
        let used = opened.and_then(|file| {
            let image = Image::from_file(file).map_err(|error| error.to_string())?;
            binary
                .use_debug_file(image)
                .map_err(|error| error.to_string())
        });
        match used {
            Err(why) if given.is_some() => Err(complaints::of_debug_file(&why, &path)),
            // What the system has may be damaged: there are no names then.
            _ => Ok(()),
        }
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
