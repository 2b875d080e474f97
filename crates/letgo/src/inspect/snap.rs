//! [`write`]: a snapshot of what a view shows.

use std::path::Path;
use std::time::SystemTime;

use letgo_goruntime::{Census, CensusOptions, LabelSet, Labelled, Labels, LoadedPlugin};
use letgo_report::Method;
use letgo_snapshot::{Facts, SnapshotWriter, ThreadFacts, Written};
use letgo_target::{AddrRange, Coverage, Residency};

use super::filed::{Beside, sums};
use super::in_c;
use super::keep::{self, Recording, Redaction};
use super::plugins::{self, Placed};
use super::view::{Pause, View};
use super::{Program, Subject, complaints};
use crate::complaint::Complaint;
use crate::progress::Progress;

/// Bytes between two looks at how much room there is.
const CHECK_EVERY: u64 = 64 << 20;

/// What is written.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Objects without pointers too.
    pub contents: bool,
    /// Nothing but shapes.
    pub redact: bool,
    /// A file that is there is replaced.
    pub force: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Snapped {
    /// What was written.
    pub written: Written,
    /// How the target was read.
    pub method: Method,
    /// How long it stood still.
    pub pause: Pause,
    /// Why it was read so, where that was not what was asked for.
    pub why: Option<String>,
    /// What could not be read.
    pub coverage: Coverage,
}

/// Writes a snapshot of what `view` shows of `subject` to `path`.
///
/// # Errors
/// A [`Complaint`] where the target or the file cannot be used; there is no file then.
pub fn write(
    subject: &mut Subject,
    mut view: View,
    path: &Path,
    keep: Keep,
    progress: &Progress,
) -> Result<Snapped, Complaint> {
    let told = |error: &letgo_snapshot::Error| complaints::of_snapshot(error, path);
    let around = subject.around();
    let program = subject.program_mut();
    let mut writer = create(program, path, keep)?;
    progress.step("reading spans and goroutines");
    let recording = Recording::new(&*view.memory);
    let runtime = program.attach(&recording)?;
    let options = CensusOptions {
        functions: Some(&program.binary.functions),
        ..CensusOptions::default()
    };
    let wrong = |error| complaints::of_runtime(&error);
    runtime.light(&recording).map_err(wrong)?;
    let census = runtime.census(&recording, &options).map_err(wrong)?;
    let read = recording.into_ranges();
    let threads = view.at_work(&census.threads);
    let in_c = in_c::in_c(program, &runtime, &view, &census, &threads);
    if keep.redact {
        redact(&mut writer, &mut view, program, &census, &read);
    }
    let mut coverage = census.coverage.clone();
    if let Subject::Core(core) = &*subject {
        coverage.merge(core.coverage());
    }
    progress.step("copying memory");
    let labels = match keep.redact {
        true => Labels::default(),
        false => runtime.labels(&*view.memory, &census.goroutines),
    };
    let channels = runtime.awaited_channels(&*view.memory, &census);
    let channels = channels.map_err(wrong)?;
    let ranges = keep::ranges(&census, &view.residency, channels, keep.contents);
    copy(&mut writer, &view, &ranges, told)?;
    view.settle()?;
    let pause = view.let_go();
    View::note(pause, &mut coverage);
    let copied = copy_plugins(&mut writer, subject.program(), &view.residency);
    copied.map_err(|error| told(&error))?;
    let beside = Beside {
        around,
        c_stacks: subject.c_stacks(&in_c, &view.mappings).by_goid(&census),
        monotonic_ns: view.monotonic_ns,
        labels: by_set(labels, &census),
        ..beside(subject.program())
    };
    let facts = facts(subject.program(), &view, pause, beside, &coverage);
    progress.step("writing the file");
    let written = writer.finish(&facts).map_err(|error| told(&error))?;
    if written.memory.not_kept > 0 {
        let why = format!("{} bytes of it could not be read", written.memory.not_kept);
        coverage.skip("memory", why);
    }
    Ok(Snapped {
        written,
        method: view.method,
        pause,
        why: view.why,
        coverage,
    })
}

/// Drops contents of registers now, and of memory where it will be written.
fn redact(
    writer: &mut SnapshotWriter,
    view: &mut View,
    program: &Program,
    census: &Census,
    read: &[AddrRange],
) {
    let marks = view.signal_marks(&census.threads);
    let redaction = Redaction::new(program, census, &view.mappings, read, &marks);
    for thread in &mut view.threads {
        redaction.registers(thread);
    }
    writer.redact(Box::new(move |addr, bytes| redaction.apply(addr, bytes)));
}

/// Copies memory, and gives up where the program would lack it.
fn copy(
    writer: &mut SnapshotWriter,
    view: &View,
    ranges: &[AddrRange],
    told: impl Fn(&letgo_snapshot::Error) -> Complaint,
) -> Result<(), Complaint> {
    let mut unchecked = 0;
    for range in ranges {
        writer
            .memory(*range, &*view.memory)
            .map_err(|error| told(&error))?;
        unchecked += range.len();
        if unchecked < CHECK_EVERY {
            continue;
        }
        unchecked = 0;
        if let Err(why) = view.check() {
            return Err(Complaint::no_report(
                format!("the snapshot was given up, to leave room for the program: {why}"),
                "Try --stop or --no-pause, which need no memory where the program runs",
            ));
        }
    }
    Ok(())
}

/// Keeps what plugins never change and the target has not got in memory: frames of their functions
/// are read by it, and their files may not be where the snapshot is read.
fn copy_plugins(
    writer: &mut SnapshotWriter,
    program: &Program,
    residency: &Residency,
) -> Result<(), letgo_snapshot::Error> {
    // What is read from memory is in it already.
    let with_file = |one: &&LoadedPlugin| one.plugin.image.file_bytes().is_some();
    for one in program.plugins.iter().filter(with_file) {
        for range in plugins::constants(one) {
            let mut from = range.start();
            for run in residency.within(range).filter(|run| run.kind.is_resident()) {
                writer.memory(AddrRange::new(from, run.range.start()), &Placed(one))?;
                from = run.range.end();
            }
            writer.memory(AddrRange::new(from, range.end()), &Placed(one))?;
        }
    }
    Ok(())
}

/// Checks, before anything is held, whether there can be such a file.
///
/// # Errors
/// A [`Complaint`] that says why not.
pub fn check(path: &Path, keep: Keep) -> Result<(), Complaint> {
    let checked = SnapshotWriter::check(path, options(keep));
    checked.map_err(|error| complaints::of_snapshot(&error, path))
}

fn options(keep: Keep) -> letgo_snapshot::Options {
    letgo_snapshot::Options {
        overwrite: keep.force,
        ..letgo_snapshot::Options::default()
    }
}

/// Begins the file with the executable.
fn create(program: &Program, path: &Path, keep: Keep) -> Result<SnapshotWriter, Complaint> {
    let told = |error: &letgo_snapshot::Error| complaints::of_snapshot(error, path);
    let mut writer = SnapshotWriter::create(path, options(keep)).map_err(|error| told(&error))?;
    let mut image = program.binary.image.file_bytes().ok_or_else(|| {
        Complaint::no_report(
            "the program's executable is no file any more, and a snapshot has to hold it",
            "Read the process itself",
        )
    })?;
    writer.image(&mut *image).map_err(|error| told(&error))?;
    drop(image);
    Ok(writer)
}

/// What is kept of the program itself.
fn beside(program: &Program) -> Beside {
    Beside {
        exe_deleted: program.exe_deleted,
        library: program.library.clone(),
        others: program.others.clone(),
        ..Beside::default()
    }
}

/// Which goroutines have which labels.
fn by_set(labels: Labels, census: &Census) -> Vec<(LabelSet, Vec<u64>)> {
    let sets = labels.sets.into_iter();
    let mut sets: Vec<(LabelSet, Vec<u64>)> = sets.map(|set| (set, Vec::new())).collect();
    for (one, labelled) in census.goroutines.iter().zip(&labels.of) {
        if let Labelled::Set(number) = labelled
            && let Some((_, goids)) = sets.get_mut(*number as usize)
        {
            goids.push(one.goid);
        }
    }
    sets
}

fn facts(
    program: &Program,
    view: &View,
    pause: Pause,
    beside: Beside,
    coverage: &Coverage,
) -> Facts {
    let taken = view.at.duration_since(SystemTime::UNIX_EPOCH);
    Facts {
        letgo_version: Some(env!("CARGO_PKG_VERSION").into()),
        taken_at_ms: taken
            .ok()
            .and_then(|taken| taken.as_millis().try_into().ok()),
        method: Some(view.method.as_str().into()),
        pause_ns: Some(pause.ns_max),
        pid: Some(program.pid),
        exe: Some(program.exe.clone()),
        bias: Some(program.bias),
        threads: view
            .threads
            .iter()
            .map(|registers| ThreadFacts {
                registers: *registers,
                ..ThreadFacts::default()
            })
            .collect(),
        mappings: view.mappings.clone(),
        residency: Some(Residency::clone(&view.residency)),
        smaps: view.rss.map(sums).unwrap_or_default(),
        coverage: Some(coverage.clone()),
        surroundings: serde_json::to_value(beside).unwrap_or_default(),
        ..Facts::default()
    }
}
