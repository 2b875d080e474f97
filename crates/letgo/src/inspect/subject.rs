//! [`Subject`]: what a reading verb was pointed at: a process, or a file that was made of one.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use letgo_gobin::Image;
use letgo_linux::{LiveMemory, Process};
use letgo_target::{Mapping, ReadMemory};

use super::c_stacks::head;
use super::modules;
use super::reading::Second;
use super::{Core, Filed, Hold, Opened, Options, Program, Reading, Surroundings, View};
use crate::cli::{Place, TargetArgs};
use crate::complaint::Complaint;
use crate::progress::Progress;
use crate::select::{self, ThisHost};

/// What objects hold, to be shown.
#[derive(Clone, Copy)]
pub struct Contents<'a> {
    /// The memory: of a process as it has gone on since it was read.
    pub memory: &'a dyn ReadMemory,
    /// What is no pointer was left out of it, and nothing of it may be shown as a value.
    pub is_redacted: bool,
}

impl<'a> Contents<'a> {
    /// The memory, where values in it may be shown.
    pub fn shown(self) -> Option<&'a dyn ReadMemory> {
        (!self.is_redacted).then_some(self.memory)
    }
}

/// What is read.
#[derive(Debug)]
pub enum Subject {
    /// A running process.
    Live(Box<Opened>),
    /// A core file.
    Core(Box<Core>),
    /// A snapshot.
    Snapshot(Box<Filed>),
}

impl Subject {
    /// Finds and opens what is meant.
    ///
    /// # Errors
    /// A [`Complaint`]: nothing or too much is meant, it is no Go program, or may not be read.
    pub fn open(args: &TargetArgs, progress: &Progress) -> Result<Subject, Complaint> {
        let mut subject = Subject::without_names(args, progress)?;
        let debug_file = args.debug_file.as_deref();
        subject.program_mut().use_debug_file(debug_file)?;
        Ok(subject)
    }

    fn without_names(args: &TargetArgs, progress: &Progress) -> Result<Subject, Complaint> {
        let exe = args.exe.as_deref();
        if let Some(Place::File(path)) = &args.target {
            progress.step("reading the file");
            return Subject::file(path, exe);
        }
        if exe.is_some() {
            return Err(only_of_a_core("a process"));
        }
        let pid = select::resolve(&args.selection(), &ThisHost)?;
        progress.step("reading the executable");
        Opened::open(pid).map(|opened| Subject::Live(Box::new(opened)))
    }

    /// Opens a file: a snapshot by its first bytes, else a core.
    ///
    /// # Errors
    /// As [`Subject::open`].
    pub fn file(path: &Path, exe: Option<&Path>) -> Result<Subject, Complaint> {
        if Filed::is_one(path) {
            if exe.is_some() {
                return Err(only_of_a_core("a snapshot"));
            }
            return Filed::open(path).map(|filed| Subject::Snapshot(Box::new(filed)));
        }
        Core::open(path, exe).map(|core| Subject::Core(Box::new(core)))
    }

    /// The memory of a process as it has gone on since it was read; nothing of a file.
    pub fn as_it_is_now(&self) -> Option<LiveMemory> {
        match self {
            Subject::Live(opened) => opened.memory().ok(),
            Subject::Core(_) | Subject::Snapshot(_) => None,
        }
    }

    /// Its memory: of a process as it has gone on since it was read, of a file what that holds.
    pub fn contents(&self) -> Option<Box<dyn ReadMemory + Send + Sync>> {
        match self {
            Subject::Live(opened) => Some(Box::new(opened.memory().ok()?)),
            Subject::Core(core) => Some(core.view().memory),
            Subject::Snapshot(filed) => Some(filed.view().memory),
        }
    }

    /// The same where it has more than pointers: redaction leaves no counts.
    pub fn counts(&self) -> Option<Box<dyn ReadMemory + Send + Sync>> {
        if self.is_redacted() {
            return None;
        }
        self.contents()
    }

    /// What is no pointer was left out.
    pub fn is_redacted(&self) -> bool {
        match self {
            Subject::Snapshot(filed) => filed.is_redacted(),
            Subject::Live(_) | Subject::Core(_) => false,
        }
    }

    /// The program.
    pub fn program(&self) -> &Program {
        match self {
            Subject::Live(opened) => &opened.program,
            Subject::Core(core) => &core.program,
            Subject::Snapshot(filed) => &filed.program,
        }
    }

    /// The program, to be attached to.
    pub fn program_mut(&mut self) -> &mut Program {
        match self {
            Subject::Live(opened) => &mut opened.program,
            Subject::Core(core) => &mut core.program,
            Subject::Snapshot(filed) => &mut filed.program,
        }
    }

    /// The process, where it runs.
    pub fn process(&self) -> Option<&Process> {
        match self {
            Subject::Live(opened) => Some(&opened.process),
            Subject::Core(_) | Subject::Snapshot(_) => None,
        }
    }

    /// The file that `mapping` shows, one of `mappings`: of what was kept in a file, the one at its
    /// path here, if it is of the same build.
    pub(super) fn mapped_image(&self, mapping: &Mapping, mappings: &[Mapping]) -> Option<Image> {
        if let Some(process) = self.process() {
            let file = modules::open(process, mapping)?;
            // It runs on, and may have mapped another file there before this one was opened.
            let still = process.maps().ok()?.contains(mapping);
            return Image::from_file(file).ok().filter(|_| still);
        }
        let path = Path::new(&mapping.name);
        // What is no regular file may block when it is opened.
        path.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let image = Image::from_file(File::open(path).ok()?).ok()?;
        let start = head(mapping, mappings)?.range.start();
        let kept = Image::from_memory(self.contents()?, start).ok()?;
        let id = image.build_id()?;
        (kept.build_id()? == id).then_some(image)
    }

    /// What surrounds it, or surrounded it.
    pub fn around(&self) -> Surroundings {
        match self {
            Subject::Live(opened) => Surroundings::of(&opened.process),
            Subject::Core(core) => core.around(),
            Subject::Snapshot(filed) => filed.around(),
        }
    }

    /// Its memory, held as asked for where it runs.
    ///
    /// # Errors
    /// A [`Complaint`] where it cannot be held or read.
    pub fn view(&mut self, hold: Hold, progress: &Progress) -> Result<View, Complaint> {
        match self {
            Subject::Live(opened) => View::of(opened, hold, progress),
            Subject::Core(core) => Ok(core.view()),
            Subject::Snapshot(filed) => Ok(filed.view()),
        }
    }

    /// Why nothing can be made of it, where that is because the file was changed since.
    fn damage(&self) -> Option<Complaint> {
        match self {
            Subject::Snapshot(filed) => filed.verify().err(),
            Subject::Live(_) | Subject::Core(_) => None,
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// A [`Complaint`] where no report can be made.
    pub fn read(&mut self, options: Options, progress: &Progress) -> Result<Reading, Complaint> {
        self.read_with(options, false, progress)
    }

    /// Reads it, and what its objects hold where `contents` are asked for.
    ///
    /// # Errors
    /// A [`Complaint`] where no report can be made.
    pub fn read_with(
        &mut self,
        options: Options,
        contents: bool,
        progress: &Progress,
    ) -> Result<Reading, Complaint> {
        let coverage = match self {
            Subject::Live(opened) => {
                return Reading::take_with(opened, options, contents, progress);
            }
            Subject::Core(core) => core.coverage(),
            Subject::Snapshot(filed) => filed.coverage(),
        };
        let view = self.view(options.hold, progress)?;
        let read = Reading::of_with(self.program_mut(), view, options, contents, progress);
        let mut reading = read.map_err(|complaint| self.damage().unwrap_or(complaint))?;
        reading.coverage.merge(coverage);
        if let Subject::Snapshot(filed) = self {
            reading.labels = filed.labels(&reading.census);
        }
        Ok(reading)
    }
    /// Looks at it a second time, `time` after `reading` began; nothing of a file.
    pub fn second_look(
        &self,
        reading: &Reading,
        time: Duration,
        progress: &Progress,
    ) -> Option<Second> {
        match self {
            Subject::Live(opened) => Some(reading.second_look(opened, time, progress)),
            Subject::Core(_) | Subject::Snapshot(_) => None,
        }
    }
}

/// An executable was given for what has its own.
fn only_of_a_core(what: &str) -> Complaint {
    Complaint::usage(
        format!("--exe goes with a core file, and this is {what}"),
        "Leave --exe out",
    )
}
