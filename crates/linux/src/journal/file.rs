//! [`Journal`]: the journal of one process, open, locked and appended to.
//!
//! The lock is an open-file-description lock on the file: it goes with our last handle, whatever we
//! die of, it is not kept by a program that we start (the handle is closed by `execve`), and a
//! reader can ask for it without taking it. A second lock, on the process's own directory in
//! `/proc`, keeps two users with different journal directories from writing to one process.
//!
//! Does not know what lines mean beyond what [`super::log`] says.
//!
//! Source: fcntl(2), "Open file description locks"; flock(2).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, OFlag, fcntl};
use nix::libc;

use super::JournalDir;
use super::actions::Actions;
use super::log::{LINE_LIMIT, Log};
use super::record::{Entry, FORMAT, Head, Line, Who, now_ms};
use crate::steps::step;
use crate::write::Word;
use crate::{Process, Refusal, system};

/// Most bytes of a journal that are read. One is rewritten long before.
const READ_LIMIT: u64 = 64 << 20;
/// Bytes above which a journal is rewritten with what is still to be remembered.
const REWRITE_ABOVE: u64 = 256 << 10;
/// How often a lock is tried while we wait for one.
const LOCK_POLL: Duration = Duration::from_millis(2);
/// How often a file may be replaced under us before we give up.
const REPLACED_LIMIT: usize = 100;

/// What a reader finds.
pub(super) struct Reading {
    pub(super) log: Log,
    /// A letgo is at work.
    pub(super) held: bool,
}

/// Reads the journal of `process` without taking its lock; nothing where there is none, or where it
/// is about another program under the same pid.
pub(super) fn read(dir: &JournalDir, process: &Process) -> Result<Option<Reading>, Refusal> {
    let name = name_of(process);
    let failed = |source| Refusal::Journal {
        path: dir.path().join(&name),
        source,
    };
    for _ in 0..REPLACED_LIMIT {
        let mut file = match dir.open(&name, OFlag::O_RDONLY) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let held = is_locked(&file).map_err(failed)?;
        let log = Log::parse(&bytes(&mut file).map_err(failed)?);
        // A writer that replaces the file has let the lock of the old one go.
        if dir.leads_to(&name, &file) {
            let head = log.head.as_ref();
            let ours = head.is_some_and(|head| is_about(head, process));
            return Ok(ours.then_some(Reading { log, held }));
        }
    }
    Err(failed(io::Error::other("it is replaced all the time")))
}

/// The journal of one process, which we alone may append to.
#[derive(Debug)]
pub(crate) struct Journal {
    dir: JournalDir,
    name: String,
    file: File,
    bytes: u64,
    head: Head,
    pub(crate) log: Log,
    pub(crate) who: Who,
    actions: Actions,
    /// An append failed half-way and could not be taken back.
    broken: bool,
    _target: Option<Flock<OwnedFd>>,
}

impl Journal {
    /// Takes the lock of `process`, waiting at most `wait` for another letgo to end, and reads what
    /// is there. Removes journals of processes that are gone.
    pub(crate) fn open(
        process: &Process,
        dir: JournalDir,
        who: Who,
        wait: Duration,
    ) -> Result<Journal, Refusal> {
        let until = Instant::now() + wait;
        let name = name_of(process);
        let file = lock(&dir, &name, process, until)?;
        let target = lock_target(process, until)?;
        clean(&dir, &name);
        let mut journal = Journal {
            actions: Actions::new(&dir, process),
            head: head_of(process),
            log: Log::default(),
            bytes: 0,
            broken: false,
            _target: target,
            dir,
            name,
            file,
            who,
        };
        journal.begin(process)?;
        Ok(journal)
    }

    fn begin(&mut self, process: &Process) -> Result<(), Refusal> {
        let text = bytes(&mut self.file).map_err(|error| self.failed(error))?;
        self.bytes = text.len() as u64;
        self.log = Log::parse(&text);
        if let Some(version) = self.log.newer() {
            let path = self.path();
            return Err(Refusal::NewerJournal { path, version });
        }
        let about = self.log.head.as_ref().map(|head| is_about(head, process));
        if about.is_none() && !self.log.is_settled() {
            let error = io::Error::other("its first line is damaged, and entries follow");
            return Err(self.failed(error));
        }
        let fresh = about != Some(true);
        if fresh || self.bytes > REWRITE_ABOVE {
            if fresh {
                self.log = Log::default();
            }
            self.rewrite().map_err(|error| self.failed(error))?;
        } else if !text.ends_with(b"\n") {
            // A torn line stays by itself.
            self.write(b"\n").map_err(|error| self.failed(error))?;
        }
        let opened = Line::Open {
            who: self.who.clone(),
            at_ms: now_ms(),
        };
        self.append(opened).map_err(|error| self.failed(error))
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join(&self.name)
    }

    /// The refusal that an error of the system is.
    pub(crate) fn failed(&self, source: io::Error) -> Refusal {
        Refusal::Journal {
            path: self.path(),
            source,
        }
    }

    /// Appends a line. It is on the disk when this answers.
    pub(crate) fn append(&mut self, line: Line) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("an earlier line was left half-written"));
        }
        let mut text = serde_json::to_vec(&line)?;
        if text.len() > LINE_LIMIT {
            return Err(io::Error::other("a line of it would be too long"));
        }
        text.push(b'\n');
        step("journal.append.before");
        self.write(&text)?;
        step("journal.append.after");
        self.log.apply(line);
        if self.bytes > REWRITE_ABOVE && self.bytes > 4 * self.kept_bytes() {
            self.rewrite()?;
        }
        Ok(())
    }

    /// Notes for people what was `did` to `entry`, and a value of the program's own that was found.
    /// Best effort: it is no part of what makes writing safe.
    pub(crate) fn note(&self, did: &str, entry: &Entry, found: Option<Word>) {
        self.actions.note(&self.who, did, entry, found);
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        let written = self
            .file
            .write_all(text)
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Whatever arrived of it is taken back, so that the next line begins at a new line.
            self.broken = self.file.set_len(self.bytes).is_err();
            return Err(error);
        }
        self.bytes += text.len() as u64;
        Ok(())
    }

    /// About how many bytes the entries take that are to be remembered.
    fn kept_bytes(&self) -> u64 {
        const ABOUT: u64 = 400;
        let entries = self.log.transient().len() + self.log.lasting().len();
        ABOUT * entries as u64
    }

    /// Replaces the file by one with what is still to be remembered, under the same lock.
    fn rewrite(&mut self) -> io::Result<()> {
        let mut text = serde_json::to_vec(&self.head)?;
        text.push(b'\n');
        for line in self.log.remembered() {
            text.extend(serde_json::to_vec(&line)?);
            text.push(b'\n');
        }
        let temporary = format!("{}.new", self.name);
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_APPEND;
        let mut file = self.dir.open(&temporary, flags)?;
        if !try_lock(&file)? {
            return Err(io::Error::other("its replacement is locked by another"));
        }
        file.write_all(&text)?;
        file.sync_all()?;
        step("journal.rewrite.before");
        self.dir.rename(&temporary, &self.name)?;
        self.dir.sync()?;
        step("journal.rewrite.after");
        self.bytes = text.len() as u64;
        self.file = file;
        Ok(())
    }
}

/// Removes the journals of processes that are gone, and of earlier boots.
fn clean(dir: &JournalDir, own: &str) {
    let boot = system::boot_id().unwrap_or_default();
    for name in dir.names() {
        let wanted = name.ends_with(".journal") || name.ends_with(".journal.new");
        if !wanted || name.starts_with(own) {
            continue;
        }
        let Ok(mut file) = dir.open(&name, OFlag::O_RDWR) else {
            continue;
        };
        let locked = try_lock(&file).is_ok_and(|locked| locked);
        let Ok(text) = bytes(&mut file) else { continue };
        // A replacement that was not finished has no head, and is of no use to anybody.
        let over = Log::parse(&text)
            .head
            .map_or(name.ends_with(".new"), |head| is_over(&head, &boot, &file));
        if locked && over && dir.leads_to(&name, &file) {
            let _ = dir.remove(&name);
        }
    }
}

/// Whether the process of a journal cannot be running: it is gone, or of an earlier boot of this
/// machine. What was written in other namespaces, or on another machine that shares the directory,
/// cannot be told from here.
fn is_over(head: &Head, boot: &str, file: &File) -> bool {
    if head.namespaces != namespaces() {
        return false;
    }
    if head.boot != boot {
        let written = file
            .metadata()
            .ok()
            .and_then(|about| u64::try_from(about.mtime()).ok());
        return written < system::boot_time();
    }
    match Process::open(head.pid) {
        Ok(process) => process.start_ticks() != head.start,
        Err(error) => !error.is_denied(),
    }
}

/// Opens and locks the file `name`, however often it is replaced meanwhile.
fn lock(dir: &JournalDir, name: &str, process: &Process, until: Instant) -> Result<File, Refusal> {
    let failed = |source| Refusal::Journal {
        path: dir.path().join(name),
        source,
    };
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_APPEND;
    for _ in 0..REPLACED_LIMIT {
        let mut file = dir.open(name, flags).map_err(failed)?;
        dir.sync().map_err(failed)?;
        while !try_lock(&file).map_err(failed)? {
            if Instant::now() >= until {
                let by = Log::parse(&bytes(&mut file).map_err(failed)?).opened;
                return Err(in_use(process, by.unwrap_or_default()));
            }
            thread::sleep(LOCK_POLL);
        }
        if dir.leads_to(name, &file) {
            return Ok(file);
        }
    }
    Err(failed(io::Error::other("it is replaced all the time")))
}

/// Locks the process's own directory in `/proc`. Nothing where that kind of file has no locks.
fn lock_target(process: &Process, until: Instant) -> Result<Option<Flock<OwnedFd>>, Refusal> {
    let mut dir = process.directory()?;
    loop {
        match Flock::lock(dir, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(Some(lock)),
            Err((back, Errno::EWOULDBLOCK)) => dir = back,
            Err(_) => return Ok(None),
        }
        if Instant::now() >= until {
            return Err(in_use(process, Who::default()));
        }
        thread::sleep(LOCK_POLL);
    }
}

fn in_use(process: &Process, by: Who) -> Refusal {
    Refusal::InUse {
        pid: process.pid(),
        by: by.pid,
        verb: by.verb,
    }
}

fn whole_file(kind: libc::c_int) -> libc::flock {
    libc::flock {
        l_type: i16::try_from(kind).unwrap_or_default(),
        l_whence: i16::try_from(libc::SEEK_SET).unwrap_or_default(),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

fn try_lock(file: &File) -> io::Result<bool> {
    match fcntl(file, FcntlArg::F_OFD_SETLK(&whole_file(libc::F_WRLCK))) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

fn is_locked(file: &File) -> io::Result<bool> {
    let mut lock = whole_file(libc::F_WRLCK);
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut lock))?;
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

fn bytes(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(READ_LIMIT + 1).read_to_end(&mut bytes)?;
    // The last lines matter most: a part is no journal.
    if bytes.len() as u64 > READ_LIMIT {
        return Err(io::Error::other("it is too long to be one of ours"));
    }
    Ok(bytes)
}

fn name_of(process: &Process) -> String {
    let boot = system::boot_id().unwrap_or_default();
    let boot: String = boot.chars().take(8).collect();
    format!("{boot}-{}-{}.journal", process.pid(), process.start_ticks())
}

fn head_of(process: &Process) -> Head {
    let exe = process
        .exe_path()
        .map(|exe| exe.path.to_string_lossy().into_owned());
    Head {
        format: FORMAT,
        boot: system::boot_id().unwrap_or_default(),
        pid: process.pid(),
        start: process.start_ticks(),
        exe: exe.unwrap_or_default(),
        image: process.image_mark(),
        namespaces: namespaces(),
    }
}

/// Whether a journal is about this very program.
fn is_about(head: &Head, process: &Process) -> bool {
    (head.pid, head.start) == (process.pid(), process.start_ticks())
        && head.image == process.image_mark()
        && Some(&head.boot) == system::boot_id().as_ref()
}

/// The namespaces in which pids and start times of ours hold.
fn namespaces() -> String {
    let link = |name: &str| {
        let link = std::fs::read_link(format!("/proc/self/ns/{name}"));
        link.map(|link| link.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    format!("{} {}", link("pid"), link("time"))
}
