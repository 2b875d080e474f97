//! [`Subject`]: what a reading verb was pointed at: a process, or a file that was made of one.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use letgo_corefile::CoreFile;
use letgo_gobin::Image;
use letgo_heap::Registers;
use letgo_linux::Process;
use letgo_report::Method;
use letgo_target::{Addr, AddrRange, Mapping, PageKind, PageRun, Residency};

use super::{Opened, Options, Program, Reading, Surroundings, View, complaints};
use crate::cli::{Place, TargetArgs};
use crate::complaint::Complaint;
use crate::progress::Progress;
use crate::select::{self, ThisHost};

/// What is read.
#[derive(Debug)]
pub enum Subject {
    /// A running process.
    Live(Box<Opened>),
    /// A core file.
    Core(Box<Core>),
}

/// A core file, and the program that dumped it.
#[derive(Debug)]
pub struct Core {
    program: Program,
    file: Arc<CoreFile>,
    at: SystemTime,
}

impl Subject {
    /// Finds and opens what is meant.
    ///
    /// # Errors
    /// A [`Complaint`]: nothing or too much is meant, it is no Go program, or may not be read.
    pub fn open(args: &TargetArgs, progress: &Progress) -> Result<Subject, Complaint> {
        if let Some(Place::File(path)) = &args.target {
            progress.step("reading the file");
            return Core::open(path, args.exe.as_deref()).map(|core| Subject::Core(Box::new(core)));
        }
        let pid = select::resolve(&args.selection(), &ThisHost)?;
        progress.step("reading the executable");
        Opened::open(pid).map(|opened| Subject::Live(Box::new(opened)))
    }

    /// The program.
    pub fn program(&self) -> &Program {
        match self {
            Subject::Live(opened) => &opened.program,
            Subject::Core(core) => &core.program,
        }
    }

    /// The process, where it runs.
    pub fn process(&self) -> Option<&Process> {
        match self {
            Subject::Live(opened) => Some(&opened.process),
            Subject::Core(_) => None,
        }
    }

    /// What surrounds it, or surrounded it.
    pub fn around(&self) -> Surroundings {
        match self {
            Subject::Live(opened) => Surroundings::of(&opened.process),
            Subject::Core(core) => Surroundings {
                threads: core.file.threads().len() as u64,
                ..Surroundings::default()
            },
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// A [`Complaint`] where no report can be made.
    pub fn read(&mut self, options: Options, progress: &Progress) -> Result<Reading, Complaint> {
        match self {
            Subject::Live(opened) => Reading::take(opened, options, progress),
            Subject::Core(core) => {
                let view = core.view();
                let mut reading = Reading::of(&mut core.program, view, options.graph, progress)?;
                reading.coverage.merge(core.file.coverage());
                Ok(reading)
            }
        }
    }
}

impl Core {
    /// Opens a core, and the executable that dumped it: the one given, or the one at the path that
    /// the core names.
    fn open(path: &Path, exe: Option<&Path>) -> Result<Core, Complaint> {
        let told = |error: &letgo_corefile::Error| complaints::of_core(error, path);
        let mut file = CoreFile::open(path).map_err(|error| told(&error))?;
        let named = file.exe_path().map(str::to_owned);
        let (Some(entry), Some(named)) = (file.entry(), named) else {
            return Err(Complaint::no_report(
                format!("{} does not say which program it is of", path.display()),
                "It may be cut: dump it once more, or save all of it",
            ));
        };
        let exe = exe.unwrap_or(Path::new(&named));
        let opened = || Ok::<_, std::io::Error>((File::open(exe)?, File::open(exe)?));
        let (source, image) = opened().map_err(|error| {
            Complaint::no_report(
                format!("the executable {} cannot be read: {error}", exe.display()),
                "Give the one that dumped the core with --exe FILE",
            )
        })?;
        file.attach(&named, Box::new(source))
            .map_err(|error| told(&error))?;
        let pid = file.pid().unwrap_or(0);
        let binary = Image::from_file(image).and_then(crate::facts::open);
        let binary = binary.map_err(|error| complaints::of_binary(&error, pid))?;
        let bias = binary.image.bias_from_entry(entry);
        let at = std::fs::metadata(path).and_then(|meta| meta.modified());
        Ok(Core {
            program: Program::new(pid, named, Arc::new(binary), bias),
            file: Arc::new(file),
            at: at.unwrap_or(SystemTime::UNIX_EPOCH),
        })
    }

    fn view(&self) -> View {
        let mappings = self.file.mappings();
        let threads = self.file.threads().iter();
        let registers = threads.map(|thread| Registers {
            pc: Addr(thread.registers.rip),
            sp: Addr(thread.registers.rsp),
            general: thread.registers.words().to_vec(),
        });
        View {
            method: Method::Core,
            at: self.at,
            monotonic_ns: None,
            memory: Box::new(Arc::clone(&self.file)),
            residency: Arc::new(held(&self.file.readable(), &mappings)),
            mappings,
            rss: None,
            registers: registers.collect(),
            pause_predicted: None,
            why: None,
            held: super::view::Held::Nothing,
        }
    }
}

/// What a core holds, as if the rest had not been resident: a core does not say what was.
fn held(ranges: &[AddrRange], mappings: &[Mapping]) -> Residency {
    let mut residency = Residency::default();
    let mut mappings = mappings.iter().peekable();
    for range in ranges {
        while mappings
            .next_if(|mapping| mapping.range.end() <= range.start())
            .is_some()
        {}
        for mapping in mappings
            .clone()
            .take_while(|mapping| mapping.range.start() < range.end())
        {
            let kind = match mapping.is_file() && !mapping.permissions.write {
                true => PageKind::File,
                false => PageKind::Anon,
            };
            let range = range.intersect(mapping.range);
            residency.push(PageRun { range, kind });
        }
    }
    residency
}
